import { describe, expect, it } from "vitest";
import { decodeZstdFrame } from "../src/zstd-decoder.ts";
import { zstdOfNode } from "../src/zstd.ts";
import { bytes, thrownBy } from "./support.ts";

function decode(frame: Uint8Array, length: number): Buffer {
  const source = Buffer.concat([Buffer.alloc(1, 0xff), frame, Buffer.alloc(1, 0xff)]);
  const target = Buffer.alloc(length + 2, 0xee);
  decodeZstdFrame(source, 1, source.length - 1, target, 1, length + 1);
  expect([target[0], target[length + 1]]).toEqual([0xee, 0xee]);
  return target.subarray(1, length + 1);
}

describe("Zstandard frames", () => {
  it.each([
    ["a raw block", "28b52ffd 20 05 29 0000 68656c6c6f", "hello"],
    ["a block of one byte that repeats", "28b52ffd 20 05 2b 0000 61", "aaaaa"],
    ["two blocks", "28b52ffd 20 04 10 0000 6162 13 0000 63", "abcc"],
    ["a window and no size", "28b52ffd 00 00 29 0000 68656c6c6f", "hello"],
    ["a checksum", "28b52ffd 24 05 29 0000 68656c6c6f 00000000", "hello"],
  ])("with %s are read", (_name, frame, text) => {
    expect(decode(bytes(frame), text.length).toString()).toBe(text);
  });

  it.each([
    ["no magic number", "28b52ffe 20 05 29 0000 68656c6c6f", 5],
    ["a reserved bit", "28b52ffd 28 05 29 0000 68656c6c6f", 5],
    ["a dictionary", "28b52ffd 21 05 05 29 0000 68656c6c6f", 5],
    ["no block", "28b52ffd 20 05", 5],
    ["a block of the reserved type", "28b52ffd 20 05 2f 0000 68656c6c6f", 5],
    ["fewer bytes than its block says", "28b52ffd 20 05 29 0000 68656c6c", 5],
    ["no last block", "28b52ffd 20 05 28 0000 68656c6c6f", 5],
    ["bytes behind its end", "28b52ffd 20 05 29 0000 68656c6c6f 00", 5],
    ["fewer bytes than wanted", "28b52ffd 20 05 29 0000 68656c6c6f", 6],
    ["more bytes than wanted", "28b52ffd 20 05 29 0000 68656c6c6f", 4],
    ["a byte that repeats more often than wanted", "28b52ffd 20 05 fb ffff 61", 5],
    ["an empty packed block", "28b52ffd 20 05 05 0000", 5],
    ["literals without the table of a block before", "28b52ffd 20 05 2d 0000 4300040000", 5],
  ])("with %s are refused", (_name, frame, length) => {
    expect(thrownBy(() => decode(bytes(frame), length))).toMatchObject({ code: "SERIALIZATION_ERROR" });
  });

  it.skipIf(zstdOfNode === undefined)("of node:zlib are read at all levels, where it has them", () => {
    const words = Array.from({ length: 20_000 }, (_, index) => `word ${(index * 7919) % 1009} and ${index % 13}`).join(
      " ",
    );
    const numbers = Float64Array.from({ length: 40_000 }, (_, index) => Math.sin(index / 50));
    const plains = [Buffer.from(words), Buffer.from(numbers.buffer), Buffer.alloc(300_000, 5), Buffer.from("a")];
    for (const plain of plains) {
      for (const level of [1, 3, 6, 9, 13, 16, 19]) {
        const frame = zstdOfNode!.zstdCompressSync(plain, { params: { 100: level } });
        expect(decode(frame, plain.length).equals(plain)).toBe(true);
      }
    }
  });
});
