import {
  ColloquyError,
  Deferred,
  HELLO_PATH,
  NO_KWARGS,
  ProtocolError,
  describeType,
  isMap,
  limitsBeforeHello,
  makeHello,
  readException,
  readHello,
  timerMs,
} from "@colloquy/core";
import type { Codec, Endpoint, Hello, Limits, PeerTraits, PendingCall } from "@colloquy/core";

export interface GreetedListener {
  /** What the peer speaks: its traits, or undefined for a plain peer. Called before any other message is handled. */
  onGreeted(traits: PeerTraits | undefined): void;
}

/**
 * The start of a connection. The side that opened it says hello; until the answer is there, or the first request on the other
 * side, this side's calls wait. A peer that doesn't know hello is plain.
 */
export class Greeting {
  readonly #endpoint: Endpoint;
  readonly #limits: Limits;
  readonly #root: string | undefined;
  readonly #listener: GreetedListener;
  #timer: NodeJS.Timeout | undefined;
  #done = false;
  #asking = false;

  constructor(endpoint: Endpoint, limits: Limits, root: string | undefined, listener: GreetedListener) {
    this.#endpoint = endpoint;
    this.#limits = limits;
    this.#root = root;
    this.#listener = listener;
  }

  get done(): boolean {
    return this.#done;
  }

  /** For dialects without hello. */
  skip(): void {
    this.#finish(undefined);
  }

  /** Holds this side's calls back, and bounds what the peer may send and how long it may take. */
  expect(): void {
    this.#endpoint.hold();
    this.#endpoint.messageLimits = limitsBeforeHello(this.#limits);
    const milliseconds = this.#limits.helloTimeoutMs;
    this.#timer = setTimeout(() => {
      const message = `no first message within ${milliseconds} ms (helloTimeoutMs)`;
      this.#endpoint.destroy(new ColloquyError("CONNECTION_LOST", message, { executed: "no" }));
    }, timerMs(milliseconds));
  }

  /** Says hello. Rejects where the peer refuses, or where the two sides don't fit. */
  async greet(codec: Codec): Promise<void> {
    this.#asking = true;
    const own = this.#ownHello(codec);
    // As it says. Its answer may be decoded later than what follows comes.
    this.#endpoint.takeSegments();
    try {
      const greeted = (traits: PeerTraits | undefined): void => this.#release(traits);
      const call = new HelloCall(this.#endpoint.remoteAddress, own, greeted);
      this.#endpoint.request(call, [HELLO_PATH, [own], NO_KWARGS], true);
      await call.answered;
    } finally {
      this.#asking = false;
      this.#stopTimer();
    }
  }

  /** Looks at the first request of a peer. True: it was hello, and is answered. */
  receive(id: number, content: unknown, codec: Codec): boolean {
    if (!Array.isArray(content) || content[0] !== HELLO_PATH) {
      this.#release(undefined);
      // What sends on a channel is no plain peer: it is to learn that nothing has run.
      if (content !== undefined && !isCall(content)) this.#endpoint.exceptionStyle = "map";
      return false;
    }
    const own = this.#ownHello(codec);
    const args: unknown = content[1];
    try {
      const traits = readHello(Array.isArray(args) ? args[0] : undefined, own, "client");
      this.#endpoint.reply(id, own, true);
      this.#release(traits);
    } catch (error) {
      this.#endpoint.exceptionStyle = "map";
      this.#endpoint.fail(id, error, true);
      void this.#endpoint.close(0);
    }
    return true;
  }

  /** The last serializer is the fallback for services, which both sides have. */
  #ownHello(codec: Codec): Hello {
    return makeHello(codec, this.#limits, codec.serializerNames.slice(0, -1), this.#root);
  }

  /** The connection has ended. */
  close(): void {
    this.#stopTimer();
  }

  #stopTimer(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  #release(traits: PeerTraits | undefined): void {
    if (this.#done) return;
    this.#endpoint.messageLimits = this.#limits;
    this.#finish(traits);
    this.#endpoint.unhold();
  }

  #finish(traits: PeerTraits | undefined): void {
    this.#done = true;
    // A peer that calls before it answers hello is plain; its answer is still due in time.
    if (!this.#asking) this.#stopTimer();
    if (traits !== undefined) this.#endpoint.extend(traits);
    this.#listener.onGreeted(traits);
  }
}

/** Hello of this side, while its answer is awaited. */
class HelloCall implements PendingCall {
  id = -1;
  readonly #address: string;
  readonly #own: Hello;
  readonly #greeted: (traits: PeerTraits | undefined) => void;
  readonly #answer = new Deferred<void>();

  constructor(address: string, own: Hello, greeted: (traits: PeerTraits | undefined) => void) {
    this.#address = address;
    this.#own = own;
    this.#greeted = greeted;
  }

  /** Rejects where the peer refuses, or where the two sides don't fit. */
  get answered(): Promise<void> {
    return this.#answer.promise;
  }

  onResult(answer: unknown): void {
    try {
      if (!isMap(answer) || !("protocol" in answer)) throw notGreeted(this.#address, answer);
      this.#greeted(readHello(answer, this.#own, "server"));
      this.#answer.resolve();
    } catch (error) {
      this.#answer.reject(error);
    }
  }

  onException(content: unknown): void {
    // A peer that knows hello refuses it with a map; anything else comes from one that doesn't.
    if (isMap(content)) return this.#answer.reject(readException(content));
    this.#greeted(undefined);
    this.#answer.resolve();
  }

  onFailure(error: ColloquyError): void {
    if (error.code !== "CONNECTION_LOST") return this.#answer.reject(error);
    const hint = `no answer to hello: the peer may speak another codec than ${this.#own.codec}, want TLS, or have refused; its log may tell`;
    // What came instead says more.
    const reason = error.cause instanceof ProtocolError ? error.message : `${error.message} (${hint})`;
    this.#answer.reject(new ColloquyError("UNAVAILABLE", reason, { cause: error }));
  }
}

/** What a peer with a method of that name, or with no methods at all, makes of hello. */
function notGreeted(address: string, answer: unknown): ProtocolError {
  const reason = `${address} answers hello with ${describeType(answer)} that is no hello`;
  return new ProtocolError(`${reason}: it may serve channels (use connectChannel)`, { executed: "no" });
}

/** `[path, args, kwargs]`, as far as it tells a call from anything else. */
function isCall(content: unknown): boolean {
  return Array.isArray(content) && content.length >= 3 && typeof content[0] === "string";
}
