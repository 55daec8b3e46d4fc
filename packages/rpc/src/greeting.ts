import {
  ColloquyError,
  Deferred,
  HELLO_PATH,
  NO_KWARGS,
  ProtocolError,
  SerializationError,
  describeType,
  isMap,
  beyondLimits,
  limitsBeforeHello,
  makeHello,
  readException,
  readHello,
  timerMs,
  messageOf,
} from "@colloquy/core";
import type { Codec, Endpoint, Hello, Limits, PeerTraits, PendingCall } from "@colloquy/core";
import { currentCredentials, refused, tooLate, unsendable } from "./authentication.ts";
import type { Authentication, Entrance } from "./authentication.ts";
import type { LimitedCall, LimitedCallHost } from "./call.ts";
import { WaitingMeta, addMeta } from "./waiting-meta.ts";

/** Requests of a client that didn't wait for the answer to its hello; more are refused. */
const MAX_EARLY_COUNT = 4;
const NO_ENTRANCE: Entrance = Object.freeze({});

export interface GreetedListener extends LimitedCallHost {
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
  readonly #entrance: Entrance;
  /** Request of the hello whose credentials are being checked. */
  #checkedId = -1;
  /** What came behind it. Stays once that is refused, so that there is no second hello. */
  #early: (() => void)[] | undefined;
  /** Rejects when the connection ends while this side gets its credentials. */
  #ended: Deferred<never> | undefined;
  #extended = false;
  #waitingMeta: WaitingMeta | undefined;

  constructor(
    endpoint: Endpoint,
    limits: Limits,
    root: string | undefined,
    listener: GreetedListener,
    entrance: Entrance = NO_ENTRANCE,
  ) {
    this.#entrance = entrance;
    this.#endpoint = endpoint;
    this.#limits = limits;
    this.#root = root;
    this.#listener = listener;
  }

  get done(): boolean {
    return this.#done;
  }

