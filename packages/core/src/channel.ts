import { ChannelHello, isHello } from "./channel-hello.ts";
import type { Codec, CodecChooser } from "./codec.ts";
import { Deferred, rejection } from "./deferred.ts";
import { Endpoint } from "./endpoint.ts";
import type { EndpointHandler, EndpointStats } from "./endpoint-handler.ts";
import type { ErrorRules } from "./error-rules.ts";
import { ColloquyError } from "./errors.ts";
import { readException } from "./read-exception.ts";
import type { Limits } from "./limits.ts";
import { CLOSE_OPTIONS, checkOptions } from "./options.ts";
import type { PendingCall } from "./pending.ts";
import { Queue } from "./queue.ts";
import type { Transport } from "./transport.ts";

const RESERVED = 'content of the form ["$/channel", [map], {}] is the protocol\'s own';

/** A request of the other side, to be answered once. */
export class Request {
  readonly content: unknown;
  readonly #endpoint: Endpoint;
  readonly #id: number;
  #answered = false;

  /** @internal */
  constructor(endpoint: Endpoint, id: number, content: unknown) {
    this.#endpoint = endpoint;
    this.#id = id;
    this.content = content;
  }

  /**
   * Sends the result. A value that can't be encoded becomes a failure at the caller.
   *
   * Rejects with `CONNECTION_LOST` where nobody is left to answer, and `INVALID_ARGUMENT` for a second answer.
   */
  async reply(value: unknown): Promise<void> {
    this.#claim();
    this.#endpoint.reply(this.#id, value);
  }

  /** Sends an exception: an error, or a text. Rejects as `reply`. */
  async fail(error: unknown): Promise<void> {
    this.#claim();
    this.#endpoint.fail(this.#id, error);
  }

  #claim(): void {
    if (this.#answered) throw new ColloquyError("INVALID_ARGUMENT", "this request has been answered already");
    this.#answered = true;
    if (this.#endpoint.ended) {
      throw new ColloquyError("CONNECTION_LOST", `the connection to ${this.#endpoint.remoteAddress} is closed`);
    }
  }
}

/**
 * A symmetric channel: each side sends requests, whose content is any value of the codec, and answers those of the other.
 * The counterpart of aiomas' `Channel`.
 */
export class Channel implements AsyncDisposable, AsyncIterable<Request> {
  /** Resolves when the connection has ended, with the error that ended it or undefined. */
  readonly closed: Promise<ColloquyError | undefined>;
  readonly #endpoint: Endpoint;
  readonly #hello: ChannelHello;
  readonly #requests = new Queue<Request>();
  readonly #closed = new Deferred<ColloquyError | undefined>();
  #receiver: Deferred<Request | undefined> | undefined;
  #error: ColloquyError | undefined;

  /** @internal */
  constructor(transport: Transport, codec: Codec | CodecChooser, limits: Limits, errorRules?: ErrorRules) {
    this.closed = this.#closed.promise;
    const handler: EndpointHandler = {
      errorRules,
      onRequest: (id, content, error) => {
        if (error !== undefined) this.#endpoint.fail(id, error);
        else this.#onRequest(new Request(this.#endpoint, id, content));
      },
      onControl: (id, content) => this.#hello.receive(id, content),
      onHelloWanted: () => this.#hello.ask(),
      onNotification: ignore,
      onLostNotification: ignore,
      onClosed: (error) => this.#onClosed(error),
    };
    const attached = (known: Codec): Codec => {
      this.#hello.attach(known);
      return known;
    };
    const chosen = typeof codec === "function" ? (firstByte: number) => attached(codec(firstByte)) : codec;
    this.#endpoint = new Endpoint(transport, chosen, handler, limits);
    this.#hello = new ChannelHello(this.#endpoint);
    if (typeof codec !== "function") attached(codec);
    this.#endpoint.open();
  }

  /** Undefined on a server with `codec: "auto"` until the first message. */
  get codec(): Codec | undefined {
    return this.#endpoint.codec;
  }

