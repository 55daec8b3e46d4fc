import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import net from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { Channel } from "../src/channel.ts";
import { Codec } from "../src/codec.ts";
import { connectChannel } from "../src/connect-channel.ts";
import { JsonCodec } from "../src/json-codec.ts";
import { MsgPackCodec } from "../src/msgpack-codec.ts";
import { FrameDecoder } from "../src/frame-decoder.ts";
import { serveChannels } from "../src/serve-channels.ts";
import { SocketReader, adopt } from "../src/socket-reader.ts";
import type { Listener, Transport, TransportReceiver } from "../src/transport.ts";
import { checkTransport } from "../src/testing.ts";
import { connectTransport, listenTransport } from "../src/transports.ts";
import { RawPeer, RawServer, frame, until } from "./support.ts";

const MEBIBYTE = 1_048_576;

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "colloquy-"));
});
afterEach(() => {
  rmSync(folder, { recursive: true });
});

function addressOf(kind: string): string {
  return kind === "ipc" ? `ipc://[${folder}/socket]` : "tcp://127.0.0.1:0";
}

async function echo(channel: Channel): Promise<void> {
  for await (const request of channel) await request.reply(request.content);
}

function listen(address: string, onTransport: (transport: Transport) => void): Promise<Listener> {
  return listenTransport(address, onTransport, { handshakeTimeoutMs: 1000 });
}

/** A transport of the library whose other end is a plain socket. */
async function accepted(): Promise<{ transport: Transport; peer: RawPeer; listener: Listener }> {
  let transport: Transport | undefined;
  const listener = await listen("tcp://127.0.0.1:0", (made) => (transport = made));
  const peer = await RawPeer.connect(listener.address);
  await until(() => transport !== undefined);
  return { transport: transport!, peer, listener };
}

class Collector implements TransportReceiver {
  readonly chunks: Buffer[] = [];
  closes = 0;
  /** Called with each chunk. */
  onEach: () => void = () => {};

  get received(): Buffer {
    return Buffer.concat(this.chunks);
  }
  onChunk(chunk: Buffer): void {
    this.chunks.push(Buffer.from(chunk));
    this.onEach();
  }
  onDrain(): void {}
  onClose(): void {
    this.closes++;
  }
}

function pattern(size: number, seed = 0): Buffer {
  const data = Buffer.allocUnsafe(size);
  for (let index = 0; index < size; index++) data[index] = (index * 31 + (index >> 10) + seed) % 256;
  return data;
}

