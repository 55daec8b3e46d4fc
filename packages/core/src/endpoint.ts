import type { Codec, CodecChooser } from "./codec.ts";
import { Conditions } from "./conditions.ts";
import type { EndpointHandler, EndpointStats } from "./endpoint-handler.ts";
import { statsOf } from "./endpoint-stats.ts";
import { ColloquyError, ProtocolError } from "./errors.ts";
import type { ExceptionStyle } from "./write-exception.ts";
import { REFUSAL_GRACE_MS, readForeignStart } from "./foreign-codec.ts";
import type { PeerTraits } from "./hello.ts";
import { Inbox } from "./inbox.ts";
import type { InboxListener } from "./inbox.ts";
import { AUTO_NAMES } from "./known-codecs.ts";
import type { Limits } from "./limits.ts";
import { closedConnection, closingSide, failAll, lostConnection } from "./lost-connection.ts";
import type { Closer } from "./lost-connection.ts";
import { REQUEST, RESULT, isAnswer } from "./message.ts";
import type { Message } from "./message.ts";
import { Outbox } from "./outbox.ts";
import type { OutboxListener } from "./outbox.ts";
import { PendingCalls } from "./pending.ts";
import type { PendingCall } from "./pending.ts";
import type { Reading } from "./reading.ts";
import { RunningRequests } from "./running-requests.ts";
import type { Transport, TransportReceiver } from "./transport.ts";

/**
 * One end of a connection: requests with their answers, both ways, over frames of one codec. Symmetric; it knows nothing of
 * paths or services. Whatever ends the connection goes through `#finish`, which settles everything.
 */
export class Endpoint implements TransportReceiver, InboxListener, OutboxListener {
  readonly limits: Limits;
  #messageLimits: Limits;
  readonly #transport: Transport;
  readonly #handler: EndpointHandler;
  readonly #pending: PendingCalls;
  readonly #outbox: Outbox;
  readonly #inbox: Inbox;
  /** The requests of the other side without an answer. */
  readonly running: RunningRequests;
  readonly reading: Reading;
  #draining = false;
  closer: Closer | undefined;
  #closeReason: ColloquyError | undefined;
  #ended = false;
  readonly #conditions = new Conditions();

