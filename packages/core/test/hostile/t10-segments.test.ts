import { describe, expect, it, vi } from "vitest";
import type { Channel } from "../../src/channel.ts";
import { connectChannel } from "../../src/connect-channel.ts";
import { FrameDecoder } from "../../src/frame-decoder.ts";
import { IncomingSegments } from "../../src/incoming-segments.ts";
import { DEFAULT_LIMITS } from "../../src/limits.ts";
import { serveChannels } from "../../src/serve-channels.ts";
import { announcement, piece, readFrames, receipt, release, striped, withdrawal } from "../segment-support.ts";
import type { SentFrame } from "../segment-support.ts";
import { RawPeer, RawServer, bytes, frame, rejectionOf, until } from "../support.ts";

const HELLO = [0, 0, ["$/channel", [{ protocol: 1, segments: true }], {}]];

function json(message: unknown): Buffer {
  return frame(JSON.stringify(message));
}

/** A typed array in JSON whose bytes are the segment of that number. */
function array(number: unknown): unknown {
  return { __type__: [-10, ["Uint8Array", number]] };
}

function framesOf(peer: RawPeer): SentFrame[] {
  return readFrames(peer.received);
}

/** The messages that have come. */
function messages(peer: RawPeer): unknown[] {
  return framesOf(peer).flatMap((sent) => (sent.kind === 0 ? [JSON.parse(sent.payload.toString()) as unknown] : []));
}

interface Served extends AsyncDisposable {
  readonly peer: RawPeer;
  readonly channel: Channel;
  /** Contents of the requests. */
  readonly contents: unknown[];
}

/** A peer made by hand of a server that answers with 1. */
async function served(hello = true, limits = {}): Promise<Served> {
  const channels: Channel[] = [];
  const contents: unknown[] = [];
  const server = await serveChannels(
    "tcp://127.0.0.1:0",
    async (channel) => {
      channels.push(channel);
      for await (const request of channel) {
        contents.push(request.content);
        await request.reply(1);
      }
    },
    { limits },
  );
  const peer = await RawPeer.connect(server.address);
  if (hello) {
    peer.socket.write(json(HELLO));
    await until(() => messages(peer).length === 1);
  }
  await until(() => channels.length === 1);
  const dispose = async (): Promise<void> => {
    peer.socket.destroy();
    await server.close({ graceMs: 1 });
  };
  return { peer, channel: channels[0]!, contents, [Symbol.asyncDispose]: dispose };
}

describe("T10: extended frames that break the rules end their connection", () => {
  const kept = announcement(1, [10], "[0,1,1]");

  it.each<[string, Buffer]>([
    ["an unknown kind", bytes("80000005 07 00000000")],
    ["a frame that is shorter than any", bytes("80000001 01")],
    ["a message without segments", bytes("80000009 01 00000000 00000000")],
    ["a message of 2^32-1 segments", bytes("80000019 01 00000000 ffffffff 0000000000000001 0000000000000000")],
    ["a length beyond the limit", announcement(0, [2 ** 40])],
    ["a length of 2^64-1", announcement(0, [[2n ** 64n - 1n, 2n ** 64n - 1n]])],
    ["a handle twice", Buffer.concat([kept, kept])],
    ["a piece that wasn't announced", piece(0, 0, striped(1))],
    ["a piece beyond the end", Buffer.concat([kept, piece(1, 0, striped(11))])],
    ["a piece without bytes", Buffer.concat([kept, bytes("80000009 02 00000001 00000000")])],
    ["a withdrawal of nothing", withdrawal(0)],
    ["a receipt of what wasn't sent", receipt(1)],
    ["a release of what wasn't sent", release(0)],
    [
      "a packed segment without a packer",
      Buffer.concat([announcement(0, [[1, 9]], "[0,1,1]"), piece(0, 0, striped(1))]),
    ],
    ["a payload that is no message", Buffer.concat([announcement(0, [1], "{}"), piece(0, 0, striped(1))])],
  ])("%s", async (_what, data) => {
    await using link = await served();
    link.peer.socket.write(data);
    expect(await link.channel.closed).toMatchObject({ code: "PROTOCOL_ERROR" });
    await link.peer.closed();
    expect(link.contents).toStrictEqual([]);
  });

  it.each(["80000005 04 00000000", "80000005 05 00000000", "80000009 02 00000000 00000000"])(
    "before hello: %s",
    async (hex) => {
      await using link = await served(false);
      link.peer.socket.write(bytes(hex));
      expect(await link.channel.closed).toMatchObject({
        code: "PROTOCOL_ERROR",
        message: "extended frame from a peer that was not told to send any",
      });
    },
  );

  it("wherever the connection ends, nothing is carried out that wasn't complete", async () => {
    const data = Buffer.concat([
      announcement(1, [3, 2], JSON.stringify([0, 1, [array(0), array(1)]])),
      piece(1, 1, bytes("0102")),
      piece(1, 0, bytes("0304")),
      piece(1, 0, bytes("05")),
    ]);
    for (let end = 0; end <= data.length; end += end < 100 ? 7 : 1) {
      await using link = await served();
      link.peer.socket.end(data.subarray(0, end));
      await link.channel.closed;
      expect(link.contents.length, `${end} of ${data.length} bytes`).toBe(end === data.length ? 1 : 0);
    }
  });
});

