import { ColloquyError, describeType } from "@colloquy/core";
import { Answer } from "./answer.ts";
import type { Call } from "./call.ts";
import { joinPath, resultPath } from "./path.ts";
import { dependencyFailed } from "./passed-on.ts";
import { unlessNotKept } from "./pending-arguments.ts";
import { RemoteNode, childAt, nodeOf } from "./proxy.ts";
import type { CallOptions, Caller, PendingResult } from "./proxy.ts";
import { SilentFailures } from "./silent-failures.ts";

/**
 * What a call will result in, to be used before it is there: `pipeline(chat.open("ada")).total()` takes one round trip. Its methods are
 * called, and it is an argument of other calls to the same peer, also where it is a plain value; it must not be looked at here.
 *
 * Calls on it fail with `DEPENDENCY_FAILED` where the first one fails, with that error as their cause, and with `INVALID_ARGUMENT` where its
 * result is no service and no function.
 *
 * @throws ColloquyError `INVALID_ARGUMENT` for what is no promise.
 */
export function pipeline<T>(promise: PromiseLike<T>): T {
  const given: unknown = promise;
  if (!(given instanceof Promise)) {
    const reason = `pipeline takes the promise of a call, not ${describeType(given)}: leave out the await`;
    throw new ColloquyError("INVALID_ARGUMENT", reason);
  }
  const call = given instanceof Answer ? given.call : undefined;
  const caller = new PipelinedCaller(given, call);
  return childAt(new RemoteNode(caller, "", undefined, false), "") as T;
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
    this.remoteAddress = `${call?.node?.toString() ?? "a call"}()`;
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
    return unlessNotKept(sent as Answer<unknown>, () => this.#callLater(node, args, options));
  }

  notify(node: RemoteNode, args: unknown[]): void {
    void this.#notifyLater(node, args).catch((error: unknown) => this.#onLostNotification(node.path, error));
  }

  async #notifyLater(node: RemoteNode, args: unknown[]): Promise<void> {
    const { caller, path, reference, isFunction } = targetOf(await this.#value(), node.path);
    caller.notify(new RemoteNode(caller, path, reference, isFunction, node.options), args);
  }

  /** Counted where the call was made; of a call that no connection has seen yet it is published alone. */
  #onLostNotification(path: string, error: unknown): void {
    const caller: Caller | undefined = this.#call?.connection;
    if (caller?.onLostNotification === undefined) new SilentFailures(this, undefined).onNotification(path, error);
    else caller.onLostNotification(path, error);
  }

  async #callLater(node: RemoteNode, args: unknown[], options: CallOptions | undefined): Promise<unknown> {
    const target = targetOf(await this.#value(), node.path);
    return target.caller.call(target, args, options);
  }

  async #value(): Promise<unknown> {
    try {
      return await this.#promise;
    } catch (cause) {
      throw dependencyFailed(cause);
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
