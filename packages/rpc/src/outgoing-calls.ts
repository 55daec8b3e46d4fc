import { ColloquyError, NO_KWARGS } from "@colloquy/core";
import type { Endpoint } from "@colloquy/core";
import { Answer } from "./answer.ts";
import { Call, LimitedCall, isLimited } from "./call.ts";
import type { Arrived, CallEnd, LimitedCallHost } from "./call.ts";
import { currentChain, withoutChain } from "./call-chains.ts";
import type { CallerConnection } from "./context.ts";
import type { Greeting } from "./greeting.ts";
import type { Incoming } from "./incoming.ts";
import { ignore } from "./guard.ts";
import { callHooks } from "./hooks.ts";
import type { CallWatcher } from "./hooks.ts";
import { callWithin, hasLimits } from "./limited-chain.ts";
import type { SendOne } from "./limited-chain.ts";
import { tagsOf } from "./metadata.ts";
import { notificationOf } from "./outgoing-interceptors.ts";
import { hasPending, settled, takePromises, unlessNotKept } from "./pending-arguments.ts";
import { isControlPath } from "./path.ts";
import type { CallOptions, Caller, RemoteNode } from "./proxy.ts";
import { optionsRefusal, targetRefusal } from "./refusals.ts";
import type { SilentFailures } from "./silent-failures.ts";
import { streamsIn } from "./streams-in.ts";

const NONE = (): void => {};
let taken: (value: unknown) => void = NONE;

/** Takes what settles a new promise, without a function of its own for each call. */
function takeResolve(resolve: (value: unknown) => void): void {
  taken = resolve;
}

/** The calls and notifications of this side on one connection, as they leave. */
export class OutgoingCalls implements LimitedCallHost {
  /** The other side is closing: it takes no new calls. */
  goneAway = false;
  readonly #connection: Caller & CallerConnection;
  readonly #endpoint: Endpoint;
  readonly #greeting: Greeting;
  readonly #incoming: Incoming;
  readonly #silent: SilentFailures;
  readonly #owner: object | undefined;

  /** `owner` is what opens another connection after this one, if something does. */
  constructor(
    connection: Caller & CallerConnection,
    endpoint: Endpoint,
    greeting: Greeting,
    incoming: Incoming,
    silent: SilentFailures,
    owner: object | undefined,
  ) {
    this.#connection = connection;
    this.#endpoint = endpoint;
    this.#greeting = greeting;
    this.#incoming = incoming;
    this.#silent = silent;
    this.#owner = owner;
  }

  get arrived(): Arrived {
    return this.#endpoint.reading;
  }

