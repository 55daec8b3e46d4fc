import { describe, expect, it } from "vitest";
import { FrameWriter } from "../src/frame-writer.ts";
import type { Transport } from "../src/transport.ts";
import { bytes, frame, hex, payloads, thrownBy } from "./support.ts";

/** Keeps what is written; `queuedBytes` is set by hand. */
class Sink implements Transport {
  readonly remoteAddress = "sink";
  readonly batches: Buffer[] = [];
  queuedBytes = 0;
  open(): void {}
  pause(): void {}
  resume(): void {}
  end(): void {}
  destroy(): void {}
  writePiece(head: Uint8Array, piece: Uint8Array): void {
    this.batches.push(Buffer.concat([head, piece]));
  }
  write(bytes: Uint8Array): boolean {
    this.batches.push(bytes as Buffer);
    return this.queuedBytes === 0;
  }
}

function made({ limit = 1_000_000 } = {}) {
  const sink = new Sink();
  const written: boolean[] = [];
  const frames = new FrameWriter(sink, limit, { onWritten: (sent) => void written.push(sent) });
  const send = (size: number, byte = 0): void => {
    const mark = frames.begin();
    frames.writer.append(Buffer.alloc(size, byte));
    frames.commit(mark);
  };
  return { sink, written, frames, send, sizes: () => sink.batches.map(({ length }) => length) };
}

async function nextTick(): Promise<void> {
  await new Promise<void>((resolve) => process.nextTick(resolve));
}

