import type { Codec } from "./codec.ts";
import type { Endpoint } from "./endpoint.ts";
import { ColloquyError, SerializationError } from "./errors.ts";
import { readException } from "./read-exception.ts";
import { CHANNEL_HELLO_PATH, NO_KWARGS, makeChannelHello, readHello } from "./hello.ts";
import type { Hello, PeerTraits } from "./hello.ts";
import { timerMs } from "./limits.ts";
import { isMap } from "./lower-lift.ts";
import type { PendingCall } from "./pending.ts";
import { StandardTypes } from "./standard-types.ts";

/**
 * Hello between channels. Channels are plain until a value has to be sent that plain ones don't carry: then its side asks, and
 * sends it when the other one has answered. So a channel to a server of aiomas sends nothing but what it is told to.
 */
export class ChannelHello {
  readonly #endpoint: Endpoint;
  #types!: StandardTypes;
  /** Hello of this side, while its answer is awaited. */
  #call: PendingCall | undefined;
  /** The peer has said hello itself. */
  #heard = false;
  #timer: NodeJS.Timeout | undefined;

  constructor(endpoint: Endpoint) {
    this.#endpoint = endpoint;
  }

  /** The codec is known: the built-in types of a value that needs them ask for hello. */
  attach(codec: Codec): void {
    codec.segments.support = "unknown";
    this.#types = new StandardTypes(codec, "unknown");
    codec.setBuiltins(this.#types);
  }

  /** Asks the peer; the output is held until it has answered. False: it is known already what it takes, or it can't be asked. */
  ask(): boolean {
    if (this.#types.peer !== "unknown") return false;
    const endpoint = this.#endpoint;
    const own = this.#own();
    const call = this.#callOf(own);
    this.#call = call;
    this.#types.expected = true;
    endpoint.hold();
    endpoint.takeSegments();
    this.#timer = setTimeout(() => this.#giveUp(call), timerMs(endpoint.limits.helloTimeoutMs));
    endpoint.request(call, [CHANNEL_HELLO_PATH, [own], NO_KWARGS], true);
    return this.#call === call;
  }

  /** Looks at a request. True: it was hello, and is answered. */
  receive(id: number, content: unknown): boolean {
    if (!isHello(content)) return false;
    const endpoint = this.#endpoint;
    const own = this.#own();
    try {
      if (this.#heard) throw new ColloquyError("PROTOCOL_ERROR", "hello was said already");
      this.#heard = true;
      const traits = readHello(content[1][0], own, "asking");
      this.#types.expected = true;
      endpoint.reply(id, own, true);
      this.#extend(traits);
    } catch (error) {
      endpoint.exceptionStyle = "map";
      endpoint.fail(id, error, true);
      void endpoint.close(0, error as ColloquyError);
    }
    return true;
  }

  /** The connection has ended. */
  close(): void {
    clearTimeout(this.#timer);
  }

  #own(): Hello {
    return makeChannelHello(this.#endpoint.codec!, this.#endpoint.limits);
  }

  #callOf(own: Hello): PendingCall {
    const call: PendingCall = {
      id: -1,
      onResult: (answer) => {
        // A plain peer answers whatever comes in its own way.
        if (!isMap(answer) || typeof answer["protocol"] !== "number") return this.#settle(undefined);
        try {
          this.#settle(readHello(answer, own, "asked"));
        } catch (error) {
          this.#endpoint.destroy(error as ColloquyError);
        }
      },
      onException: (content) => {
        const error = readException(content);
        // Who knows hello refuses it with a map; what a plain peer throws is of no interest.
        if (isMap(content) && error.code === "PROTOCOL_ERROR")
          this.#endpoint.destroy(new ColloquyError(error.code, error.message));
        else this.#settle(undefined);
      },
      onFailure: (error) => {
        if (error.code === "RESOURCE_EXHAUSTED") this.#release();
        else if (error.code === "SERIALIZATION_ERROR" && call.id < 0) this.#failAsking(error);
        else this.#settle(undefined);
      },
    };
    return call;
  }

  /** What waits for hello is to fail with what it has failed with: it is encoded again, but not before it waits. */
  #failAsking(error: ColloquyError): void {
    const reason = error instanceof SerializationError ? error.reason : error.message;
    this.#types.whyPlain = `it takes hello, which this side can't send: ${reason}`;
    queueMicrotask(() => this.#settle(undefined));
  }

  /** A peer that is silent is plain. Should it answer later, nobody waits for it. */
  #giveUp(call: PendingCall): void {
    this.#settle(undefined);
    this.#endpoint.giveUp(call);
  }

  #settle(traits: PeerTraits | undefined): void {
    if (this.#call === undefined) return;
    if (traits !== undefined) this.#extend(traits);
    else if (this.#types.peer === "unknown") {
      this.#types.peer = "plain";
      this.#endpoint.codec!.segments.support = "none";
    }
    this.#release();
  }

  #release(): void {
    if (this.#call === undefined) return;
    this.#call = undefined;
    clearTimeout(this.#timer);
    this.#endpoint.unhold();
  }

  #extend(traits: PeerTraits): void {
    this.#types.peer = "standard";
    this.#endpoint.extend(traits);
  }
}

/** True for what a channel says hello with. A request of that form never reaches the user. */
export function isHello(content: unknown): content is [string, [unknown], object] {
  return (
    Array.isArray(content) &&
    content.length === 3 &&
    content[0] === CHANNEL_HELLO_PATH &&
    Array.isArray(content[1]) &&
    content[1].length === 1 &&
    isMap(content[1][0])
  );
}
