import { ColloquyError } from "./errors.ts";
import { leaseSlab, returnSlab } from "./slabs.ts";
import type { Slab } from "./slabs.ts";

const NO_BYTES: Buffer<ArrayBuffer> = Buffer.allocUnsafeSlow(0);
const FEW_BYTES = 64;
const NO_VIEW = new DataView(NO_BYTES.buffer);

/** A message that has outgrown `maxBatchBytes`. */
export class BatchOverflow extends ColloquyError {}

/**
 * Bytes that grow at the end. Encoders write into `bytes` at `position` after `reserve`; the batch is what stands between
 * the last `take` and `position`. Memory that was taken is never written again, so that it can be given to a socket. A writer
 * without a batch holds no memory.
 */
export class ByteWriter {
  bytes: Buffer<ArrayBuffer> = NO_BYTES;
  view: DataView = NO_VIEW;
  /** Where the next byte goes. */
  position = 0;
  /** Batches don't grow beyond; what is larger throws `RESOURCE_EXHAUSTED`. */
  maxBatchBytes = 0xffff_ffff;
  #slab: Slab | undefined;
  #start = 0;

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
    if (mark === 0) this.#letGo();
  }

  append(bytes: Uint8Array): void {
    this.reserve(bytes.length);
    this.bytes.set(bytes, this.position);
    this.position += bytes.length;
  }

  /** A copy of what was written after `mark`. */
  copyFrom(mark: number): Buffer {
    const { bytes, position } = this;
    const start = this.#start + mark;
    const length = position - start;
    const copy = Buffer.allocUnsafe(length);
    // A call into native code takes longer than to copy few bytes.
    if (length > FEW_BYTES) bytes.copy(copy, 0, start, position);
    else for (let index = 0; index < length; index++) copy[index] = bytes[start + index]!;
    return copy;
  }

  /** Hands the batch out; its memory is the taker's. */
  take(): Buffer<ArrayBuffer> {
    const batch = this.bytes.subarray(this.#start, this.position);
    this.#letGo();
    return batch;
  }

  #letGo(): void {
    const slab = this.#slab;
    if (slab === undefined) return;
    slab.used = this.position;
    this.#slab = undefined;
    this.bytes = NO_BYTES;
    this.view = NO_VIEW;
    this.position = 0;
    this.#start = 0;
    returnSlab(slab);
  }

  #grow(count: number): void {
    const batchBytes = this.position - this.#start;
    const needed = batchBytes + count;
    if (needed > this.maxBatchBytes)
      throw new BatchOverflow("RESOURCE_EXHAUSTED", "message is larger than a batch may be");
    const [before, start] = [this.bytes, this.#start];
    const slab = leaseSlab(batchBytes === 0 ? count : Math.max(needed, batchBytes * 2));
    if (batchBytes > 0) slab.bytes.set(before.subarray(start, this.position), slab.used);
    // What stood there before has moved: that memory is as free as it was.
    this.position = start;
    this.#letGo();
    this.#slab = slab;
    this.bytes = slab.bytes;
    this.view = slab.view;
    this.#start = slab.used;
    this.position = slab.used + batchBytes;
  }
}

/** Appends one byte. */
export function writeByte(writer: ByteWriter, byte: number): void {
  writer.reserve(1);
  writer.bytes[writer.position++] = byte;
}
