import { ColloquyError, ProtocolError } from "./errors.ts";
import {
  ANNOUNCEMENT_BYTES,
  MAX_SEGMENT_COUNT,
  RECEIPT,
  SEGMENTED_MESSAGE,
  WITHDRAWAL,
  bytesBeside,
  fits,
  segmentBytes,
} from "./extended-frames.ts";
import type { ExtendedFrameListener, SegmentLengths } from "./extended-frames.ts";
import type { Limits } from "./limits.ts";
import { PeerNumbers } from "./peer-numbers.ts";

const HANDLE_BYTES = 4;
const COUNT_BYTES = 4;
/** The sender is told of what has come when a piece is complete and it is so much, as this side says in hello, */
export const RECEIPT_BYTES = 16_384;
/** and within one when it is so much: it has to see that something moves. */
const RECEIPT_BYTES_WITHIN = 262_144;
const LARGEST_RECEIPT = 0xffff_ffff;
/** What is allocated at first for a segment, and by how much it grows. Whoever takes it back has not made this side take much. */
const FIRST_BYTES = 65_536;
const GROWTH = 16;
/** What may come of messages with segments while the answer to hello is decoded. */
const MOST_EARLY_BYTES = 262_144;
const NO_BYTES: Buffer = Buffer.allocUnsafeSlow(0);

/** A segment of a message that isn't complete. */
interface IncomingSegment extends SegmentLengths {
  /** Grows with what has come. */
  bytes: Buffer;
  filled: number;
}

/** A message whose segments are there. */
export interface SegmentedMessage {
  readonly handle: number;
  readonly payload: Buffer;
  readonly segments: readonly Pick<IncomingSegment, "bytes" | "rawLength">[];
  /** What it counts towards the limit until it is released. */
  readonly countedBytes: number;
}

interface IncomingMessage extends SegmentedMessage {
  readonly segments: readonly IncomingSegment[];
  /** Segments that aren't complete. */
  missingCount: number;
}

export interface SegmentListener {
  /** A message and all its segments have come. It counts towards the limit until `release`. */
  onSegmented(message: SegmentedMessage): void;
}

/** The other direction: what is told to the sender of segments, and what its peer has told this side. */
export interface SegmentReceipts {
  /** False: the output is full; `confirm` follows when it isn't. */
  readonly hasRoom: boolean;
  /** So many more bytes of segments have come. */
  sendReceipt(bytes: number): void;
  /** A message counts no more towards the limit. */
  sendRelease(handle: number): void;
  /** @throws ProtocolError for more than was sent. */
  onReceipt(bytes: number): void;
  /** @throws ProtocolError for a message that isn't there. */
  onRelease(handle: number): void;
}

/** What bounds a peer beside the limits. */
export interface SegmentMeter {
  /** Hello isn't done: its answer may be decoded while other bytes come. */
  readonly isEarly: boolean;
  /** A message was announced in vain. */
  countOverhead(): void;
}

/** What confirms segments that have come; made when it is asked for. */
export interface ReceiptSource {
  readonly segments: SegmentReceipts;
}

/**
 * The messages of one connection whose segments are on their way (`docs/protocol.md` section 8). What is announced in all is
 * bounded; memory for a segment is taken when its bytes come, at most 16 times as much as has come, so that few are copied.
 */
export class IncomingSegments implements ExtendedFrameListener {
  readonly #limits: Limits;
  readonly #listener: SegmentListener;
  readonly #receipts: SegmentReceipts;
  readonly #meter: SegmentMeter | undefined;
  /** By handle, until the sender is told that they are released. */
  readonly #messages = new PeerNumbers<IncomingMessage>();
  #countedBytes = 0;
  #unconfirmedBytes = 0;
  #earlyBytes = 0;
  /** Decoded; the sender isn't told yet. */
  #released: SegmentedMessage[] = [];

  constructor(limits: Limits, listener: SegmentListener, receipts: SegmentReceipts, meter?: SegmentMeter) {
    this.#meter = meter;
    this.#limits = limits;
    this.#receipts = receipts;
    this.#listener = listener;
  }

