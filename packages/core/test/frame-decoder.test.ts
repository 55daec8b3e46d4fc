import * as fc from "fast-check";
import { describe, expect, it, vi } from "vitest";
import { FrameDecoder } from "../src/frame-decoder.ts";
import { bytes, frame, hex, thrownBy } from "./support.ts";

/** What a decoder hands out for these chunks. */
function decoded(chunks: readonly Uint8Array[], maxPayloadBytes = 0x7fff_ffff): string[] {
  const found: string[] = [];
  const decoder = new FrameDecoder(maxPayloadBytes, {
    onFrame: (data, start, end) => void found.push(hex(data.subarray(start, end))),
  });
  for (const chunk of chunks) decoder.push(Buffer.from(chunk));
  return found;
}

/** The oracle: all bytes at once, read in the simplest way. */
function naive(all: Uint8Array): string[] {
  const found: string[] = [];
  const data = Buffer.from(all);
  for (let at = 0; at + 4 <= data.length; at += 4 + data.readUInt32BE(at)) {
    if (at + 4 + data.readUInt32BE(at) <= data.length)
      found.push(hex(data.subarray(at + 4, at + 4 + data.readUInt32BE(at))));
  }
  return found;
}

function cut(data: Buffer, places: readonly number[]): Buffer[] {
  const ends = [...places.map((place) => place % (data.length + 1)), data.length].sort((a, b) => a - b);
  return ends.map((end, index) => data.subarray(index === 0 ? 0 : ends[index - 1], end));
}