  constructor(transport: Transport, codec: Codec | CodecChooser, handler: EndpointHandler, limits: Limits) {
    this.limits = limits;
    this.#messageLimits = limits;
    this.#transport = transport;
    this.#handler = handler;
    this.#pending = new PendingCalls(limits.maxPendingCount);
    this.#outbox = new Outbox(transport, this.#pending, limits, this, handler);
    this.#inbox = new Inbox(transport, codec, limits, this.#outbox, this);
    this.reading = this.#inbox.reading;
    this.running = new RunningRequests(limits, this.#inbox);
    if (typeof codec === "function") this.#outbox.hold();
    else this.#outbox.codec = codec;
  }

  get remoteAddress(): string {
    return this.#transport.remoteAddress;
  }

  /** Undefined until the first message where it follows from that. */
  get codec(): Codec | undefined {
    return this.#outbox.codec;
  }

  get ended(): boolean {
    return this.#ended;
  }

  /** Requests of the other side are being carried out. */
  get isServing(): boolean {
    return !this.running.isEmpty;
  }

  /** `close` was called: no new calls but those that calls under way need. */
  get draining(): boolean {
    return this.#draining;
  }

  set exceptionStyle(style: ExceptionStyle) {
    this.#outbox.exceptionStyle = style;
  }

  /** What bounds the size, the depth and the cost of messages from now on. */
  set messageLimits(limits: Limits) {
    this.#messageLimits = limits;
    this.#inbox.frames.maxPayloadBytes = limits.maxMessageBytes;
    if (this.codec !== undefined) this.codec.limits = limits;
  }

  /** This side takes segments from now on, as it has said. */
  takeSegments(): void {
    this.#inbox.takeSegments();
  }

  /** The peer has said hello: it takes exceptions as maps, and what its traits say. */
  extend({ maxMessageBytes, maxSegmentBytes, receiptBytes }: PeerTraits): void {
    this.takeSegments();
    this.exceptionStyle = "map";
    this.#outbox.frames.maxPayloadBytes = Math.min(maxMessageBytes, this.limits.maxMessageBytes);
    this.#outbox.maxSegmentBytes = Math.min(maxSegmentBytes, this.limits.maxSegmentBytes);
    this.#outbox.receiptBytes = receiptBytes;
    this.codec!.segments.support = maxSegmentBytes > 0 ? "segments" : "none";
  }

  /** Resolves when the memory of all binary values sent so far is the caller's again. */
  flushed(): Promise<void> {
    return this.#outbox.flushed();
  }

  open(): void {
    this.#transport.open(this);
  }

  /** Messages wait from now on, but for urgent requests, until `unhold` was called as often: for the time before hello is done. */
  hold(): void {
    this.#outbox.hold();
  }

  unhold(): void {
    this.#outbox.unhold();
  }

  /** Sends a request; `call` learns of the outcome, a failure to encode too. Urgent ones leave while others are held, or refused. */
  request(call: PendingCall, content: unknown, urgent = false): void {
    if (this.#ended) call.onFailure(closedConnection(this.remoteAddress));
    else if (this.#draining && !this.isServing && !urgent)
      call.onFailure(new ColloquyError("UNAVAILABLE", `the connection to ${this.remoteAddress} is closing`));
    else this.#outbox.request(call, content, urgent);
  }

  /** Gives a call up: its answer will be dropped. Returns its id where the request has left, -1 where it never will. */
  giveUp(call: PendingCall): number {
    const { id } = call;
    if (id < 0) {
      this.#outbox.abandon(call);
      return -1;
    }
    const hasLeft = !this.#outbox.isUnsent(id);
    // What a withdrawal makes room for is sent at once, and may end the connection: the call is no more by then.
    if (hasLeft) this.#pending.giveUp(id);
    else if (this.#pending.remove(id) !== undefined) this.#outbox.withdraw(id);
    this.#conditions.check();
    return hasLeft ? id : -1;
  }

  /**
   * Sends a notification. Returns why it isn't taken: there is no connection, or too much waits, and it isn't one of the protocol's own.
   *
   * @throws ColloquyError where it can't be encoded.
   */
  notify(content: unknown, isOwn = false): ColloquyError | undefined {
    return this.#ended ? lostConnection(this.remoteAddress, undefined, "no") : this.#outbox.notify(content, isOwn);
  }

  /** Sends a notification that must not wait. False: it would have to, or it can't be encoded. */
  notifyNow(content: unknown): boolean {
    return !this.#ended && this.#outbox.notifyNow(content);
  }

  /** Answers a request. A value that can't be encoded becomes an exception. Urgent answers leave while others are held. */
  reply(id: number, value: unknown, urgent = false): void {
    if (this.running.settle(id) && !this.#ended) this.#outbox.result(id, value, urgent);
    this.#conditions.check();
  }

  /** Answers a request with an exception. */
  fail(id: number, error: unknown, urgent = false): void {
    if (this.running.settle(id) && !this.#ended) this.#outbox.exception(id, error, urgent);
    this.#handler.onFailed?.(error);
    this.#conditions.check();
  }

  /** The caller has given request `id` up: an answer that is large, and on its way, becomes an exception. */
  withdrawAnswer(id: number): void {
    this.#outbox.withdrawAnswer(id);
  }

  /** Ends the connection at once; what is pending fails with `CONNECTION_LOST`, and `error` as its cause. */
  destroy(error?: ColloquyError): void {
    this.#finish(error);
    this.#transport.destroy();
  }

  /**
   * Lets calls finish that are under way, for `graceMs` at most, sends what is left and closes. New calls are refused in both
   * directions, but for those that a call under way may need: this side still calls while it carries out requests, the
   * other side while it owes answers. `reason` is why, as in `destroy`. Resolves when the connection has ended. Never rejects.
   */
  async close(graceMs: number = this.limits.closeGraceMs, reason?: ColloquyError): Promise<void> {
    this.#draining = true;
    this.closer ??= "this side";
    this.#closeReason ??= reason;
    await this.#conditions.until(() => this.#isQuiet, graceMs);
    if (this.#ended) return;
    this.#outbox.frames.flush();
    const ended = this.#conditions.until(() => this.#ended, Math.max(graceMs, 1));
    this.#transport.end();
    await ended;
    this.destroy();
  }

  stats(): EndpointStats {
    return statsOf(this.#outbox, this.#inbox, this.#pending, this.running);
  }

  /** Every message of this side has left, none of the other one is being decoded; also once the connection has ended. */
  get isAtRest(): boolean {
    return this.#ended || (!this.#inbox.busy && this.#outbox.idle);
  }

  onChunk(chunk: Buffer): void {
    this.#inbox.push(chunk);
  }

  room(): Buffer | undefined {
    return this.#inbox.room();
  }

  onFilled(count: number): void {
    this.#inbox.filled(count);
  }

  onDrain(): void {
    this.#inbox.confirm();
    this.#outbox.onDrain();
  }

  onIdle(): void {
    this.#conditions.check();
  }

  onClose(error: Error | undefined): void {
    const reason = error && new ColloquyError("CONNECTION_LOST", error.message, { cause: error });
    void (this.#inbox.busy ? this.#finishRead(reason) : this.#finish(reason));
  }

  onCodec(codec: Codec): void {
    this.#outbox.codec = codec;
    codec.limits = this.#messageLimits;
    this.#outbox.unhold();
  }

  onBroken(error: ColloquyError): void {
    this.destroy(error);
  }

  onUnreadableStart(payload: Buffer, error: ProtocolError): void {
    const foreign = readForeignStart(payload, this.codec?.name ?? AUTO_NAMES, this.limits);
    if (foreign?.answer === undefined) return this.destroy(foreign?.error ?? error);
    const { codec, id, knowsHello } = foreign.answer;
    this.#outbox.codec = codec;
    if (knowsHello || this.#handler.onHelloWanted !== undefined) this.exceptionStyle = "map";
    this.#outbox.exception(id, foreign.error, true);
    void this.close(REFUSAL_GRACE_MS, foreign.error);
  }

  onMessage(message: Message): void {
    const { type, id, content } = message;
    const refusal = this.#handler.onDecoded?.(isAnswer(type), content);
    const error = message.error ?? refusal;
    message.content = undefined;
    const { post } = this.#transport;
    if (post === undefined) return this.#take(type, id, content, error);
    const take = (failure: ColloquyError | undefined): void => {
      if (!this.#ended) this.#inbox.guard(() => this.#take(type, id, content, failure));
    };
    const handle = (): void => take(error);
    post({ type, id, content }, handle, () => take(new ColloquyError("UNAVAILABLE", "the request was lost")));
  }

  #take(type: number, id: number, content: unknown, error: ColloquyError | undefined): void {
    if (type === REQUEST) this.#onRequest(id, content, error);
    else if (isAnswer(type)) {
      if (this.#outbox.isUnsent(id)) throw new ProtocolError(`answer to request ${id} before all of it was sent`);
      this.#pending.answer(id, type === RESULT, content, error, this.#handler);
      this.#conditions.check();
    } else this.#handler.onNotification(content, error);
  }

  #onRequest(id: number, content: unknown, error: ColloquyError | undefined): void {
    if (this.running.has(id)) throw new ProtocolError(`request ${id} came again while it was running`);
    this.running.begin(id);
    if (this.#handler.onControl?.(id, content) === true) return;
    const isClosing = this.#draining && this.#pending.liveCount === 0;
    const refusal = isClosing ? closingSide() : this.running.refusalOf(content, this.#outbox.waitingAnswerCount);
    if (refusal === undefined) this.#handler.onRequest(id, content, error);
    else this.fail(id, refusal);
    this.running.end(id, !this.#ended);
  }

  /** What has arrived counts, even where its codec takes a while. */
  async #finishRead(reason: ColloquyError | undefined): Promise<void> {
    await this.#conditions.until(() => !this.#inbox.busy, this.limits.closeGraceMs);
    this.#finish(reason);
  }

  get #isQuiet(): boolean {
    const isAwaited = this.#pending.liveCount > 0 || this.isServing || this.#inbox.isReceiving;
    return this.#ended || (!isAwaited && this.isAtRest);
  }

  /** The one way out: tables are empty before anybody is told. */
  #finish(given: ColloquyError | undefined): void {
    if (this.#ended) return;
    const error = given ?? this.#closeReason;
    this.#ended = true;
    this.#inbox.stop();
    this.running.clear();
    this.codec?.shapes?.close();
    const { calls: unsent, results } = this.#outbox.close();
    failAll({ sent: this.#pending.drain(), unsent }, this.remoteAddress, error, this.closer);
    for (const result of results) this.#handler.onUnsentResult?.(result);
    this.#conditions.check();
    this.#handler.onClosed(error);
  }
}
