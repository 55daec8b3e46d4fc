import { ColloquyError, ProtocolError, SerializationError, toError } from "./errors.ts";
import { RECEIPT, RELEASE, SEGMENTED_MESSAGE, WITHDRAWAL } from "./extended-frames.ts";
import type { FrameWriter } from "./frame-writer.ts";
import type { SegmentReceipts } from "./incoming-segments.ts";
import { RESULT } from "./message.ts";
import { Queue } from "./queue.ts";
import { SegmentWindow } from "./segment-window.ts";
import { memoryIsGone } from "./segments.ts";
import type { SentSegment } from "./segments.ts";
import { Shipment } from "./shipment.ts";
import type { OutgoingMessage } from "./shipment.ts";
import type { Transport } from "./transport.ts";

/** Small messages leave between two pieces. */
const PIECE_BYTES = 2_097_152;
/** While they do. */
const SHARED_PIECE_BYTES = 65_536;
/** Pieces that the transport has at a time: one that leaves, and the next. */
const MAX_PIECES_UNDER_WAY = 2;
const LARGEST_HANDLE = 0xffff_ffff;

/** Makes segments smaller for the wire, where the codec does that. */
export interface SegmentPacker {
  /** What crosses in place of the bytes, or undefined where they cross as they are. */
  packSegment(segment: SentSegment): Promise<Uint8Array | undefined>;
}

export interface OutgoingSegmentsListener {
  /** A message will never be complete at the peer, which forgets it. */
  onWithdrawn(message: OutgoingMessage, error: ColloquyError): void;
  /** A message has left. */
  onSegmentsSent(): void;
  /** The transport has got a piece. */
  onPiece(): void;
}

/**
 * Sends messages with segments, piece by piece as the peer takes them, several messages by turns. Small messages leave between
 * the pieces. The pieces are the caller's own memory: `flushed` tells when it is the caller's again.
 */
export class OutgoingSegments implements SegmentReceipts {
  /** What the peer takes in all at a time; messages beyond wait until earlier ones are released. */
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
  #seenMessages = 0;
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
   * Sends a message with its segments, behind those before it as far as they have been announced.
   *
   * @throws ColloquyError `RESOURCE_EXHAUSTED` where the peer would not take it.
   */
  send(message: OutgoingMessage, packer: SegmentPacker | undefined): void {
    const shipment = new Shipment(message);
    if (shipment.announcedBytes > this.maxAnnouncedBytes) {
      const limit = this.maxAnnouncedBytes;
      const reason = `binary values of ${shipment.announcedBytes} bytes in one message; the limit is ${limit} (maxSegmentBytes)`;
      throw new ColloquyError("RESOURCE_EXHAUSTED", reason);
    }
    this.#shipments.add(shipment);
    if (packer === undefined) this.#enqueue(shipment);
    else void this.#pack(shipment, packer);
  }

  /** Gives a request up that isn't complete. False: it is, or there is none of that id. */
  withdraw(type: number, id: number): boolean {
    for (const shipment of this.#shipments) {
      if (shipment.message.type !== type || shipment.message.id !== id || shipment.isSent) continue;
      this.#drop(shipment);
      return true;
    }
    return false;
  }

