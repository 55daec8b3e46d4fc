import { inflateSync } from "node:zlib";
import { unshuffleBits } from "./bit-unshuffle.ts";
import {
  BIT_SHUFFLED,
  BLOSC_HEADER_BYTES,
  BLOSC_NUMBER_BYTES,
  BYTE_SHUFFLED,
  COMPRESSOR_SHIFT,
  COPIED,
  readBloscHeader,
  streamCountOf,
} from "./blosc-header.ts";
import type { BloscHeader } from "./blosc-header.ts";
import { decompressBloscLz } from "./blosclz.ts";
import { unshuffleBytes } from "./byte-shuffle.ts";
import { SerializationError } from "./errors.ts";
import { messageOf } from "./readable.ts";
import { decompressLz4 } from "./lz4.ts";
import { decompressSnappy } from "./snappy.ts";
import { decompressZstd } from "./zstd.ts";

/** Fills `target[from..to)` to the last byte from `source[start..end)`, or throws a `SerializationError`. */
type Decompressor = (
  source: Uint8Array,
  start: number,
  end: number,
  target: Uint8Array,
  from: number,
  to: number,
) => void;

/** By their numbers in the flags. */
const DECOMPRESSORS: readonly Decompressor[] = [
  decompressBloscLz,
  decompressLz4,
  decompressSnappy,
  decompressZlib,
  decompressZstd,
];

/** Reads one Blosc 1 container block by block, so that whoever reads a large one can let others in between. */
export class BloscReader {
  readonly header: BloscHeader;
  readonly #bytes: Buffer;
  readonly #start: number;
  readonly #end: number;
  readonly #result: Buffer;
  #filtered: Buffer | undefined;
  #next = 0;

  /**
   * Takes the container `bytes[start..end)`, which is read during the calls of `step`, and holds at most `maxBytes`: the bound that
   * is called `limit`.
   *
   * @throws SerializationError where the header doesn't fit the bytes.
   */
  constructor(bytes: Buffer, start: number, end: number, maxBytes: number, limit = "maxMessageBytes") {
    this.header = readBloscHeader(bytes, start, end, maxBytes, limit);
    this.#bytes = bytes;
    this.#start = start;
    this.#end = end;
    this.#result = Buffer.allocUnsafeSlow(this.header.byteLength);
  }

  /**
   * Reads the next blocks, up to `bytes` of the value in all, at least one. False: all have been read.
   *
   * @throws SerializationError for a malformed block.
   */
  step(bytes: number): boolean {
    const { blockBytes, blockCount } = this.header;
    for (let read = 0; read < bytes && this.#next < blockCount; read += blockBytes) this.#readBlock(this.#next++);
    return this.#next < blockCount;
  }

  /** The value, in memory of its own, once all blocks have been read. */
  take(): Buffer {
    return this.#result;
  }

  #readBlock(index: number): void {
    const { flags, itemBytes, byteLength, blockBytes } = this.header;
    if ((flags & COPIED) !== 0) {
      this.#bytes.copy(this.#result, 0, this.#start + BLOSC_HEADER_BYTES, this.#end);
      return;
    }
    const from = index * blockBytes;
    const block = this.#result.subarray(from, Math.min(from + blockBytes, byteLength));
    const at = this.#start + BLOSC_HEADER_BYTES + index * BLOSC_NUMBER_BYTES;
    const start = this.#start + this.#bytes.readUInt32LE(at);
    const isShuffled = (flags & BYTE_SHUFFLED) !== 0 && itemBytes > 1;
    if (!isShuffled && (flags & BIT_SHUFFLED) === 0) return this.#readStreams(start, block);
    this.#filtered ??= Buffer.allocUnsafeSlow(blockBytes);
    const filtered = this.#filtered.subarray(0, block.length);
    this.#readStreams(start, filtered);
    if (isShuffled) unshuffleBytes(filtered, block, itemBytes);
    else unshuffleBits(filtered, block, itemBytes);
  }

  #readStreams(start: number, target: Buffer): void {
    const count = streamCountOf(this.header, target.length);
    const length = target.length / count;
    if (!Number.isInteger(length)) throw new SerializationError("Blosc block that its streams don't divide");
    let position = start;
    for (let from = 0; from < target.length; from += length) {
      if (this.#end - position < BLOSC_NUMBER_BYTES) throw outOfPlace();
      const packedBytes = this.#bytes.readUInt32LE(position);
      position += BLOSC_NUMBER_BYTES;
      if (packedBytes === 0 || packedBytes > this.#end - position) throw outOfPlace();
      this.#readStream(position, position + packedBytes, target, from, from + length);
      position += packedBytes;
    }
  }

  #readStream(start: number, end: number, target: Buffer, from: number, to: number): void {
    // What doesn't shrink stands there as it is.
    if (end - start === to - from) return void this.#bytes.copy(target, from, start, end);
    const number = this.header.flags >> COMPRESSOR_SHIFT;
    const decompress = DECOMPRESSORS[number];
    if (decompress === undefined) throw new SerializationError(`Blosc container of the unknown compressor ${number}`);
    decompress(this.#bytes, start, end, target, from, to);
  }
}

function outOfPlace(): SerializationError {
  return new SerializationError("Blosc block outside of its container");
}

function decompressZlib(
  source: Uint8Array,
  start: number,
  end: number,
  target: Uint8Array,
  from: number,
  to: number,
): void {
  let result: Buffer;
  try {
    result = inflateSync(source.subarray(start, end), { maxOutputLength: to - from });
  } catch (error) {
    throw new SerializationError(`malformed zlib data: ${messageOf(error)}`, { cause: error });
  }
  if (result.length !== to - from) throw new SerializationError("malformed zlib data: it is too short");
  target.set(result, from);
}