  /** Address of the other side: of a server as `connectChannel` was given it. */
  get remoteAddress(): string {
    return this.#endpoint.remoteAddress;
  }

  /**
   * Sends a request; resolves with the content of its answer. A value that only a peer of Colloquy takes is preceded by a request
   * of the protocol's own, `["$/channel", [map], {}]`, once: to learn whether the other side is one.
   *
   * Rejects with `RemoteError` for a failure on the other side, `SERIALIZATION_ERROR`, `RESOURCE_EXHAUSTED` for a message over
   * the limit or too many calls under way, `CONNECTION_LOST`, `INVALID_ARGUMENT` for content of that form.
   */
  send(content: unknown): Promise<unknown> {
    return new Promise((resolve) => {
      const call = new SentRequest(resolve);
      if (isHello(content)) call.onFailure(new ColloquyError("INVALID_ARGUMENT", RESERVED));
      else this.#endpoint.request(call, content);
    });
  }

  /**
   * Resolves when the memory of all arrays and bytes that were sent so far is the caller's again: they have left, or the
   * connection has ended. Until then a large one must not be changed. Never rejects.
   */
  flushed(): Promise<void> {
    return this.#endpoint.flushed();
  }

  /**
   * The next request, in order. Rejects with `CONNECTION_LOST` after the last one of a connection that has ended, and with
   * `INVALID_ARGUMENT` while another `recv` waits.
   */
  async recv(): Promise<Request> {
    const request = await this.#next();
    if (request !== undefined) return request;
    const cause = this.#error === undefined ? {} : { cause: this.#error };
    throw new ColloquyError("CONNECTION_LOST", `the connection to ${this.remoteAddress} is closed`, cause);
  }

  /** The requests, until the connection ends. */
  async *[Symbol.asyncIterator](): AsyncGenerator<Request, void, undefined> {
    for (let request = await this.#next(); request !== undefined; request = await this.#next()) yield request;
  }

  /**
   * Lets pending calls and requests under way finish, for `graceMs` at most (`Limits.closeGraceMs`), then closes. Resolves when
   * the connection has ended. Never rejects.
   */
  async close(options: { readonly graceMs?: number } = {}): Promise<void> {
    checkOptions("close", options, CLOSE_OPTIONS);
    await this.#endpoint.close(options.graceMs);
  }

  /** Closes at once: what is pending fails with `CONNECTION_LOST`. */
  destroy(error?: ColloquyError): void {
    this.#endpoint.destroy(error);
  }

  /** Counters of this channel, as they are now. */
  stats(): EndpointStats {
    return this.#endpoint.stats();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #next(): Promise<Request | undefined> {
    if (this.#receiver !== undefined) {
      throw new ColloquyError("INVALID_ARGUMENT", "another recv() waits on this channel already");
    }
    const request = this.#requests.shift();
    if (request !== undefined || this.#endpoint.ended) return request;
    this.#receiver = new Deferred();
    return this.#receiver.promise;
  }

  #onRequest(request: Request): void {
    const receiver = this.#receiver;
    this.#receiver = undefined;
    if (receiver === undefined) this.#requests.push(request);
    else receiver.resolve(request);
  }

  #onClosed(error: ColloquyError | undefined): void {
    this.#hello.close();
    this.#error = error;
    this.#receiver?.resolve(undefined);
    this.#receiver = undefined;
    this.#closed.resolve(error);
  }
}

/** The call behind the promise of `send`. Errors are made where the caller awaits, so that they carry its stack. */
class SentRequest implements PendingCall {
  id = -1;
  readonly #resolve: (value: unknown) => void;

  constructor(resolve: (value: unknown) => void) {
    this.#resolve = resolve;
  }

  onResult(value: unknown): void {
    this.#resolve(value);
  }

  onException(content: unknown, rules: ErrorRules | undefined): void {
    this.#resolve(rejection(() => readException(content, rules)));
  }

  onFailure(error: ColloquyError): void {
    this.#resolve(rejection(() => error.restated()));
  }
}

function ignore(): void {}