  /** What all messages count that are announced and not released. */
  get countedBytes(): number {
    return this.#countedBytes;
  }

  /** A message has been announced, and not all of it is here. */
  get isReceiving(): boolean {
    for (const { missingCount } of this.#messages.values()) if (missingCount > 0) return true;
    return false;
  }

  /** @throws ProtocolError for a frame that is malformed, or over the limits. */
  onExtended(kind: number, bytes: Buffer, start: number, end: number): void {
    const number = bytes.readUInt32BE(start);
    if (kind === SEGMENTED_MESSAGE) this.#announce(number, bytes, start + HANDLE_BYTES, end);
    else if (kind === WITHDRAWAL) this.#withdraw(number);
    else if (kind === RECEIPT) this.#receipts.onReceipt(number);
    else this.#receipts.onRelease(number);
  }

  onPiece(handle: number, index: number, length: number): Buffer {
    const segment = this.#messages.get(handle)?.segments[index];
    if (segment === undefined)
      throw new ProtocolError(`piece of segment ${index} of message ${handle}, which wasn't announced`);
    const end = segment.filled + length;
    if (end > segment.length)
      throw new ProtocolError(`piece beyond the ${segment.length} bytes of segment ${index} of message ${handle}`);
    if (end > segment.bytes.length) segment.bytes = grown(segment, end);
    const place = segment.bytes.subarray(segment.filled, end);
    segment.filled = end;
    return place;
  }

  onPieceBytes(count: number): void {
    if (this.#meter?.isEarly === true) this.#countEarly(count);
    this.#unconfirmedBytes += count;
    if (this.#unconfirmedBytes >= RECEIPT_BYTES_WITHIN) this.#sendReceipt();
  }

  onPieceRead(handle: number, index: number): void {
    const message = this.#messages.get(handle);
    // A receipt that can't be written may have ended the connection.
    if (message === undefined) return;
    const segment = message.segments[index]!;
    const isComplete = segment.filled === segment.length && --message.missingCount === 0;
    if (this.#unconfirmedBytes >= RECEIPT_BYTES || isComplete) this.#sendReceipt();
    if (isComplete) this.#listener.onSegmented(message);
  }

  /** To be called once for each message that was handed out, when it is decoded: it counts no more, and the sender is told. */
  release(message: SegmentedMessage): void {
    this.#released.push(message);
    if (this.#receipts.hasRoom) this.#sendReleases();
  }

  /** Tells the sender what the output had no room for. */
  confirm(): void {
    this.#sendReceipt();
    if (this.#receipts.hasRoom) this.#sendReleases();
  }

  clear(): void {
    this.#messages.clear();
    this.#released = [];
    this.#countedBytes = 0;
    this.#unconfirmedBytes = 0;
  }

  #sendReceipt(): void {
    while (this.#unconfirmedBytes > 0 && this.#receipts.hasRoom) {
      const bytes = Math.min(this.#unconfirmedBytes, LARGEST_RECEIPT);
      this.#unconfirmedBytes -= bytes;
      this.#receipts.sendReceipt(bytes);
    }
  }

  /** A message counts until its sender is told: what is yet to be told is bounded, too. */
  #sendReleases(): void {
    const released = this.#released;
    this.#released = [];
    for (const message of released) {
      this.#messages.delete(message.handle);
      this.#countedBytes -= message.countedBytes;
      this.#receipts.sendRelease(message.handle);
    }
  }

  #announce(handle: number, bytes: Buffer, start: number, end: number): void {
    if (this.#messages.has(handle)) throw new ProtocolError(`handle ${handle} is in use`);
    if (this.#meter?.isEarly === true) this.#countEarly(end - start);
    const count = end - start < COUNT_BYTES ? 0 : bytes.readUInt32BE(start);
    const first = start + COUNT_BYTES;
    const payloadStart = first + count * ANNOUNCEMENT_BYTES;
    if (count < 1 || count > MAX_SEGMENT_COUNT || payloadStart > end)
      throw new ProtocolError(`a message with segments has 1 to ${MAX_SEGMENT_COUNT} of them, each announced`);
    const payloadBytes = end - payloadStart;
    if (payloadBytes > this.#limits.maxMessageBytes)
      throw new ProtocolError(
        `payload of ${payloadBytes} bytes; the limit is ${this.#limits.maxMessageBytes} (maxMessageBytes)`,
        { limit: "maxMessageBytes" },
      );
    const segments: IncomingSegment[] = [];
    for (let at = first; at < payloadStart; at += ANNOUNCEMENT_BYTES)
      segments.push({
        length: readLength(bytes, at),
        rawLength: readLength(bytes, at + 8),
        bytes: NO_BYTES,
        filled: 0,
      });
    const counted = this.#count(segmentBytes(segments), bytesBeside(payloadBytes, count));
    const missingCount = segments.reduce((missing, { length }) => (length > 0 ? missing + 1 : missing), 0);
    const payload = copyOf(bytes, payloadStart, end);
    const message: IncomingMessage = { handle, payload, segments, countedBytes: counted, missingCount };
    this.#messages.set(handle, message);
    if (missingCount === 0) this.#listener.onSegmented(message);
  }

  #countEarly(bytes: number): void {
    this.#earlyBytes += bytes;
    if (this.#earlyBytes <= MOST_EARLY_BYTES) return;
    throw new ProtocolError(`messages with segments of more than ${MOST_EARLY_BYTES} bytes before the answer to hello`);
  }

  #count(ofSegments: number, beside: number): number {
    // Sums of safe integers only: what is counted is taken off again exactly.
    const limit = Math.min(this.#limits.maxSegmentBytes, Number.MAX_SAFE_INTEGER);
    if (!fits(this.#countedBytes, ofSegments, beside, limit)) {
      const others = this.#countedBytes > 0 ? ` and ${beside} with them, beside ${this.#countedBytes}` : "";
      const reason = `segments of ${ofSegments} bytes${others}; the limit is ${limit} (maxSegmentBytes)`;
      throw new ProtocolError(reason, { limit: "maxSegmentBytes" });
    }
    this.#countedBytes += ofSegments + beside;
    return ofSegments + beside;
  }

  /** What is withdrawn before it is complete never happened; one that is complete has been handed out. */
  #withdraw(handle: number): void {
    const message = this.#messages.get(handle);
    if (message === undefined || message.missingCount === 0)
      throw new ProtocolError(`withdrawal of ${handle}, which isn't on its way`);
    this.#messages.delete(handle);
    this.#countedBytes -= message.countedBytes;
    this.#meter?.countOverhead();
    this.#sendReceipt();
  }
}

function readLength(bytes: Buffer, at: number): number {
  return bytes.readUInt32BE(at) * 0x1_0000_0000 + bytes.readUInt32BE(at + 4);
}

/** Not from the pool: a small payload that waits long would hold a whole slab of it. */
function copyOf(bytes: Buffer, start: number, end: number): Buffer {
  const copy = Buffer.allocUnsafeSlow(end - start);
  bytes.copy(copy, 0, start, end);
  return copy;
}

/** Memory for a segment of which `needed` bytes are to come, with those that are there. */
function grown({ bytes, length, filled }: IncomingSegment, needed: number): Buffer {
  let size = length;
  for (let less = size; less >= needed && less >= FIRST_BYTES; less = Math.ceil(less / GROWTH)) size = less;
  const larger = allocate(size);
  if (filled > 0) bytes.copy(larger, 0, 0, filled);
  return larger;
}

/** Not zeroed, and by itself, so that it is aligned. */
function allocate(length: number): Buffer {
  try {
    return Buffer.allocUnsafeSlow(length);
  } catch (error) {
    throw new ColloquyError("RESOURCE_EXHAUSTED", `no memory for a segment of ${length} bytes`, { cause: error });
  }
}