describe("T10: payloads and segments that don't fit together", () => {
  it.each<[string, unknown, number[]]>([
    ["a segment that didn't come", [array(1)], [3]],
    ["a segment twice", [array(0), array(0)], [3]],
    ["a number that is none", [array(-1)], [3]],
    ["a number beyond all", [array(2 ** 53)], [3]],
    ["bytes that are no elements", [{ __type__: [-10, ["Float64Array", 0]] }], [3]],
  ])("%s fails that message, not the connection", async (_what, content, lengths) => {
    await using link = await served();
    const pieces = lengths.map((length, index) => piece(1, index, striped(length)));
    link.peer.socket.write(Buffer.concat([announcement(1, lengths, JSON.stringify([0, 1, content])), ...pieces]));
    link.peer.socket.write(json([0, 2, "next"]));
    await until(() => messages(link.peer).length === 3);
    expect(messages(link.peer).slice(1)).toMatchObject([
      [2, 1, { code: "SERIALIZATION_ERROR" }],
      [1, 2, 1],
    ]);
    // Its memory is free for others.
    expect(framesOf(link.peer)).toContainEqual({ kind: 5, number: 1 });
  });

  it("segments that nothing names are dropped", async () => {
    await using link = await served();
    link.peer.socket.write(
      Buffer.concat([announcement(1, [3, 3], '[0,1,"none"]'), piece(1, 1, striped(3)), piece(1, 0, striped(3))]),
    );
    await until(() => link.contents.length === 1);
    expect(link.contents).toStrictEqual(["none"]);
  });

  it("a segment of another message isn't there for a message without any", async () => {
    await using link = await served();
    link.peer.socket.write(
      Buffer.concat([announcement(1, [3], "[0,1,1]"), piece(1, 0, striped(3)), json([0, 2, [array(0)]])]),
    );
    await until(() => messages(link.peer).length === 3);
    const answers = messages(link.peer) as [number, number, unknown][];
    expect(answers.find(([, id]) => id === 2)).toMatchObject([2, 2, { code: "SERIALIZATION_ERROR" }]);
  });
});

describe("T10: pieces of one byte", () => {
  it("are copied once each, and confirmed together", () => {
    const copied = (size: number): { copies: number; receipts: number } => {
      let receipts = 0;
      const segments = new IncomingSegments(
        DEFAULT_LIMITS,
        { onSegmented: () => {} },
        {
          hasRoom: true,
          sendReceipt: () => receipts++,
          sendRelease: () => {},
          onReceipt: () => {},
          onRelease: () => {},
        },
      );
      const decoder = new FrameDecoder(1000, { onFrame: () => {} });
      decoder.takeExtended({ extendedFrames: () => segments });
      decoder.push(announcement(1, [size]));
      const chunk = Buffer.concat(Array.from({ length: 1000 }, () => piece(1, 0, striped(1))));
      const copy = vi.spyOn(Buffer.prototype, "copy");
      for (let at = 0; at < size; at += 1000) {
        // Not worth reads of their own.
        expect(decoder.room()).toBeUndefined();
        decoder.push(chunk);
      }
      const copies = copy.mock.calls.length;
      copy.mockRestore();
      return { copies, receipts };
    };
    const once = copied(100_000);
    expect(once.copies).toBeLessThan(210_000);
    expect(copied(200_000).copies).toBeLessThan(2.1 * once.copies);
    // One for each 16 KiB, and one for the rest.
    expect(once.receipts).toBe(7);
  });
});

