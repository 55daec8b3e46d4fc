import { describe, expect, it } from "vitest";
import { FrameDecoder } from "../../src/frame-decoder.ts";
import { MsgPackCodec } from "../../src/msgpack-codec.ts";
import { bytes, thrownBy } from "../support.ts";

/** Memory that is taken while an action runs `count` times, by count and not by clock: far above noise if it follows the word. */
function grownBytes(action: () => void): number {
  const before = process.memoryUsage();
  action();
  const after = process.memoryUsage();
  return after.heapUsed + after.external - (before.heapUsed + before.external);
}

describe("T8: lengths and counts far above the data", () => {
  const given = [
    "dd ffffffff",
    "dd 00ffffff",
    "df ffffffff",
    "df 7fffffff",
    "c6 ffffffff",
    "c6 7fffffff",
    "db ffffffff",
    "db 0fffffff",
    "dc ffff",
    "de ffff",
    "c5 ffff",
    "da ffff",
    "9f 01",
    "8f a161",
    "81 db ffffffff",
    "dd 00000002 c0",
    "df 00000002 a161c0",
  ];

  it.each(given)("MsgPack that declares %s is refused", (text) => {
    const error = thrownBy(() => new MsgPackCodec().decode(bytes(text)));
    expect(error).toMatchObject({ code: "SERIALIZATION_ERROR" });
    expect(error.message).toMatch(/declares|ends in the middle/);
  });

  it("five bytes take no memory", () => {
    const codec = new MsgPackCodec();
    for (const text of ["dd ffffffff", "df 7fffffff", "c6 7fffffff", "db 0fffffff"]) {
      const payload = bytes(text);
      expect(grownBytes(() => thrownBy(() => codec.decode(payload)))).toBeLessThan(5_000_000);
    }
  });

  it("nested counts that are all true of the rest, and lie together, take no memory", () => {
    const codec = new MsgPackCodec();
    // Each of the arrays claims all bytes that follow.
    const nested = (head: string, size: number): Buffer =>
      Buffer.concat([...Array.from({ length: 60 }, () => bytes(head)), Buffer.alloc(size, 0xc0)]);
    const large = nested("dd 000f0000", 1_000_000);
    const small = nested("dc f000", 65_000);
    // Beside other values at each level.
    const maps = nested("df 00001000 a16b c0 a16c", 60_000);
    for (const [payload, reason] of [
      [large, /^MsgPack declares more elements than there are bytes/],
      [small, /^MsgPack declares more elements than there are bytes/],
      [maps, /^MsgPack declares more|no string/],
      [nested("dd 00f00000", 16_000_000), /^MsgPack declares 3\d+ elements, 1\d+ bytes are left/],
    ] as const) {
      const grown = grownBytes(() => expect(thrownBy(() => codec.decode(payload)).message).toMatch(reason));
      // The first of them can have its place: eight times the bytes that are there.
      expect(grown).toBeLessThan(10_000_000);
    }
  });

  it("a frame's declared length takes no memory", () => {
    const decoder = new FrameDecoder(0x7fff_ffff, { onFrame: () => {} });
    expect(grownBytes(() => decoder.push(bytes("7fffffff 00")))).toBeLessThan(1_000_000);
    expect(decoder.pendingBytes).toBe(5);
  });
});
