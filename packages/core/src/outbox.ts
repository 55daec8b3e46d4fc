import type { Codec } from "./codec.ts";
import { ColloquyError, ProtocolError, toError } from "./errors.ts";
import { writeException } from "./exception.ts";
import type { ExceptionStyle } from "./exception.ts";
import { RECEIPT, RELEASE } from "./extended-frames.ts";
import { FrameWriter } from "./frame-writer.ts";
import type { FrameWriterListener } from "./frame-writer.ts";
import type { SegmentReceipts } from "./incoming-segments.ts";
import type { Limits } from "./limits.ts";
import { located } from "./lower-lift.ts";
import { EXCEPTION, NOTIFICATION, REQUEST, RESULT } from "./message.ts";
import { OutgoingSegments } from "./outgoing-segments.ts";
import type { OutgoingMessage, OutgoingSegmentsListener } from "./outgoing-segments.ts";
import type { PendingCall, PendingCalls } from "./pending.ts";
import { HelloWanted } from "./segments.ts";
import { StallWatch } from "./stall-watch.ts";
import type { Transport } from "./transport.ts";
import { WaitingMessages } from "./waiting-messages.ts";

/** Where neither a result nor the exception in its place can be encoded. */
const REFUSALS_PER_SLOT = 8;
const LAST_RESORT = "SerializationError: the exception could not be encoded";

/** What the endpoint does about its output. */
export interface OutboxListener {
  /** No answer can reach the peer, or it takes none: the connection is of no use any more. */
  onBroken(error: ColloquyError): void;
  /** How the encoding of each message has ended; a notification may follow directly. */
  onEncoded(succeeded: boolean): void;
  /** Nothing waits and nothing is being encoded. */
  onIdle(): void;
  /** A notification that had to wait could not be encoded. */
  onLostNotification(error: ColloquyError): void;
  /** A message can be sent once the peer has said hello. True: it is asked, and the output held until it has answered. */
  onHelloWanted(): boolean;
}

/**
 * What one endpoint has to send: it encodes messages into frames, in order. Messages wait, unencoded, while the connection is
 * held for hello, while more output is queued than the limit allows, and while a codec works on a promise.
 */
export class Outbox implements FrameWriterListener, OutgoingSegmentsListener, SegmentReceipts {
  codec: Codec | undefined;
  exceptionStyle: ExceptionStyle = "text";
  readonly frames: FrameWriter;
  readonly #transport: Transport;
  /** Made when output waits for the first time. */
  #stall: StallWatch | undefined;
  readonly #pending: PendingCalls;
  readonly #limits: Limits;
  readonly #listener: OutboxListener;
  readonly #waiting = new WaitingMessages();
  /** Made when the peer takes them. */
  #segments: OutgoingSegments | undefined;
  #holdCount = 0;
  #encoding = false;
  /** The call whose request a codec encodes in a promise. */
  #encodedLater: PendingCall | undefined;
  #sending = false;
  #closed = false;

  constructor(transport: Transport, pending: PendingCalls, limits: Limits, listener: OutboxListener) {
    this.frames = new FrameWriter(transport, limits.maxMessageBytes, this);
    this.#transport = transport;
    this.#pending = pending;
    this.#limits = limits;
    this.#listener = listener;
  }

  onWritten(sent: boolean): void {
    if (sent) this.sendWaiting();
    else this.#watchStall();
  }

  #watchStall(): void {
    if (this.#closed) return;
    this.#stall ??= new StallWatch(this.#transport, this.#limits.writeStallMs, this.#listener);
    this.#stall.watch(() => this.frames.sentBytes);
  }

  get waitingCount(): number {
    return this.#waiting.length;
  }

  /** Answers that have no room yet: each holds the slot of its request. */
  get waitingAnswerCount(): number {
    const { answerCount } = this.#waiting;
    return this.#segments === undefined ? answerCount : answerCount + this.#segments.answerCount;
  }

