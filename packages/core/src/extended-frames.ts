import { ProtocolError } from "./errors.ts";
import { FrameBody } from "./frame-body.ts";

/** The length in front of each frame. */
export const HEADER_BYTES = 4;
/** Set in the length of an extended frame, `docs/protocol.md` section 8. */
export const EXTENDED_BIT = 0x8000_0000;
/** A receiver tells what has come when a piece ends and so much has come since it last did; it may say in hello that it does so earlier. */
export const MOST_RECEIPT_BYTES = 65_536;
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
/** What a message with segments has beyond its payload. */
const LARGEST_ANNOUNCEMENT_BYTES = MESSAGE_HEAD_BYTES + MAX_SEGMENT_COUNT * ANNOUNCEMENT_BYTES;
/** Kind and number: all of a withdrawal, a receipt and a release. */
const SHORT_FRAME_BYTES = 5;
/** What each segment counts towards the limit beside its bytes, for what is kept of it. */
const SEGMENT_COST = 512;
/** Smaller pieces aren't worth a read of their own. */
const LEAST_BYTES_IN_PLACE = 32_768;

/** Lengths of a segment: on the wire, and once it is unpacked; 0 where it isn't packed. */
export interface SegmentLengths {
  readonly length: number;
  readonly rawLength: number;
}

/** What the segments of a message take in memory at the receiver; a packed one is there twice while it is unpacked. */
export function segmentBytes(segments: readonly SegmentLengths[]): number {
  return segments.reduce((bytes, { length, rawLength }) => bytes + length + rawLength, 0);
}

/** What a message has beside them, for as long as it isn't released. */
export function bytesBeside(payloadBytes: number, segmentCount: number): number {
  return payloadBytes + segmentCount * SEGMENT_COST;
}

/**
 * Whether a message may be announced beside others that count `countedBytes` in all. One that is alone has its segments within
 * the limit; where there are others all counts, payloads too.
 */
export function fits(countedBytes: number, ofSegments: number, beside: number, limit: number): boolean {
  return countedBytes === 0 ? ofSegments <= limit : countedBytes + ofSegments + beside <= limit;
}

export interface ExtendedFrameListener {
  /** Takes a frame that is no piece, `bytes[start..end)` behind its kind. The bytes are valid during the call only. */
  onExtended(kind: number, bytes: Buffer, start: number, end: number): void;
  /** The next `length` bytes of a segment come: returns their place. */
  onPiece(handle: number, index: number, length: number): Buffer;
  /** So many of them have come. */
  onPieceBytes(count: number): void;
  /** All of them have. */
  onPieceRead(handle: number, index: number): void;
}

/**
 * Reads extended frames. The bytes of a large piece go straight to their place; once one has come, the transport is asked to read
 * the next header alone, so that what follows can be read in place, too.
 */
export class ExtendedFrameReader {
  readonly #listener: ExtendedFrameListener;
  /** Bytes of the frame; -1: none is under way. */
  #length = -1;
  #isPiece = false;
  #expectsPiece = false;
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

  /** The last piece was a large one: another may follow. */
  get expectsPiece(): boolean {
    return this.#expectsPiece;
  }

  get pendingBytes(): number {
    return this.isOpen ? this.#headFilled + this.#placeFilled + (this.#body?.filledBytes ?? 0) : 0;
  }

  /**
   * A frame of `length` bytes starts.
   *
   * @throws ProtocolError for one that is shorter than any can be.
   */
  begin(length: number): void {
    if (length < SHORT_FRAME_BYTES)
      throw new ProtocolError(`extended frame of ${length} bytes; the shortest has ${SHORT_FRAME_BYTES}`);
    this.#length = length;
    this.#headFilled = 0;
    this.#placeFilled = 0;
  }

  /**
   * Goes on with the frame at `chunk[start]`; returns where it ends, or the chunk. `maxBytes` bounds payloads.
   *
   * @throws ProtocolError for an unknown kind, and for a length that its kind doesn't have.
   */
  read(chunk: Buffer, start: number, maxBytes: number): number {
    if (start === chunk.length) return start;
    if (this.#place !== undefined) return this.#readPlace(chunk, start);
    if (this.#body !== undefined) return this.#readWhole(chunk, start);
    if (this.#headFilled === 0) this.#begun(chunk[start]!, maxBytes);
    if (!this.#isPiece) return this.#readWhole(chunk, start);
    const taken = Math.min(PIECE_HEAD_BYTES - this.#headFilled, chunk.length - start);
    chunk.copy(this.#head, this.#headFilled, start, start + taken);
    this.#addToHead(taken);
    const position = start + taken;
    return this.#place === undefined || position === chunk.length ? position : this.#readPlace(chunk, position);
  }

  /** Where the transport reads the next bytes to, where that is worth it; `fill` follows. */
  room(): Buffer | undefined {
    if (this.#place !== undefined)
      return this.#place.length < LEAST_BYTES_IN_PLACE ? undefined : this.#place.subarray(this.#placeFilled);
    if (this.#body !== undefined) return this.#body.room();
    return this.#headFilled > 0 && this.#expectsPiece ? this.#head.subarray(this.#headFilled) : undefined;
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

  /** Its kind is there: what is wrong with it is told before anything is kept. */
  #begun(kind: number, maxBytes: number): void {
    const length = this.#length;
    this.#isPiece = kind === PIECE;
    switch (kind) {
      case PIECE:
        if (length <= PIECE_HEAD_BYTES) throw new ProtocolError("piece of a segment without bytes");
        this.#expectsPiece = length - PIECE_HEAD_BYTES >= LEAST_BYTES_IN_PLACE;
        break;
      case SEGMENTED_MESSAGE:
        if (length - LARGEST_ANNOUNCEMENT_BYTES <= maxBytes) break;
        throw new ProtocolError(
          `message with segments of ${length} bytes; its payload has at most ${maxBytes} (maxMessageBytes)`,
          { limit: "maxMessageBytes" },
        );
      case WITHDRAWAL:
      case RECEIPT:
      case RELEASE:
        if (length === SHORT_FRAME_BYTES) break;
        throw new ProtocolError(`extended frame of kind ${kind} with ${length} bytes; it has ${SHORT_FRAME_BYTES}`);
      default:
        throw new ProtocolError(`extended frame of the unknown kind ${kind}`);
    }
  }

  #addToHead(count: number): void {
    this.#headFilled += count;
    if (this.#headFilled < PIECE_HEAD_BYTES) return;
    const length = this.#length - PIECE_HEAD_BYTES;
    this.#place = this.#listener.onPiece(this.#head.readUInt32BE(1), this.#head.readUInt32BE(5), length);
  }

  #readPlace(chunk: Buffer, start: number): number {
    const place = this.#place!;
    const count = Math.min(place.length - this.#placeFilled, chunk.length - start);
    chunk.copy(place, this.#placeFilled, start, start + count);
    this.#addToPlace(count);
    return start + count;
  }

  #addToPlace(count: number): void {
    this.#placeFilled += count;
    const isComplete = this.#placeFilled === this.#place!.length;
    if (isComplete) this.drop();
    this.#listener.onPieceBytes(count);
    if (isComplete) this.#listener.onPieceRead(this.#head.readUInt32BE(1), this.#head.readUInt32BE(5));
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