  /** Resolves when everything sent so far has left, or never will: the memory of its binary values is the caller's again. */
  async flushed(): Promise<void> {
    await Promise.all([...this.#shipments].map((shipment) => shipment.left));
  }

  /** Nothing is sent any more; returns the messages that can't be complete at the peer. */
  close(): OutgoingMessage[] {
    this.#closed = true;
    const shipments = [...this.#shipments];
    this.#shipments.clear();
    for (const shipment of shipments) shipment.settle();
    return shipments.filter(({ isSent }) => !isSent).map(({ message }) => message);
  }

  /** Sends pieces, as far as there is room. */
  pump(): void {
    // Where other output waits, pieces would keep it from ever running dry.
    if (this.#transport.queuedBytes > MAX_PIECES_UNDER_WAY * PIECE_BYTES) return;
    if (this.#frames.sentMessages !== this.#seenMessages) {
      this.#seenMessages = this.#frames.sentMessages;
      this.#window.share();
    }
    while (!this.#closed && this.#underWay < MAX_PIECES_UNDER_WAY && this.#window.isOpen) {
      const shipment = this.#turns.shift();
      if (shipment === undefined) return;
      if (!shipment.withdrawn) this.#sendPiece(shipment);
    }
  }

  sendReceipt(bytes: number): void {
    if (!this.#closed) this.#frames.extended(RECEIPT, numbered(bytes));
  }

  sendRelease(handle: number): void {
    if (!this.#closed) this.#frames.extended(RELEASE, numbered(handle));
  }

  onReceipt(bytes: number): void {
    if (!this.#window.onReceived(bytes)) throw new ProtocolError(`receipt of ${bytes} bytes that were not sent`);
    this.pump();
  }

  onRelease(handle: number): void {
    const shipment = this.#unreleased.get(handle);
    if (shipment?.isSent !== true) throw new ProtocolError(`release of message ${handle}, which was not sent`);
    this.#unreleased.delete(handle);
    this.#announcedBytes -= shipment.announcedBytes;
    this.#announceNext();
  }

  async #pack(shipment: Shipment, packer: SegmentPacker): Promise<void> {
    const packed: (Uint8Array | undefined)[] = [];
    try {
      for (const segment of shipment.message.segments) packed.push(await packer.packSegment(segment));
    } catch (error) {
      if (error instanceof ColloquyError) return this.#fail(shipment, error);
      const reason = `a binary value can't be packed: ${toError(error).message}`;
      return this.#fail(shipment, new SerializationError(reason, { cause: error }));
    }
    if (shipment.withdrawn || this.#closed) return;
    shipment.pack(packed);
    // Packed, it counts with both sizes.
    if (shipment.announcedBytes > this.maxAnnouncedBytes) shipment.pack([]);
    this.#enqueue(shipment);
  }

  #enqueue(shipment: Shipment): void {
    // What was sent before doesn't wait behind it.
    if (this.#turns.length === 0) this.#seenMessages = this.#frames.sentMessages;
    this.#unannounced.push(shipment);
    this.#announceNext();
  }

  /** In order: one that has to wait lets none pass. */
  #announceNext(): void {
    for (let next = this.#unannounced.peek(); next !== undefined; next = this.#unannounced.peek()) {
      const bytes = next.announcedBytes;
      if (!next.withdrawn && this.#announcedBytes + bytes > this.maxAnnouncedBytes) return;
      this.#unannounced.shift();
      if (next.withdrawn) continue;
      this.#announcedBytes += bytes;
      next.handle = this.#freeHandle();
      this.#unreleased.set(next.handle, next);
      this.#frames.extended(SEGMENTED_MESSAGE, next.announcement(), next.message.payload);
      this.#turns.push(next);
    }
    this.pump();
  }

  #sendPiece(shipment: Shipment): void {
    const piece = shipment.take(this.#window.isShared ? SHARED_PIECE_BYTES : PIECE_BYTES);
    if (piece === undefined) return this.#fail(shipment, memoryIsGone());
    const { head, bytes } = piece;
    // The announcement goes first.
    this.#frames.flush();
    if (!shipment.isSent) this.#turns.push(shipment);
    this.#underWay++;
    shipment.underWay++;
    this.#frames.countSent(head.length + bytes.length);
    this.#window.onSent(bytes.length);
    this.#transport.writePiece(head, bytes, () => this.#onLeft(shipment));
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

  #fail(shipment: Shipment, error: ColloquyError): void {
    if (shipment.withdrawn || this.#closed) return;
    this.#drop(shipment);
    this.#listener.onWithdrawn(shipment.message, error);
  }

  #drop(shipment: Shipment): void {
    shipment.withdrawn = true;
    this.#shipments.delete(shipment);
    if (shipment.underWay === 0) shipment.settle();
    if (shipment.handle >= 0) {
      this.#announcedBytes -= shipment.announcedBytes;
      this.#unreleased.delete(shipment.handle);
      this.#frames.extended(WITHDRAWAL, numbered(shipment.handle));
    }
    this.#announceNext();
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

function numbered(value: number): Buffer {
  const head = Buffer.allocUnsafe(4);
  head.writeUInt32BE(value);
  return head;
}