describe("sockets that share the memory they are read into", () => {
  it("don't disturb each other where frames come in parts", async () => {
    await using server = await serveChannels("tcp://127.0.0.1:0", echo);
    const peers = await Promise.all(Array.from({ length: 6 }, () => RawPeer.connect(server.address)));
    const texts = peers.map((_, index) => String(index).repeat(3000 + index));
    const frames = texts.map((text) => frame(`[0,1,"${text}"]`));
    for (let at = 0; at < 3500; at += 500) {
      for (const [index, peer] of peers.entries()) peer.socket.write(frames[index]!.subarray(at, at + 500));
      await new Promise((resolve) => setImmediate(resolve));
    }
    for (const [index, peer] of peers.entries()) {
      expect(await peer.texts(1)).toStrictEqual([`[1,1,"${texts[index]}"]`]);
      peer.socket.destroy();
    }
  });

  it("are read into one piece of memory, whichever side has opened them", async () => {
    const memory = new Set<ArrayBufferLike>();
    const receiver: TransportReceiver = {
      onChunk: (chunk) => void memory.add(chunk.buffer),
      onDrain: () => {},
      onClose: () => {},
    };
    const servers: Transport[] = [];
    const listener = await listen("tcp://127.0.0.1:0", (transport) => {
      servers.push(transport);
      transport.open(receiver);
    });
    const clients = await Promise.all(Array.from({ length: 3 }, () => connectTransport(listener.address, {})));
    await until(() => servers.length === 3);
    for (const transport of clients) transport.open(receiver);
    for (const transport of [...servers, ...clients]) transport.write(Buffer.from("bytes"));
    await sleep(50);
    expect([...memory].map(({ byteLength }) => byteLength)).toStrictEqual([65_536]);
    for (const transport of [...servers, ...clients]) transport.destroy();
    await listener.close();
  });

  it.each(["tcp", "ipc"])("carry large messages both ways over %s, small ones beside them", async (kind) => {
    let back: Channel | undefined;
    await using server = await serveChannels(
      addressOf(kind),
      (channel) => {
        back ??= channel;
        return echo(channel);
      },
      { codec: MsgPackCodec },
    );
    const [large, small] = [
      await connectChannel(server.address, { codec: MsgPackCodec }),
      await connectChannel(server.address, { codec: MsgPackCodec }),
    ];
    void echo(large);
    const state = { done: false };
    const smallOnes = (async () => {
      let count = 0;
      for (; !state.done; count++) {
        const content = { count, text: "x".repeat(count % 3000) };
        expect(await small.send(content)).toStrictEqual(content);
      }
      return count;
    })();
    const sizes = [MEBIBYTE, 2 * MEBIBYTE + 1, 5 * MEBIBYTE - 3, 8 * MEBIBYTE];
    const same = await Promise.all(
      sizes.flatMap((size, index) =>
        [large, back!].map(async (channel) => {
          const data = pattern(size, index);
          const answer = (await channel.send(data)) as Uint8Array;
          return data.equals(answer);
        }),
      ),
    );
    state.done = true;
    expect(same).toStrictEqual(Array.from({ length: 8 }, () => true));
    expect(await smallOnes).toBeGreaterThan(3);
    await Promise.all([large.close(), small.close()]);
  });

  it("are read straight into the place of a large message", async () => {
    const { transport, peer, listener } = await accepted();
    const room = Buffer.alloc(100_000);
    let filled = 0;
    let chunks = 0;
    transport.open({
      onChunk: () => chunks++,
      // Room from the second read on, until it is full.
      room: () => (chunks > 0 && filled < room.length ? room.subarray(filled) : undefined),
      onFilled: (count) => (filled += count),
      onDrain: () => {},
      onClose: () => {},
    });
    const data = pattern(room.length);
    peer.socket.write("first");
    await until(() => chunks === 1);
    peer.socket.write(data);
    await until(() => filled === room.length);
    expect(room.equals(data)).toBe(true);
    peer.socket.write("last");
    await until(() => chunks === 2);
    expect(filled).toBe(room.length);
    transport.destroy();
    peer.socket.destroy();
    await listener.close();
  });

  it("keep the bytes of a codec that decodes in a promise, while others are read", async () => {
    class Later extends Codec {
      override encode(value: unknown): Uint8Array {
        return Buffer.from(JSON.stringify(this.serialize(value)));
      }
      override async decode(bytes: Uint8Array): Promise<unknown> {
        await sleep(20);
        return this.deserialize(JSON.parse(Buffer.from(bytes).toString()));
      }
    }
    await using slow = await serveChannels("tcp://127.0.0.1:0", echo, { codec: Later });
    await using quick = await serveChannels("tcp://127.0.0.1:0", echo);
    const peer = await RawPeer.connect(slow.address);
    const other = await connectChannel(quick.address);
    const texts = Array.from({ length: 5 }, (_, index) => String(index).repeat(2000));
    for (const [index, text] of texts.entries()) peer.send(`[0,${index},"${text}"]`);
    for (let count = 0; count < 50; count++) {
      expect(await other.send("#".repeat(5000))).toBe("#".repeat(5000));
      await sleep(3);
    }
    expect(await peer.texts(5)).toStrictEqual(texts.map((text, index) => `[1,${index},"${text}"]`));
    peer.socket.destroy();
    await other.close();
  });
});

describe("bytes that come before a socket is opened", () => {
  it.each([
    ["few", 5],
    ["more than one read", 300_000],
  ])("are delivered then, where a server speaks first: %s", async (_what, size) => {
    const data = pattern(size);
    await using server = await RawServer.listen((peer) => peer.socket.write(data));
    const transport = await connectTransport(server.address, {});
    await using noise = await RawServer.listen((peer) => peer.socket.write(Buffer.alloc(65_536, 0xee)));
    // What they share is written over meanwhile.
    const other = await connectTransport(noise.address, {});
    const others = new Collector();
    other.open(others);
    await until(() => others.received.length === 65_536);
    await sleep(20);
    const collector = new Collector();
    transport.open(collector);
    await until(() => collector.received.length >= size);
    expect(collector.received.equals(data)).toBe(true);
    transport.destroy();
    other.destroy();
  });

  it("are delivered then, where a client speaks and a server opens late", async () => {
    const { transport, peer, listener } = await accepted();
    const data = pattern(200_000);
    peer.socket.write(data);
    await sleep(30);
    const collector = new Collector();
    transport.open(collector);
    await until(() => collector.received.length === data.length);
    expect(collector.received.equals(data)).toBe(true);
    transport.destroy();
    peer.socket.destroy();
    await listener.close();
  });

  it.each([0, 100, 200_000])("%i of them, and the end behind, are told in order", async (size) => {
    const data = pattern(size);
    await using server = await RawServer.listen((peer) => peer.socket.end(data));
    const transport = await connectTransport(server.address, {});
    await sleep(30);
    const collector = new Collector();
    transport.open(collector);
    await until(() => collector.closes > 0);
    expect(collector.received.equals(data)).toBe(true);
    expect(collector.closes).toBe(1);
  });
});

