import { BatchOverflow, ByteWriter } from "./byte-writer.ts";
import { ColloquyError } from "./errors.ts";
import { EXTENDED_BIT } from "./extended-frames.ts";
import type { Transport } from "./transport.ts";

const HEADER_BYTES = 4;
const NO_BYTES: Uint8Array = new Uint8Array();
/**
 * The first batch of a turn leaves at once when it has passed this size, so that the other side starts while this one goes on.
 * Each one after may be twice as large: the other side has something to do, and every write has its price.
 */
const FIRST_BATCH_BYTES = 1024;
const LARGEST_BATCH_BYTES = 16_384;
/** Encoders may reserve a little more than they write. */
const RESERVE_SLACK_BYTES = 8192;

export interface FrameWriterListener {
  /** Called after each batch: has it left? Where it has not, the transport's `onDrain` follows. */
  onWritten(sent: boolean): void;
}

/** Collects the frames of one turn of the event loop and gives them to the transport in one piece. */
export class FrameWriter {
  readonly writer: ByteWriter = new ByteWriter();
  /** Largest payload; the smaller of both sides' limits once the peer has told its own. */
  maxPayloadBytes: number;
  sentMessages = 0;
  sentBytes = 0;
  readonly #transport: Transport;
  readonly #listener: FrameWriterListener;
  #scheduled = false;
  #earlyBytes = FIRST_BATCH_BYTES;
  #closed = false;
  /** The transport keeps some of what it got. */
  #backlogged = false;

  constructor(transport: Transport, maxPayloadBytes: number, listener: FrameWriterListener) {
    this.#transport = transport;
    this.#listener = listener;
    this.maxPayloadBytes = maxPayloadBytes;
  }

  /** Bytes that have not left. */
  get queuedBytes(): number {
    const { batchBytes } = this.writer;
    if (!this.#backlogged) return batchBytes;
    const bytes = this.#transport.queuedBytes;
    this.#backlogged = bytes > 0;
    return bytes + batchBytes;
  }

  /** Starts a frame; the encoder writes its payload behind. */
  begin(): number {
    const { writer } = this;
    const mark = writer.mark();
    writer.maxBatchBytes = mark + HEADER_BYTES + this.maxPayloadBytes + RESERVE_SLACK_BYTES;
    writer.reserve(HEADER_BYTES);
    writer.position += HEADER_BYTES;
    return mark;
  }

  /**
   * Completes a frame.
   *
   * @throws ColloquyError `RESOURCE_EXHAUSTED` for a payload over the limit; the frame is dropped.
   */
  commit(mark: number): void {
    const start = this.writer.at(mark);
    const length = this.#checkedLength(mark);
    this.writer.view.setUint32(start, length);
    this.sentMessages++;
    this.countSent(length + HEADER_BYTES);
    this.#schedule();
  }

  /**
   * Takes a payload out whose frame is sent later, as part of another one.
   *
   * @throws ColloquyError `RESOURCE_EXHAUSTED` for a payload over the limit.
   */
  lift(mark: number): Buffer {
    const length = this.#checkedLength(mark);
    const end = this.writer.position;
    const payload = Buffer.from(this.writer.bytes.subarray(end - length, end));
    this.writer.rewind(mark);
    return payload;
  }

  /** Adds an extended frame to the batch, `docs/protocol.md` section 6. */
  extended(kind: number, head: Uint8Array, payload: Uint8Array = NO_BYTES): void {
    const { writer } = this;
    const length = 1 + head.length + payload.length;
    writer.maxBatchBytes = writer.mark() + HEADER_BYTES + length;
    writer.reserve(HEADER_BYTES + length);
    writer.view.setUint32(writer.position, EXTENDED_BIT + length);
    writer.bytes[writer.position + HEADER_BYTES] = kind;
    writer.position += HEADER_BYTES + 1;
    writer.append(head);
    writer.append(payload);
    this.countSent(HEADER_BYTES + length);
    this.#schedule();
  }

  countSent(bytes: number): void {
    this.sentBytes += bytes;
  }

  #checkedLength(mark: number): number {
    const length = this.writer.position - this.writer.at(mark) - HEADER_BYTES;
    if (length <= this.maxPayloadBytes) return length;
    this.writer.rewind(mark);
    throw tooLarge(this.maxPayloadBytes);
  }

  /** The batch leaves at the end of the turn, or now where it is large enough. */
  #schedule(): void {
    if (!this.#scheduled) {
      this.#scheduled = true;
      process.nextTick(endTurn, this);
    }
    if (this.writer.batchBytes < this.#earlyBytes) return;
    this.#earlyBytes = Math.min(this.#earlyBytes * 2, LARGEST_BATCH_BYTES);
    this.flush();
  }

  /** Drops a frame that isn't complete. */
  drop(mark: number): void {
    this.writer.rewind(mark);
  }

  /** Drops a frame whose encoding failed; returns the error to report. */
  abort(mark: number, error: unknown): unknown {
    this.writer.rewind(mark);
    return error instanceof BatchOverflow ? tooLarge(this.maxPayloadBytes) : error;
  }

  /** At the end of a turn: what is left leaves. */
  endTurn(): void {
    this.#scheduled = false;
    this.#earlyBytes = FIRST_BATCH_BYTES;
    this.flush();
  }

  flush(): void {
    if (this.writer.batchBytes === 0) return;
    const batch = this.writer.take();
    if (this.#closed) return;
    // What waits must not hold a whole slab for some bytes.
    const sent = this.#transport.write(this.#backlogged ? Buffer.from(batch) : batch);
    this.#backlogged = this.#transport.queuedBytes > 0;
    this.#listener.onWritten(sent);
  }

  /** What is written from now on goes nowhere. */
  close(): void {
    this.#closed = true;
  }
}

function endTurn(frames: FrameWriter): void {
  frames.endTurn();
}

function tooLarge(limit: number): ColloquyError {
  return new ColloquyError(
    "RESOURCE_EXHAUSTED",
    `message is larger than the limit of ${limit} bytes (maxMessageBytes)`,
  );
}
