import type { Codec } from "./codec.ts";
import { Conditions } from "./conditions.ts";
import { resultLost } from "./message-failures.ts";
import type { EndpointHandler } from "./endpoint-handler.ts";
import { ColloquyError } from "./errors.ts";
import { writeException } from "./write-exception.ts";
import type { ExceptionStyle } from "./write-exception.ts";
import { MOST_RECEIPT_BYTES } from "./extended-frames.ts";
import { FrameWriter } from "./frame-writer.ts";
import type { FrameWriterListener } from "./frame-writer.ts";
import { tooMuchWaits } from "./limits.ts";
import type { Limits } from "./limits.ts";
import { EXCEPTION, NOTIFICATION, REQUEST, RESULT } from "./message.ts";
import { MessageWriter } from "./message-writer.ts";
import type { MessageWriterListener } from "./message-writer.ts";
import { OutgoingSegments } from "./outgoing-segments.ts";
import type { OutgoingSegmentsListener } from "./outgoing-segments.ts";
import type { PendingCall, PendingCalls } from "./pending.ts";
import type { OutgoingMessage } from "./shipment.ts";
import { StallWatch } from "./stall-watch.ts";
import type { Watched } from "./stall-watch.ts";
import type { Transport } from "./transport.ts";
import { NO_MESSAGES } from "./waiting-messages.ts";
import type { UnsentMessages, WaitingMessage } from "./waiting-messages.ts";

/** While pieces of large values wait for their turn, so much output at most goes before them. */
const QUEUED_BYTES_BEFORE_PIECES = 262_144;

/** What the endpoint does about its output. */
export interface OutboxListener {
  readonly remoteAddress: string;
  /** No answer can reach the peer, or it takes none: the connection is of no use any more. */
  onBroken(error: ColloquyError): void;
  /** Nothing waits and nothing is being encoded. */
  onIdle(): void;
}

/**
 * What one endpoint has to send: it encodes messages into frames, in order. Messages wait, unencoded, while the connection is
 * held for hello, while more output is queued than the limit allows, and while a codec works on a promise.
 */
export class Outbox implements FrameWriterListener, MessageWriterListener, OutgoingSegmentsListener {
  readonly frames: FrameWriter;
  /** What the peer takes of segments at a time. */
  maxSegmentBytes = 0;
  receiptBytes: number = MOST_RECEIPT_BYTES;
  #stall: StallWatch | undefined;
  readonly #messages: MessageWriter;
  readonly #pending: PendingCalls;
  readonly #limits: Limits;
  readonly #listener: OutboxListener;
  readonly #handler: EndpointHandler;
  #waiting = NO_MESSAGES;
  #segments: OutgoingSegments | undefined;
  /** Those who wait until what waits is encoded. */
  #flushing: Conditions | undefined;
  #holdCount = 0;
  #sending = false;
  #closed = false;

  constructor(
    transport: Transport,
    pending: PendingCalls,
    limits: Limits,
    listener: OutboxListener,
    handler: EndpointHandler,
  ) {
    this.frames = new FrameWriter(transport, limits.maxMessageBytes, this);
    this.#messages = new MessageWriter(this.frames, pending, handler, this);
    this.#pending = pending;
    this.#limits = limits;
    this.#listener = listener;
    this.#handler = handler;
  }

  onWritten(sent: boolean): void {
    if (!sent) return this.#watchStall(this.frames);
    this.sendWaiting();
    this.#segments?.pump();
  }

  #watchStall(output: Watched): void {
    if (this.#closed) return;
    this.#stall ??= new StallWatch("writeStallMs", this.#limits.writeStallMs, this.#listener);
    this.#stall.watch(output);
  }

  get codec(): Codec | undefined {
    return this.#messages.codec;
  }

  set codec(codec: Codec) {
    codec.limits = this.#limits;
    this.#messages.codec = codec;
  }

  set exceptionStyle(style: ExceptionStyle) {
    this.#messages.exceptionStyle = style;
  }

  get maxNotificationCount(): number {
    return this.#limits.maxPendingCount;
  }

