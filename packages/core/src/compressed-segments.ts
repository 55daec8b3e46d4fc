import { shuffleBytes, unshuffleBytes } from "./byte-shuffle.ts";
import { LEAST_GAIN, seemsCompressible } from "./compressibility.ts";
import { chunkBytes, packLater, unpackLater } from "./compression.ts";
import type { Compression, UnpackedBytes } from "./compression.ts";
import { SerializationError } from "./errors.ts";
import { memoryIsGone } from "./segments.ts";
import type { SegmentPacker, SentSegment } from "./segments.ts";

/** Elements are shuffled within blocks of so many bytes, or a little less where they don't divide it. */
const BLOCK_BYTES = 131_072;
const HEAD_BYTES = 1;
const LARGEST_ITEM_BYTES = 255;

function blockBytesOf(itemBytes: number): number {
  return BLOCK_BYTES - (BLOCK_BYTES % itemBytes);
}

/** Segments behind one byte, the size of their elements, which are shuffled by it. `docs/protocol.md` section 3. */
export class CompressedSegments implements SegmentPacker {
  readonly #compression: Compression;
  readonly #level: number;

  constructor(compression: Compression, level: number) {
    this.#compression = compression;
    this.#level = level;
  }

  async packSegment({ bytes, itemBytes: size }: SentSegment): Promise<Uint8Array | undefined> {
    if (bytes.length === 0) throw memoryIsGone();
    const itemBytes = size <= LARGEST_ITEM_BYTES ? size : 1;
    if (!seemsCompressible(bytes, itemBytes, true)) return undefined;
    const engine = this.#compression.packer(this.#level, bytes.length, { chunkSize: chunkBytes(bytes.length) });
    return packLater(engine, Buffer.of(itemBytes), blocksOf(bytes, itemBytes), bytes.length * (1 - LEAST_GAIN));
  }

  async unpackSegment(packed: Uint8Array, rawLength: number): Promise<Buffer> {
    const itemBytes = packed[0];
    if (itemBytes === undefined || itemBytes === 0)
      throw new SerializationError("a packed segment without the size of its elements");
    const whole = new WholeBytes(rawLength, itemBytes);
    await unpackLater(this.#compression, packed.subarray(HEAD_BYTES), rawLength, whole);
    return whole.take();
  }
}

/** Copies, so that the caller's memory may be given away while a thread works. One follows the other in the same memory. */
function* blocksOf(bytes: Uint8Array, itemBytes: number): Generator<Uint8Array, void, undefined> {
  const { length } = bytes;
  const blockBytes = blockBytesOf(itemBytes);
  const block = Buffer.allocUnsafeSlow(Math.min(blockBytes, length));
  for (let start = 0; start < length; start += blockBytes) {
    if (bytes.length !== length) throw memoryIsGone();
    const part = block.subarray(0, Math.min(blockBytes, length - start));
    shuffleBytes(bytes.subarray(start, start + part.length), part, itemBytes);
    yield part;
  }
}

/** Bytes that come piece by piece, gathered in memory of their own; it is taken when the first ones come. */
export class WholeBytes implements UnpackedBytes {
  readonly #length: number;
  readonly #itemBytes: number;
  readonly #blockBytes: number;
  #whole: Buffer | undefined;
  #filled = 0;
  /** The block under way, where elements are shuffled. */
  #block: Buffer | undefined;
  #blockFilled = 0;

  constructor(length: number, itemBytes: number) {
    this.#length = length;
    this.#itemBytes = itemBytes;
    this.#blockBytes = blockBytesOf(itemBytes);
  }

  add(bytes: Buffer): void {
    this.#whole ??= Buffer.allocUnsafeSlow(this.#length);
    if (this.#itemBytes === 1) this.#filled += bytes.copy(this.#whole, this.#filled);
    else this.#addShuffled(this.#whole, bytes);
  }

  /** All of them. */
  take(): Buffer {
    return this.#whole ?? Buffer.allocUnsafeSlow(0);
  }

  #addShuffled(whole: Buffer, bytes: Buffer): void {
    this.#block ??= Buffer.allocUnsafeSlow(Math.min(this.#blockBytes, this.#length));
    for (let start = 0; start < bytes.length;) {
      const length = Math.min(this.#blockBytes, this.#length - this.#filled);
      const taken = bytes.copy(this.#block, this.#blockFilled, start, start + length - this.#blockFilled);
      start += taken;
      this.#blockFilled += taken;
      if (this.#blockFilled < length) return;
      const place = whole.subarray(this.#filled, this.#filled + length);
      unshuffleBytes(this.#block.subarray(0, length), place, this.#itemBytes);
      this.#filled += length;
      this.#blockFilled = 0;
    }
  }
}
