import { Deferred } from "./deferred.ts";
import { ColloquyError } from "./errors.ts";
import {
  ANNOUNCEMENT_BYTES,
  EXTENDED_BIT,
  MESSAGE_HEAD_BYTES,
  PIECE,
  PIECE_HEAD_BYTES,
  SEGMENTED_MESSAGE,
  WITHDRAWAL,
} from "./extended-frames.ts";
import type { FrameWriter } from "./frame-writer.ts";
import { RESULT } from "./message.ts";
import { Queue } from "./queue.ts";
import { SegmentWindow } from "./segment-window.ts";
import type { SentSegment } from "./segments.ts";
import type { Transport } from "./transport.ts";

const HEADER_BYTES = 4;
const HANDLE_BYTES = 4;
/** Between two pieces of this size small messages leave. */
const PIECE_BYTES = 131_072;
/** Pieces that the transport has at a time: one that leaves, and the next. */
const MAX_PIECES_UNDER_WAY = 2;
const LARGEST_HANDLE = 0xffff_ffff;

/** Makes segments smaller for the wire, where the codec does that. */
export interface SegmentPacker {
  /** What crosses in place of the bytes, or undefined where they cross as they are. */
  packSegment(segment: SentSegment): Promise<Uint8Array | undefined>;
}

export interface OutgoingMessage {
  readonly type: number;
  readonly id: number;
  readonly payload: Uint8Array;
  readonly segments: readonly SentSegment[];
}

export interface OutgoingSegmentsListener {
  /** A message will never be complete at the peer, which forgets it. */
  onWithdrawn(message: OutgoingMessage, error: ColloquyError): void;
  /** A message has left. */
  onSegmentsSent(): void;
  /** The transport has got a piece. */
  onPiece(): void;
}

interface Part {
  readonly bytes: Uint8Array;
  /** 0: the bytes are the segment's own. */
  readonly rawLength: number;
  readonly length: number;
  sent: number;
}

/** One message on its way, with what is left of its segments. */
class Shipment {
  readonly message: OutgoingMessage;
  parts: Part[] = [];
  handle = -1;
  next = 0;
  /** Pieces that the transport has. */
  underWay = 0;
  withdrawn = false;
  #left: Deferred<void> | undefined;
  #settled = false;

  constructor(message: OutgoingMessage) {
    this.message = message;
  }

  get announcedBytes(): number {
    return this.parts.reduce((sum, { length, rawLength }) => sum + length + rawLength, 0);
  }

  /** All pieces are with the transport. */
  get isSent(): boolean {
    return this.next === this.parts.length;
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
}

/**
 * Sends messages with segments, piece by piece as the transport takes them, several messages by turns. Small messages leave
 * between the pieces. The pieces are the caller's own memory: `flushed` tells when it is the caller's again.
 */
export class OutgoingSegments {
  /** What the peer takes in all at a time; messages beyond wait until earlier ones are complete. */
  maxAnnouncedBytes = 0;
  readonly #transport: Transport;
  readonly #frames: FrameWriter;
  readonly #listener: OutgoingSegmentsListener;
  /** All that have not left, in order. */
  readonly #shipments = new Set<Shipment>();
  readonly #unannounced = new Queue<Shipment>();
  /** Those that are announced, by turns. */
  readonly #turns = new Queue<Shipment>();
  /** By handle, until the peer has released them. */
  readonly #unreleased = new Map<number, Shipment>();
  readonly #window = new SegmentWindow();
  #announcedBytes = 0;
  #underWay = 0;
  #nextHandle = 0;
  #closed = false;

  constructor(transport: Transport, frames: FrameWriter, listener: OutgoingSegmentsListener) {
    this.#transport = transport;
    this.#frames = frames;
    this.#listener = listener;
  }

  get size(): number {
    return this.#shipments.size;
  }