  /** Adds to the content of a request what its call has to tell, as far as the peer takes it: now, or when that is known. */
  addMeta(call: LimitedCall, content: unknown[]): void {
    if (!this.#done) (this.#waitingMeta ??= new WaitingMeta()).add(call, content);
    else if (this.#extended) addMeta(call, content);
  }

  /** For dialects without hello. */
  skip(): void {
    this.#finish(undefined);
  }

  /** Holds this side's calls back, and bounds what the peer may send and how long it may take. */
  expect(): void {
    this.#endpoint.hold();
    this.#endpoint.messageLimits = limitsBeforeHello(this.#limits);
    this.#endpoint.reading.isEarly = true;
    const milliseconds = this.#limits.helloTimeoutMs;
    this.#timer = setTimeout(() => {
      if (this.#checkedId >= 0) return this.#refuse(this.#checkedId, tooLate(milliseconds));
      const message = `no first message within ${milliseconds} ms (helloTimeoutMs)`;
      this.#endpoint.destroy(new ColloquyError("CONNECTION_LOST", message, { limit: "helloTimeoutMs" }));
    }, timerMs(milliseconds));
  }

  /** Says hello. Rejects where the peer refuses, or where the two sides don't fit. */
  async greet(codec: Codec): Promise<void> {
    this.#asking = true;
    const { link, credentials } = this.#entrance;
    const hello = credentials === undefined ? this.#ownHello(codec) : await this.#helloWith(codec);
    const own = link === undefined ? hello : { ...hello, link };
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

  /** Who the client is, where this side asks for it. */
  get identity(): unknown {
    return this.#entrance.authentication?.identity;
  }

  /** Replaces the identity. Rejects where that is refused; the old one stays. */
  async authenticate(credentials: unknown): Promise<void> {
    if (this.#entrance.authentication === undefined)
      throw new ColloquyError("NOT_FOUND", "this side asks for no credentials");
    await this.#entrance.authentication.check(credentials);
  }

  /**
   * Looks at a request of a peer before hello is done. True: it was hello, and is answered, or it waits or is refused, because the
   * peer isn't known yet. `again` hands it in once more.
   */
  receive(id: number, content: unknown, codec: Codec, again: () => void): boolean {
    if (this.#early !== undefined) {
      if (this.#early.length < MAX_EARLY_COUNT) this.#early.push(again);
      else this.#endpoint.fail(id, new ColloquyError("UNAUTHENTICATED", "a client waits for the answer to its hello"));
      return true;
    }
    if (!Array.isArray(content) || content[0] !== HELLO_PATH) {
      if (this.#entrance.authentication !== undefined) {
        if (isOfChannel(content)) this.#endpoint.exceptionStyle = "map";
        this.#refuse(id, refused(undefined));
        return true;
      }
      const beyond = beyondLimits(content, this.#limits);
      this.#release(undefined);
      if (beyond !== undefined) {
        this.#endpoint.reading.countOverhead();
        this.#endpoint.fail(id, beyond);
        return true;
      }
      // What sends on a channel is no plain peer: it is to learn that nothing has run.
      if (isOfChannel(content)) this.#endpoint.exceptionStyle = "map";
      return false;
    }
    const own = this.#ownHello(codec);
    const args: unknown = content[1];
    try {
      const hello: unknown = Array.isArray(args) ? args[0] : undefined;
      const traits = readHello(hello, own, "client");
      const { authentication } = this.#entrance;
      if (authentication === undefined) this.#admit(id, own, traits);
      else void this.#check(authentication, (hello as Partial<Hello>).auth, id, () => this.#admit(id, own, traits));
    } catch (error) {
      this.#endpoint.exceptionStyle = "map";
      this.#refuse(id, error);
    }
    return true;
  }

  #admit(id: number, own: Hello, traits: PeerTraits): void {
    this.#endpoint.reply(id, own, true);
    this.#release(traits);
  }

  #refuse(id: number, error: unknown): void {
    this.#early ??= [];
    this.#checkedId = -1;
    this.#endpoint.fail(id, error, true);
    void this.#endpoint.close(0);
  }

  /** Nothing is carried out before the credentials of a hello are known as good. */
  async #check(authentication: Authentication, credentials: unknown, id: number, admit: () => void): Promise<void> {
    this.#endpoint.exceptionStyle = "map";
    this.#checkedId = id;
    const early = (this.#early = [] as (() => void)[]);
    try {
      await authentication.check(credentials);
    } catch (error) {
      if (this.#checkedId === id) this.#refuse(id, error);
      return;
    }
    // The time may be over meanwhile, or the connection.
    if (this.#checkedId !== id || this.#endpoint.ended) return;
    this.#checkedId = -1;
    this.#early = undefined;
    admit();
    try {
      for (const again of early) again();
    } catch (error) {
      this.#endpoint.destroy(new ColloquyError("INTERNAL", messageOf(error), { cause: error }));
    }
  }

  async #helloWith(codec: Codec): Promise<Hello> {
    this.#ended = new Deferred();
    const auth = await Promise.race([currentCredentials(this.#entrance.credentials), this.#ended.promise]);
    this.#ended = undefined;
    return { ...this.#ownHello(codec), auth };
  }

  /** The last serializer is the fallback for services, which both sides have. */
  #ownHello(codec: Codec): Hello {
    return makeHello(codec, this.#limits, codec.serializerNames.slice(0, -1), this.#root);
  }

  /** The connection has ended. */
  close(): void {
    this.#checkedId = -1;
    const reason = "the connection has ended before this side had its credentials";
    this.#ended?.reject(new ColloquyError("UNAVAILABLE", reason));
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
    this.#endpoint.reading.isEarly = false;
    // A peer that calls before it answers hello is plain; its answer is still due in time.
    if (!this.#asking) this.#stopTimer();
    this.#extended = traits !== undefined;
    this.#waitingMeta?.settle(this.#extended, this.#listener);
    this.#waitingMeta = undefined;
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
    // Of what hello says only the credentials may be of any kind.
    const { auth } = this.#own;
    if (error instanceof SerializationError) return this.#answer.reject(unsendable(auth, error, 3));
    if (error.code !== "CONNECTION_LOST") return this.#answer.reject(error);
    const { codec } = this.#own;
    const hint = `no answer to hello: the peer may speak another codec than ${codec}, want TLS or another certificate, have no room (maxConnectionCount), or have refused; its log may tell`;
    // What came instead says more.
    const reason = error.cause instanceof ProtocolError ? error.message : `${error.message} (${hint})`;
    this.#answer.reject(new ColloquyError("UNAVAILABLE", reason, { cause: error, limit: error.limit }));
  }
}

/** What a peer with a method of that name, or with no methods at all, makes of hello. */
function notGreeted(address: string, answer: unknown): ProtocolError {
  const reason = `${address} answers hello with ${describeType(answer)} that is no hello`;
  return new ProtocolError(`${reason}: it may serve channels (use connectChannel)`, { executed: "no" });
}

/** True for what no program takes for a call, `[path, args, kwargs]`, not even one that is wrong about it. */
function isOfChannel(content: unknown): boolean {
  return content !== undefined && content !== null && !Array.isArray(content);
}
