import { once } from "node:events";
import fs, { existsSync, mkdtempSync, rmSync } from "node:fs";
import { syncBuiltinESMExports } from "node:module";
import net from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { Channel } from "../src/channel.ts";
import { parseAddress } from "../src/address.ts";
import { connectChannel } from "../src/connect-channel.ts";
import { LocalNetwork } from "../src/local-transport.ts";
import { serveChannels } from "../src/serve-channels.ts";
import { checkTransport } from "../src/testing.ts";
import type { Transport, TransportReceiver } from "../src/transport.ts";
import { connectTransport, listenTransport } from "../src/transports.ts";
import type { ListenOptions } from "../src/transports.ts";
import { rejectionOf } from "./support.ts";

async function echo(channel: Channel): Promise<void> {
  for await (const request of channel) await request.reply(request.content);
}

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "colloquy-"));
});
afterEach(() => {
  rmSync(folder, { recursive: true });
});

function listen(address: string, onTransport: (transport: Transport) => void, options: ListenOptions = {}) {
  return listenTransport(address, onTransport, { ...options, handshakeTimeoutMs: 1000 });
}

/** An address on which nobody listens now, and where one may listen later. */
async function freeAddress(): Promise<string> {
  const server = net.createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as net.AddressInfo;
  server.close();
  await once(server, "close");
  return `tcp://127.0.0.1:${port}`;
}

/** Pauses when the first chunk has come that it keeps. */
function keepsWhatever(transport: Transport): Partial<Transport> {
  const kept: Buffer[] = [];
  let isPaused = false;
  let receiver: TransportReceiver | undefined;
  return {
    open: (opened) => {
      receiver = opened;
      transport.open({
        onChunk: (chunk) => {
          if (!isPaused) return opened.onChunk(chunk);
          kept.push(Buffer.from(chunk));
          transport.pause();
        },
        onDrain: () => opened.onDrain(),
        onClose: (error) => opened.onClose(error),
      });
    },
    pause: () => (isPaused = true),
    resume: () => {
      isPaused = false;
      for (const chunk of kept.splice(0)) receiver?.onChunk(chunk);
      transport.resume();
    },
  };
}

