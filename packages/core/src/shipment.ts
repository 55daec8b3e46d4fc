import { Deferred } from "./deferred.ts";
import { ANNOUNCEMENT_BYTES, EXTENDED_BIT, MESSAGE_HEAD_BYTES, PIECE, PIECE_HEAD_BYTES } from "./extended-frames.ts";
import type { SentSegment } from "./segments.ts";

const HEADER_BYTES = 4;

/** A message with what travels beside it. */
export interface OutgoingMessage {
  readonly type: number;
  readonly id: number;
  readonly payload: Uint8Array;
  readonly segments: readonly SentSegment[];
}

/** One segment as it crosses. */
interface Part {
  readonly bytes: Uint8Array;
  /** Kept: memory that is given away, or shrinks, is noticed. */
  readonly length: number;
  /** Length once it is unpacked; 0: the bytes are the segment's own. */
  readonly rawLength: number;
  sent: number;
}

/** The next bytes of one segment. */
export interface Piece {
  readonly head: Buffer;
  readonly bytes: Uint8Array;
}

/** One message with segments on its way, and what is left of it. */
export class Shipment {
  readonly message: OutgoingMessage;
  /** Its number while the peer knows it; -1 before. */
  handle = -1;
  /** Pieces that the transport has. */
  underWay = 0;
  withdrawn = false;
  readonly #plainParts: readonly Part[];
  #parts: readonly Part[];
  #next = 0;
  #left: Deferred<void> | undefined;
  #settled = false;

  constructor(message: OutgoingMessage) {
    this.message = message;
    this.#plainParts = message.segments.map((segment) => asItIs(segment));
    this.#parts = this.#plainParts;
  }

  /** Sends what a codec has made of each segment, where it has. */
  pack(packed: readonly (Uint8Array | undefined)[]): void {
    // The lengths are those from the beginning: memory that was given away meanwhile is noticed.
    this.#parts = this.#plainParts.map((part, index) => {
      const bytes = packed[index];
      return bytes === undefined ? part : { bytes, length: bytes.length, rawLength: part.length, sent: 0 };
    });
  }

  /** What it counts towards the peer's limit: a packed segment is in memory twice there. */
  get announcedBytes(): number {
    return this.#parts.reduce((sum, { length, rawLength }) => sum + length + rawLength, 0);
  }

  /** All pieces are with the transport. */
  get isSent(): boolean {
    return this.#next === this.#parts.length;
  }

  /** Handle, number of segments, and the lengths of each. */
  announcement(): Buffer {
    const head = Buffer.allocUnsafe(MESSAGE_HEAD_BYTES - 1 + this.#parts.length * ANNOUNCEMENT_BYTES);
    head.writeUInt32BE(this.handle);
    head.writeUInt32BE(this.#parts.length, 4);
    this.#parts.forEach(({ length, rawLength }, index) => {
      const at = MESSAGE_HEAD_BYTES - 1 + index * ANNOUNCEMENT_BYTES;
      head.writeBigUInt64BE(BigInt(length), at);
      head.writeBigUInt64BE(BigInt(rawLength), at + 8);
    });
    return head;
  }

  /** The next piece, of at most so many bytes; undefined: its memory isn't what it was. */
  take(maxBytes: number): Piece | undefined {
    const part = this.#parts[this.#next]!;
    if (part.bytes.length !== part.length) return undefined;
    const bytes = part.bytes.subarray(part.sent, part.sent + maxBytes);
    const head = this.#pieceHead(bytes.length);
    part.sent += bytes.length;
    if (part.sent === part.length) this.#next++;
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
    this.#left?.resolve();
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

function asItIs({ bytes }: SentSegment): Part {
  return { bytes, length: bytes.length, rawLength: 0, sent: 0 };
}