  /** Answers among them: each holds the slot of its request. */
  get answerCount(): number {
    let count = 0;
    for (const { message } of this.#shipments) if (message.type === RESULT) count++;
    return count;
  }

  /**
   * Sends a message with its segments, after those before it as far as they have been announced.
   *
   * @throws ColloquyError `RESOURCE_EXHAUSTED` where the peer would not take it.
   */
  send(message: OutgoingMessage, packer: SegmentPacker | undefined): void {
    const bytes = message.segments.reduce((sum, segment) => sum + segment.bytes.length, 0);
    if (bytes > this.maxAnnouncedBytes) {
      throw new ColloquyError(
        "RESOURCE_EXHAUSTED",
        `binary values of ${bytes} bytes in one message; the limit is ${this.maxAnnouncedBytes} (maxSegmentBytes)`,
      );
    }
    const shipment = new Shipment(message);
    this.#shipments.add(shipment);
    if (packer === undefined) {
      shipment.parts = message.segments.map((segment) => asItIs(segment));
      this.#enqueue(shipment);
    } else void this.#pack(shipment, packer);
  }

  /** Gives a request up that isn't complete. False: it is, or there is none of that id. */
  withdraw(type: number, id: number): boolean {
    for (const shipment of this.#shipments) {
      if (shipment.message.type === type && shipment.message.id === id) {
        this.#drop(shipment);
        return true;
      }
    }
    return false;
  }

  /** Resolves when everything sent so far has left, or never will: the memory of its binary values is the caller's again. */
  async flushed(): Promise<void> {
    await Promise.all([...this.#shipments].map((shipment) => shipment.left));
  }

  /** Nothing is sent any more; returns the messages that are not complete at the peer. */
  close(): OutgoingMessage[] {
    this.#closed = true;
    const shipments = [...this.#shipments];
    this.#shipments.clear();
    for (const shipment of shipments) shipment.settle();
    return shipments.map(({ message }) => message);
  }

  async #pack(shipment: Shipment, packer: SegmentPacker): Promise<void> {
    try {
      for (const segment of shipment.message.segments) {
        const packed = await packer.packSegment(segment);
        shipment.parts.push(packed === undefined ? asItIs(segment) : asPacked(packed, segment));
      }
    } catch (error) {
      return this.#fail(shipment, error);
    }
    if (!shipment.withdrawn && !this.#closed) this.#enqueue(shipment);
  }

  #enqueue(shipment: Shipment): void {
    this.#unannounced.push(shipment);
    this.#announceNext();
  }

  /** In order: one that has to wait lets none pass. */
  #announceNext(): void {
    for (let next = this.#unannounced.peek(); next !== undefined; next = this.#unannounced.peek()) {
      const bytes = next.announcedBytes;
      if (!next.withdrawn && this.#announcedBytes > 0 && this.#announcedBytes + bytes > this.maxAnnouncedBytes) return;
      this.#unannounced.shift();
      if (next.withdrawn) continue;
      this.#announcedBytes += bytes;
      next.handle = this.#freeHandle();
      this.#unreleased.set(next.handle, next);
      this.#frames.extended(SEGMENTED_MESSAGE, announcement(next), next.message.payload);
      this.#turns.push(next);
    }
    this.pump();
  }

  /** Sends pieces, as far as there is room. */
  pump(): void {
    // Where other output waits, pieces would keep it from ever running dry.
    if (this.#transport.queuedBytes > MAX_PIECES_UNDER_WAY * PIECE_BYTES) return;
    while (!this.#closed && this.#underWay < MAX_PIECES_UNDER_WAY && this.#window.isOpen) {
      const shipment = this.#turns.shift();
      if (shipment === undefined) return;
      if (!shipment.withdrawn) this.#sendPiece(shipment, shipment.parts[shipment.next]!);
    }
  }

  #sendPiece(shipment: Shipment, part: Part): void {
    // Its memory was given away meanwhile, or has shrunk.
    if (part.bytes.length !== part.length) {
      const reason = "a binary value was detached or has shrunk before it was sent; wait for flushed()";
      return this.#fail(shipment, new ColloquyError("INVALID_ARGUMENT", reason));
    }
    // The announcement goes first.
    this.#frames.flush();
    const piece = part.bytes.subarray(part.sent, part.sent + PIECE_BYTES);
    const head = pieceHead(shipment.handle, shipment.next, piece.length);
    part.sent += piece.length;
    if (part.sent === part.length) shipment.next++;
    if (!shipment.isSent) this.#turns.push(shipment);
    this.#underWay++;
    shipment.underWay++;
    this.#frames.countSent(head.length + piece.length);
    this.#window.onSent(piece.length);
    this.#transport.writePiece(head, piece, () => this.#onLeft(shipment));
    this.#listener.onPiece();
  }

  #onLeft(shipment: Shipment): void {
    this.#underWay--;
    if (--shipment.underWay === 0) {
      if (shipment.withdrawn) shipment.settle();
      else if (shipment.isSent) this.#finish(shipment);
    }
    this.pump();
  }

  #finish(shipment: Shipment): void {
    this.#shipments.delete(shipment);
    shipment.settle();
    this.#listener.onSegmentsSent();
  }

  /** The peer has got so many bytes more. False: more than were sent. */
  onReceipt(bytes: number): boolean {
    const isRight = this.#window.onReceived(bytes);
    this.pump();
    return isRight;
  }

  /** A message counts no more towards the peer's limit. False: it is not there, or not complete. */
  onRelease(handle: number): boolean {
    const shipment = this.#unreleased.get(handle);
    if (shipment?.isSent !== true) return false;
    this.#unreleased.delete(handle);
    this.#announcedBytes -= shipment.announcedBytes;
    if (this.#unannounced.length > 0) this.#announceNext();
    return true;
  }

  #fail(shipment: Shipment, thrown: unknown): void {
    if (shipment.withdrawn || this.#closed) return;
    this.#drop(shipment);
    const error =
      thrown instanceof ColloquyError
        ? thrown
        : new ColloquyError("SERIALIZATION_ERROR", `a binary value can't be packed: ${String(thrown)}`, {
            cause: thrown,
          });
    this.#listener.onWithdrawn(shipment.message, error);
  }

  #drop(shipment: Shipment): void {
    shipment.withdrawn = true;
    this.#shipments.delete(shipment);
    if (shipment.underWay === 0) shipment.settle();
    if (shipment.handle >= 0) {
      this.#announcedBytes -= shipment.announcedBytes;
      this.#unreleased.delete(shipment.handle);
      const head = Buffer.allocUnsafe(HANDLE_BYTES);
      head.writeUInt32BE(shipment.handle);
      this.#frames.extended(WITHDRAWAL, head);
    }
    if (this.#unannounced.length > 0) this.#announceNext();
  }

  #freeHandle(): number {
    let handle = this.#nextHandle;
    while (this.#unreleased.has(handle)) handle = following(handle);
    this.#nextHandle = following(handle);
    return handle;
  }
}

function following(handle: number): number {
  return handle === LARGEST_HANDLE ? 0 : handle + 1;
}

function asItIs({ bytes }: SentSegment): Part {
  return { bytes, length: bytes.length, rawLength: 0, sent: 0 };
}

function asPacked(packed: Uint8Array, { bytes }: SentSegment): Part {
  return { bytes: packed, length: packed.length, rawLength: bytes.length, sent: 0 };
}

/** Handle, number of segments, and the lengths of each. */
function announcement({ handle, parts }: Shipment): Buffer {
  const head = Buffer.allocUnsafe(MESSAGE_HEAD_BYTES - 1 + parts.length * ANNOUNCEMENT_BYTES);
  head.writeUInt32BE(handle);
  head.writeUInt32BE(parts.length, HANDLE_BYTES);
  parts.forEach(({ length, rawLength }, index) => {
    const at = MESSAGE_HEAD_BYTES - 1 + index * ANNOUNCEMENT_BYTES;
    head.writeBigUInt64BE(BigInt(length), at);
    head.writeBigUInt64BE(BigInt(rawLength), at + 8);
  });
  return head;
}

function pieceHead(handle: number, index: number, length: number): Buffer {
  const head = Buffer.allocUnsafe(HEADER_BYTES + PIECE_HEAD_BYTES);
  head.writeUInt32BE(EXTENDED_BIT + PIECE_HEAD_BYTES + length);
  head[HEADER_BYTES] = PIECE;
  head.writeUInt32BE(handle, HEADER_BYTES + 1);
  head.writeUInt32BE(index, HEADER_BYTES + 5);
  return head;
}