describe("FrameWriter", () => {
  it("sends what is small at the end of the turn, in one piece", async () => {
    const { sink, written, send } = made();
    for (let count = 0; count < 5; count++) send(10, count);
    expect(sink.batches).toStrictEqual([]);
    await nextTick();
    expect(sink.batches).toHaveLength(1);
    expect(payloads(sink.batches[0]!)).toStrictEqual([0, 1, 2, 3, 4].map((byte) => Buffer.alloc(10, byte)));
    expect(written).toStrictEqual([true]);
  });

  it("sends batches of one turn early, each twice as large as the one before, up to 16 KiB", async () => {
    const { sizes, send, sink } = made();
    // Frames of 64 bytes: each size is met exactly.
    for (let count = 0; count < 1024; count++) send(60);
    expect(sizes()).toStrictEqual([1024, 2048, 4096, 8192, 16_384, 16_384, 16_384]);
    await nextTick();
    expect(sizes().slice(7)).toStrictEqual([1024]);
    for (let count = 0; count < 17; count++) send(60);
    expect(sizes().slice(8)).toStrictEqual([1024]);
    await nextTick();
    expect(sizes().slice(8)).toStrictEqual([1024, 64]);
    expect(payloads(Buffer.concat(sink.batches))).toHaveLength(1024 + 17);
  });

  it("sends a large frame at once", () => {
    const { sizes, send } = made();
    send(500_000);
    expect(sizes()).toStrictEqual([500_004]);
  });

  it("tells after each batch whether it has left", async () => {
    const { sink, written, frames, send } = made();
    send(2000);
    sink.queuedBytes = 700;
    send(3000);
    expect(written).toStrictEqual([true, false]);
    send(50);
    expect(frames.queuedBytes).toBe(754);
    sink.queuedBytes = 0;
    expect(frames.queuedBytes).toBe(54);
    await nextTick();
    expect(written).toStrictEqual([true, false, true]);
    expect(frames.queuedBytes).toBe(0);
  });

  it("gives a transport that keeps what it gets no slab for some bytes", () => {
    const { sink, frames, send } = made();
    sink.queuedBytes = 10;
    for (let count = 0; count < 5; count++) {
      send(100, count);
      frames.flush();
    }
    // The first could have left at once.
    const kept = sink.batches.slice(1);
    expect(kept).toStrictEqual([1, 2, 3, 4].map((byte) => frame(Buffer.alloc(100, byte))));
    const slabBytes = 65_536;
    for (const { buffer } of kept) expect(buffer.byteLength).toBeLessThan(slabBytes);
    sink.queuedBytes = 0;
    send(100);
    frames.flush();
    send(100);
    frames.flush();
    expect(sink.batches.at(-1)!.buffer.byteLength).toBe(slabBytes);
  });

  it("drops a frame over the limit and sends those around it", async () => {
    const { sink, frames, send } = made({ limit: 100 });
    send(100, 1);
    for (const [size, named] of [
      [101, "message of 101 bytes is"],
      [20_000, "message of 20000 bytes is"],
    ] as const) {
      const mark = frames.begin();
      const error = thrownBy(() => {
        try {
          frames.writer.append(Buffer.alloc(size));
        } catch (thrown) {
          throw frames.abort(mark, thrown);
        }
        frames.commit(mark);
      });
      expect(error.message).toBe(
        `${named} larger than the limit of 100 bytes of its sender (maxMessageBytes): raise limits.maxMessageBytes there; ` +
          "typed arrays of 32 KiB and more don't count between peers that said hello",
      );
    }
    send(1, 2);
    await nextTick();
    expect(Buffer.concat(sink.batches)).toStrictEqual(Buffer.concat([frame(Buffer.alloc(100, 1)), frame("\u0002")]));
    expect(frames.sentMessages).toBe(2);
    expect(frames.sentBytes).toBe(109);
  });

  it("goes on where a frame was dropped or has failed, and holds no memory then", async () => {
    const { sink, frames, send } = made();
    frames.drop(frames.begin());
    expect(frames.writer.bytes).toHaveLength(0);
    const mark = frames.begin();
    const failure = new Error("failed");
    expect(frames.abort(mark, failure)).toBe(failure);
    expect(frames.writer.bytes).toHaveLength(0);
    await nextTick();
    expect(sink.batches).toStrictEqual([]);
    send(1, 7);
    await nextTick();
    expect(sink.batches).toStrictEqual([frame("\u0007")]);
  });

  it("adds extended frames to the batch, behind the frame that is being written", async () => {
    const { sink, frames, send } = made();
    send(1, 1);
    frames.extended(3, bytes("00000007"));
    const mark = frames.begin();
    expect(frames.isOpen).toBe(true);
    frames.writer.append(Buffer.from([2]));
    frames.extended(5, bytes("00000008"), bytes("aabb"));
    frames.extended(4, bytes("00000009"));
    // What is half written doesn't leave.
    frames.flush();
    expect(sink.batches).toStrictEqual([]);
    frames.writer.append(Buffer.from([2]));
    frames.commit(mark);
    expect(frames.isOpen).toBe(false);
    await nextTick();
    expect(hex(sink.batches[0]!)).toBe(
      hex(bytes("0000000101 800000050300000007 000000020202 800000070500000008aabb 800000050400000009")),
    );
    expect(frames.sentMessages).toBe(2);
    expect(frames.sentBytes).toBe(sink.batches[0]!.length);
  });

  it.each([
    ["drop", (frames: FrameWriter, mark: number) => frames.drop(mark)],
    ["abort", (frames: FrameWriter, mark: number) => void frames.abort(mark, new Error("failed"))],
    ["lift", (frames: FrameWriter, mark: number) => void frames.lift(mark)],
  ])("adds them where the frame comes to nothing, too: %s", (_what, end) => {
    const { sink, frames, send } = made();
    send(1, 1);
    const mark = frames.begin();
    frames.writer.append(Buffer.from("half"));
    frames.extended(3, bytes("00000007"));
    end(frames, mark);
    frames.flush();
    expect(hex(sink.batches[0]!)).toBe(hex(bytes("0000000101 800000050300000007")));
  });

  it("leaves what came behind a frame over the limit alone", () => {
    const { sink, frames } = made({ limit: 3 });
    const mark = frames.begin();
    frames.writer.append(Buffer.from("long"));
    frames.extended(3, bytes("00000007"));
    frames.abort(
      mark,
      thrownBy(() => frames.commit(mark)),
    );
    frames.flush();
    expect(hex(sink.batches[0]!)).toBe("800000050300000007");
  });

  it("takes a payload out that is sent later", () => {
    const { sink, frames, send } = made({ limit: 5 });
    send(1, 1);
    const mark = frames.begin();
    frames.writer.append(Buffer.from("later"));
    const payload = frames.lift(mark);
    send(2, 2);
    frames.flush();
    expect(payload.toString()).toBe("later");
    expect(payloads(sink.batches[0]!)).toStrictEqual([Buffer.alloc(1, 1), Buffer.alloc(2, 2)]);
    const other = frames.begin();
    frames.writer.append(Buffer.from("longer"));
    expect(thrownBy(() => frames.lift(other)).message).toContain("5 bytes of its sender (maxMessageBytes)");
    expect(frames.isOpen).toBe(false);
  });

  it("sends pieces of large values, counts their bytes, and sees that they wait", () => {
    const { sink, frames, written } = made();
    frames.piece(bytes("0102"), bytes("030405"), () => {});
    expect(sink.batches.map((batch) => hex(batch))).toStrictEqual(["0102030405"]);
    expect([frames.sentBytes, frames.queuedBytes, frames.waits, frames.moved]).toStrictEqual([5, 0, false, 5]);
    sink.queuedBytes = 3;
    frames.piece(bytes("0102"), bytes("030405"), () => {});
    expect([frames.sentBytes, frames.queuedBytes, frames.waits, frames.moved]).toStrictEqual([10, 3, true, 7]);
    expect(written).toStrictEqual([false]);
  });

  it("writes nothing after its end", async () => {
    const { sink, written, frames, send } = made();
    send(10);
    frames.close();
    send(5000);
    await nextTick();
    expect(sink.batches).toStrictEqual([]);
    expect(written).toStrictEqual([]);
    expect(frames.writer.bytes).toHaveLength(0);
  });
});
