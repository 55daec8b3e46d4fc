import { Announcements } from "./announcements.ts";
import { ColloquyError, ProtocolError, SerializationError } from "./errors.ts";
import { messageOf } from "./readable.ts";
import { RECEIPT, RELEASE, WITHDRAWAL } from "./extended-frames.ts";
import type { FrameWriter } from "./frame-writer.ts";
import type { SegmentReceipts } from "./incoming-segments.ts";
import { NOTIFICATION, REQUEST } from "./message.ts";
import { Queue } from "./queue.ts";
import { SegmentWindow } from "./segment-window.ts";
import { memoryIsGone } from "./segments.ts";
import type { SegmentPacker } from "./segments.ts";
import { Shipment } from "./shipment.ts";
import type { OutgoingMessage } from "./shipment.ts";
import type { Watched } from "./stall-watch.ts";

/** Small messages leave between two pieces. */
const PIECE_BYTES = 2_097_152;
/** While they do. */
const SHARED_PIECE_BYTES = 16_384;
/** Output that waits beyond this is no place for receipts: they wait, too, as one. */
const MOST_BEFORE_RECEIPTS = 2 * PIECE_BYTES;

export interface OutgoingSegmentsListener {
  /** What the peer takes in all at a time; messages beyond wait until earlier ones are released. */
  readonly maxSegmentBytes: number;
  /** The peer tells what has come each time it is so much: no less may be under way. */
  readonly receiptBytes: number;
  /** How many notifications may be on their way: calls and answers are counted elsewhere. */
  readonly maxNotificationCount: number;
  /** A message will never be complete at the peer, which forgets it. */
  onWithdrawn(message: Pick<OutgoingMessage, "type" | "id">, error: ColloquyError): void;
  /** Pieces wait for the peer. */
  onSegmentsWait(): void;
  /** A piece has left: other messages have their turn. */
  onPieceLeft(): void;
  /** A message has left. */
  onSegmentsSent(): void;
}

/**
 * Sends messages with segments, piece by piece as the peer takes them, several messages by turns. Small messages leave between
 * the pieces. The pieces are the caller's own memory: `flushed` tells when it is the caller's again.
 */
export class OutgoingSegments implements SegmentReceipts, Watched {
  readonly #frames: FrameWriter;
  readonly #listener: OutgoingSegmentsListener;
  /** All whose memory is needed, in order. */
  readonly #shipments = new Set<Shipment>();
  /** Requests and answers among them that aren't withdrawn, by id. */
  readonly #requests = new Map<number, Shipment>();
  readonly #answers = new Map<number, Shipment>();
  /** A peer may use an id again before it has got the answer. */
  #answerCount = 0;
  #notificationCount = 0;
  readonly #unannounced = new Queue<Shipment>();
  /** Those that are announced, by turns. */
  readonly #turns = new Queue<Shipment>();
  readonly #announced = new Announcements();
  readonly #window: SegmentWindow;
  #seenMessages = 0;
  /** Grows with all that the peer confirms. */
  #confirmations = 0;
  #pumping = false;
  #closed = false;

  constructor(frames: FrameWriter, listener: OutgoingSegmentsListener, now?: () => number) {
    this.#frames = frames;
    this.#listener = listener;
    this.#window = new SegmentWindow(now ?? frames.time);
  }

  /** Messages that were begun. */
  get sentMessages(): number {
    return this.#announced.totalCount;
  }

  /** Messages that have not left. */
  get size(): number {
    return this.#shipments.size;
  }

  /** Answers among them: each holds the slot of its request. */
  get answerCount(): number {
    return this.#answerCount;
  }

