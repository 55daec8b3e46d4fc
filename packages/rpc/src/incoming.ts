import { ColloquyError, NO_KWARGS, refusal } from "@colloquy/core";
import type { Endpoint, EndpointHandler, ErrorRules, Limits, ShapeTeller, Shapes, Substitute } from "@colloquy/core";
import { isWithinChain, withoutChain } from "./call-chains.ts";
import type { IncomingCounts } from "./connection-stats.ts";
import { answerControl, noticeControl } from "./control.ts";
import { ControlService } from "./control-service.ts";
import type { ControlHost } from "./control-service.ts";
import { Dispatcher } from "./dispatcher.ts";
import type { Exports } from "./exports.ts";
import type { Greeting } from "./greeting.ts";
import { tellRefusal, tellSlowed } from "./hooks.ts";
import type { Imports } from "./imports.ts";
import { IncomingStream } from "./incoming-stream.ts";
import type { InterceptorLists } from "./interceptors.ts";
import type { NamedCallExtras, NamedMethod } from "./local-function.ts";
import type { DispatchHost } from "./method-calls.ts";
import { OutgoingStreams } from "./outgoing-streams.ts";
import type { StreamHost } from "./outgoing-streams.ts";
import { isControlPath } from "./path.ts";
import { nodeOf } from "./proxy.ts";
import { readRequest } from "./request-content.ts";
import type { RequestContent } from "./request-content.ts";
import { RecentResults } from "./recent-results.ts";
import type { Router } from "./router.ts";
import type { SilentFailures } from "./silent-failures.ts";
import { streamsIn } from "./streams-in.ts";

const NOTHING: readonly object[] = Object.freeze([]);

/** The connection that requests come on. */
export interface IncomingHost extends DispatchHost, ControlHost {
  onClosed(error: ColloquyError | undefined): void;
}

/** Takes what arrives on one connection: hello first, then requests for `$` and for what this side serves. */
export class Incoming implements EndpointHandler, ShapeTeller, StreamHost {
  #extended = false;
  #closing = false;
  #dispatcher!: Dispatcher;
  #endpoint!: Endpoint;
  #greeting!: Greeting;
  #shapes: Shapes | undefined;
  /** Few connections are asked for anything of `$` after hello. */
  #controlService: ControlService | undefined;
  readonly #host: IncomingHost;
  readonly #limits: Limits;
  readonly #router: Router;
  readonly #exports: Exports;
  readonly #imports: Imports;
  readonly #silent: SilentFailures;
  #streams: OutgoingStreams | undefined;
  /** What failed answers had of references, until what is sent in their place has left. */
  #takenBack: readonly object[] = NOTHING;
  /** A call of this side is being encoded: it may have results of others among its arguments, nothing else may. */
  isCalling = false;
  sentResults = false;
  /** Streams of the other side that go home with the call that is being encoded. */
  homeStreams: IncomingStream[] | undefined;
  #results: RecentResults | undefined;

  constructor(
    host: IncomingHost,
    limits: Limits,
    router: Router,
    exports: Exports,
    imports: Imports,
    silent: SilentFailures,
  ) {
    this.#host = host;
    this.#limits = limits;
    this.#router = router;
    this.#exports = exports;
    this.#imports = imports;
    this.#silent = silent;
  }

  /** The endpoint, which this is the handler of, and the greeting, which needs the endpoint. */
  wire(endpoint: Endpoint, greeting: Greeting, interceptors?: InterceptorLists["incoming"]): void {
    this.#endpoint = endpoint;
    endpoint.reading.whenSlowed = this;
    this.#greeting = greeting;
    this.#dispatcher = new Dispatcher(endpoint, this.#router, this.#exports, this, this.#host, this.#silent);
    this.#dispatcher.interceptors = interceptors;
  }

  /** One of both sides closes: who reads streams of this side isn't waited for, but for calls of this side, which may read some. */
  closeStreams(): void {
    this.#closing = true;
    this.interruptStreams();
  }

