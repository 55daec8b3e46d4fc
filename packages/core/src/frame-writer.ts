import { BatchOverflow, ByteWriter } from "./byte-writer.ts";
import { EXTENDED_BIT, HEADER_BYTES } from "./extended-frames.ts";
import { messageTooLarge } from "./limits.ts";
import type { Watched } from "./stall-watch.ts";
import type { Transport } from "./transport.ts";

const NO_BYTES: Uint8Array = new Uint8Array();
const NONE: (() => void)[] = [];
/**
 * The first batch of a turn leaves at once when it has passed this size, so that the other side starts while this one goes on.
 * Each one after may be twice as large: the other side has something to do, and every write has its price.
 */
const FIRST_BATCH_BYTES = 1024;
const LARGEST_BATCH_BYTES = 16_384;
/** Encoders may reserve a little more than they write. */
const RESERVE_SLACK_BYTES = 8192;

export interface FrameWriterListener {
  /**
   * Called after each batch: has it left? Where it has not, the transport's `onDrain` follows. Called for a piece only where it has
   * not, and `onLeft` follows.
   */
  onWritten(sent: boolean): void;
}

/** Collects the frames of one turn of the event loop and gives them to the transport in one piece. */
export class FrameWriter implements Watched {
  readonly writer: ByteWriter = new ByteWriter();
  /** Largest payload; the smaller of both sides' limits once the peer has told its own. */
  maxPayloadBytes: number;
  readonly #ownMaxBytes: number;
  sentMessages = 0;
  sentBytes = 0;
  /** What the peer has confirmed of pieces. */
  confirmedBytes = 0;
  readonly #transport: Transport;
  readonly #listener: FrameWriterListener;
  #scheduled = false;
  #earlyBytes = FIRST_BATCH_BYTES;
  #closed = false;
  /** The transport keeps some of what it got. */
  #backlogged = false;
  /** A payload is being written: other frames have to wait, and what is there must not leave. */
  #isOpen = false;
  /** Extended frames that came meanwhile. */
  #held: (() => void)[] = NONE;

  constructor(transport: Transport, maxPayloadBytes: number, listener: FrameWriterListener) {
    this.#transport = transport;
    this.#listener = listener;
    this.maxPayloadBytes = maxPayloadBytes;
    this.#ownMaxBytes = maxPayloadBytes;
  }

  /** Bytes that have not left. */
  get queuedBytes(): number {
    // What the transport has dropped isn't queued.
    if (this.#closed) return 0;
    const { batchBytes } = this.writer;
    if (!this.#backlogged) return batchBytes;
    const bytes = this.#transport.queuedBytes;
    this.#backlogged = bytes > 0;
    return bytes + batchBytes;
  }

  get waits(): boolean {
    return this.#transport.queuedBytes > 0;
  }

  /** A piece is queued until all of it has left; that it moves is seen from what the peer confirms. */
  get moved(): number {
    return this.sentBytes - this.#transport.queuedBytes + this.confirmedBytes;
  }

  /** The time that pieces are measured by, where how fast the machine is must not show: each look is a millisecond. Absent: its own. */
  get time(): (() => number) | undefined {
    if (this.#transport.reproducible === undefined) return undefined;
    let looks = 0;
    return () => ++looks;
  }

  /** A frame has begun and is not complete. */
  get isOpen(): boolean {
    return this.#isOpen;
  }

  /** Starts a frame; the encoder writes its payload behind. */
  begin(): number {
    const { writer } = this;
    this.#isOpen = true;
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
    this.sentBytes += length + HEADER_BYTES;
    this.#end();
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
    this.drop(mark);
    return payload;
  }

  /** Adds an extended frame to the batch, behind the frame that is being written, `docs/protocol.md` section 8. */
  extended(kind: number, head: Uint8Array, payload: Uint8Array = NO_BYTES): void {
    if (this.#isOpen) {
      if (this.#held === NONE) this.#held = [];
      this.#held.push(() => this.extended(kind, head, payload));
      return;
    }
    const { writer } = this;
    const length = 1 + head.length + payload.length;
    writer.maxBatchBytes = writer.mark() + HEADER_BYTES + length;
    writer.reserve(HEADER_BYTES + length);
    writer.view.setUint32(writer.position, EXTENDED_BIT + length);
    writer.bytes[writer.position + HEADER_BYTES] = kind;
    writer.position += HEADER_BYTES + 1;
    writer.append(head);
    writer.append(payload);
    this.sentBytes += HEADER_BYTES + length;
    this.#schedule();
  }

  /**
   * Sends a piece of a large value. Only while `queuedBytes` is 0, so that it needn't wait in a queue, where its memory could be
   * taken away from under it.
   */
  piece(head: Uint8Array, bytes: Uint8Array, onLeft: () => void): void {
    this.sentBytes += head.length + bytes.length;
    this.#transport.writePiece(head, bytes, onLeft);
    this.#backlogged = this.#transport.queuedBytes > 0;
    if (this.#backlogged) this.#listener.onWritten(false);
  }

  #checkedLength(mark: number): number {
    const length = this.writer.position - this.writer.at(mark) - HEADER_BYTES;
    if (length <= this.maxPayloadBytes) return length;
    this.drop(mark);
    throw messageTooLarge(length, this.maxPayloadBytes, this.#ownMaxBytes);
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
    this.#end();
  }

  /** Drops a frame whose encoding failed; returns the error to report. */
  abort(mark: number, error: unknown): unknown {
    // Where a frame over the limit is what has failed, it is gone already, and others may have come.
    if (this.#isOpen) this.drop(mark);
    if (!(error instanceof BatchOverflow)) return error;
    return messageTooLarge(undefined, this.maxPayloadBytes, this.#ownMaxBytes);
  }

  /** At the end of a turn: what is left leaves. */
  endTurn(): void {
    this.#scheduled = false;
    this.#earlyBytes = FIRST_BATCH_BYTES;
    this.flush();
  }

  flush(): void {
    if (this.writer.batchBytes === 0 || this.#isOpen) return;
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

  #end(): void {
    this.#isOpen = false;
    const held = this.#held;
    if (held === NONE) return;
    this.#held = NONE;
    for (const write of held) write();
  }
}

function endTurn(frames: FrameWriter): void {
  frames.endTurn();
}
