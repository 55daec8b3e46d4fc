import { Deferred } from "./deferred.ts";
import {
  ANNOUNCEMENT_BYTES,
  EXTENDED_BIT,
  HEADER_BYTES,
  MESSAGE_HEAD_BYTES,
  PIECE,
  PIECE_HEAD_BYTES,
  SEGMENTED_MESSAGE,
  bytesBeside,
  segmentBytes,
} from "./extended-frames.ts";
import type { FrameWriter } from "./frame-writer.ts";
import type { SentSegment } from "./segments.ts";

const NO_BYTES: Uint8Array = new Uint8Array();
const NONE: never[] = [];

/** A message with what travels beside it. */
export interface OutgoingMessage {
  readonly type: number;
  readonly id: number;
  readonly payload: Uint8Array;
  readonly segments: readonly SentSegment[];
  /** Takes back what the message has counted, where it will never be complete at the peer. */
  readonly takeBack: (() => void) | undefined;
}

/** One segment as it crosses. */
interface Part {
  readonly bytes: Uint8Array;
  readonly length: number;
  /** Where it ends in its buffer, which is shorter once it was given away or has shrunk. The view may tell its old length then. */
  readonly end: number;
  /** Length once it is unpacked; 0: the bytes are the segment's own. */
  readonly rawLength: number;
  sent: number;
}

/** The next bytes of one segment, in the memory of its owner. */
export interface Piece {
  readonly head: Buffer;
  readonly bytes: Uint8Array;
}

/** One message with segments on its way, and what is left of it. Once it has left it holds nothing of its memory. */
export class Shipment {
  readonly type: number;
  readonly id: number;
  readonly takeBack: (() => void) | undefined;
  segments: readonly SentSegment[];
  /** Its number while the peer knows it; -1 before. */
  handle = -1;
  /** Pieces that the transport has. */
  underWay = 0;
  withdrawn = false;
  /** What it counts towards the peer's limit: its segments, and what it has beside them. */
  segmentBytes: number;
  readonly bytesBeside: number;
  #payload: Uint8Array;
  #parts: readonly Part[];
  #next = 0;
  #isSent = false;
  #left: Deferred<void> | undefined;
  #settled = false;

  constructor({ type, id, payload, segments, takeBack }: OutgoingMessage) {
    this.type = type;
    this.id = id;
    this.takeBack = takeBack;
    this.segments = segments;
    this.#payload = payload;
    this.#parts = segments.map(({ bytes }) => partOf(bytes, 0));
    this.segmentBytes = segmentBytes(this.#parts);
    this.bytesBeside = bytesBeside(payload.length, segments.length);
    this.#skipEmpty();
  }

  /** False: memory of a segment was given away, or has shrunk. */
  get isIntact(): boolean {
    return this.#parts.every((part) => isThere(part));
  }

  /** All pieces are with the transport. */
  get isSent(): boolean {
    return this.#isSent;
  }

  /** Before it is announced: sends what a codec has made of each segment, where it has, and where the peer has room for both. */
  pack(packed: readonly (Uint8Array | undefined)[], maxSegmentBytes: number): void {
    const parts = this.#parts.map((part, index) => {
      const bytes = packed[index];
      return bytes === undefined ? part : partOf(bytes, part.length);
    });
    const ofSegments = segmentBytes(parts);
    if (ofSegments > maxSegmentBytes) return;
    this.segmentBytes = ofSegments;
    this.#parts = parts;
    this.#skipEmpty();
  }

  /** Tells the peer of it: handle, number of segments, the lengths of each, payload. */
  announce(frames: FrameWriter, handle: number): void {
    this.handle = handle;
    const head = Buffer.allocUnsafe(MESSAGE_HEAD_BYTES - 1 + this.#parts.length * ANNOUNCEMENT_BYTES);
    head.writeUInt32BE(handle);
    head.writeUInt32BE(this.#parts.length, 4);
    this.#parts.forEach(({ length, rawLength }, index) => {
      const at = MESSAGE_HEAD_BYTES - 1 + index * ANNOUNCEMENT_BYTES;
      head.writeBigUInt64BE(BigInt(length), at);
      head.writeBigUInt64BE(BigInt(rawLength), at + 8);
    });
    const payload = this.#payload;
    this.#payload = NO_BYTES;
    frames.extended(SEGMENTED_MESSAGE, head, payload);
  }

  /** The next piece, of at most so many bytes; undefined: its memory isn't what it was. */
  take(maxBytes: number): Piece | undefined {
    const part = this.#parts[this.#next]!;
    if (!isThere(part)) return undefined;
    const bytes = pieceOf(part, maxBytes);
    const head = this.#pieceHead(bytes.length);
    part.sent += bytes.length;
    if (part.sent === part.length) {
      this.#next++;
      this.#skipEmpty();
    }
    return { head, bytes };
  }

  /** Resolves when nothing of the caller's memory is needed any more. */
  get left(): Promise<void> {
    this.#left ??= new Deferred();
    if (this.#settled) this.#left.resolve();
    return this.#left.promise;
  }

  settle(): void {
    this.#settled = true;
    this.segments = NONE;
    this.#parts = NONE;
    this.#payload = NO_BYTES;
    this.#left?.resolve();
  }

  /** A segment without bytes has no pieces. */
  #skipEmpty(): void {
    while (this.#next < this.#parts.length && this.#parts[this.#next]!.length === 0) this.#next++;
    this.#isSent = this.#next === this.#parts.length;
  }

  #pieceHead(length: number): Buffer {
    const head = Buffer.allocUnsafe(HEADER_BYTES + PIECE_HEAD_BYTES);
    head.writeUInt32BE(EXTENDED_BIT + PIECE_HEAD_BYTES + length);
    head[HEADER_BYTES] = PIECE;
    head.writeUInt32BE(this.handle, HEADER_BYTES + 1);
    head.writeUInt32BE(this.#next, HEADER_BYTES + 5);
    return head;
  }
}

function partOf(bytes: Uint8Array, rawLength: number): Part {
  return { bytes, length: bytes.length, end: bytes.byteOffset + bytes.length, rawLength, sent: 0 };
}

function isThere({ bytes, end }: Part): boolean {
  return bytes.buffer.byteLength >= end;
}

/** What a resizable buffer loses, the system takes away at once, from who is just reading it, too: of those it gets a copy. */
function pieceOf({ bytes, sent, length }: Part, maxBytes: number): Uint8Array {
  const piece = bytes.subarray(sent, Math.min(sent + maxBytes, length));
  const { resizable } = bytes.buffer as { resizable?: boolean };
  return resizable === true ? Uint8Array.from(piece) : piece;
}