  /** True where every message has been encoded, and no large value is on its way. */
  get idle(): boolean {
    return this.#waiting.length === 0 && !this.#encoding && (this.#segments === undefined || this.#segments.size === 0);
  }

  /** The peer takes segments, so many bytes at a time. */
  takeSegments(maxBytes: number): void {
    this.#segments ??= new OutgoingSegments(this.#transport, this.frames, this);
    this.#segments.maxAnnouncedBytes = maxBytes;
  }

  /** Resolves when the memory of all binary values sent so far is the caller's again. */
  async flushed(): Promise<void> {
    await this.#segments?.flushed();
  }

  sendReceipt(bytes: number): void {
    if (!this.#closed) this.frames.extended(RECEIPT, numbered(bytes));
  }

  sendRelease(handle: number): void {
    if (!this.#closed) this.frames.extended(RELEASE, numbered(handle));
  }

  onReceipt(bytes: number): void {
    if (this.#segments?.onReceipt(bytes) !== true)
      throw new ProtocolError(`receipt of ${bytes} bytes that were not sent`);
  }

  onRelease(handle: number): void {
    if (this.#segments?.onRelease(handle) !== true) throw new ProtocolError(`release of ${handle}, which was not sent`);
  }

  onPiece(): void {
    this.#watchStall();
  }

  onSegmentsSent(): void {
    if (this.idle) this.#listener.onIdle();
  }

  onWithdrawn({ type, id }: OutgoingMessage, error: ColloquyError): void {
    if (type === REQUEST) this.#pending.take(id).onFailure(error);
    else if (type === RESULT || type === EXCEPTION) this.#answerUnencodable(type, id, undefined, error);
    else this.#listener.onLostNotification(error);
    this.onSegmentsSent();
  }

  /** Messages wait from now on, but for urgent requests, until `unhold` was called as often. */
  hold(): void {
    this.#holdCount++;
  }

  unhold(): void {
    this.#holdCount--;
    this.sendWaiting();
  }

  /** Sends a request, or keeps it until it can be sent. The outcome, a failure to encode too, reaches `call`. */
  request(call: PendingCall, content: unknown, urgent: boolean): void {
    if (this.#mustWait && !(urgent && !this.#encoding)) {
      if (this.#waiting.length < this.#limits.maxPendingCount) this.#wait(REQUEST, 0, content, call);
      else call.onFailure(new ColloquyError("RESOURCE_EXHAUSTED", "too many calls wait to be sent (maxPendingCount)"));
    } else if (this.#pending.full) {
      const reason = `${this.#limits.maxPendingCount} calls wait for an answer already (maxPendingCount)`;
      call.onFailure(new ColloquyError("RESOURCE_EXHAUSTED", reason));
    } else this.#encode(REQUEST, this.#pending.peekId(), content, call);
  }

  /**
   * Sends a notification. False where too much waits already. One that had to wait and can't be encoded then is dropped, and
   * the listener is told.
   *
   * @throws ColloquyError where it can't be encoded.
   */
  notify(content: unknown): boolean {
    if (this.#mustWait) {
      if (this.#waiting.length >= this.#limits.maxPendingCount) return false;
      this.#wait(NOTIFICATION, 0, content, undefined);
      return true;
    }
    const failure = this.#encode(NOTIFICATION, 0, content, undefined);
    if (failure !== undefined) throw failure;
    return true;
  }

  /** Sends a notification that must not wait. False: it would have to, or it can't be encoded. */
  notifyNow(content: unknown): boolean {
    return !this.#mustWait && this.#encode(NOTIFICATION, 0, content, undefined) === undefined;
  }

  /** Sends a result; where it can't be encoded, an exception that says so. */
  result(id: number, value: unknown, urgent = false): void {
    if (this.#mustWait && !(urgent && !this.#encoding)) this.#wait(RESULT, id, value, undefined);
    else this.#encode(RESULT, id, value, undefined);
  }

  exception(id: number, error: unknown, urgent = false): void {
    const content = writeException(error, this.exceptionStyle);
    if (this.#mustWait && !(urgent && !this.#encoding)) this.#wait(EXCEPTION, id, content, undefined);
    else this.#encode(EXCEPTION, id, content, undefined);
  }

  /** Takes back a request that has not left. */
  abandon(call: PendingCall): void {
    this.#waiting.abandon(call);
  }

  /** Takes back a request whose segments have not all left. False: it has left. */
  withdraw(id: number): boolean {
    return this.#segments?.withdraw(REQUEST, id) === true;
  }

  /** There is room in the output. */
  onDrain(): void {
    this.sendWaiting();
    this.#segments?.pump();
  }

  /** Sends what waits, as far as there is room. */
  sendWaiting(): void {
    // Sending one message may ask for the next: a loop, because a recursion over a long queue would end the stack.
    if (this.#sending || this.#waiting.length === 0) return;
    this.#sending = true;
    while (this.#waiting.length > 0 && !this.#encoding && this.#holdCount === 0 && !this.#congested) {
      const { type, id, content, call } = this.#waiting.shift()!;
      if (type === REQUEST) {
        if (!this.#waiting.isAbandoned(call!)) this.request(call!, content, true);
        continue;
      }
      const failure = this.#encode(type, id, content, call);
      if (failure !== undefined && type === NOTIFICATION) this.#listener.onLostNotification(failure);
    }
    this.#sending = false;
    if (this.idle) this.#listener.onIdle();
  }

  /** Drops everything; returns the calls that have not left. */
  close(): PendingCall[] {
    this.#closed = true;
    this.#stall?.stop();
    this.frames.close();
    const calls = this.#waiting.clear();
    if (this.#encodedLater !== undefined && !this.#waiting.isAbandoned(this.#encodedLater))
      calls.unshift(this.#encodedLater);
    // What isn't complete at the peer was never carried out.
    for (const { type, id } of this.#segments?.close() ?? [])
      if (type === REQUEST) calls.unshift(this.#pending.take(id));
    return calls;
  }

  get #congested(): boolean {
    return this.frames.queuedBytes > this.#limits.maxQueuedBytes;
  }

  get #mustWait(): boolean {
    return this.#encoding || this.#holdCount > 0 || this.#waiting.length > 0 || this.#congested;
  }

  #wait(type: number, id: number, content: unknown, call: PendingCall | undefined): void {
    this.#waiting.push({ type, id, content, call });
    if (type !== RESULT && type !== EXCEPTION) return;
    // What is refused is answered, too: a peer that never reads is cut off at some point.
    if (this.#waiting.answerCount > this.#limits.maxRunningCount * REFUSALS_PER_SLOT) {
      this.#listener.onBroken(
        new ColloquyError("CONNECTION_LOST", "the peer sends requests and doesn't read the answers"),
      );
    }
  }

  /** Returns what went wrong, where it is known at once. */
  #encode(type: number, id: number, content: unknown, call: PendingCall | undefined): ColloquyError | undefined {
    const { frames } = this;
    // Serializers are user code: what they send meanwhile waits until this frame is complete.
    this.#encoding = true;
    const mark = frames.begin();
    try {
      const encoded = this.codec!.encodeMessage(frames.writer, type, id, content);
      if (encoded === undefined) this.#commit(mark, type, id, call);
      else {
        frames.drop(mark);
        this.#encodeLater(encoded, type, id, content, call);
        return undefined;
      }
    } catch (error) {
      const thrown = frames.abort(mark, error);
      return this.#isAsked(thrown, type, id, content, call) ? undefined : this.#failed(thrown, type, id, content, call);
    }
    this.#succeeded();
    return undefined;
  }

  /** Whether the peer is asked first; the message goes when it has answered. */
  #isAsked(error: unknown, type: number, id: number, content: unknown, call: PendingCall | undefined): boolean {
    if (!(error instanceof HelloWanted) || this.#closed) return false;
    this.codec!.segments.take();
    this.#listener.onEncoded(false);
    // Hello is encoded in between.
    this.#encoding = false;
    if (!this.#listener.onHelloWanted()) return false;
    this.#waiting.putBack({ type, id, content, call });
    return true;
  }

  /** Its frame begins when the bytes are there: what was encoded before leaves in the meantime. */
  #encodeLater(
    encoded: Promise<Uint8Array>,
    type: number,
    id: number,
    content: unknown,
    call: PendingCall | undefined,
  ): void {
    this.#encodedLater = call;
    encoded
      .then((bytes) => {
        if (this.#closed) return;
        this.#encodedLater = undefined;
        const mark = this.frames.begin();
        try {
          this.frames.writer.append(bytes);
          this.#commit(mark, type, id, call);
        } catch (error) {
          throw this.frames.abort(mark, error);
        }
        this.#succeeded();
      })
      .catch((error: unknown) => {
        this.#encodedLater = undefined;
        // The close has settled the call.
        if (this.#closed || this.#isAsked(error, type, id, content, call)) return;
        const failure = this.#failed(error, type, id, content, call);
        if (type === NOTIFICATION) this.#listener.onLostNotification(failure);
      });
  }

  #commit(mark: number, type: number, id: number, call: PendingCall | undefined): void {
    // A serializer may end the connection, or give the call up.
    if (call !== undefined && this.#closed)
      throw new ColloquyError("CONNECTION_LOST", "the connection ended while the call was encoded");
    if (call !== undefined && this.#waiting.isAbandoned(call))
      throw new ColloquyError("CANCELLED", "the call was given up");
    if (this.codec!.segments.sentCount === 0) this.frames.commit(mark);
    else this.#ship(mark, type, id);
    if (call !== undefined) this.#pending.add(call);
  }

  /** The message leaves with its segments, by itself. */
  #ship(mark: number, type: number, id: number): void {
    const codec = this.codec!;
    const message = { type, id, payload: this.frames.lift(mark), segments: codec.segments.take() };
    this.#segments!.send(message, codec.packer);
  }

  #succeeded(): void {
    this.#encoding = false;
    this.#listener.onEncoded(true);
    this.#next();
  }

  #failed(thrown: unknown, type: number, id: number, content: unknown, call: PendingCall | undefined): ColloquyError {
    this.#encoding = false;
    this.codec!.segments.take();
    const error = thrown instanceof ColloquyError ? (located(thrown) as ColloquyError) : wrapped(thrown);
    this.#listener.onEncoded(false);
    if (call !== undefined) {
      if (!this.#waiting.isAbandoned(call)) call.onFailure(error);
    } else if (type === RESULT || type === EXCEPTION) this.#answerUnencodable(type, id, content, error);
    this.#next();
    return error;
  }

  #next(): void {
    if (this.#waiting.length > 0) this.sendWaiting();
    else if (!this.#encoding) this.#listener.onIdle();
  }

  /** Every request gets an answer: an exception in place of a result, plain words in place of an exception. */
  #answerUnencodable(type: number, id: number, content: unknown, error: ColloquyError): void {
    if (this.#closed) return;
    if (type === RESULT) this.#encode(EXCEPTION, id, writeException(executed(error), this.exceptionStyle), undefined);
    else if (content !== LAST_RESORT) this.#encode(EXCEPTION, id, LAST_RESORT, undefined);
    else
      this.#listener.onBroken(
        new ColloquyError(error.code, `no answer can be sent: ${error.message}`, { cause: error }),
      );
  }
}

function numbered(value: number): Buffer {
  const head = Buffer.allocUnsafe(4);
  head.writeUInt32BE(value);
  return head;
}

/** The method ran; only its result is lost. */
function executed(error: ColloquyError): ColloquyError {
  return new ColloquyError(error.code, `the result can't be sent: ${error.message}`, {
    cause: error.cause,
    executed: "yes",
  });
}

function wrapped(error: unknown): ColloquyError {
  return new ColloquyError("SERIALIZATION_ERROR", `the codec failed: ${toError(error).message}`, { cause: error });
}