  /** A call of this side may have ended, or a reader has come. */
  interruptStreams(): void {
    // An answer that has come in this turn counts as a pull until its reader has it, and as a call no more.
    if (this.#closing && this.#streams !== undefined) setImmediate(() => this.#interruptUnlessCalling());
  }

  #interruptUnlessCalling(): void {
    if (this.#streams === undefined) return;
    if (this.#endpoint.stats().pending > this.#imports.pullCount) return;
    const reason = "the connection of the stream is closing";
    this.#streams.interrupt(new ColloquyError("UNAVAILABLE", reason, { executed: "yes" }));
  }

  get #control(): ControlService {
    return (this.#controlService ??= new ControlService(
      this.#endpoint,
      this.#greeting,
      this.#dispatcher,
      this.#exports,
      this,
      this.#host,
    ));
  }

  /** Undefined as long as none was worth keeping. */
  get recentResults(): RecentResults | undefined {
    return this.#results;
  }

  /** Made when the first one is kept, or addressed. */
  get results(): RecentResults {
    return (this.#results ??= new RecentResults());
  }

  /** Made when the first one is there. */
  get streams(): OutgoingStreams {
    return (this.#streams ??= new OutgoingStreams(this.#limits.maxStreamCount, this, this.#host));
  }

  /** The peer has named a method of this side, which is called here. */
  callNamed(method: NamedMethod, args: unknown[], extras?: NamedCallExtras): Promise<unknown> {
    return this.#dispatcher.callNamed(method, args, extras);
  }

  onLostNamed(path: string, error: unknown): void {
    this.#lose(path, error);
  }

  onStreamFailure(path: string, error: unknown): unknown {
    return this.#silent.onMethod(path, error);
  }

  isElsewhere(target: object): boolean {
    const node = nodeOf(target);
    return this.#exports.has(target) || (node !== undefined && this.#host.isHome(node));
  }

  /** The peer has said hello: it knows `$`, notifications and built-in types. */
  get extended(): boolean {
    return this.#extended;
  }

  get errorRules(): ErrorRules {
    return this.#silent.errorRules;
  }

  extend(): void {
    this.#extended = true;
    this.#dispatcher.emptyResult = undefined;
  }

  onDecoded(isAnswer: boolean, content: unknown): ColloquyError | undefined {
    if (isAnswer) this.interruptStreams();
    return this.#results?.begin(isAnswer, content);
  }

  onRequest(id: number, content: unknown, undecoded: ColloquyError | undefined): void {
    // The socket of a connection may have been made by a handler of a chain: what comes on it isn't of that.
    if (isWithinChain()) return withoutChain(() => this.onRequest(id, content, undecoded));
    if (!this.#greeting.done && this.#isEarly(id, content, undecoded)) return;
    let request: RequestContent;
    try {
      if (undecoded !== undefined) throw undecoded;
      request = readRequest(content, this.#limits);
      if (this.#extended && isControlPath(request[0])) {
        this.#checkControl(request);
        answerControl(id, request, this.#control);
        // The items of streams are what was asked for.
        if (request[0] !== "$/pull") this.#endpoint.reading.countOverhead();
        return;
      }
    } catch (error) {
      if (undecoded === undefined) this.#endpoint.reading.countOverhead();
      return this.#endpoint.fail(id, error);
    }
    this.#dispatcher.run(id, request);
  }

  /** @throws ColloquyError for results of others in what the protocol itself answers. */
  #checkControl(request: RequestContent): void {
    if (this.#results === undefined || this.#results.wantedBy(request) === 0) return;
    throw refusal("INVALID_ARGUMENT", `results of requests are for arguments of methods, not of ${request[0]}`);
  }

  /** A function in `onRequest` would cost every request. */
  #isEarly(id: number, content: unknown, undecoded: ColloquyError | undefined): boolean {
    const again = (): void => this.onRequest(id, content, undecoded);
    return this.#greeting.receive(id, content, this.#endpoint.codec!, again);
  }

  onSlowed(): void {
    tellSlowed(this.#host, this.#limits);
  }

  onFailed(error: unknown): void {
    tellRefusal(this.#host, error);
  }

  onNotification(content: unknown, undecoded: ColloquyError | undefined): void {
    if (isWithinChain()) return withoutChain(() => this.onNotification(content, undecoded));
    let path = "";
    try {
      if (undecoded !== undefined) throw undecoded;
      const request = readRequest(content, this.#limits);
      [path] = request;
      if (!this.#extended) this.#refuseNotification();
      else if (isControlPath(path)) {
        this.#checkControl(request);
        if (noticeControl(request, this.#control)) return;
        this.#endpoint.reading.countOverhead();
        this.#silent.onRefused(path);
      } else this.#dispatcher.runQuietly(request, (error) => this.#lose(path, error));
    } catch (error) {
      if (undecoded === undefined) this.#endpoint.reading.countOverhead();
      this.#lose(path, error);
    }
  }

  /** A notification isn't carried out, or has failed. */
  #lose(path: string, error: unknown): void {
    tellRefusal(this.#host, error);
    this.#silent.onNotification(path, error);
  }

  /** Those of a plain peer. */
  #refuseNotification(): void {
    this.#endpoint.reading.countOverhead();
    this.#silent.notifications++;
  }

  onLostNotification(error: ColloquyError): void {
    this.#silent.onNotification("", error);
  }

  onClosed(error: ColloquyError | undefined): void {
    this.#host.onClosed(error);
    this.#dispatcher.close();
    this.#results?.clear();
    const reason = new ColloquyError("CONNECTION_LOST", "the connection of the reader has ended");
    for (const { id, target } of this.#exports.clear()) this.streams.leave(id, target, reason);
    this.#discardTakenBack();
  }

  onEncoded(sent: boolean, isAnswer = false): void {
    const takenBack = this.#exports.settle(sent);
    // What is sent in place of an answer may have some of them.
    if (isAnswer && takenBack.length > 0) this.#takenBack = [...this.#takenBack, ...takenBack];
    if (!sent) return;
    if (this.#shapes?.hasFresh === true) this.#shapes.define(this);
    if (this.#takenBack.length > 0) this.#discardTakenBack();
  }

  onLostResult(content: unknown, error: ColloquyError): Substitute | undefined {
    const substitute = this.#streams?.onLostAnswer(content, error);
    if (substitute === undefined) this.onUnsentResult(content);
    tellRefusal(this.#host, error);
    return substitute;
  }

  onLateResult(content: unknown): void {
    this.#imports.onUnread(content);
  }

  onUnsentResult(content: unknown): void {
    for (const stream of streamsIn(content)) this.streams.discard(stream);
  }

  /** What is in arguments stays the caller's; a result is nobody else's. */
  heldReferences(isAnswer: boolean): (() => void) | undefined {
    const undo = this.#exports.undo();
    if (undo === undefined || !isAnswer) return undo;
    return () => {
      for (const target of undo()) this.streams.discard(target);
    };
  }

  onHome(value: unknown): void {
    if (this.isCalling && value instanceof IncomingStream) (this.homeStreams ??= []).push(value);
  }

  #discardTakenBack(): void {
    const takenBack = this.#takenBack;
    this.#takenBack = NOTHING;
    for (const target of takenBack) this.streams.discard(target);
  }

  /** Agrees on shapes of maps with a peer that takes up to `maxCount` of them. */
  shareShapes(maxCount: number): void {
    this.#shapes = this.#endpoint.codec?.shapes;
    if (this.#shapes !== undefined) this.#shapes.maxSentCount = maxCount;
  }

  receiveShape(id: unknown, keys: unknown): boolean {
    return this.#shapes?.receive(id, keys) === true;
  }

  tell(id: number, keys: readonly string[]): boolean {
    return this.#endpoint.notifyNow(["$/shapes", [[[id, keys]]], NO_KWARGS]);
  }

  get counts(): IncomingCounts {
    const { quietCount: notifications, namedCount: namedCalls } = this.#dispatcher;
    return { streams: this.#streams?.size ?? 0, keptResults: this.#results?.size ?? 0, notifications, namedCalls };
  }
}
