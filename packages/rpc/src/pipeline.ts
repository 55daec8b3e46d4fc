import { ColloquyError, describeType } from "@colloquy/core";
import { Answer } from "./answer.ts";
import type { Arrived, Call } from "./call.ts";
import { optionsAfter } from "./call-limits.ts";
import { callWithin, hasLimits } from "./limited-chain.ts";
import type { SendingHost } from "./limited-chain.ts";
import { joinPath, parseResultPath, resultPath } from "./path.ts";
import { dependencyFailed } from "./passed-on.ts";
import { hasPending, takePromises, unlessNotKept } from "./pending-arguments.ts";
import { RemoteNode, childAt, nodeOf } from "./proxy.ts";
import type { CallOptions, Caller, PendingResult } from "./proxy.ts";
import { SilentFailures } from "./silent-failures.ts";

const NOTHING_ARRIVED: Arrived = { receivedBytes: 0, behindMs: 0 };

/**
 * What a call will result in, to be used before it is there: `pipeline(chat.open("ada")).total()` takes one round trip. Its methods are
 * called, and it is an argument of other calls to the same peer, also where it is a plain value; it must not be looked at here. Awaited
 * it is the result, as if `promise` were awaited.
 *
 * Calls on it fail with `DEPENDENCY_FAILED` where the first one fails, with that error as their cause, and with `INVALID_ARGUMENT` where its
 * result is no service and no function.
 *
 * @throws ColloquyError `INVALID_ARGUMENT` for what is no promise.
 */
export function pipeline<T>(promise: PromiseLike<T>): T {
  const given: unknown = promise;
  if (!(given instanceof Promise)) {
    const advice = nodeOf(given) === undefined ? "leave out the await" : "this is a proxy already, call its methods";
    const reason = `pipeline takes the promise of a call, not ${describeType(given)}: ${advice}`;
    throw new ColloquyError("INVALID_ARGUMENT", reason);
  }
  const call = given instanceof Answer ? given.call : undefined;
  const caller = new PipelinedCaller(given, call);
  const proxy = childAt(new RemoteNode(caller, "", undefined, false), "");
  // Its type is that of the result: what is awaited has to be one.
  const then = (...listeners: Parameters<Promise<unknown>["then"]>): Promise<unknown> => given.then(...listeners);
  return Object.defineProperty(proxy, "then", { value: then }) as T;
}

/** Sends calls on a result to where it is made, as long as it isn't here; then to where it leads. */
class PipelinedCaller implements Caller, PendingResult {
  readonly #promise: Promise<unknown>;
  readonly #call: Call | undefined;
  /** The connection of that call, as long as it waits. */
  readonly connection: Caller | undefined;
  readonly remoteAddress: string;
  outcome: PendingResult["outcome"];

  constructor(promise: Promise<unknown>, call: Call | undefined) {
    this.#promise = promise;
    this.#call = call;
    this.connection = call?.node === undefined ? undefined : call.connection;
    const { node } = call ?? {};
    // A number says nothing.
    const name = parseResultPath(node?.path ?? "")?.rest;
    this.remoteAddress = `${name ?? node?.toString() ?? "a call"}()`;
    promise.then(
      (value) => (this.outcome = { value }),
      (error: unknown) => (this.outcome = { error }),
    );
  }

  get settled(): Promise<unknown> {
    return this.#promise;
  }

  get result(): PendingResult {
    return this;
  }

  get id(): number {
    return this.#call?.id ?? -1;
  }

  call(node: RemoteNode, args: unknown[], options: CallOptions | undefined): Promise<unknown> {
    const { connection, id } = this;
    if (this.outcome !== undefined || id < 0 || connection?.takesResults !== true)
      return this.#callLater(node, args, options);
    const path = node.path === "" ? resultPath(id) : joinPath(resultPath(id), node.path);
    const target = new RemoteNode(connection, path, undefined, false);
    const sent = connection.call(target, args, options);
    const again = (): Promise<unknown> => this.#callLater(node, args, options);
    return unlessNotKept(sent as Answer<unknown>, again, (error) => this.#named(error, args));
  }

  /** The other side knows the number of the call that has failed, and not what it is here. */
  #named(error: unknown, args: readonly unknown[]): unknown {
    if (!(error instanceof ColloquyError) || error.code !== "DEPENDENCY_FAILED") return error;
    const { outcome } = this;
    // It may be another call, among the arguments, that has failed.
    const isThis = outcome === undefined ? !hasPending(args) : "error" in outcome;
    return isThis ? dependencyFailed(error.cause, this.remoteAddress) : error;
  }

  notify(node: RemoteNode, args: unknown[]): void {
    void this.#notifyLater(node, args).catch((error: unknown) => this.#onLostNotification(node.path, error));
  }

  async #notifyLater(node: RemoteNode, args: unknown[]): Promise<void> {
    takePromises(args, node.options);
    const { caller, path, reference, isFunction } = targetOf(await this.#value(), node.path);
    caller.notify(new RemoteNode(caller, path, reference, isFunction, node.options), args);
  }

  /** Counted where the call was made; of a call that no connection has seen yet it is published alone. */
  #onLostNotification(path: string, error: unknown): void {
    const caller: Caller | undefined = this.#call?.connection;
    if (caller?.onLostNotification === undefined) new SilentFailures(this, undefined).onNotification(path, error);
    else caller.onLostNotification(path, error);
  }

  /** An answer, so that a stream can be read without being awaited here, too. */
  #callLater(node: RemoteNode, args: unknown[], options: CallOptions | undefined): Promise<unknown> {
    return new Answer((resolve) => resolve(this.#callWhenThere(node, args, options)));
  }

  async #callWhenThere(node: RemoteNode, args: unknown[], options: CallOptions | undefined): Promise<unknown> {
    const start = performance.now();
    takePromises(args, options);
    const target = targetOf(await this.#valueWithin(node, options), node.path);
    return target.caller.call(target, args, optionsAfter(performance.now() - start, options));
  }

  /** The time and the signals of a call hold while it waits for the result that it is made on. */
  #valueWithin(node: RemoteNode, options: CallOptions | undefined): Promise<unknown> {
    if (options === undefined || !hasLimits(options)) return this.#value();
    const connection = this.#call?.connection as Partial<SendingHost> | undefined;
    const host: SendingHost = {
      get arrived() {
        return connection?.arrived ?? NOTHING_ARRIVED;
      },
      // Nothing is sent for it meanwhile.
      giveUp: () => false,
      send: () => this.#value(),
    };
    return callWithin(host, this, node, options, () => this.#value());
  }

  async #value(): Promise<unknown> {
    try {
      return await this.#promise;
    } catch (cause) {
      throw dependencyFailed(cause, this.remoteAddress);
    }
  }
}

/** @throws ColloquyError `INVALID_ARGUMENT` for what is no proxy. */
function targetOf(value: unknown, path: string): RemoteNode {
  const node = nodeOf(value);
  if (node === undefined) {
    const reason = `the result of the call is ${describeType(value)}, no service and no function`;
    throw new ColloquyError("INVALID_ARGUMENT", reason);
  }
  return path === "" ? node : nodeOf(childAt(node, path))!;
}
