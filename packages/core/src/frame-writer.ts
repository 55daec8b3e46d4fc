import { ByteWriter } from "./byte-writer.ts";
import { ColloquyError } from "./errors.ts";
import type { Transport } from "./transport.ts";

const HEADER_BYTES = 4;
/** A batch that has passed this size leaves at once, so that the other side starts while this one goes on. */
const EARLY_BYTES = 1024;
/** Encoders may reserve a little more than they write. */
const RESERVE_SLACK_BYTES = 8192;

/** Collects the frames of one turn of the event loop and gives them to the transport in one piece. */
export class FrameWriter {
  readonly writer: ByteWriter = new ByteWriter();
  /** Largest payload; the smaller of both sides' limits once the peer has told its own. */
  maxPayloadBytes: number;
  sentMessages = 0;
  sentBytes = 0;
  readonly #transport: Transport;
  readonly #onWritten: (sent: boolean) => void;
  #scheduled = false;
  #closed = false;

  /** `onWritten` learns after each batch whether it has left; where it has not, the transport's `onDrain` follows. */
  constructor(transport: Transport, maxPayloadBytes: number, onWritten: (sent: boolean) => void) {
    this.#transport = transport;
    this.#onWritten = onWritten;
    this.maxPayloadBytes = maxPayloadBytes;
  }

  /** Bytes that have not left. */
  get queuedBytes(): number {
    return this.#transport.queuedBytes + this.writer.batchBytes;
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
    const { writer } = this;
    const start = writer.at(mark);
    const length = writer.position - start - HEADER_BYTES;
    if (length > this.maxPayloadBytes) {
      writer.rewind(mark);
      throw tooLarge(this.maxPayloadBytes);
    }
    writer.view.setUint32(start, length);
    this.sentMessages++;
    this.sentBytes += length + HEADER_BYTES;
    if (writer.batchBytes >= EARLY_BYTES) this.flush();
    else if (!this.#scheduled) {
      this.#scheduled = true;
      process.nextTick(flushScheduled, this);
    }
  }

  /** Drops a frame that isn't complete. */
  drop(mark: number): void {
    this.writer.rewind(mark);
  }

  /** Drops a frame whose encoding failed; returns the error to report. */
  abort(mark: number, error: unknown): unknown {
    this.writer.rewind(mark);
    const grown = error instanceof ColloquyError && error.code === "RESOURCE_EXHAUSTED";
    return grown ? tooLarge(this.maxPayloadBytes) : error;
  }

  flush(): void {
    this.#scheduled = false;
    if (this.writer.batchBytes === 0) return;
    const batch = this.writer.take();
    if (!this.#closed) this.#onWritten(this.#transport.write(batch));
  }

  /** What is written from now on goes nowhere. */
  close(): void {
    this.#closed = true;
  }
}

function flushScheduled(frames: FrameWriter): void {
  frames.flush();
}

function tooLarge(limit: number): ColloquyError {
  return new ColloquyError(
    "RESOURCE_EXHAUSTED",
    `message is larger than the limit of ${limit} bytes (maxMessageBytes)`,
  );
}