describe("the contract of transports", () => {
  it.each(["tcp://127.0.0.1:0", "tcp://[::1]:0"])("is kept by %s", async (address) => {
    await checkTransport({
      listen: (onTransport) => listen(address, onTransport),
      connect: (where) => connectTransport(where, {}),
    });
  });

  it("is kept by Unix sockets", async () => {
    let count = 0;
    await checkTransport({
      listen: (onTransport) => listen(`ipc://[${folder}/${count++}]`, onTransport),
      connect: (where) => connectTransport(where, {}),
    });
  });

  it("is kept within a process", async () => {
    const network = new LocalNetwork();
    let count = 0;
    await checkTransport({
      listen: (onTransport) => listen(`local://contract${count++}`, onTransport, { network }),
      connect: (where) => connectTransport(where, { network }),
    });
  });

  const faults: [string, RegExp, (transport: Transport) => Partial<Transport>][] = [
    [
      "loses bytes",
      /bytes arrive/,
      (transport) => ({ write: (data) => data.length === 7919 || transport.write(data) }),
    ],
    [
      "says that all has left",
      /write returns false|queuedBytes/,
      (transport) => ({ write: (data) => transport.write(data) || true }),
    ],
    [
      "says that a piece has left as it comes",
      /queuedBytes is 0 when a piece has left/,
      (transport) => ({
        writePiece: (head, piece, onLeft) => {
          transport.writePiece(head, piece, () => {});
          onLeft();
        },
      }),
    ],
    [
      "sends other bytes than those of the piece",
      /as it was until it had left/,
      (transport) => ({
        writePiece: (head, piece, onLeft) => {
          const wrong = Buffer.alloc(piece.length);
          transport.writePiece(head, wrong, onLeft);
        },
      }),
    ],
    [
      "loses heads",
      /pieces arrive/,
      (transport) => ({ writePiece: (_head, piece, onLeft) => transport.writePiece(Buffer.alloc(0), piece, onLeft) }),
    ],
    [
      "tells of pieces that were lost with the connection",
      /where the connection ends first/,
      (transport) => {
        const lost: (() => void)[] = [];
        return {
          writePiece: (head, piece, onLeft) => {
            lost.push(onLeft);
            transport.writePiece(head, piece, () => (lost.splice(lost.indexOf(onLeft), 1), onLeft()));
          },
          destroy: () => {
            for (const onLeft of lost.splice(0)) onLeft();
            transport.destroy();
          },
        };
      },
    ],
    ["never pauses", /write returns false|the end waits|what was written/, () => ({ pause: () => {} })],
    ["doesn't end", /the end arrives/, () => ({ end: () => {} })],
    [
      "tells the end twice",
      /onClose is called once|the end arrives/,
      (transport) => ({
        open: (receiver) =>
          transport.open({
            onChunk: (chunk) => receiver.onChunk(chunk),
            onDrain: () => receiver.onDrain(),
            onClose: (error) => (receiver.onClose(error), receiver.onClose(error)),
          }),
      }),
    ],
    [
      "delivers once more after its end",
      /no bytes come after onClose/,
      (transport) => ({
        open: (receiver) =>
          transport.open({
            onChunk: (chunk) => receiver.onChunk(chunk),
            onDrain: () => receiver.onDrain(),
            onClose: (error) => {
              receiver.onClose(error);
              receiver.onChunk(Buffer.alloc(0));
            },
          }),
      }),
    ],
    [
      "keeps what came while it was paused, and delivers it whatever has happened",
      /nothing comes after destroy/,
      keepsWhatever,
    ],
    [
      "tells nothing to who opens it after destroy",
      /onClose is told where it is opened after destroy/,
      (transport) => {
        let isDestroyed = false;
        return {
          open: (receiver) => isDestroyed || transport.open(receiver),
          destroy: () => {
            isDestroyed = true;
            transport.destroy();
          },
        };
      },
    ],
  ];

  it.each(faults)("is not kept by a transport that %s", { timeout: 20_000 }, async (_what, rule, fault) => {
    const network = new LocalNetwork();
    let count = 0;
    const faulty = (transport: Transport): Transport => ({
      remoteAddress: transport.remoteAddress,
      get queuedBytes() {
        return transport.queuedBytes;
      },
      open: (receiver) => transport.open(receiver),
      write: (data) => transport.write(data),
      writePiece: (head, piece, onLeft) => transport.writePiece(head, piece, onLeft),
      pause: () => transport.pause(),
      resume: () => transport.resume(),
      end: () => transport.end(),
      destroy: () => transport.destroy(),
      ...fault(transport),
    });
    const error = await rejectionOf(
      checkTransport({
        listen: (onTransport) =>
          listen(`local://${count++}`, (transport) => onTransport(faulty(transport)), { network }),
        connect: async (where) => faulty(await connectTransport(where, { network })),
        patienceMs: 300,
      }),
    );
    expect(error.message).toMatch(/^transport: /);
    expect(error.message).toMatch(rule);
  });
});

describe("TCP", () => {
  it("C17 tells the port that the system chose", async () => {
    await using first = await serveChannels("tcp://127.0.0.1:0", echo);
    await using second = await serveChannels("tcp://127.0.0.1:0", echo);
    expect(first.address).toMatch(/^tcp:\/\/127\.0\.0\.1:[1-9]\d*$/);
    expect(second.address).not.toBe(first.address);
  });

  it("works over IPv6", async () => {
    await using server = await serveChannels("tcp://[::1]:0", echo);
    expect(server.address).toMatch(/^tcp:\/\/\[::1\]:[1-9]\d*$/);
    const channel = await connectChannel(server.address);
    expect(await channel.send(1)).toBe(1);
    await channel.close();
  });

  it("puts the advertised name into the address", async () => {
    await using server = await serveChannels("tcp://127.0.0.1:0", echo, { advertise: "agents.example" });
    expect(server.address).toMatch(/^tcp:\/\/agents\.example:\d+$/);
  });

  it("says that an address is in use", async () => {
    await using server = await serveChannels("tcp://127.0.0.1:0", echo);
    const error = await rejectionOf(serveChannels(server.address, echo));
    expect(error).toMatchObject({ code: "UNAVAILABLE", cause: { code: "EADDRINUSE" } });
    expect(error.message).toContain(server.address);
  });

  it("listens again at once on an address that was closed", async () => {
    const first = await serveChannels("tcp://127.0.0.1:0", echo);
    const channel = await connectChannel(first.address);
    await channel.send(1);
    await first.close();
    await using second = await serveChannels(first.address, echo);
    const again = await connectChannel(second.address);
    expect(await again.send(2)).toBe(2);
    await again.close();
  });

  it("writes nothing once it was destroyed, also of what waited", async () => {
    const fars: Transport[] = [];
    const listener = await listen("tcp://127.0.0.1:0", (far) => void fars.push(far));
    const transport = await connectTransport(listener.address, {});
    transport.open({ onChunk: () => {}, onDrain: () => {}, onClose: () => {} });
    transport.write(new Uint8Array(20_000_000));
    transport.destroy();
    const write = vi.spyOn(net.Socket.prototype, "write");
    transport.write(new Uint8Array(10));
    transport.writePiece(new Uint8Array(9), new Uint8Array(10), () => {});
    await sleep(20);
    expect(write).not.toHaveBeenCalled();
    write.mockRestore();
    for (const far of fars) far.destroy();
    await listener.close();
  });

  it("C3 passes socket options on", async () => {
    await using server = await serveChannels("tcp://127.0.0.1:0", echo);
    const error = await rejectionOf(connectChannel(server.address, { socket: { localAddress: "192.0.2.1" } }));
    expect(error).toMatchObject({
      code: "UNAVAILABLE",
      cause: { code: expect.stringMatching(/EADDRNOTAVAIL|EINVAL/) },
    });
  });
});

