import { ProtocolError } from "./errors.ts";

const HEADER_BYTES = 4;
/** Chunks below this size are copied together: each would cost an object of a hundred bytes and more. */
const SMALL_CHUNK_BYTES = 512;
const SLAB_BYTES = 4096;

/** Takes a payload, `bytes[start..end)`. The bytes are valid during the call only. */
export type FrameListener = (bytes: Buffer, start: number, end: number) => void;

/**
 * Cuts a byte stream into length-prefixed frames (`docs/protocol.md` section 1). A frame that lies within one chunk is handed
 * out in place; one that spans several is put together once. Memory follows what has arrived, never a declared length.
 */
export class FrameDecoder {
  /** Largest payload; changes take effect at the next header. */
  maxPayloadBytes: number;
  readonly #onFrame: FrameListener;
  #parts: Buffer[] = [];
  /** The last of the parts while small chunks are copied into it. */
  #slab: Buffer | undefined;
  #slabUsed = 0;
  #partBytes = 0;
  /** Whole size of the frame in `#parts`, header included; 0 while its header is incomplete. */
  #wanted = 0;
  #stopped = false;

  constructor(maxPayloadBytes: number, onFrame: FrameListener) {
    this.maxPayloadBytes = maxPayloadBytes;
    this.#onFrame = onFrame;
  }

  /** Bytes of a frame that has begun and is not complete. */
  get pendingBytes(): number {
    return this.#partBytes;
  }

  /** No more frames, also not from the chunk that is being read. */
  stop(): void {
    this.#stopped = true;
    this.#clear();
  }

  /**
   * Reads one chunk and calls the listener for each frame that is complete.
   *
   * @throws ProtocolError for a length over the limit and for an extended frame.
   */
  push(chunk: Buffer): void {
    let position = 0;
    if (this.#partBytes > 0) position = this.#complete(chunk);
    const end = chunk.length;
    while (!this.#stopped && end - position >= HEADER_BYTES) {
      const next = position + HEADER_BYTES + this.#readLength(chunk, position);
      if (next > end) {
        this.#wanted = next - position;
        break;
      }
      this.#onFrame(chunk, position + HEADER_BYTES, next);
      position = next;
    }
    if (position < end && !this.#stopped) this.#keep(position === 0 ? chunk : chunk.subarray(position));
  }

  /** Adds to the frame that has begun; returns where the rest of the chunk starts. */
  #complete(chunk: Buffer): number {
    let position = 0;
    if (this.#wanted === 0) {
      // At most three bytes of a header are here: joining them is cheap.
      position = Math.min(HEADER_BYTES - this.#partBytes, chunk.length);
      this.#keep(chunk.subarray(0, position));
      const head = this.#takeParts();
      this.#keep(head);
      if (head.length < HEADER_BYTES) return position;
      this.#wanted = HEADER_BYTES + this.#readLength(head, 0);
    }
    const missing = this.#wanted - this.#partBytes;
    const available = chunk.length - position;
    if (available < missing) {
      if (available > 0) this.#keep(position === 0 ? chunk : chunk.subarray(position));
      return chunk.length;
    }
    this.#push(chunk.subarray(position, position + missing));
    const frame = this.#takeParts();
    this.#wanted = 0;
    this.#onFrame(frame, HEADER_BYTES, frame.length);
    return position + missing;
  }

  /** Small parts share a slab, so that memory stays in proportion to what has arrived. */
  #keep(part: Buffer): void {
    if (part.length >= SMALL_CHUNK_BYTES) return this.#push(part);
    if (this.#slab === undefined || this.#slabUsed + part.length > this.#slab.length) {
      this.#seal();
      this.#slab = Buffer.allocUnsafeSlow(this.#partBytes < SLAB_BYTES ? SMALL_CHUNK_BYTES : SLAB_BYTES);
    }
    this.#slab.set(part, this.#slabUsed);
    this.#slabUsed += part.length;
    this.#partBytes += part.length;
  }

  #push(part: Buffer): void {
    this.#seal();
    this.#parts.push(part);
    this.#partBytes += part.length;
  }

  #seal(): void {
    if (this.#slab !== undefined) this.#parts.push(this.#slab.subarray(0, this.#slabUsed));
    this.#slab = undefined;
    this.#slabUsed = 0;
  }

  /** All parts in one piece. */
  #takeParts(): Buffer {
    this.#seal();
    const whole = this.#parts.length === 1 ? this.#parts[0]! : Buffer.concat(this.#parts, this.#partBytes);
    this.#clear();
    return whole;
  }

  #clear(): void {
    this.#parts = [];
    this.#slab = undefined;
    this.#slabUsed = 0;
    this.#partBytes = 0;
  }

  #readLength(bytes: Buffer, position: number): number {
    const length =
      bytes[position]! * 0x100_0000 +
      ((bytes[position + 1]! << 16) | (bytes[position + 2]! << 8) | bytes[position + 3]!);
    if (length > this.maxPayloadBytes) {
      if (length >= 0x8000_0000) throw new ProtocolError("extended frame from a peer that was not told to send any");
      throw new ProtocolError(`frame of ${length} bytes; the limit is ${this.maxPayloadBytes} (maxMessageBytes)`);
    }
    return length;
  }
}
