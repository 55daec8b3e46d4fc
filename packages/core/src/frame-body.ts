import { keepSpare, takeSpare } from "./spare-memory.ts";

const NO_BYTES: Buffer = Buffer.alloc(0);
/** The memory for a payload under way grows this many times at once: it stays in proportion to what has arrived. */
const GROWTH = 4;
const SMALLEST_BODY_BYTES = 512;
/** Room for less isn't worth a read of its own. */
const SMALLEST_ROOM_BYTES = 32_768;

/** Puts one payload together that comes in several chunks. Memory follows what has arrived, never a declared length. */
export class FrameBody {
  #bytes: Buffer = NO_BYTES;
  #filled = 0;
  /** Whole size of the payload under way; -1: none is. */
  #wanted = -1;

  get isOpen(): boolean {
    return this.#wanted >= 0;
  }

  get isComplete(): boolean {
    return this.#filled === this.#wanted;
  }

  get filledBytes(): number {
    return this.#filled;
  }

  begin(wanted: number): void {
    this.#wanted = wanted;
  }

  /** Takes what is missing from `chunk[start..]`; returns where the rest starts. */
  append(chunk: Buffer, start: number): number {
    const end = start + Math.min(this.#wanted - this.#filled, chunk.length - start);
    const filled = this.#filled + end - start;
    if (filled > this.#bytes.length) this.#grow(filled);
    chunk.copy(this.#bytes, this.#filled, start, end);
    this.#filled = filled;
    return end;
  }

  /** Where a transport may read the next bytes to, if the payload is large; `fill` follows. */
  room(): Buffer | undefined {
    const missing = this.#wanted - this.#filled;
    if (missing < SMALLEST_ROOM_BYTES || this.#filled < SMALLEST_ROOM_BYTES) return undefined;
    if (this.#bytes.length - this.#filled < SMALLEST_ROOM_BYTES) this.#grow(this.#filled + SMALLEST_ROOM_BYTES);
    // Memory that was another payload's may be longer.
    return this.#bytes.subarray(this.#filled, this.#wanted);
  }

  /** Bytes have been read into what `room` returned. */
  fill(count: number): void {
    this.#filled += count;
  }

  /** Hands the whole payload out: the memory is the taker's, and may be longer than the payload. */
  take(): Buffer {
    const bytes = this.#bytes;
    const length = this.#wanted;
    this.drop();
    return bytes.length === length ? bytes : bytes.subarray(0, length);
  }

  /** Hands the whole payload out during the call: its memory is used again then. */
  lend(use: (bytes: Buffer, length: number) => void): void {
    const bytes = this.#bytes;
    const length = this.#wanted;
    this.drop();
    use(bytes, length);
    keepSpare(bytes);
  }

  drop(): void {
    this.#bytes = NO_BYTES;
    this.#filled = 0;
    this.#wanted = -1;
  }

  #grow(needed: number): void {
    const before = this.#bytes;
    const most = needed * GROWTH;
    // Not from Node's pool: a small frame that never ends would hold a whole slab of it.
    this.#bytes =
      takeSpare(needed, most, this.#wanted) ??
      Buffer.allocUnsafeSlow(Math.min(this.#wanted, Math.max(most, SMALLEST_BODY_BYTES)));
    before.copy(this.#bytes, 0, 0, this.#filled);
    keepSpare(before);
  }
}