describe("Unix sockets", () => {
  it("work, in both forms of the address, and leave no file", async () => {
    for (const address of [`ipc://[${folder}/a]`, `ipc://${folder}/b`]) {
      const server = await serveChannels(address, echo);
      const channel = await connectChannel(address);
      expect(await channel.send(1)).toBe(1);
      await channel.close();
      await server.close();
    }
    expect(existsSync(`${folder}/a`)).toBe(false);
    expect(existsSync(`${folder}/b`)).toBe(false);
  });

  it("take over the file of a process that has died", async () => {
    const path = `${folder}/stale`;
    await leaveStaleSocket(path);
    await using server = await serveChannels(`ipc://[${path}]`, echo);
    const channel = await connectChannel(server.address);
    expect(await channel.send(1)).toBe(1);
    await channel.close();
  });

  it.each([
    ["can't be removed", { code: "EACCES" }],
    ["is there again", { code: "EADDRINUSE" }],
  ])("say that the file of a process that has died %s", async (_what, cause) => {
    const path = `${folder}/stale`;
    await leaveStaleSocket(path);
    const unlink = vi.spyOn(fs, "unlinkSync").mockImplementation(() => {
      if (cause.code === "EACCES") throw Object.assign(new Error("permission denied"), cause);
    });
    syncBuiltinESMExports();
    try {
      const error = await rejectionOf(serveChannels(`ipc://[${path}]`, echo));
      expect(error).toMatchObject({ name: "ColloquyError", code: "UNAVAILABLE", cause });
      expect(error.message).toContain(`can't listen on ipc://[${path}]: `);
    } finally {
      unlink.mockRestore();
      syncBuiltinESMExports();
    }
  });

  it("leave a server alone that is alive", async () => {
    await using server = await serveChannels(`ipc://[${folder}/live]`, echo);
    expect(await rejectionOf(serveChannels(server.address, echo))).toMatchObject({
      code: "UNAVAILABLE",
      cause: { code: "EADDRINUSE" },
    });
    const channel = await connectChannel(server.address);
    expect(await channel.send(1)).toBe(1);
    await channel.close();
  });

  it("leave a file alone that is no socket", async () => {
    const { writeFileSync, readFileSync } = await import("node:fs");
    writeFileSync(`${folder}/text`, "precious");
    expect(await rejectionOf(serveChannels(`ipc://[${folder}/text]`, echo))).toMatchObject({ code: "UNAVAILABLE" });
    expect(readFileSync(`${folder}/text`, "utf8")).toBe("precious");
  });

  it("say that a folder isn't there", async () => {
    expect(await rejectionOf(serveChannels(`ipc://[${folder}/none/x]`, echo))).toMatchObject({ code: "UNAVAILABLE" });
  });
});

/** A process that dies leaves its socket; closing a server in order would remove it. */
async function leaveStaleSocket(path: string): Promise<void> {
  const { spawn } = await import("node:child_process");
  const script = "require('net').createServer().listen(process.argv[1], () => process.kill(process.pid, 'SIGKILL'))";
  const child = spawn(process.execPath, ["-e", script, path], { stdio: "ignore" });
  await once(child, "exit");
  expect(existsSync(path)).toBe(true);
}