describe("a socket that is paused", () => {
  it("delivers nothing until it is resumed, and then all", async () => {
    const { transport, peer, listener } = await accepted();
    const collector = new Collector();
    transport.open(collector);
    peer.socket.write("one ");
    await until(() => collector.received.toString() === "one ");
    for (const text of ["two ", "three "]) {
      const before = collector.received.length;
      transport.pause();
      peer.socket.write(text);
      await sleep(30);
      expect(collector.received).toHaveLength(before);
      transport.resume();
      await until(() => collector.received.toString().endsWith(text));
    }
    expect(collector.received.toString()).toBe("one two three ");
    transport.destroy();
    peer.socket.destroy();
    await listener.close();
  });

  it("delivers nothing more where its receiver pauses it in the middle of a read", async () => {
    const { transport, peer, listener } = await accepted();
    const collector = new Collector();
    collector.onEach = () => transport.pause();
    transport.open(collector);
    const data = pattern(500_000);
    peer.socket.write(data);
    await until(() => collector.chunks.length === 1);
    await sleep(30);
    expect(collector.chunks).toHaveLength(1);
    collector.onEach = () => {};
    transport.resume();
    await until(() => collector.received.length === data.length);
    expect(collector.received.equals(data)).toBe(true);
    transport.destroy();
    peer.socket.destroy();
    await listener.close();
  });

  it("stays so where its receiver pauses it at bytes that came before it was opened", async () => {
    await using server = await RawServer.listen((peer) => peer.socket.write("early"));
    const transport = await connectTransport(server.address, {});
    await sleep(30);
    const collector = new Collector();
    collector.onEach = () => transport.pause();
    transport.open(collector);
    expect(collector.received.toString()).toBe("early");
    server.peers[0]!.socket.write(" and late");
    await sleep(30);
    expect(collector.received.toString()).toBe("early");
    transport.resume();
    await until(() => collector.received.toString() === "early and late");
    transport.destroy();
  });

  it("stays so where it is paused right after it was opened by the side that connects", async () => {
    await using server = await RawServer.listen();
    const transport = await connectTransport(server.address, {});
    const collector = new Collector();
    transport.open(collector);
    transport.pause();
    await until(() => server.peers.length === 1);
    server.peers[0]!.socket.write("bytes");
    await sleep(30);
    expect(collector.received).toHaveLength(0);
    transport.resume();
    await until(() => collector.received.toString() === "bytes");
    transport.destroy();
  });

  it("stays so where it is paused right after it was opened by the side that accepts", async () => {
    const { transport, peer, listener } = await accepted();
    const collector = new Collector();
    transport.open(collector);
    transport.pause();
    peer.socket.write("bytes");
    await sleep(30);
    transport.destroy();
    peer.socket.destroy();
    await listener.close();
    expect(collector.received).toHaveLength(0);
  });
});