describe("FrameDecoder", () => {
  it.each([
    ["00000003 616263", ["616263"]],
    ["00000000", [""]],
    ["00000001 61 00000000 00000002 6263", ["61", "", "6263"]],
    ["00000003 6162", []],
    ["000000", []],
    ["", []],
  ])("cuts %s into %j, in one chunk and byte by byte", (given, expected) => {
    const data = bytes(given);
    expect(decoded([data])).toStrictEqual(expected);
    expect(decoded([...data].map((byte) => Buffer.from([byte])))).toStrictEqual(expected);
  });

  it("agrees with the oracle at random cuts", () => {
    const sizes = fc.array(fc.oneof(fc.nat(5), fc.nat(300), fc.integer({ min: 500, max: 9000 })), { maxLength: 12 });
    fc.assert(
      fc.property(sizes, fc.array(fc.nat(), { maxLength: 60 }), fc.nat(20), (lengths, places, missing) => {
        const whole = Buffer.concat(lengths.map((length, index) => frame(Buffer.alloc(length, index + 1))));
        const data = whole.subarray(0, Math.max(0, whole.length - missing));
        const expected = naive(data);
        expect(decoded(cut(data, places))).toStrictEqual(expected);
      }),
      { numRuns: 500 },
    );
  });

  it.each([1, 2, 3, 5, 511, 512, 513, 4096, 5000])("puts a large frame together from chunks of %i bytes", (size) => {
    const payload = Buffer.from(Array.from({ length: 20_000 }, (_, index) => index % 251));
    const data = Buffer.concat([frame(payload), frame("next")]);
    const chunks = Array.from({ length: Math.ceil(data.length / size) }, (_, index) =>
      data.subarray(index * size, (index + 1) * size),
    );
    expect(decoded(chunks)).toStrictEqual([hex(payload), hex(Buffer.from("next"))]);
  });

  it("keeps nothing of chunks that their owner writes over, where they are small", () => {
    const found: string[] = [];
    const decoder = new FrameDecoder(100, {
      onFrame: (data, start, end) => void found.push(hex(data.subarray(start, end))),
    });
    const chunk = Buffer.alloc(1);
    for (const byte of bytes("00000003 616263")) {
      chunk[0] = byte;
      decoder.push(chunk);
    }
    expect(found).toStrictEqual(["616263"]);
  });

  it("takes frames up to the limit and rejects one byte over it as soon as the header is there", () => {
    for (const [length, limit] of [
      [9, 10],
      [10, 10],
      [10, 20],
    ] as const) {
      expect(decoded([frame(Buffer.alloc(length))], limit)).toHaveLength(1);
    }
    for (const chunks of [
      [bytes("0000000b")],
      [bytes("0000"), bytes("000b")],
      [bytes("00000001 61 0000000b")],
      [bytes("00000001 61 00"), bytes("00000b")],
    ]) {
      expect(thrownBy(() => decoded(chunks, 10))).toMatchObject({
        code: "PROTOCOL_ERROR",
        message: "frame of 11 bytes; the limit is 10 (maxMessageBytes)",
      });
    }
  });

  it("uses a new limit from the next header on", () => {
    const found: number[] = [];
    const decoder = new FrameDecoder(2, { onFrame: (_data, start, end) => void found.push(end - start) });
    decoder.push(frame("ab"));
    decoder.maxPayloadBytes = 3;
    decoder.push(frame("abc"));
    expect(found).toStrictEqual([2, 3]);
    decoder.maxPayloadBytes = 1;
    expect(thrownBy(() => decoder.push(frame("ab")))).toMatchObject({ code: "PROTOCOL_ERROR" });
  });

  it.each(["80000000", "80000001", "ffffffff"])("rejects the length %s, whose highest bit is set", (header) => {
    expect(thrownBy(() => decoded([bytes(header)]))).toMatchObject({ code: "PROTOCOL_ERROR", executed: "unknown" });
  });

  it("stops in the middle of a chunk when it is told to", () => {
    const found: number[] = [];
    const decoder: FrameDecoder = new FrameDecoder(10, {
      onFrame: (_data, start, end) => {
        found.push(end - start);
        decoder.stop();
      },
    });
    decoder.push(Buffer.concat([frame("a"), frame("bc"), bytes("0000")]));
    decoder.push(frame("d"));
    expect(found).toStrictEqual([1]);
    expect(decoder.pendingBytes).toBe(0);
  });

  it("tells how much of an unfinished frame has come", () => {
    const decoder = new FrameDecoder(1_000_000, { onFrame: () => {} });
    const chunks: [string, number][] = [
      ["00", 1],
      ["00 0f", 3],
      ["ff 01", 5],
    ];
    for (const [chunk, pending] of chunks) {
      decoder.push(bytes(chunk));
      expect(decoder.pendingBytes).toBe(pending);
    }
    decoder.push(Buffer.alloc(1000));
    expect(decoder.pendingBytes).toBe(1005);
    decoder.push(Buffer.alloc(0xfff - 1001));
    expect(decoder.pendingBytes).toBe(0);
  });

  it("copies a large frame in small chunks about twice, however many there are", () => {
    const copied = (size: number): number => {
      let count = 0;
      const set = vi.spyOn(Uint8Array.prototype, "set").mockImplementation(function mock(
        this: Uint8Array,
        source,
        offset = 0,
      ) {
        count += source.length;
        for (let index = 0; index < source.length; index++) this[offset + index] = source[index]!;
      });
      const copy = vi.spyOn(Buffer.prototype, "copy").mockImplementation(function mock(
        this: Buffer,
        ...args: unknown[]
      ) {
        const [target, targetStart, start = 0, end = this.length] = args as [Uint8Array, number, number?, number?];
        count += end - start;
        for (let index = start; index < end; index++) target[targetStart + index - start] = this[index]!;
        return end - start;
      });
      const decoder = new FrameDecoder(size, { onFrame: () => {} });
      const header = Buffer.alloc(4);
      header.writeUInt32BE(size);
      decoder.push(header);
      const chunk = Buffer.alloc(1);
      for (let index = 0; index < size; index++) decoder.push(chunk);
      set.mockRestore();
      copy.mockRestore();
      return count;
    };
    const once = copied(50_000);
    expect(once).toBeGreaterThan(50_000);
    expect(once).toBeLessThan(3 * 50_000);
    expect(copied(100_000)).toBeLessThan(2.5 * once);
  });
});
