import type { Codec } from "./codec.ts";
import { ColloquyError, toError } from "./errors.ts";
import { writeException } from "./exception.ts";
import type { ExceptionStyle } from "./exception.ts";
import { FrameWriter } from "./frame-writer.ts";
import type { FrameWriterListener } from "./frame-writer.ts";
import type { Limits } from "./limits.ts";
import { located } from "./lower-lift.ts";
import { EXCEPTION, NOTIFICATION, REQUEST, RESULT } from "./message.ts";
import type { PendingCall, PendingCalls } from "./pending.ts";
import { Queue } from "./queue.ts";
import { StallWatch } from "./stall-watch.ts";
import type { Transport } from "./transport.ts";

/** A message that is not encoded yet. */
interface WaitingMessage {
  readonly type: number;
  readonly id: number;
  readonly content: unknown;
  /** For requests. */
  readonly call: PendingCall | undefined;
}

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
}

/**
 * What one endpoint has to send: it encodes messages into frames, in order. Messages wait, unencoded, while the connection is
 * held for hello, while more output is queued than the limit allows, and while a codec works on a promise.
 */
export class Outbox implements FrameWriterListener {
  codec: Codec | undefined;
  exceptionStyle: ExceptionStyle = "text";
  readonly frames: FrameWriter;
  readonly #transport: Transport;
  /** Made when output waits for the first time. */
  #stall: StallWatch | undefined;
  readonly #pending: PendingCalls;
  readonly #limits: Limits;
  readonly #listener: OutboxListener;
  readonly #waiting = new Queue<WaitingMessage>();
  /** Calls that were given up before they left. */
  #abandoned: WeakSet<PendingCall> | undefined;
  #waitingAnswers = 0;
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
    return this.#waitingAnswers;
  }

  /** True where every message has been encoded. */
  get idle(): boolean {
    return this.#waiting.length === 0 && !this.#encoding;
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
    (this.#abandoned ??= new WeakSet()).add(call);
  }

  /** Sends what waits, as far as there is room. */
  sendWaiting(): void {
    // Sending one message may ask for the next: a loop, because a recursion over a long queue would end the stack.
    if (this.#sending || this.#waiting.length === 0) return;
    this.#sending = true;
    while (this.#waiting.length > 0 && !this.#encoding && this.#holdCount === 0 && !this.#congested) {
      const { type, id, content, call } = this.#waiting.shift()!;
      if (type === REQUEST) {
        if (!this.#isAbandoned(call!)) this.request(call!, content, true);
        continue;
      }
      if (type !== NOTIFICATION) this.#waitingAnswers--;
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
    const calls: PendingCall[] = [];
    if (this.#encodedLater !== undefined && !this.#isAbandoned(this.#encodedLater)) calls.push(this.#encodedLater);
    for (let message = this.#waiting.shift(); message !== undefined; message = this.#waiting.shift()) {
      if (message.call !== undefined && !this.#isAbandoned(message.call)) calls.push(message.call);
    }
    return calls;
  }

  #isAbandoned(call: PendingCall): boolean {
    return this.#abandoned?.has(call) === true;
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
    if (++this.#waitingAnswers > this.#limits.maxRunningCount * REFUSALS_PER_SLOT) {
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
      if (encoded === undefined) this.#commit(mark, call);
      else {
        frames.drop(mark);
        this.#encodeLater(encoded, type, id, content, call);
        return undefined;
      }
    } catch (error) {
      return this.#failed(frames.abort(mark, error), type, id, content, call);
    }
    this.#succeeded();
    return undefined;
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
          this.#commit(mark, call);
        } catch (error) {
          throw this.frames.abort(mark, error);
        }
        this.#succeeded();
      })
      .catch((error: unknown) => {
        this.#encodedLater = undefined;
        // The close has settled the call.
        if (this.#closed) return;
        const failure = this.#failed(error, type, id, content, call);
        if (type === NOTIFICATION) this.#listener.onLostNotification(failure);
      });
  }

  #commit(mark: number, call: PendingCall | undefined): void {
    // A serializer may end the connection, or give the call up.
    if (call !== undefined && this.#closed)
      throw new ColloquyError("CONNECTION_LOST", "the connection ended while the call was encoded");
    if (call !== undefined && this.#isAbandoned(call)) throw new ColloquyError("CANCELLED", "the call was given up");
    this.frames.commit(mark);
    if (call !== undefined) this.#pending.add(call);
  }

  #succeeded(): void {
    this.#encoding = false;
    this.#listener.onEncoded(true);
    this.#next();
  }

  #failed(thrown: unknown, type: number, id: number, content: unknown, call: PendingCall | undefined): ColloquyError {
    this.#encoding = false;
    const error = thrown instanceof ColloquyError ? (located(thrown) as ColloquyError) : wrapped(thrown);
    this.#listener.onEncoded(false);
    if (call !== undefined) {
      if (!this.#isAbandoned(call)) call.onFailure(error);
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
