import { ColloquyError, ProtocolError } from "./errors.ts";
import {
  ANNOUNCEMENT_BYTES,
  MAX_SEGMENT_COUNT,
  RECEIPT,
  RELEASE,
  SEGMENTED_MESSAGE,
  WITHDRAWAL,
} from "./extended-frames.ts";
import type { ExtendedFrameListener } from "./extended-frames.ts";
import type { Limits } from "./limits.ts";

const HANDLE_BYTES = 4;
/** The sender is told of what has come each time it is so much. */
const RECEIPT_BYTES = 65_536;
const COUNT_BYTES = 4;
const NO_BYTES: Buffer = Buffer.allocUnsafeSlow(0);

/** A segment of a message that isn't complete. */
interface IncomingSegment {
  readonly length: number;
  /** Its length once it is unpacked; 0: it comes as it is. */
  readonly rawLength: number;
  /** Made when its first bytes come. */
  bytes: Buffer;
  filled: number;
}

/** A message whose segments are there. */
export interface SegmentedMessage {
  readonly handle: number;
  readonly payload: Buffer;
  readonly segments: readonly Pick<IncomingSegment, "bytes" | "rawLength">[];
  /** What it counts towards the limit until it is released. */
  readonly announcedBytes: number;
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
  /** So many more bytes of segments have come. */
  sendReceipt(bytes: number): void;
  /** A message counts no more towards the limit. */
  sendRelease(handle: number): void;
  /** @throws ProtocolError for more than was sent. */
  onReceipt(bytes: number): void;
  /** @throws ProtocolError for a message that isn't there. */
  onRelease(handle: number): void;
}

/**
 * The messages of one connection whose segments are on their way (`docs/protocol.md` section 6). What is announced in all is
 * bounded; memory for a segment is taken when its first bytes come, at once and in full, so that none is copied.
 */
export class IncomingSegments implements ExtendedFrameListener {
  readonly #limits: Limits;
  readonly #listener: SegmentListener;
  readonly #receipts: SegmentReceipts;
  readonly #messages = new Map<number, IncomingMessage>();
  #announcedBytes = 0;
  #unconfirmedBytes = 0;

  constructor(limits: Limits, listener: SegmentListener, receipts: SegmentReceipts) {
    this.#limits = limits;
    this.#receipts = receipts;
    this.#listener = listener;
  }

  /** Messages that aren't complete. */
  get size(): number {
    return this.#messages.size;
  }

  /** @throws ProtocolError for a frame of an unknown kind, or one that is malformed or over the limits. */
  onExtended(kind: number, bytes: Buffer, start: number, end: number): void {
    if (end - start < HANDLE_BYTES) throw new ProtocolError("extended frame without a number");
    const number = bytes.readUInt32BE(start);
    switch (kind) {
      case SEGMENTED_MESSAGE:
        return this.#announce(number, bytes, start + HANDLE_BYTES, end);
      case WITHDRAWAL:
        return this.#withdraw(number);
      case RECEIPT:
        return this.#receipts.onReceipt(number);
      case RELEASE:
        return this.#receipts.onRelease(number);
      default:
        throw new ProtocolError(`extended frame of the unknown kind ${kind}`);
    }
  }

  onPiece(handle: number, index: number, length: number): Buffer {
    const segment = this.#messages.get(handle)?.segments[index];
    if (segment === undefined)
      throw new ProtocolError(`piece of segment ${index} of ${handle}, which wasn't announced`);
    const end = segment.filled + length;
    if (end > segment.length)
      throw new ProtocolError(`piece beyond the ${segment.length} bytes of segment ${index} of ${handle}`);
    if (segment.filled === 0) segment.bytes = allocate(segment.length);
    const place = segment.bytes.subarray(segment.filled, end);
    segment.filled = end;
    this.#unconfirmedBytes += length;
    return place;
  }

  onPieceRead(handle: number, index: number): void {
    const message = this.#messages.get(handle)!;
    const segment = message.segments[index]!;
    const isComplete = segment.filled === segment.length && --message.missingCount === 0;
    if (this.#unconfirmedBytes >= RECEIPT_BYTES || isComplete) {
      this.#receipts.sendReceipt(this.#unconfirmedBytes);
      this.#unconfirmedBytes = 0;
    }
    if (!isComplete) return;
    this.#messages.delete(handle);
    this.#listener.onSegmented(message);
  }

  /** A message that was handed out has been decoded. */
  release({ handle, announcedBytes }: SegmentedMessage): void {
    this.#announcedBytes -= announcedBytes;
    this.#receipts.sendRelease(handle);
  }

  clear(): void {
    this.#messages.clear();
  }

  #announce(handle: number, bytes: Buffer, start: number, end: number): void {
    if (this.#messages.has(handle)) throw new ProtocolError(`handle ${handle} is in use`);
    const count = end - start < COUNT_BYTES ? 0 : bytes.readUInt32BE(start);
    const first = start + COUNT_BYTES;
    const payloadStart = first + count * ANNOUNCEMENT_BYTES;
    if (count < 1 || count > MAX_SEGMENT_COUNT || payloadStart > end)
      throw new ProtocolError(`a message with segments has 1 to ${MAX_SEGMENT_COUNT} of them, each announced`);
    if (end - payloadStart > this.#limits.maxMessageBytes)
      throw new ProtocolError(
        `payload of ${end - payloadStart} bytes; the limit is ${this.#limits.maxMessageBytes} (maxMessageBytes)`,
      );
    const segments: IncomingSegment[] = [];
    let announcedBytes = 0;
    for (let at = first; at < payloadStart; at += ANNOUNCEMENT_BYTES) {
      const [length, rawLength] = [readLength(bytes, at), readLength(bytes, at + 8)];
      // Both are in memory while a packed segment is unpacked.
      announcedBytes += length + rawLength;
      segments.push({ length, rawLength, bytes: NO_BYTES, filled: 0 });
    }
    if (this.#announcedBytes + announcedBytes > this.#limits.maxSegmentBytes) {
      const before = this.#announcedBytes > 0 ? `, ${this.#announcedBytes} are on their way` : "";
      throw new ProtocolError(
        `segments of ${announcedBytes} bytes${before}; the limit is ${this.#limits.maxSegmentBytes} (maxSegmentBytes)`,
      );
    }
    this.#announcedBytes += announcedBytes;
    const missingCount = segments.reduce((missing, { length }) => (length > 0 ? missing + 1 : missing), 0);
    const payload = Buffer.from(bytes.subarray(payloadStart, end));
    const message: IncomingMessage = { handle, payload, segments, announcedBytes, missingCount };
    if (missingCount === 0) return this.#listener.onSegmented(message);
    this.#messages.set(handle, message);
  }

  /** What was withdrawn before it was complete never happened. One that is complete has been handed out already. */
  #withdraw(handle: number): void {
    const message = this.#messages.get(handle);
    if (message === undefined) throw new ProtocolError(`withdrawal of ${handle}, which isn't on its way`);
    this.#messages.delete(handle);
    this.#announcedBytes -= message.announcedBytes;
  }
}

function readLength(bytes: Buffer, at: number): number {
  return bytes.readUInt32BE(at) * 0x1_0000_0000 + bytes.readUInt32BE(at + 4);
}

/** Not zeroed, and by itself, so that it is aligned. */
function allocate(length: number): Buffer {
  try {
    return Buffer.allocUnsafeSlow(length);
  } catch (error) {
    throw new ColloquyError("RESOURCE_EXHAUSTED", `no memory for a segment of ${length} bytes`, { cause: error });
  }
}
