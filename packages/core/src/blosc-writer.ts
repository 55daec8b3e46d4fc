import {
  BLOSC_HEADER_BYTES,
  BLOSC_NUMBER_BYTES,
  BYTE_SHUFFLED,
  COMPRESSOR_SHIFT,
  UNSPLIT,
  writeBloscHeader,
} from "./blosc-header.ts";
import { shuffleBytes } from "./byte-shuffle.ts";
import { LEAST_GAIN } from "./compressibility.ts";
import { compressLz4 } from "./lz4.ts";

/** Bytes of a block: LZ4 looks back over half of it, and one is packed in well under a millisecond. */
export const BLOSC_BLOCK_BYTES = 131_072;
const LZ4 = 1;
const LARGEST_ITEM_BYTES = 255;

/** Scratch memory for one block at a time, which is packed within one call. */
let shuffled: Buffer | undefined;
let packed: Buffer | undefined;

/**
 * Writes one Blosc 1 container with LZ4, block by block, so that whoever packs a large value can let others in between. Elements
 * of more than one byte are shuffled.
 */
export class BloscWriter {
  readonly #source: Uint8Array;
  readonly #itemBytes: number;
  readonly #blockBytes: number;
  readonly #blocks: Buffer[] = [];
  #next = 0;
  #packedBytes: number;

  /** `source` is read during the calls of `step`. */
  constructor(source: Uint8Array, itemBytes: number) {
    this.#source = source;
    this.#itemBytes = itemBytes <= LARGEST_ITEM_BYTES ? itemBytes : 1;
    const whole = BLOSC_BLOCK_BYTES - (BLOSC_BLOCK_BYTES % this.#itemBytes);
    this.#blockBytes = Math.min(whole, source.length);
    this.#packedBytes = BLOSC_HEADER_BYTES + Math.ceil(source.length / this.#blockBytes) * BLOSC_NUMBER_BYTES;
  }

  /** False once what was packed so far has not become smaller enough. */
  get shrinks(): boolean {
    return this.#packedBytes <= BLOSC_HEADER_BYTES + this.#next * (1 - LEAST_GAIN);
  }

  /** Packs the next blocks, up to `bytes` of the value in all, at least one. False: all are packed. */
  step(bytes: number): boolean {
    const { length } = this.#source;
    for (let read = 0; read < bytes && this.#next < length; read += this.#blockBytes) this.#packBlock();
    return this.#next < length;
  }

  /** The container, once all blocks are packed. */
  take(): Buffer {
    const result = Buffer.allocUnsafeSlow(this.#packedBytes);
    const flags = (this.#itemBytes > 1 ? BYTE_SHUFFLED : 0) | UNSPLIT | (LZ4 << COMPRESSOR_SHIFT);
    writeBloscHeader(result, 0, flags, this.#itemBytes, this.#source.length, this.#blockBytes, result.length);
    let start = BLOSC_HEADER_BYTES + this.#blocks.length * BLOSC_NUMBER_BYTES;
    for (const [index, block] of this.#blocks.entries()) {
      result.writeUInt32LE(start, BLOSC_HEADER_BYTES + index * BLOSC_NUMBER_BYTES);
      block.copy(result, start);
      start += block.length;
    }
    return result;
  }

  #packBlock(): void {
    const source = this.#source.subarray(this.#next, this.#next + this.#blockBytes);
    this.#next += source.length;
    packed ??= Buffer.allocUnsafeSlow(BLOSC_NUMBER_BYTES + BLOSC_BLOCK_BYTES);
    let plain = source;
    if (this.#itemBytes > 1) {
      shuffled ??= Buffer.allocUnsafeSlow(BLOSC_BLOCK_BYTES);
      plain = shuffled.subarray(0, source.length);
      shuffleBytes(source, plain, this.#itemBytes);
    }
    // One byte less than the block has: at the same length it stands there as it is.
    const end = BLOSC_NUMBER_BYTES + source.length - 1;
    let length = compressLz4(plain, packed, BLOSC_NUMBER_BYTES, end);
    if (length === 0) {
      packed.set(plain, BLOSC_NUMBER_BYTES);
      length = plain.length;
    }
    packed.writeUInt32LE(length);
    this.#blocks.push(Buffer.from(packed.subarray(0, BLOSC_NUMBER_BYTES + length)));
    this.#packedBytes += BLOSC_NUMBER_BYTES + length;
  }
}