describe("T18: an answer to a call of which not all has come", () => {
  /** A channel that sends the array to a peer, which reads no more than the announcement. */
  async function begun(server: RawServer) {
    const large = new Float64Array(8 * 1_048_576);
    const channel = await connectChannel(server.address);
    await until(() => server.peers.length === 1);
    const [peer] = server.peers as [RawPeer];
    const call = rejectionOf(channel.send(large));
    peer.socket.write(json([1, 0, { protocol: 1, segments: true }]));
    await until(() => framesOf(peer).some(({ kind }) => kind === 1));
    peer.socket.pause();
    return { large, channel, peer, call };
  }

  it.each([
    ["a result", [1, 1, null]],
    ["an exception", [2, 1, "no"]],
  ])("ends the connection, and settles everything: %s", async (_what, answer) => {
    await using server = await RawServer.listen();
    const { channel, peer, call } = await begun(server);
    const other = rejectionOf(channel.send("other"));
    peer.socket.write(json(answer));
    const reason = "answer to request 1 before all of it was sent";
    expect(await call).toMatchObject({ code: "CONNECTION_LOST", executed: "no" });
    expect(await other).toMatchObject({ code: "CONNECTION_LOST", executed: "no" });
    expect(await channel.closed).toMatchObject({ code: "PROTOCOL_ERROR", message: reason });
    await channel.flushed();
  });

  it("does no harm where the peer hangs up at once, or the memory is taken away", async () => {
    await using server = await RawServer.listen();
    const { large, channel, peer, call } = await begun(server);
    peer.socket.write(json([1, 1, null]));
    peer.socket.destroy();
    structuredClone(large, { transfer: [large.buffer] });
    expect(await call).toMatchObject({ code: "CONNECTION_LOST" });
    await channel.closed;
    await channel.flushed();
  });
});

describe("T20: a peer in the middle of a large value", () => {
  const large = new Uint8Array(64 * 1_048_576);

  it("that doesn't read any more is cut off, and its sender keeps next to nothing", async () => {
    await using server = await RawServer.listen(({ socket }) => socket.pause());
    const channel = await connectChannel(server.address, { limits: { writeStallMs: 300 } });
    await until(() => server.peers.length === 1);
    const [peer] = server.peers as [RawPeer];
    const call = rejectionOf(channel.send(large));
    peer.socket.write(json([1, 0, { protocol: 1, segments: true }]));
    await until(() => channel.stats().queuedBytes > 0);
    // One piece.
    expect(channel.stats().queuedBytes).toBeLessThan(2_200_000);
    expect(await call).toMatchObject({ code: "CONNECTION_LOST", executed: "no" });
    expect((await channel.closed)?.message).toContain("has read nothing for 300 ms (writeStallMs)");
    await channel.flushed();
  });

  it("that reads, and confirms nothing, is cut off when nothing more may be sent", async () => {
    await using server = await RawServer.listen();
    const channel = await connectChannel(server.address, { limits: { writeStallMs: 300 } });
    await until(() => server.peers.length === 1);
    const [peer] = server.peers as [RawPeer];
    let read = 0;
    peer.socket.removeAllListeners("data");
    peer.socket.on("data", (chunk: Buffer) => (read += chunk.length));
    const call = rejectionOf(channel.send(large));
    peer.socket.write(json([1, 0, { protocol: 1, segments: true }]));
    expect(await call).toMatchObject({ code: "CONNECTION_LOST", executed: "no" });
    expect((await channel.closed)?.message).toContain("writeStallMs");
    expect(read).toBeGreaterThan(16_000_000);
    expect(read).toBeLessThan(17_000_000);
  });

  it("that releases nothing holds up what waits for room, until it is cut off", async () => {
    await using server = await RawServer.listen();
    const channel = await connectChannel(server.address, { limits: { writeStallMs: 300 } });
    await until(() => server.peers.length === 1);
    const [peer] = server.peers as [RawPeer];
    const calls = [1, 2].map(() => rejectionOf(channel.send([new Date(0), new Uint8Array(60_000)])));
    peer.socket.write(json([1, 0, { protocol: 1, segments: true, limits: { maxSegmentBytes: 100_000 } }]));
    const outcomes = (await Promise.all(calls)).map(({ code, executed }) => [code, executed]);
    expect(outcomes).toStrictEqual([
      ["CONNECTION_LOST", "unknown"],
      ["CONNECTION_LOST", "no"],
    ]);
  });

  it("that sends and never reads receipts has them wait, as one, and is held to the limit", async () => {
    await using link = await served(true, { maxSegmentBytes: 2_000_000, writeStallMs: 60_000 });
    link.peer.socket.pause();
    const small = Buffer.concat(
      Array.from({ length: 5000 }, (_, index) =>
        Buffer.concat([announcement(index, [1], "[3,0,1]"), piece(index, 0, striped(1))]),
      ),
    );
    let most = 0;
    let ended = false;
    const isOpen = (): boolean => !ended;
    void link.channel.closed.then(() => (ended = true));
    for (let count = 0; count < 400 && isOpen(); count++) {
      link.peer.socket.write(small);
      await until(() => link.peer.socket.writableLength === 0 || ended);
      most = Math.max(most, link.channel.stats().queuedBytes);
    }
    expect(await link.channel.closed).toMatchObject({
      code: "PROTOCOL_ERROR",
      message: expect.stringMatching(/maxSegmentBytes|is in use/),
    });
    expect(most).toBeLessThan(5_000_000);
  });
});
