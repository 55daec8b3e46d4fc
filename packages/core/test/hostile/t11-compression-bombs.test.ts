import { once } from "node:events";
import zlib from "node:zlib";
import { describe, expect, it } from "vitest";
import { compressLz4 } from "../../src/lz4.ts";
import type { CompressionAlgorithm } from "../../src/compression.ts";
import { zstdOfNode } from "../../src/zstd.ts";
import { inChild } from "./measured.ts";

const MEBIBYTE = 1_048_576;
const BOMB_BYTES = 256 * MEBIBYTE;
/** Limit of a message. What is refused takes at most twice that, besides what an engine has for itself. */
const BUDGET = 16 * MEBIBYTE;
const ENGINE_BYTES = 12 * MEBIBYTE;

/** A bomb: so many zeros, packed in pieces. */
async function zeros(engine: NodeJS.ReadWriteStream, bytes: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  engine.on("data", (chunk: Buffer) => chunks.push(chunk));
  const piece = Buffer.alloc(MEBIBYTE);
  for (let written = 0; written < bytes; written += piece.length) {
    if (!engine.write(piece)) await once(engine, "drain");
  }
  engine.end();
  await once(engine, "end");
  return Buffer.concat(chunks);
}

function packedHead(first: number, length: number): Buffer {
  const head = Buffer.from([first, 0, 0, 0, 0]);
  head.writeUInt32BE(length, 1);
  return head;
}

const algorithms: [CompressionAlgorithm, number, () => NodeJS.ReadWriteStream][] = [
  ["deflate", 0x11, () => zlib.createDeflate()],
  ["gzip", 0x12, () => zlib.createGzip()],
  ["brotli", 0x13, () => zlib.createBrotliCompress({ params: { [zlib.constants.BROTLI_PARAM_QUALITY]: 5 } })],
  ...(zstdOfNode === undefined
    ? []
    : [["zstd", 0x14, () => zstdOfNode!.createZstdCompress({})] as [CompressionAlgorithm, number, () => zlib.Gzip]]),
];

describe.each(algorithms)("T11: a bomb of %s", (algorithm, head, makeEngine) => {
  it("is refused by what it says, and stopped where it lies", async () => {
    const bomb = await zeros(makeEngine(), BOMB_BYTES);
    expect(bomb.length).toBeLessThan(BOMB_BYTES / 900);
    const honest = await inChild(Buffer.concat([packedHead(head, BOMB_BYTES), bomb]), algorithm, "message");
    expect(honest.outcome).toContain("(maxMessageBytes)");
    expect(honest.grown).toBeLessThan(BUDGET);
    for (const [said, kind] of [
      [BUDGET, "message"],
      [1000, "message"],
      [BUDGET, "segment"],
    ] as const) {
      const payload = kind === "message" ? packedHead(head, said) : Buffer.of(8);
      const found = await inChild(Buffer.concat([payload, bomb]), algorithm, kind, String(said));
      expect(found.outcome).toContain(`malformed ${algorithm} data`);
      expect(found.grown).toBeLessThan(2 * BUDGET + ENGINE_BYTES);
      expect(found.milliseconds).toBeLessThan(20_000);
    }
  });
});

describe("T11: a Blosc container that lies", () => {
  function container(flags: number, byteLength: number, blockBytes: number, body: Buffer): Buffer {
    const head = Buffer.from([2, 1, flags, 1, ...Buffer.alloc(12)]);
    head.writeUInt32LE(byteLength, 4);
    head.writeUInt32LE(blockBytes, 8);
    head.writeUInt32LE(16 + body.length, 12);
    return Buffer.concat([head, body]);
  }

  function number(value: number): Buffer {
    const bytes = Buffer.alloc(4);
    bytes.writeUInt32LE(value);
    return bytes;
  }

  it.each([
    ["its size", container(0x30, 0x7fff_ffff, 0x7fff_ffff, Buffer.alloc(20))],
    ["its size, and the number of its blocks", container(0x30, 0xffff_ffff, 1, Buffer.alloc(64))],
    ["bytes that stand in it as they are", container(0x32, 0x7fff_ffff, 1, Buffer.alloc(20))],
    ["its size, within the limit", container(0x30, BUDGET, BUDGET, Buffer.concat([number(20), number(4), number(0)]))],
  ])("about %s is refused, and takes nothing", async (_what, payload) => {
    for (const kind of ["message", "segment"]) {
      const found = await inChild(payload, "blosc", kind, String(BUDGET));
      expect(found.outcome).toMatch(/Blosc|LZ4/);
      expect(found.grown).toBeLessThan(BUDGET);
    }
  });

  it("whose blocks are all the same bytes is no larger than it says", async () => {
    const block = Buffer.alloc(1000);
    const packed = block.subarray(0, compressLz4(Buffer.alloc(131_072), block, 0, 1000));
    const count = BUDGET / 131_072;
    const starts = Array.from({ length: count }, () => number(16 + 4 * count));
    const payload = container(0x30, BUDGET, 131_072, Buffer.concat([...starts, number(packed.length), packed]));
    const found = await inChild(payload, "blosc", "message");
    // Zeros in MsgPack: a number, and much behind it.
    expect(found.outcome).toContain("bytes after the end of the value");
    expect(found.grown).toBeLessThan(2 * BUDGET + ENGINE_BYTES);
  });
});