describe("local://", () => {
  it("refuses a name that is taken, and one where nobody listens", async () => {
    const network = new LocalNetwork();
    await using server = await serveChannels("local://taken", echo, { network });
    expect(server.address).toBe("local://taken");
    expect(await rejectionOf(serveChannels("local://taken", echo, { network }))).toMatchObject({ code: "UNAVAILABLE" });
    expect(await rejectionOf(connectChannel("local://free", { network }))).toMatchObject({
      code: "UNAVAILABLE",
      cause: { code: "ENOENT" },
    });
    expect(await rejectionOf(connectChannel("local://taken", { network: new LocalNetwork() }))).toMatchObject({
      code: "UNAVAILABLE",
    });
  });

  it("has addresses of every kind on a network for all of them, without a socket", async () => {
    const network = new LocalNetwork({ everyAddress: true });
    for (const address of ["tcp://nowhere.invalid:1", "ipc://[/no/such/folder/x]", "local://here"]) {
      expect(await rejectionOf(connectChannel(address, { network }))).toMatchObject({
        code: "UNAVAILABLE",
        message: `can't connect to ${address}: nobody listens on ${address}`,
      });
      await using server = await serveChannels(address, echo, { network });
      expect(server.address).toBe(address);
      expect(await rejectionOf(serveChannels(address, echo, { network }))).toMatchObject({ code: "UNAVAILABLE" });
      const channel = await connectChannel(address, { network });
      expect(await channel.send("x")).toBe("x");
      expect(channel.remoteAddress).toBe(address);
      await channel.close();
    }
    expect(await rejectionOf(connectChannel("spam", { network }))).toMatchObject({ code: "INVALID_ARGUMENT" });
  });

  it("has one network for the process where none is given", async () => {
    await using server = await serveChannels("local://of-the-process", echo);
    const channel = await connectChannel(server.address);
    expect(await channel.send(1)).toBe(1);
    await channel.close();
  });

  it("delivers in the order of writing, over all connections, the same in every run", async () => {
    const run = async (): Promise<string[]> => {
      const network = new LocalNetwork();
      const seen: string[] = [];
      await using server = await serveChannels(
        "local://order",
        async (channel) => {
          for await (const request of channel) {
            seen.push(request.content as string);
            await request.reply(null);
          }
        },
        { network },
      );
      const channels = [];
      for (let count = 0; count < 3; count++) channels.push(await connectChannel(server.address, { network }));
      const sent = [];
      for (let round = 0; round < 5; round++) {
        for (const [index, channel] of channels.entries()) sent.push(channel.send(`${round}${index}`));
      }
      await Promise.all(sent);
      for (const channel of channels) await channel.close();
      return seen;
    };
    const first = await run();
    expect(first).toHaveLength(15);
    expect(await run()).toStrictEqual(first);
    expect(await run()).toStrictEqual(first);
  });

  it("tells a transport that is opened late that its connection has ended", async () => {
    const network = new LocalNetwork();
    let far!: Transport;
    network.listen("late", (transport) => (far = transport));
    network.connect("late")!.destroy();
    await sleep(5);
    let closes = 0;
    far.open({ onChunk: () => {}, onDrain: () => {}, onClose: () => closes++ });
    await sleep(5);
    expect(closes).toBe(1);
  });
});

