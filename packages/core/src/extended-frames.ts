import { ProtocolError } from "./errors.ts";
import { FrameBody } from "./frame-body.ts";

/** Set in the length of an extended frame, `docs/protocol.md` section 6. */
export const EXTENDED_BIT = 0x8000_0000;
/** The first byte of an extended frame. */
export const SEGMENTED_MESSAGE = 1;
export const PIECE = 2;
export const WITHDRAWAL = 3;
export const RECEIPT = 4;
export const RELEASE = 5;
/** Kind, handle and index of a piece. */
export const PIECE_HEAD_BYTES = 9;
/** Kind, handle and number of segments of a message. */
export const MESSAGE_HEAD_BYTES = 9;
/** What each segment of a message is announced with: its length, and its raw length where the codec has packed it. */
export const ANNOUNCEMENT_BYTES = 16;
export const MAX_SEGMENT_COUNT = 1024;

export interface ExtendedFrameListener {
  /** Takes a frame that is no piece, `bytes[start..end)` behind its kind. The bytes are valid during the call only. */
  onExtended(kind: number, bytes: Buffer, start: number, end: number): void;
  /** The next `length` bytes of a segment come: returns their place. */
  onPiece(handle: number, index: number, length: number): Buffer;
  /** They are there. */
  onPieceRead(handle: number, index: number): void;
}

/**
 * Reads extended frames. The bytes of a piece go straight to their place; once one has come, the transport is asked to read the
 * next header alone, so that what follows can be read in place, too.
 */
export class ExtendedFrameReader {
  readonly #listener: ExtendedFrameListener;
  /** Bytes of the frame; -1: none is under way. */
  #length = -1;
  readonly #head: Buffer = Buffer.allocUnsafeSlow(PIECE_HEAD_BYTES);
  #headFilled = 0;
  #body: FrameBody | undefined;
  #place: Buffer | undefined;
  #placeFilled = 0;

  constructor(listener: ExtendedFrameListener) {
    this.#listener = listener;
  }

  get isOpen(): boolean {
    return this.#length >= 0;
  }

  get pendingBytes(): number {
    return this.isOpen ? this.#headFilled + this.#placeFilled + (this.#body?.filledBytes ?? 0) : 0;
  }

  /**
   * A frame of `length` bytes starts.
   *
   * @throws ProtocolError for an empty one.
   */
  begin(length: number): void {
    if (length < 1) throw new ProtocolError("extended frame without a kind");
    this.#length = length;
    this.#headFilled = 0;
  }

  /** Goes on with the frame at `chunk[start]`; returns where it ends, or the chunk. `maxBytes` bounds what is no piece. */
  read(chunk: Buffer, start: number, maxBytes: number): number {
    let position = start;
    if (this.#place === undefined && this.#body === undefined) {
      if (start === chunk.length) return start;
      const kind = this.#headFilled > 0 ? this.#head[0]! : chunk[start]!;
      if (kind !== PIECE) {
        if (this.#length > maxBytes)
          throw new ProtocolError(
            `extended frame of ${this.#length} bytes; the limit is ${maxBytes} (maxMessageBytes)`,
          );
        return this.#readWhole(chunk, start);
      }
      const taken = Math.min(PIECE_HEAD_BYTES - this.#headFilled, chunk.length - start);
      chunk.copy(this.#head, this.#headFilled, start, start + taken);
      position += taken;
      this.#addToHead(taken);
      if (this.#place === undefined) return position;
    }
    if (this.#body !== undefined) return this.#readWhole(chunk, position);
    const place = this.#place!;
    const count = Math.min(place.length - this.#placeFilled, chunk.length - position);
    chunk.copy(place, this.#placeFilled, position, position + count);
    this.#addToPlace(count);
    return position + count;
  }

  /** Where the transport reads the next bytes to; `fill` follows. */
  room(): Buffer | undefined {
    if (this.#place !== undefined) return this.#place.subarray(this.#placeFilled);
    if (this.#body !== undefined) return this.#body.room();
    return this.#headFilled > 0 ? this.#head.subarray(this.#headFilled) : undefined;
  }

  fill(count: number): void {
    if (this.#place !== undefined) this.#addToPlace(count);
    else if (this.#body === undefined) this.#addToHead(count);
    else {
      this.#body.fill(count);
      if (this.#body.isComplete) this.#finishWhole(this.#body);
    }
  }

  drop(): void {
    this.#length = -1;
    this.#place = undefined;
    this.#body = undefined;
  }

  #addToHead(count: number): void {
    this.#headFilled += count;
    if (this.#headFilled < PIECE_HEAD_BYTES) return;
    const length = this.#length - PIECE_HEAD_BYTES;
    if (length < 1) throw new ProtocolError("piece of a segment without bytes");
    this.#placeFilled = 0;
    this.#place = this.#listener.onPiece(this.#head.readUInt32BE(1), this.#head.readUInt32BE(5), length);
  }

  #addToPlace(count: number): void {
    this.#placeFilled += count;
    if (this.#placeFilled < this.#place!.length) return;
    this.drop();
    this.#listener.onPieceRead(this.#head.readUInt32BE(1), this.#head.readUInt32BE(5));
  }

  #readWhole(chunk: Buffer, start: number): number {
    if (this.#body === undefined && chunk.length - start >= this.#length) {
      const end = start + this.#length;
      this.drop();
      this.#listener.onExtended(chunk[start]!, chunk, start + 1, end);
      return end;
    }
    if (this.#body === undefined) {
      this.#body = new FrameBody();
      this.#body.begin(this.#length);
    }
    const end = this.#body.append(chunk, start);
    if (this.#body.isComplete) this.#finishWhole(this.#body);
    return end;
  }

  #finishWhole(body: FrameBody): void {
    const bytes = body.take();
    this.drop();
    this.#listener.onExtended(bytes[0]!, bytes, 1, bytes.length);
  }
}
