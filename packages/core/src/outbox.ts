import type { Codec } from "./codec.ts";
import { ColloquyError, toError } from "./errors.ts";
import { writeException } from "./exception.ts";
import type { ExceptionStyle } from "./exception.ts";
import { FrameWriter } from "./frame-writer.ts";
import type { Limits } from "./limits.ts";
import { EXCEPTION, NOTIFICATION, REQUEST, RESULT } from "./message.ts";
import type { PendingCall, PendingCalls } from "./pending.ts";
import { Queue } from "./queue.ts";
import type { Transport } from "./transport.ts";

/** A message that is not encoded yet. */
interface WaitingMessage {
  readonly type: number;
  readonly id: number;
  readonly content: unknown;
  /** For requests; `abandoned` once the call was given up. */
  readonly call: PendingCall | undefined;
  abandoned: boolean;
}

/** Learns how the encoding of each message has ended: references that it made are void where it failed. */
export type EncodedListener = (succeeded: boolean) => void;

/**
 * What one endpoint has to send: it encodes messages into frames, in order. Messages wait, unencoded, while the connection is
 * held for hello, while more output is queued than the limit allows, and while a codec works on a promise.
 */
export class Outbox {
  codec: Codec | undefined;
  exceptionStyle: ExceptionStyle = "text";
  onEncoded: EncodedListener | undefined;
  readonly frames: FrameWriter;
  readonly #transport: Transport;
  readonly #pending: PendingCalls;
  readonly #limits: Limits;
  readonly #onStall: () => void;
  readonly #waiting = new Queue<WaitingMessage>();
  #holdCount = 0;
  #encoding = false;
  #closed = false;
  #stallTimer: NodeJS.Timeout | undefined;
  #queuedAtLastLook = 0;

