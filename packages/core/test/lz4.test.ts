import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { compressLz4, decompressLz4 } from "../src/lz4.ts";
import { bytes, hex, thrownBy } from "./support.ts";

function compress(plain: Uint8Array, room = plain.length + 100): Buffer {
  const target = Buffer.alloc(room + 2, 0xee);
  const length = compressLz4(plain, target, 1, room + 1);
  expect([target[0], target[room + 1]]).toEqual([0xee, 0xee]);
  return target.subarray(1, 1 + length);
}

function decompress(block: Uint8Array, length: number): Buffer {
  const source = Buffer.concat([Buffer.alloc(2, 0xff), block, Buffer.alloc(2, 0xff)]);
  const target = Buffer.alloc(length + 2, 0xee);
  decompressLz4(source, 2, source.length - 2, target, 1, length + 1);
  expect([target[0], target[length + 1]]).toEqual([0xee, 0xee]);
  return target.subarray(1, length + 1);
}

describe("LZ4", () => {
  it.each([
    ["nothing", "", "00"],
    ["too short for a match", "abcabcabcabc", "c0 616263616263616263616263"],
    ["zeros", "\0".repeat(64), "1f 00 0100 27 50 0000000000"],
    ["15 literals and no match", "abcdefghijklmno", `f0 00 ${Buffer.from("abcdefghijklmno").toString("hex")}`],
  ])("writes %s as one block", (_name, text, block) => {
    const plain = Buffer.from(text);
    expect(hex(compress(plain))).toBe(hex(bytes(block)));
    expect(hex(decompress(bytes(block), plain.length))).toBe(hex(plain));
  });

  it("returns what it was given, whatever repeats in it", () => {
    const runs = fc.array(fc.tuple(fc.uint8Array({ maxLength: 40 }), fc.integer({ min: 1, max: 40 })), {
      maxLength: 40,
    });
    fc.assert(
      fc.property(runs, (parts) => {
        const plain = Buffer.concat(parts.flatMap(([part, count]) => Array.from({ length: count }, () => part)));
        expect(decompress(compress(plain), plain.length).equals(plain)).toBe(true);
      }),
      { numRuns: 300 },
    );
  });

  it("carries long literals, long matches, and matches at the largest distance", () => {
    const noise = Buffer.from(Array.from({ length: 65_535 }, (_, index) => (index * index * 31 + (index >> 7)) & 0xff));
    const plain = Buffer.concat([noise, noise, Buffer.alloc(70_000, 7), noise.subarray(0, 300)]);
    const block = compress(plain);
    expect(block.length).toBeLessThan(plain.length);
    expect(decompress(block, plain.length).equals(plain)).toBe(true);
  });

  it("says where there isn't room", () => {
    const plain = Buffer.from("some text that does not repeat");
    expect(compress(plain, plain.length)).toHaveLength(0);
    expect(compress(Buffer.alloc(1000), 8)).toHaveLength(0);
  });

  it.each([
    ["empty", "", 1],
    ["a token alone", "10", 1],
    ["fewer literals than said", "20 61", 2],
    ["an endless length", "f0 ffff", 600],
    ["fewer bytes than wanted", "10 61", 2],
    ["more literals than wanted", "20 6162", 1],
    ["half of an offset", "11 61 01", 10],
    ["the offset 0", "10 61 0000", 10],
    ["an offset before the first byte", "10 61 0200 00", 10],
    ["a match beyond what is wanted", "1f 61 0100 ff00 00", 20],
    ["no literals at the end", "10 61 0100", 5],
    ["bytes behind the end", "00 00", 0],
  ])("refuses a block with %s", (_name, block, length) => {
    expect(thrownBy(() => decompress(bytes(block), length))).toMatchObject({ code: "SERIALIZATION_ERROR" });
  });
});