  get sentMessages(): number {
    return this.frames.sentMessages + (this.#segments?.sentMessages ?? 0);
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
    return (
      this.#waiting.length === 0 && !this.#messages.busy && (this.#segments === undefined || this.#segments.size === 0)
    );
  }

  /** What sends segments, and confirms those that come; made for peers that know them. */
  get segments(): OutgoingSegments {
    return (this.#segments ??= new OutgoingSegments(this.frames, this));
  }

  /** Resolves when the memory of all binary values sent so far is the caller's again. */
  async flushed(): Promise<void> {
    // What waits is encoded later, out of the same memory.
    const count = this.#waiting.takenCount + this.#waiting.length;
    const isEncoded = (): boolean => this.#closed || (!this.#messages.busy && this.#waiting.takenCount >= count);
    if (!isEncoded()) await (this.#flushing ??= new Conditions()).until(isEncoded, Infinity);
    await this.#segments?.flushed();
  }

  onNext(): void {
    this.#flushing?.check();
    if (this.#waiting.length > 0) this.sendWaiting();
    else if (!this.#messages.busy) this.#listener.onIdle();
  }

  postpone(message: WaitingMessage): boolean {
    if (this.#handler.onHelloWanted?.() !== true) return false;
    this.#waiting = this.#waiting.putBack(message);
    return true;
  }

  isAbandoned(call: PendingCall): boolean {
    return this.#waiting.isAbandoned(call);
  }

  onBroken(error: ColloquyError): void {
    this.#listener.onBroken(error);
  }

  onSegmentsWait(): void {
    this.#watchStall(this.#segments!);
  }

  onPieceLeft(): void {
    this.sendWaiting();
  }

  onSegmentsSent(): void {
    if (this.idle) this.#listener.onIdle();
  }

  onWithdrawn({ type, id }: Pick<OutgoingMessage, "type" | "id">, error: ColloquyError): void {
    if (type === REQUEST) this.#pending.remove(id)?.onFailure(error);
    else if (type === NOTIFICATION) this.#handler.onLostNotification(error);
    else this.exception(id, resultLost(error));
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
    if (this.#mustWait(urgent)) {
      if (this.#waiting.length < this.#limits.maxPendingCount || call.vital === true)
        this.#wait(REQUEST, 0, content, call);
      else call.onFailure(tooMuchWaits(this.#limits.maxPendingCount));
    } else if (this.#pending.full && call.vital !== true) call.onFailure(this.#pending.refusal());
    else this.#messages.write(REQUEST, this.#pending.peekId(), content, call);
  }

  /**
   * Sends a notification. Returns why it isn't taken where too much waits already. One that had to wait and can't be encoded then is dropped, and
   * the listener is told. One of the protocol's own is taken all the same: without it the two sides would differ from then on.
   *
   * @throws ColloquyError where it can't be encoded.
   */
  notify(content: unknown, isOwn = false): ColloquyError | undefined {
    if (this.#mustWait()) {
      const most = this.#limits.maxPendingCount;
      if (!isOwn && this.#waiting.length >= most) return tooMuchWaits(most);
      this.#wait(NOTIFICATION, 0, content, undefined);
      return undefined;
    }
    const failure = this.#messages.write(NOTIFICATION, 0, content, undefined);
    if (failure !== undefined) throw failure;
    return undefined;
  }

  /** Sends a notification that must not wait. False: it would have to, or it can't be encoded. */
  notifyNow(content: unknown): boolean {
    return !this.#mustWait() && this.#messages.write(NOTIFICATION, 0, content, undefined) === undefined;
  }

  /** Sends a result; where it can't be encoded, an exception that says so. */
  result(id: number, value: unknown, urgent = false): void {
    if (this.#mustWait(urgent)) this.#wait(RESULT, id, value, undefined);
    else this.#messages.write(RESULT, id, value, undefined);
  }

  exception(id: number, error: unknown, urgent = false): void {
    const content = writeException(error, this.#messages.exceptionStyle, this.#handler.errorRules);
    if (this.#mustWait(urgent)) this.#wait(EXCEPTION, id, content, undefined);
    else this.#messages.write(EXCEPTION, id, content, undefined);
  }

  /** A request whose segments have not all left. */
  isUnsent(id: number): boolean {
    return this.#segments?.isUnsent(id) === true;
  }

  /** Takes back a request that has not left. */
  abandon(call: PendingCall): void {
    this.#waiting = this.#waiting.abandon(call);
  }

  /** Takes back a request that is unsent. */
  withdraw(id: number): void {
    this.#segments?.withdraw(REQUEST, id);
  }

  /** An answer isn't wanted any more: where it is large, and on its way, the rest of it stays here. */
  withdrawAnswer(id: number): void {
    if (this.#segments?.withdraw(RESULT, id) !== true) return;
    this.exception(id, new ColloquyError("CANCELLED", "the caller gave the call up", { executed: "yes" }));
  }

  /** There is room in the output: for pieces first, since the others would fill it. */
  onDrain(): void {
    this.#segments?.pump();
    this.sendWaiting();
  }

  /** Sends what waits, as far as there is room. */
  sendWaiting(): void {
    // Sending one message may ask for the next: a loop, because a recursion over a long queue would end the stack.
    if (this.#sending || this.#waiting.length === 0) return;
    this.#sending = true;
    while (this.#waiting.length > 0 && !this.#messages.busy && this.#holdCount === 0 && !this.#congested) {
      const { type, id, content, call } = this.#waiting.shift()!;
      if (type === REQUEST) {
        if (!this.#waiting.isAbandoned(call!)) this.request(call!, content, true);
        continue;
      }
      const failure = this.#messages.write(type, id, content, call);
      if (failure !== undefined && type === NOTIFICATION) this.#handler.onLostNotification(failure);
    }
    this.#sending = false;
    this.#flushing?.check();
    if (this.idle) this.#listener.onIdle();
  }

  /** Drops everything; returns what has not left. */
  close(): UnsentMessages {
    this.#closed = true;
    this.#stall?.stop();
    this.frames.close();
    // What isn't complete at the peer was never carried out.
    const begun = (this.#segments?.close() ?? []).flatMap((id) => this.#pending.remove(id) ?? []);
    const encoded = this.#messages.close();
    const { calls, results } = this.#waiting.clear();
    this.#flushing?.check();
    return { calls: [...begun, ...(encoded === undefined ? [] : [encoded]), ...calls], results };
  }

  get #congested(): boolean {
    const bytes = this.frames.queuedBytes;
    return (
      bytes > this.#limits.maxQueuedBytes || (bytes > QUEUED_BYTES_BEFORE_PIECES && this.#segments?.hasPiece === true)
    );
  }

  #mustWait(urgent = false): boolean {
    if (urgent || this.#messages.busy) return this.#messages.busy;
    return this.#holdCount > 0 || this.#waiting.length > 0 || this.#congested;
  }

  #wait(type: number, id: number, content: unknown, call: PendingCall | undefined): void {
    this.#waiting = this.#waiting.push({ type, id, content, call });
    const excess = this.#waiting.excess(this.#limits);
    if (excess !== undefined) this.#listener.onBroken(excess);
  }
}