  send(node: RemoteNode, args: unknown[], options: CallOptions | undefined): Promise<unknown> {
    const promise = new Answer<unknown>(takeResolve);
    const call = this.#newCall(node, taken, options);
    promise.call = call;
    // It would keep the result.
    taken = NONE;
    if (node.isReferencedFunction) call.promise = promise;
    const refusal = this.#refusalOf(node, options);
    if (refusal === undefined) {
      this.#incoming.isCalling = true;
      this.#endpoint.request(call, this.#contentOf(node, args, options, call));
      this.#incoming.isCalling = false;
    } else call.onFailure(refusal);
    if (call.id < 0) this.#keepWaiting(call, args, options);
    else call.homeStreams = this.#incoming.homeStreams;
    this.#incoming.homeStreams = undefined;
    if (refusal === undefined && (this.#incoming.sentResults || hasPending(args)))
      return this.#untilKept(promise, node, args, options);
    return promise;
  }

  /** A call that waits, or has failed: it is encoded later, or never. */
  #keepWaiting(call: Call, args: unknown[], options: CallOptions | undefined): void {
    takePromises(args, options);
    // One that has failed has let go of its node, and holds no streams either.
    if (call.node === undefined) return;
    const streams = streamsIn([args, options?.kwargs]);
    if (streams.size > 0) call.homeStreams = [...streams];
  }

  /** Where the other side hasn't kept a result among the arguments, the call is made once more when that is here. */
  #untilKept(
    sent: Answer<unknown>,
    node: RemoteNode,
    args: unknown[],
    options: CallOptions | undefined,
  ): Promise<unknown> {
    this.#incoming.sentResults = false;
    const start = performance.now();
    const again = async (send: SendOne): Promise<unknown> => send(node, (await settled(args)) as unknown[], options);
    return unlessNotKept(sent, () => {
      if (options === undefined || !hasLimits(options)) return again((...request) => this.send(...request));
      // Its time goes on while it waits for those results.
      const { timeout } = options;
      const left = timeout === undefined ? {} : { timeout: Math.max(timeout - (performance.now() - start), 0) };
      return callWithin(this, this.#connection, node, { ...options, ...left }, again);
    });
  }

  notify(node: RemoteNode, args: unknown[], options: CallOptions | undefined): void {
    const tags = tagsOf(options);
    if (!this.#incoming.extended) {
      // A plain peer, or one that may turn out as such, answers everything; nobody waits for it.
      const sent = withoutChain(() => this.send(node, args, tags));
      sent.catch((error: unknown) => this.#silent.onNotification(node.path, error));
      return;
    }
    const content = notificationOf(node.path, args, tags);
    // It may wait, and be encoded later.
    if (hasPending(args) || tags?.kwargs !== undefined) takePromises(content, undefined);
    const refusal = this.#refusalOf(node, undefined) ?? this.#notify(content);
    if (refusal === undefined) return;
    takePromises(content, undefined);
    this.#silent.onNotification(node.path, refusal);
  }

  #notify(content: unknown[]): ColloquyError | undefined {
    this.#incoming.isCalling = true;
    try {
      return this.#endpoint.notify(content);
    } catch (error) {
      takePromises(content, undefined);
      throw error;
    } finally {
      this.#incoming.isCalling = false;
      // Nobody makes a notification again, or waits for it.
      this.#incoming.sentResults = false;
      this.#incoming.homeStreams = undefined;
    }
  }

  giveUp(call: Call, end?: CallEnd): boolean {
    const id = this.#endpoint.giveUp(call);
    // What says nothing else is a cancellation.
    if (id >= 0) this.tell("$/cancel", end?.code === "DEADLINE_EXCEEDED" ? [id, end.code] : [id]);
    this.#incoming.interruptStreams();
    return id >= 0;
  }

  /** Sends a notification on `$`, to a peer that knows it. */
  tell(path: string, args: unknown[]): void {
    const failure = this.tryTell(path, args);
    if (failure !== undefined) this.#silent.onNotification(path, failure);
  }

  /** The same. Returns why it can't be sent, where it can't. */
  tryTell(path: string, args: unknown[]): unknown {
    if (!this.#incoming.extended || this.#endpoint.ended) return undefined;
    try {
      return this.#endpoint.notify([path, args, NO_KWARGS], true);
    } catch (error) {
      return error;
    }
  }

  #contentOf(node: RemoteNode, args: unknown[], options: CallOptions | undefined, call: Call): unknown[] {
    const content = [node.path, args, options?.kwargs ?? NO_KWARGS];
    if (call instanceof LimitedCall) this.#greeting.addMeta(call, content);
    return content;
  }

  #newCall(node: RemoteNode, resolve: (value: unknown) => void, options: CallOptions | undefined): Call {
    const watcher = this.#watcherOf(node);
    const chain = currentChain();
    if (chain !== undefined || (options !== undefined && isLimited(options)))
      return new LimitedCall(node, this.#connection, resolve, watcher, options ?? {}, this, chain);
    return new Call(node, this.#connection, resolve, watcher);
  }

  /** Most calls have none. */
  #watcherOf(node: RemoteNode): CallWatcher | undefined {
    const onLost = node.isReferencedFunction ? (): void => this.#silent.onFunctionCall(node.path) : undefined;
    if (callHooks.areWanted && !isControlPath(node.path)) return callHooks.watch(this.#connection, node.path, onLost);
    return onLost && { mayBeLost: true, onResult: ignore, onFailure: onLost };
  }

  /** Why a call isn't even sent. */
  #refusalOf(node: RemoteNode, options: CallOptions | undefined): ColloquyError | undefined {
    const refusal = targetRefusal(node, this.#owner !== undefined && this.#endpoint.ended);
    if (refusal !== undefined) return refusal;
    // What the peer still waits for may need calls back to it.
    if (this.goneAway && !this.#endpoint.isServing)
      return new ColloquyError("UNAVAILABLE", `${this.#endpoint.remoteAddress} is closing and takes no new calls`);
    if (options === undefined) return undefined;
    const isPlain = this.#greeting.done && !this.#incoming.extended;
    return optionsRefusal(options, node, isPlain, this.#endpoint.limits.maxHopCount);
  }
}