  /** A piece is to be sent when its turn comes. */
  get hasPiece(): boolean {
    while (this.#turns.peek()?.withdrawn === true) this.#turns.shift();
    return this.#turns.length > 0;
  }

  /** There is something to send, and the peer has to confirm others before. */
  get waits(): boolean {
    return this.hasPiece ? !this.#window.isOpen : this.#unannounced.length > 0;
  }

  get moved(): number {
    return this.#window.sentBytes + this.#confirmations;
  }

  get hasRoom(): boolean {
    return this.#frames.queuedBytes <= MOST_BEFORE_RECEIPTS;
  }

  /**
   * A message with segments that can be sent.
   *
   * @throws ColloquyError `RESOURCE_EXHAUSTED` where the peer would not take it, and for one notification too many.
   */
  prepare(message: OutgoingMessage): Shipment {
    const shipment = new Shipment(message);
    const { maxSegmentBytes, maxNotificationCount } = this.#listener;
    if (shipment.segmentBytes > maxSegmentBytes) {
      const size = `binary values of ${shipment.segmentBytes} bytes in one message`;
      const reason = `${size}; the limit is ${maxSegmentBytes} (maxSegmentBytes)`;
      throw new ColloquyError("RESOURCE_EXHAUSTED", reason, { limit: "maxSegmentBytes" });
    }
    if (shipment.type === NOTIFICATION && this.#notificationCount >= maxNotificationCount) {
      const reason = `${maxNotificationCount} notifications with large values are on their way (maxPendingCount)`;
      throw new ColloquyError("RESOURCE_EXHAUSTED", reason, { limit: "maxPendingCount" });
    }
    return shipment;
  }

  /** Sends a message with its segments, behind those before it as far as they have been announced. */
  send(shipment: Shipment, packer: Pick<SegmentPacker, "packSegment"> | undefined): void {
    this.#shipments.add(shipment);
    if (shipment.type === REQUEST) this.#requests.set(shipment.id, shipment);
    else if (shipment.type === NOTIFICATION) this.#notificationCount++;
    else {
      this.#answers.set(shipment.id, shipment);
      this.#answerCount++;
    }
    if (packer === undefined) this.#enqueue(shipment);
    else void this.#pack(shipment, packer);
  }

  /** A request of this id has not left in full. */
  isUnsent(id: number): boolean {
    return this.#requests.get(id)?.isSent === false;
  }

  /** Takes a request or an answer back that isn't complete. False: it is, or there is none of that id. */
  withdraw(type: number, id: number): boolean {
    const shipment = (type === REQUEST ? this.#requests : this.#answers).get(id);
    if (shipment === undefined || shipment.isSent) return false;
    this.#drop(shipment);
    return true;
  }

  /** Resolves when everything sent so far has left, or never will: the memory of its binary values is the caller's again. */
  async flushed(): Promise<void> {
    await Promise.all([...this.#shipments].map((shipment) => shipment.left));
  }

  /** Nothing is sent any more; returns the ids of requests that can't be complete at the peer, in order. */
  close(): number[] {
    this.#closed = true;
    const unsent = [...this.#requests.values()].filter(({ isSent }) => !isSent).map(({ id }) => id);
    for (const shipment of this.#shipments) shipment.settle();
    this.#shipments.clear();
    this.#requests.clear();
    this.#answers.clear();
    return unsent;
  }

  /** Sends pieces, as far as there is room. */
  pump(): void {
    // Within a frame that is being written nothing can leave; the end of the turn does it.
    if (this.#pumping || this.#frames.isOpen) return;
    this.#pumping = true;
    try {
      this.#watchMessages();
      while (this.hasPiece && this.#window.isOpen && this.#canWrite) {
        const shipment = this.#turns.shift()!;
        // What was written before may have led to its withdrawal.
        if (!shipment.withdrawn) this.#sendPiece(shipment);
      }
    } finally {
      this.#pumping = false;
    }
    if (this.waits) this.#listener.onSegmentsWait();
  }

  sendReceipt(bytes: number): void {
    if (!this.#closed) this.#frames.extended(RECEIPT, numbered(bytes));
  }

  sendRelease(handle: number): void {
    if (!this.#closed) this.#frames.extended(RELEASE, numbered(handle));
  }

  onReceipt(bytes: number): void {
    if (!this.#window.onReceived(bytes)) throw new ProtocolError(`receipt of ${bytes} bytes that were not sent`);
    this.#confirmations += bytes;
    this.#frames.confirmedBytes += bytes;
    this.pump();
  }

  onRelease(handle: number): void {
    this.#announced.release(handle);
    this.#confirmations++;
    this.#announceNext();
  }

  async #pack(shipment: Shipment, packer: Pick<SegmentPacker, "packSegment">): Promise<void> {
    const packed: (Uint8Array | undefined)[] = [];
    try {
      for (const segment of shipment.segments) {
        packed.push(await packer.packSegment(segment));
        if (shipment.withdrawn || this.#closed) return;
      }
    } catch (error) {
      if (error instanceof ColloquyError) return this.#fail(shipment, error);
      const reason = `a binary value can't be packed: ${messageOf(error)}`;
      return this.#fail(shipment, new SerializationError(reason, { cause: error }));
    }
    if (!shipment.isIntact) return this.#fail(shipment, memoryIsGone());
    shipment.pack(packed, this.#listener.maxSegmentBytes);
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
      if (!next.withdrawn && !this.#announced.haveRoomFor(next, this.#listener.maxSegmentBytes)) break;
      this.#unannounced.shift();
      if (!next.withdrawn) this.#announce(next);
    }
    this.pump();
  }

  #announce(shipment: Shipment): void {
    const hasPieces = !shipment.isSent;
    if (hasPieces) this.#turns.push(shipment);
    this.#announced.add(shipment, this.#frames);
    if (!hasPieces) this.#finish(shipment);
  }

  #watchMessages(): void {
    if (this.#frames.sentMessages === this.#seenMessages) return;
    this.#seenMessages = this.#frames.sentMessages;
    this.#window.share(this.#listener.receiptBytes);
  }

  /** What was written before goes first, announcements above all. Then the transport has nothing. */
  get #canWrite(): boolean {
    this.#frames.flush();
    return !this.#closed && this.#frames.queuedBytes === 0;
  }

  #sendPiece(shipment: Shipment): void {
    const piece = shipment.take(this.#window.isShared ? SHARED_PIECE_BYTES : PIECE_BYTES);
    if (piece === undefined) return this.#fail(shipment, memoryIsGone());
    const { head, bytes } = piece;
    if (!shipment.isSent) this.#turns.push(shipment);
    shipment.underWay++;
    this.#window.onSent(bytes.length);
    this.#frames.piece(head, bytes, () => this.#onLeft(shipment));
  }

  #onLeft(shipment: Shipment): void {
    if (this.#closed) return;
    if (--shipment.underWay === 0 && (shipment.withdrawn || shipment.isSent)) this.#finish(shipment);
    this.#listener.onPieceLeft();
    this.pump();
  }

  /** Its memory isn't needed any more. */
  #finish(shipment: Shipment): void {
    if (!shipment.withdrawn) this.#forget(shipment);
    this.#shipments.delete(shipment);
    shipment.settle();
    this.#listener.onSegmentsSent();
  }

  #fail(shipment: Shipment, error: ColloquyError): void {
    if (shipment.withdrawn || this.#closed) return;
    this.#drop(shipment);
    this.#listener.onWithdrawn(shipment, error);
  }

  #drop(shipment: Shipment): void {
    this.#forget(shipment);
    shipment.withdrawn = true;
    shipment.takeBack?.();
    if (shipment.handle >= 0) {
      this.#announced.withdraw(shipment);
      this.#frames.extended(WITHDRAWAL, numbered(shipment.handle));
    }
    if (shipment.underWay === 0) this.#finish(shipment);
    this.#announceNext();
  }

  #forget(shipment: Shipment): void {
    const { type, id } = shipment;
    const byId = type === REQUEST ? this.#requests : this.#answers;
    if (type === NOTIFICATION) this.#notificationCount--;
    else if (byId.get(id) === shipment) byId.delete(id);
    if (type !== REQUEST && type !== NOTIFICATION) this.#answerCount--;
  }
}

function numbered(value: number): Buffer {
  const head = Buffer.allocUnsafe(4);
  head.writeUInt32BE(value);
  return head;
}
