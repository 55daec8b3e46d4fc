import type { Codec } from "./codec.ts";
import type { Endpoint } from "./endpoint.ts";
import type { ColloquyError } from "./errors.ts";
import { readException } from "./exception.ts";
import { HELLO_PATH, NO_KWARGS, makeHello, readHello } from "./hello.ts";
import type { PeerTraits } from "./hello.ts";
import { timerMs } from "./limits.ts";
import type { PendingCall } from "./pending.ts";
import { StandardTypes } from "./standard-types.ts";

/**
 * Hello between channels. Channels are plain until a value has to be sent that plain ones don't carry: then its side asks, and
 * sends it when the other one has answered. So a channel to a server of aiomas sends nothing but what it is told to.
 */
export class ChannelHello {
  readonly #endpoint: Endpoint;
  #asking = false;
  #timer: NodeJS.Timeout | undefined;

  constructor(endpoint: Endpoint) {
    this.#endpoint = endpoint;
  }

  /** The codec is known: the built-in types of a value that needs them ask for hello. */
  attach(codec: Codec): void {
    codec.segments.support = "unknown";
    codec.setBuiltins(new StandardTypes(codec));
  }

  /** Asks the peer, unless it has been asked; the output is held until it has answered. False: it was, and is plain. */
  ask(): boolean {
    const { codec } = this.#endpoint;
    if (codec?.segments.support !== "unknown") return false;
    if (this.#asking) return true;
    this.#asking = true;
    this.#endpoint.hold();
    this.#endpoint.takeSegments();
    const { helloTimeoutMs } = this.#endpoint.limits;
    this.#timer = setTimeout(() => this.#settle(undefined), timerMs(helloTimeoutMs));
    this.#endpoint.request(this.#call(codec), [HELLO_PATH, [this.#own(codec)], NO_KWARGS], true);
    return true;
  }

  /** Looks at a request. True: it was hello, and is answered. */
  receive(id: number, content: unknown): boolean {
    const { codec } = this.#endpoint;
    if (codec === undefined || !isHello(content)) return false;
    try {
      const own = this.#own(codec);
      const traits = readHello(content[1][0], own, "client");
      this.#endpoint.takeSegments();
      this.#endpoint.reply(id, own, true);
      this.#extend(traits);
    } catch (error) {
      this.#endpoint.exceptionStyle = "map";
      this.#endpoint.fail(id, error, true);
      void this.#endpoint.close(0);
    }
    return true;
  }

  close(): void {
    clearTimeout(this.#timer);
  }

  #own(codec: Codec): ReturnType<typeof makeHello> {
    return makeHello(codec, this.#endpoint.limits, codec.serializerNames);
  }

  #call(codec: Codec): PendingCall {
    return {
      id: -1,
      onResult: (answer) => {
        try {
          this.#settle(readHello(answer, this.#own(codec), "server"));
        } catch {
          // A plain server answers whatever comes in its own way.
          this.#settle(undefined);
        }
      },
      onException: (content) => {
        // Who knows hello refuses it with a map.
        if (isMap(content)) this.#endpoint.destroy(readException(content));
        else this.#settle(undefined);
      },
      onFailure: (_error: ColloquyError) => this.#settle(undefined),
    };
  }

  #settle(traits: PeerTraits | undefined): void {
    if (!this.#asking) return;
    this.#asking = false;
    clearTimeout(this.#timer);
    const codec = this.#endpoint.codec!;
    if (traits !== undefined) this.#extend(traits);
    else if (codec.segments.support === "unknown") {
      codec.segments.support = "none";
      codec.setBuiltins(undefined);
    }
    this.#endpoint.unhold();
  }

  #extend(traits: PeerTraits): void {
    this.#endpoint.maxSentBytes = traits.maxMessageBytes;
    this.#endpoint.exceptionStyle = "map";
    this.#endpoint.codec!.segments.support = "none";
    this.#endpoint.sendSegments(traits.maxSegmentBytes);
  }
}

function isMap(content: unknown): boolean {
  return typeof content === "object" && content !== null && !Array.isArray(content);
}

function isHello(content: unknown): content is [string, [unknown], object] {
  return (
    Array.isArray(content) &&
    content.length === 3 &&
    content[0] === HELLO_PATH &&
    Array.isArray(content[1]) &&
    content[1].length === 1
  );
}
