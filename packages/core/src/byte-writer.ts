import { ColloquyError } from "./errors.ts";

const SMALLEST_SLAB_BYTES = 1024;
const LARGEST_SLAB_BYTES = 65_536;

/**
 * Bytes that grow at the end. Encoders write into `bytes` at `position` after `reserve`; the batch is what stands between
 * the last `take` and `position`. Memory that was taken is never written again, so that it can be given to a socket.
 */
export class ByteWriter {
  bytes: Buffer<ArrayBuffer>;
  view: DataView;
  /** Where the next byte goes. */
  position = 0;
  /** Batches don't grow beyond; what is larger throws `RESOURCE_EXHAUSTED`. */
  maxBatchBytes = 0xffff_ffff;
  #start = 0;
  #slabBytes = SMALLEST_SLAB_BYTES;

  constructor() {
    this.bytes = Buffer.allocUnsafeSlow(0);
    this.view = new DataView(this.bytes.buffer);
  }

  /** Bytes written since the last `take`. */
  get batchBytes(): number {
    return this.position - this.#start;
  }

  /** Makes room for `count` bytes; `position`, `bytes` and `view` may change. */
  reserve(count: number): void {
    if (this.position + count > this.bytes.length) this.#grow(count);
  }

  /** Position relative to the batch: it stays right when the memory moves. */
  mark(): number {
    return this.position - this.#start;
  }

  /** The position of a mark now. */
  at(mark: number): number {
    return this.#start + mark;
  }

  /** Drops what was written after `mark`. */
  rewind(mark: number): void {
    this.position = this.#start + mark;
  }

  append(bytes: Uint8Array): void {
    this.reserve(bytes.length);
    this.bytes.set(bytes, this.position);
    this.position += bytes.length;
  }

  /** Hands the batch out; its memory is the taker's. */
  take(): Buffer<ArrayBuffer> {
    const batch = this.bytes.subarray(this.#start, this.position);
    this.#start = this.position;
    // The slab of a large message isn't kept for small ones.
    if (this.bytes.length > LARGEST_SLAB_BYTES) this.#reset();
    return batch;
  }

  #reset(): void {
    this.bytes = Buffer.allocUnsafeSlow(0);
    this.view = new DataView(this.bytes.buffer);
    this.position = 0;
    this.#start = 0;
  }

  #grow(count: number): void {
    const batch = this.position - this.#start;
    const needed = batch + count;
    if (needed > this.maxBatchBytes)
      throw new ColloquyError("RESOURCE_EXHAUSTED", "message is larger than a batch may be");
    // The next slab is larger, so that a busy connection allocates seldom and an idle one keeps little.
    this.#slabBytes = Math.min(this.#slabBytes * 4, LARGEST_SLAB_BYTES);
    const bytes = Buffer.allocUnsafeSlow(needed > this.#slabBytes ? Math.max(needed, batch * 2) : this.#slabBytes);
    bytes.set(this.bytes.subarray(this.#start, this.position));
    this.bytes = bytes;
    this.view = new DataView(bytes.buffer);
    this.#start = 0;
    this.position = batch;
  }
}