describe("the timeout of a connection", () => {
  it("C2 of 0, and by default, makes one attempt", async () => {
    const address = await freeAddress();
    for (const options of [{}, { timeout: 0 }]) {
      const error = await rejectionOf(connectChannel(address, options));
      expect(error).toMatchObject({ code: "UNAVAILABLE", executed: "no", cause: { code: "ECONNREFUSED" } });
      expect(error.message).toContain(address);
      expect(error.message).toContain("ECONNREFUSED");
    }
  });

  it("C2 of some time ends with the last error of the system", async () => {
    const error = await rejectionOf(connectChannel(await freeAddress(), { timeout: 60 }));
    expect(error).toMatchObject({ code: "UNAVAILABLE", cause: { code: "ECONNREFUSED" } });
  });

  it.each([5000, Infinity])("of %d keeps trying until the server is there", async (timeout) => {
    const address = await freeAddress();
    const connecting = connectChannel(address, { timeout });
    await sleep(30);
    await using server = await serveChannels(address, echo);
    const channel = await connecting;
    expect(await channel.send("there")).toBe("there");
    expect(server.channels.size).toBe(1);
    await channel.close();
  });

  it("C2 covers a Unix socket and a local name that aren't there yet", async () => {
    const network = new LocalNetwork();
    for (const address of [`ipc://[${folder}/later]`, "local://later"]) {
      expect(await rejectionOf(connectChannel(address, { network, timeout: 30 }))).toMatchObject({
        code: "UNAVAILABLE",
        cause: { code: "ENOENT" },
      });
      const connecting = connectChannel(address, { network, timeout: Infinity });
      await sleep(30);
      await using server = await serveChannels(address, echo, { network });
      const channel = await connecting;
      expect(await channel.send(server.address)).toBe(address);
      await channel.close();
    }
  });

  it("C2 doesn't try again for what no waiting mends", async () => {
    const start = performance.now();
    const error = await rejectionOf(
      connectChannel("tcp://127.0.0.1:1", { timeout: 60_000, socket: { localAddress: "192.0.2.1" } }),
    );
    expect(error.code).toBe("UNAVAILABLE");
    expect(performance.now() - start).toBeLessThan(5000);
  });

  it("may be very long", async () => {
    await using server = await serveChannels("tcp://127.0.0.1:0", echo);
    const channel = await connectChannel(server.address, { timeout: 1e12 });
    expect(await channel.send(1)).toBe(1);
    await channel.close();
    const connecting = rejectionOf(
      connectChannel(await freeAddress(), { timeout: 1e12, signal: AbortSignal.timeout(50) }),
    );
    expect(await connecting).toMatchObject({ code: "CANCELLED" });
  });

  it.each([-1, Number.NaN, "5"])("can't be %j", async (timeout) => {
    expect(await rejectionOf(connectChannel("tcp://127.0.0.1:1", { timeout: timeout as number }))).toMatchObject({
      code: "INVALID_ARGUMENT",
    });
  });

  it("C2 ends early on a signal, with its reason", async () => {
    const address = await freeAddress();
    const reason = new Error("changed my mind");
    const controller = new AbortController();
    const connecting = rejectionOf(connectChannel(address, { timeout: Infinity, signal: controller.signal }));
    await sleep(20);
    controller.abort(reason);
    expect(await connecting).toMatchObject({ code: "CANCELLED", executed: "no", cause: reason });
    const before = connectChannel(address, { timeout: Infinity, signal: AbortSignal.abort(reason) });
    expect(await rejectionOf(before)).toMatchObject({ code: "CANCELLED", cause: reason });
    await using server = await serveChannels("tcp://127.0.0.1:0", echo);
    expect(await rejectionOf(connectChannel(server.address, { signal: AbortSignal.abort() }))).toMatchObject({
      code: "CANCELLED",
    });
  });

  it("leaves the channel alone when the signal fires later", async () => {
    await using server = await serveChannels("tcp://127.0.0.1:0", echo);
    const controller = new AbortController();
    const channel = await connectChannel(server.address, { signal: controller.signal });
    controller.abort();
    expect(await channel.send(1)).toBe(1);
    await channel.close();
  });
});

it("a peer that reads slowly and steadily gets a large message, however long the whole takes", async () => {
  const limits = { writeStallMs: 300 };
  await using server = await serveChannels(
    "tcp://127.0.0.1:0",
    async (channel) => {
      for await (const request of channel) await request.reply("x".repeat(12_000_000));
    },
    { limits },
  );
  const { port } = parseAddress(server.address) as { port: number };
  const socket = net.connect({ host: "127.0.0.1", port });
  const request = Buffer.from("[0,0,1]");
  const header = Buffer.alloc(4);
  header.writeUInt32BE(request.length);
  socket.write(Buffer.concat([header, request]));
  let received = 0;
  let pauses = 0;
  await new Promise<void>((resolve, reject) => {
    socket.on("close", () => reject(new Error(`cut off after ${received} bytes`)));
    socket.on("data", (chunk: Buffer) => {
      received += chunk.length;
      if (received > 12_000_000) return resolve();
      // Slower than the whole could leave within the time for a stall, and never still for that long.
      if (received / 600_000 > pauses + 1) {
        pauses++;
        socket.pause();
        setTimeout(() => socket.resume(), 60);
      }
    });
  });
  expect(pauses).toBeGreaterThan(10);
  socket.removeAllListeners("close");
  socket.destroy();
});
