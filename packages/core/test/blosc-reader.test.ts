import { readFileSync } from "node:fs";
import { describe, expect, it, vi } from "vitest";
import { BloscReader } from "../src/blosc-reader.ts";
import { bytes, thrownBy } from "./support.ts";

interface Vector {
  readonly compressor: string;
  readonly shuffle: string;
  readonly typeSize: number;
  readonly blockSize: number;
  readonly container: string;
}

const { vectors } = JSON.parse(readFileSync(new URL("../../../test-vectors/blosc.json", import.meta.url), "utf8")) as {
  vectors: Vector[];
};
const squares = Buffer.from(BigUint64Array.from({ length: 320 }, (_, index) => BigInt(index * index)).buffer);

// With a node:zlib that has Zstandard, too, the decoder of this package is what is tested.
vi.mock("../src/zstd.ts", async () => ({
  decompressZstd: (await import("../src/zstd-decoder.ts")).decodeZstdFrame,
}));

/** The value of a container that doesn't lie at the start of its memory. */
function read(container: Uint8Array, maxBytes = 10_000): Buffer {
  const around = Buffer.concat([Buffer.alloc(3, 2), container, Buffer.alloc(3, 2)]);
  const reader = new BloscReader(around, 3, around.length - 3, maxBytes);
  while (reader.step(1));
  return reader.take();
}

describe("containers that python-blosc has written", () => {
  it("are there with each compressor", () => {
    const compressors = new Set(vectors.map(({ compressor }) => compressor));
    expect(compressors).toEqual(new Set(["blosclz", "lz4", "lz4hc", "snappy", "zlib", "zstd"]));
  });

  it.each(vectors)("$compressor, shuffle $shuffle, type size $typeSize, block size $blockSize: are read", (vector) => {
    expect(read(bytes(vector.container)).equals(squares)).toBe(true);
  });
});

describe("BloscReader", () => {
  const known = bytes(vectors.find(({ compressor, blockSize }) => compressor === "lz4" && blockSize > 0)!.container);
  const changed = (at: number, ...values: number[]): Buffer => {
    const container = Buffer.from(known);
    container.set(values, at);
    return container;
  };

  it("reads a container block by block", () => {
    const reader = new BloscReader(known, 0, known.length, 10_000);
    expect(reader.header).toMatchObject({ byteLength: 2560, blockBytes: 1020, blockCount: 3 });
    expect([reader.step(1), reader.step(1020), reader.step(1)]).toEqual([true, true, false]);
    expect(reader.take().equals(squares)).toBe(true);
  });

  it("reads what stands in it as it is", () => {
    expect(read(bytes("02011308 07000000 01000000 17000000 930100a3637961")).toString("hex")).toBe("930100a3637961");
  });

  it.each([
    ["no header", bytes("02011308 07000000 01000000 170000")],
    ["another version", changed(0, 3)],
    ["a reserved flag", changed(2, known[2]! | 8)],
    ["two filters", changed(2, known[2]! | 5)],
    ["elements without bytes", changed(3, 0)],
    ["another length than its place", changed(12, known[12]! + 1)],
    ["bytes behind its end", Buffer.concat([known, Buffer.alloc(1)])],
    ["more bytes than the limit", changed(4, 0x11, 0x27)],
    ["more bytes than there are, as they are", changed(2, known[2]! | 2)],
    ["blocks without bytes", changed(8, 0, 0, 0, 0)],
    ["blocks larger than all", changed(8, 1, 0x0a, 0, 0)],
    ["more blocks than it has room for", changed(8, 1, 0, 0, 0)],
    ["a block behind its end", changed(16, 0, 0, 0, 0x7f)],
    ["a block that starts with its last byte", changed(16, known.length - 1, (known.length - 1) >> 8)],
    ["a stream without bytes", changed(28, 0, 0, 0, 0)],
    ["a stream behind its end", changed(28, 0xff, 0xff, 0xff, 0xff)],
    ["an unknown compressor", changed(2, 0xe0 | (known[2]! & 0x1f))],
  ])("refuses a container with %s", (_name, container) => {
    expect(thrownBy(() => read(container))).toMatchObject({ code: "SERIALIZATION_ERROR" });
  });

  it("bounds what a header may claim before anything is allocated", () => {
    const header = bytes("02011308 ffffff7f ffffff7f 10000000");
    const error = thrownBy(() => read(header, 1000));
    expect(error.message).toBe("Blosc container that holds 2147483647 bytes; the limit is 1000 (maxMessageBytes)");
  });

  it("refuses broken blocks of every compressor, or reads as many bytes as there were", () => {
    for (const vector of vectors) {
      const container = bytes(vector.container);
      for (let at = 16; at < container.length; at += 3) {
        const broken = Buffer.from(container);
        broken[at]! ^= 0x5a;
        try {
          expect(read(broken)).toHaveLength(squares.length);
        } catch (error) {
          expect(error).toMatchObject({ code: "SERIALIZATION_ERROR" });
        }
      }
    }
  });
});