describe("a socket that is paused while more comes", () => {
  it("puts large messages together, however often it is paused within them", async () => {
    const { transport, peer, listener } = await accepted();
    const wanted = [3 * MEBIBYTE, 100, 2 * MEBIBYTE + 7, 40_000].map((size, index) => pattern(size, index));
    const found: Buffer[] = [];
    const decoder = new FrameDecoder(8 * MEBIBYTE, {
      onFrame: (bytes, start, end) => void found.push(Buffer.from(bytes.subarray(start, end))),
    });
    let [filled, pushed] = [0, 0];
    transport.open({
      onChunk: (chunk) => {
        pushed++;
        decoder.push(chunk);
      },
      room: () => decoder.room(),
      onFilled: (count) => {
        filled++;
        decoder.fill(count);
        if (filled % 3 === 0) transport.pause();
      },
      onDrain: () => {},
      onClose: () => {},
    });
    for (const payload of wanted) peer.socket.write(frame(payload));
    for (let turn = 0; found.length < wanted.length && turn < 20_000; turn++) {
      if (turn % 2 === 0) transport.pause();
      await new Promise((resolve) => setImmediate(resolve));
      transport.resume();
      if (turn % 3 === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    expect(found.map((payload, index) => payload.equals(wanted[index]!))).toStrictEqual([true, true, true, true]);
    expect(Math.min(filled, pushed)).toBeGreaterThan(2);
    transport.destroy();
    peer.socket.destroy();
    await listener.close();
  });

  it.each(["in order", "by a reset"])("tells its end, %s, behind what came before", async (how) => {
    const { transport, peer, listener } = await accepted();
    const collector = new Collector();
    transport.open(collector);
    transport.pause();
    const data = pattern(2000);
    peer.socket.write(data.subarray(0, 1500));
    await sleep(20);
    if (how === "in order") peer.socket.end(data.subarray(1500));
    else peer.socket.resetAndDestroy();
    await sleep(20);
    expect([collector.received.length, collector.closes]).toStrictEqual([0, 0]);
    transport.resume();
    await until(() => collector.closes > 0);
    expect(collector.received.equals(how === "in order" ? data : data.subarray(0, 1500))).toBe(true);
    transport.destroy();
    await listener.close();
  });

  it("delivers nothing after its end, also where it is resumed", async () => {
    const { transport, peer, listener } = await accepted();
    const collector = new Collector();
    transport.open(collector);
    transport.pause();
    peer.socket.write("kept");
    await sleep(20);
    transport.destroy();
    await until(() => collector.closes > 0);
    transport.resume();
    peer.socket.destroy();
    await listener.close();
    expect(collector.received.toString()).toBe("");
  });
});

describe("a socket that fails while it is paused", () => {
  it("delivers what it has kept, and its end behind", async () => {
    await using server = await RawServer.listen((peer) => peer.socket.write("early"));
    const transport = await connectTransport(server.address, {});
    await sleep(20);
    const collector = new Collector();
    const told: string[] = [];
    collector.onEach = () => told.push(`chunk ${collector.closes}`);
    transport.pause();
    transport.open(collector);
    expect(told).toStrictEqual([]);
    server.peers[0]!.socket.resetAndDestroy();
    await sleep(10);
    // A socket that isn't read learns of the reset when it writes.
    for (let turn = 0; collector.closes === 0 && turn < 1000; turn++) {
      transport.write(Buffer.from("x"));
      await sleep(1);
    }
    transport.resume();
    expect(collector.received.toString()).toBe("early");
    expect([told, collector.closes]).toStrictEqual([["chunk 0"], 1]);
  });

  it("delivers all of it in order, however often its receiver pauses, unless that ends it", () => {
    for (const [step, expected] of [
      ["pause", ["one", "two", "three"]],
      ["close", ["one"]],
    ] as const) {
      const reader = new SocketReader();
      for (const text of ["one", "two", "three"]) reader.push(Buffer.from(text));
      const told: string[] = [];
      const onChunk = (chunk: Buffer): void => {
        told.push(chunk.toString());
        reader[step]();
      };
      reader.pause();
      reader.open({ onChunk, onDrain: () => {}, onClose: () => {} });
      expect(told).toStrictEqual([]);
      reader.finish();
      expect(told).toStrictEqual(expected);
      expect(reader.push(Buffer.from("late"))).toBe(false);
      reader.resume();
      expect(told).toStrictEqual(expected);
    }
  });
});

describe("a socket that is destroyed", () => {
  it("delivers nothing of what came before it was opened", async () => {
    await using server = await RawServer.listen((peer) => peer.socket.write("early"));
    const transport = await connectTransport(server.address, {});
    await sleep(20);
    transport.destroy();
    const collector = new Collector();
    transport.open(collector);
    await until(() => collector.closes > 0);
    transport.resume();
    await sleep(10);
    expect([collector.received.toString(), collector.closes]).toStrictEqual(["", 1]);
  });

  it("delivers nothing more where its receiver destroys it at the first of several chunks that were kept", () => {
    const reader = new SocketReader();
    const { buffer, callback } = reader.onread() as { buffer: () => Buffer; callback: net.OnReadOpts["callback"] };
    for (const text of ["one", "two"]) {
      const bytes = buffer();
      bytes.write(text);
      callback(3, bytes);
    }
    const told: string[] = [];
    reader.open({
      onChunk: (chunk) => {
        told.push(chunk.toString());
        reader.close();
      },
      onDrain: () => {},
      onClose: () => {},
    });
    expect(callback(3, buffer())).toBe(false);
    expect(reader.resume()).toBe(true);
    expect(told).toStrictEqual(["one"]);
  });

  it.each([
    ["pause, resume, destroy", ["pause", "resume", "destroy"]],
    ["pause, destroy, resume", ["pause", "destroy", "resume"]],
    ["destroy, pause, resume", ["destroy", "pause", "resume"]],
    ["destroy, resume, destroy", ["destroy", "resume", "destroy"]],
    ["pause, end, destroy, resume", ["pause", "end", "destroy", "resume"]],
  ] as const)("within a read, by %s, delivers that one and no more", async (_what, steps) => {
    const { transport, peer, listener } = await accepted();
    const collector = new Collector();
    collector.onEach = () => {
      for (const step of steps) transport[step]();
    };
    transport.open(collector);
    peer.socket.write(pattern(500_000));
    await until(() => collector.closes > 0);
    for (const step of ["resume", "pause", "resume"] as const) transport[step]();
    await sleep(10);
    expect([collector.chunks.length, collector.closes]).toStrictEqual([1, 1]);
    peer.socket.destroy();
    await listener.close();
  });
});

describe("a runtime whose sockets can't be given memory", () => {
  /** Puts something else in the place of the method of all sockets of the process; returns what puts it back. */
  async function withUserBuffer(replacement: (() => never) | undefined): Promise<() => void> {
    const server = net.createServer().listen(0, "127.0.0.1");
    await once(server, "listening");
    const socket = net.connect((server.address() as net.AddressInfo).port, "127.0.0.1");
    await once(socket, "connect");
    let owner = (socket as unknown as { _handle: object })._handle;
    while (!Object.hasOwn(owner, "useUserBuffer")) owner = Object.getPrototypeOf(owner) as object;
    socket.destroy();
    server.close();
    const method = Object.getOwnPropertyDescriptor(owner, "useUserBuffer")!;
    Object.defineProperty(owner, "useUserBuffer", { value: replacement, configurable: true });
    return () => Object.defineProperty(owner, "useUserBuffer", method);
  }

  const runtimes: [string, (() => never) | undefined][] = [
    ["without the method", undefined],
    [
      "whose method throws",
      () => {
        throw new Error("not implemented");
      },
    ],
  ];

  it.each(runtimes)("has its sockets read as they are, %s", async (_what, replacement) => {
    const restore = await withUserBuffer(replacement);
    try {
      const { transport, peer, listener } = await accepted();
      const collector = new Collector();
      const data = pattern(300_000);
      peer.socket.write(data);
      await sleep(10);
      transport.open(collector);
      await until(() => collector.received.length === data.length);
      expect(collector.received.equals(data)).toBe(true);
      transport.pause();
      peer.socket.write("more");
      await sleep(20);
      expect(collector.received).toHaveLength(data.length);
      transport.resume();
      await until(() => collector.received.length === data.length + 4);
      transport.write(Buffer.from("back"));
      await until(() => peer.received.toString() === "back");
      peer.socket.end();
      await until(() => collector.closes === 1);
      await listener.close();
    } finally {
      restore();
    }
  });

  it.each(runtimes)("serves channels all the same, %s", async (_what, replacement) => {
    const restore = await withUserBuffer(replacement);
    try {
      await using server = await serveChannels("tcp://127.0.0.1:0", echo, { codec: JsonCodec });
      const peer = await RawPeer.connect(server.address);
      const text = "x".repeat(200_000);
      peer.send(`[0,0,"${text}"]`);
      expect(await peer.texts(1)).toStrictEqual([`[1,0,"${text}"]`]);
      peer.socket.destroy();
    } finally {
      restore();
    }
  });

  it("keeps the contract of transports where the method throws, on both sides", async () => {
    const restore = await withUserBuffer(() => {
      throw new Error("not implemented");
    });
    try {
      for (const address of ["tcp://127.0.0.1:0", `ipc://[${folder}/throws]`]) {
        await checkTransport({
          listen: (onTransport) => listen(address, onTransport),
          connect: (where) => connectTransport(where, {}),
        });
      }
    } finally {
      restore();
    }
  });

  it("keeps the contract of transports where it ignores `onread`", async () => {
    const connect = net.connect.bind(net);
    const ignoring = vi.spyOn(net, "connect").mockImplementation(((options: net.NetConnectOpts) => {
      const { onread: _ignored, ...rest } = options as net.TcpNetConnectOpts;
      return connect(rest);
    }) as typeof net.connect);
    try {
      await checkTransport({
        listen: (onTransport) => listen("tcp://127.0.0.1:0", onTransport),
        connect: (where) => connectTransport(where, {}),
      });
      expect(ignoring).toHaveBeenCalled();
    } finally {
      ignoring.mockRestore();
    }
  });

  it.each([
    ["no handle", null],
    ["a handle of another kind", { readStart: () => 0 }],
    ["no sign of a handle", undefined],
    ["a handle that no other socket takes", { useUserBuffer: () => {} }],
  ])("is told by a socket with %s, which stays as it is", (_what, handle) => {
    const socket = Object.assign(new net.Socket(), { _handle: handle });
    const read = adopt(socket);
    expect(read.socket).toBe(socket);
    expect(read.reader.isAsked).toBe(false);
    expect(socket._handle).toBe(handle);
  });
});

describe("SocketReader", () => {
  it("asks for room before each read, and delivers what went elsewhere as a chunk", () => {
    const reader = new SocketReader();
    const { buffer, callback } = reader.onread() as { buffer: () => Buffer; callback: net.OnReadOpts["callback"] };
    const early = buffer();
    early.write("early");
    expect(callback(5, early)).toBe(false);
    const place = Buffer.alloc(8);
    const room = vi.fn<() => Buffer | undefined>(() => undefined);
    const told: unknown[] = [];
    reader.open({
      onChunk: (chunk) => void told.push(chunk.toString()),
      room,
      onFilled: (count) => void told.push(count),
      onDrain: () => {},
      onClose: () => {},
    });
    expect(told).toStrictEqual(["early"]);
    // What was handed out before it was opened is no room.
    early.write("later");
    expect(callback(5, early)).toBe(true);
    room.mockReturnValueOnce(place);
    expect(buffer()).toBe(place);
    expect(callback(8, place)).toBe(true);
    expect(buffer()).toBe(early);
    early.write("end");
    expect(callback(3, early)).toBe(true);
    expect(told).toStrictEqual(["early", "later", 8, "end"]);
  });

  it("takes chunks where it is never asked for memory, keeps them in a pause, and says so", () => {
    const reader = new SocketReader();
    expect(reader.isAsked).toBe(false);
    const chunk = Buffer.from("early");
    expect(reader.push(chunk)).toBe(false);
    chunk.fill("x");
    const told: string[] = [];
    reader.open({ onChunk: (bytes) => void told.push(bytes.toString()), onDrain: () => {}, onClose: () => {} });
    expect(reader.push(Buffer.from("one"))).toBe(true);
    reader.pause();
    expect(reader.push(Buffer.from("two"))).toBe(false);
    expect(told).toStrictEqual(["early", "one"]);
    expect(reader.resume()).toBe(true);
    reader.close();
    expect(reader.push(Buffer.from("three"))).toBe(false);
    expect(told).toStrictEqual(["early", "one", "two"]);
    expect(reader.isAsked).toBe(false);
    (reader.onread().buffer as () => Uint8Array)();
    expect(reader.isAsked).toBe(true);
  });

  it("asks for no room while it is paused: what it keeps comes first", () => {
    const reader = new SocketReader();
    const { buffer, callback } = reader.onread() as { buffer: () => Buffer; callback: net.OnReadOpts["callback"] };
    const place = Buffer.alloc(8);
    const told: unknown[] = [];
    let pauses = false;
    reader.open({
      onChunk: (chunk) => {
        told.push(chunk.toString());
        if (pauses) reader.pause();
      },
      room: () => place,
      onFilled: (count) => void told.push(count),
      onDrain: () => {},
      onClose: () => {},
    });
    const asked = buffer();
    reader.pause();
    // Asked for before the pause, filled after it.
    asked.write("one");
    expect(callback(3, asked)).toBe(false);
    const other = buffer();
    expect(other).not.toBe(place);
    other.write("two");
    expect(callback(3, other)).toBe(false);
    expect(told).toStrictEqual([]);
    pauses = true;
    expect(reader.resume()).toBe(false);
    expect(told).toStrictEqual(["one"]);
    pauses = false;
    expect(reader.resume()).toBe(true);
    expect(told).toStrictEqual(["one", "two"]);
    expect(buffer()).toBe(place);
    expect(callback(8, place)).toBe(true);
    expect(told).toStrictEqual(["one", "two", 8]);
  });
});