  constructor(transport: Transport, pending: PendingCalls, limits: Limits, onStall: () => void) {
    this.frames = new FrameWriter(transport, limits.maxMessageBytes, () => this.#watchStall());
    this.#transport = transport;
    this.#pending = pending;
    this.#limits = limits;
    this.#onStall = onStall;
  }

  get waitingCount(): number {
    return this.#waiting.length;
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

  /** Sends a notification. False where too much waits already. */
  notify(content: unknown): boolean {
    if (!this.#mustWait) this.#encode(NOTIFICATION, 0, content, undefined);
    else if (this.#waiting.length < this.#limits.maxPendingCount) this.#wait(NOTIFICATION, 0, content, undefined);
    else return false;
    return true;
  }

  /** Sends a result; where it can't be encoded, an exception that says so. */
  result(id: number, value: unknown): void {
    if (this.#mustWait) this.#wait(RESULT, id, value, undefined);
    else this.#encode(RESULT, id, value, undefined);
  }

  exception(id: number, error: unknown): void {
    const content = writeException(error, this.exceptionStyle);
    if (this.#mustWait) this.#wait(EXCEPTION, id, content, undefined);
    else this.#encode(EXCEPTION, id, content, undefined);
  }

  /** Takes back a request that waits. False: it has left. */
  abandon(call: PendingCall): boolean {
    for (const message of this.#waiting) {
      if (message.call !== call) continue;
      message.abandoned = true;
      return true;
    }
    return false;
  }

  /** Sends what waits, as far as there is room. */
  sendWaiting(): void {
    while (this.#waiting.length > 0 && !this.#encoding && this.#holdCount === 0 && !this.#congested) {
      const message = this.#waiting.shift()!;
      if (message.abandoned) continue;
      if (message.type !== REQUEST) this.#encode(message.type, message.id, message.content, message.call);
      else this.request(message.call!, message.content, true);
    }
  }

  /** Drops everything; returns the calls that have not left. */
  close(): PendingCall[] {
    this.#closed = true;
    clearTimeout(this.#stallTimer);
    this.frames.close();
    const calls: PendingCall[] = [];
    for (let message = this.#waiting.shift(); message !== undefined; message = this.#waiting.shift()) {
      if (message.call !== undefined && !message.abandoned) calls.push(message.call);
    }
    return calls;
  }

  get #congested(): boolean {
    return this.frames.queuedBytes > this.#limits.maxQueuedBytes;
  }

  get #mustWait(): boolean {
    return this.#encoding || this.#holdCount > 0 || this.#waiting.length > 0 || this.#congested;
  }

  #wait(type: number, id: number, content: unknown, call: PendingCall | undefined): void {
    this.#waiting.push({ type, id, content, call, abandoned: false });
  }

  #encode(type: number, id: number, content: unknown, call: PendingCall | undefined): void {
    const { frames } = this;
    // Serializers are user code: what they send meanwhile waits until this frame is complete.
    this.#encoding = true;
    const mark = frames.begin();
    try {
      const encoded = this.codec!.encodeMessage(frames.writer, type, id, content);
      if (encoded !== undefined) return this.#finishLater(encoded, mark, type, id, call);
      frames.commit(mark);
    } catch (error) {
      return this.#failed(frames.abort(mark, error), type, id, call);
    }
    this.#succeeded(call);
  }

  #finishLater(encoded: Promise<void>, mark: number, type: number, id: number, call: PendingCall | undefined): void {
    encoded.then(
      () => {
        try {
          this.frames.commit(mark);
        } catch (error) {
          return this.#failed(error, type, id, call);
        }
        this.#succeeded(call);
      },
      (error: unknown) => this.#failed(this.frames.abort(mark, error), type, id, call),
    );
  }

  #succeeded(call: PendingCall | undefined): void {
    this.#encoding = false;
    if (call !== undefined) {
      if (this.#closed) call.onFailure(new ColloquyError("CONNECTION_LOST", "the connection ended while the call was encoded"));
      else this.#pending.add(call);
    }
    this.onEncoded?.(true);
    if (this.#waiting.length > 0) this.sendWaiting();
  }

  #failed(error: unknown, type: number, id: number, call: PendingCall | undefined): void {
    this.#encoding = false;
    this.onEncoded?.(false);
    if (call !== undefined) call.onFailure(error instanceof ColloquyError ? error : wrapped(error));
    else if (type === RESULT || type === EXCEPTION) this.#answerUnencodable(type, id, error);
    if (this.#waiting.length > 0) this.sendWaiting();
    if (type === NOTIFICATION) throw error;
  }

  /** Every request gets an answer: an exception in place of a result, plain words in place of an exception. */
  #answerUnencodable(type: number, id: number, error: unknown): void {
    if (type === RESULT) this.#encode(EXCEPTION, id, writeException(executed(error), this.exceptionStyle), undefined);
    else this.#encode(EXCEPTION, id, "SerializationError: the exception could not be encoded", undefined);
  }

  /** Gives up a connection whose output doesn't move. */
  #watchStall(): void {
    if (this.#stallTimer !== undefined || this.#closed) return;
    this.#queuedAtLastLook = this.frames.sentBytes - this.#transport.queuedBytes;
    this.#stallTimer = setTimeout(() => {
      this.#stallTimer = undefined;
      if (this.#transport.queuedBytes === 0) return;
      const left = this.frames.sentBytes - this.#transport.queuedBytes;
      if (left === this.#queuedAtLastLook) this.#onStall();
      else this.#watchStall();
    }, this.#limits.writeStallMs);
  }
}

/** The method ran; only its result is lost. */
function executed(error: unknown): unknown {
  if (!(error instanceof ColloquyError)) return error;
  return new ColloquyError(error.code, `the result can't be sent: ${error.message}`, { cause: error.cause, executed: "yes" });
}

function wrapped(error: unknown): ColloquyError {
  return new ColloquyError("SERIALIZATION_ERROR", `the codec failed: ${toError(error).message}`, { cause: error });
}
