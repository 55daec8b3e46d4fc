import { ProtocolError } from "./errors.ts";

const HEADER_BYTES = 4;
const NO_BYTES: Buffer = Buffer.alloc(0);
/** The memory for a payload under way grows this many times at once: it stays in proportion to what has arrived. */
const GROWTH = 4;
const SMALLEST_BODY_BYTES = 512;
/** Room for less isn't worth a read of its own. */
const SMALLEST_ROOM_BYTES = 32_768;

export interface FrameListener {
  /** Takes a payload, `bytes[start..end)`. The bytes are valid during the call only. */
  onFrame(bytes: Buffer, start: number, end: number): void;
}

/**
 * Cuts a byte stream into length-prefixed frames (`docs/protocol.md` section 1). A frame that lies within one chunk is handed
 * out in place; one that spans several is put together, and where it is large the transport may read straight into its place.
 * Memory follows what has arrived, never a declared length.
 */
export class FrameDecoder {
  /** Largest payload; changes take effect at the next header. */
  maxPayloadBytes: number;
  readonly #listener: FrameListener;
  /** Bytes of a header that is incomplete, and their value so far. */
  #headerFilled = 0;
  #header = 0;
  /** The payload under way, as far as there is memory for it. */
  #body: Buffer = NO_BYTES;
  #bodyFilled = 0;
  /** Whole size of the payload under way; -1: none is. */
  #wanted = -1;
  #stopped = false;

  constructor(maxPayloadBytes: number, listener: FrameListener) {
    this.maxPayloadBytes = maxPayloadBytes;
    this.#listener = listener;
  }

  /** Bytes of a frame that has begun and is not complete. */
  get pendingBytes(): number {
    return this.#wanted < 0 ? this.#headerFilled : HEADER_BYTES + this.#bodyFilled;
  }

  /** No more frames, also not from the chunk that is being read. */
  stop(): void {
    this.#stopped = true;
    this.#headerFilled = 0;
    this.#dropBody();
  }

  /**
   * Reads one chunk and calls the listener for each frame that is complete. The chunk isn't kept.
   *
   * @throws ProtocolError for a length over the limit and for an extended frame.
   */
  push(chunk: Buffer): void {
    const end = chunk.length;
    let position = this.#wanted >= 0 || this.#headerFilled > 0 ? this.#continue(chunk) : 0;
    while (!this.#stopped && end - position >= HEADER_BYTES) {
      const start = position + HEADER_BYTES;
      const next = start + this.#checked(readLength(chunk, position));
      if (next > end) return this.#begin(chunk, start, next - start);
      this.#listener.onFrame(chunk, start, next);
      position = next;
    }
    if (!this.#stopped) this.#keepHeader(chunk, position, end);
  }

  /** Where a transport may read the next bytes to, if a large payload is under way; `fill` follows. */
  room(): Buffer | undefined {
    const missing = this.#wanted - this.#bodyFilled;
    if (missing < SMALLEST_ROOM_BYTES || this.#bodyFilled < SMALLEST_ROOM_BYTES) return undefined;
    if (this.#body.length - this.#bodyFilled < SMALLEST_ROOM_BYTES) this.#grow(this.#bodyFilled + SMALLEST_ROOM_BYTES);
    return this.#body.subarray(this.#bodyFilled);
  }

  /** Bytes have been read into what `room` returned. */
  fill(count: number): void {
    if (this.#stopped) return;
    this.#bodyFilled += count;
    if (this.#bodyFilled === this.#wanted) this.#finish();
  }

  /** Goes on with the frame that has begun; returns where the rest of the chunk starts. */
  #continue(chunk: Buffer): number {
    let position = 0;
    if (this.#wanted < 0) {
      position = Math.min(HEADER_BYTES - this.#headerFilled, chunk.length);
      this.#keepHeader(chunk, 0, position);
      if (this.#headerFilled < HEADER_BYTES) return position;
      this.#headerFilled = 0;
      this.#wanted = this.#checked(this.#header);
      // What is complete without a copy is handed out in place.
      if (chunk.length - position >= this.#wanted) {
        const end = position + this.#wanted;
        this.#wanted = -1;
        this.#listener.onFrame(chunk, position, end);
        return end;
      }
    }
    const taken = Math.min(this.#wanted - this.#bodyFilled, chunk.length - position);
    this.#append(chunk, position, position + taken);
    if (this.#bodyFilled === this.#wanted) this.#finish();
    return position + taken;
  }

  /** A frame that goes on beyond this chunk. */
  #begin(chunk: Buffer, start: number, wanted: number): void {
    this.#wanted = wanted;
    this.#append(chunk, start, chunk.length);
  }

  #keepHeader(chunk: Buffer, start: number, end: number): void {
    for (let index = start; index < end; index++) {
      this.#header = (this.#headerFilled === 0 ? 0 : this.#header * 256) + chunk[index]!;
      this.#headerFilled++;
    }
  }

  #append(chunk: Buffer, start: number, end: number): void {
    const filled = this.#bodyFilled + end - start;
    if (filled > this.#body.length) this.#grow(filled);
    chunk.copy(this.#body, this.#bodyFilled, start, end);
    this.#bodyFilled = filled;
  }

  #grow(needed: number): void {
    const before = this.#body;
    // Not from the pool: a small frame that never ends would hold a whole slab of it.
    this.#body = Buffer.allocUnsafeSlow(Math.min(this.#wanted, Math.max(needed * GROWTH, SMALLEST_BODY_BYTES)));
    before.copy(this.#body, 0, 0, this.#bodyFilled);
  }

  #finish(): void {
    const body = this.#body;
    const length = this.#wanted;
    this.#dropBody();
    this.#listener.onFrame(body, 0, length);
  }

  #dropBody(): void {
    this.#body = NO_BYTES;
    this.#bodyFilled = 0;
    this.#wanted = -1;
  }

  #checked(length: number): number {
    if (length <= this.maxPayloadBytes) return length;
    if (length >= 0x8000_0000) throw new ProtocolError("extended frame from a peer that was not told to send any");
    throw new ProtocolError(`frame of ${length} bytes; the limit is ${this.maxPayloadBytes} (maxMessageBytes)`);
  }
}

function readLength(bytes: Buffer, position: number): number {
  return (
    bytes[position]! * 0x100_0000 + ((bytes[position + 1]! << 16) | (bytes[position + 2]! << 8) | bytes[position + 3]!)
  );
}
