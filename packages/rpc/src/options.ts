import { ColloquyError } from "@colloquy/core";
import { checkCallOptions } from "./call-limits.ts";
import { metadataOf, traceOf } from "./metadata.ts";
import { RemoteNode, checkWhileAway, functionProxy, nodeOf } from "./proxy.ts";
import type { CallOptions } from "./proxy.ts";
import { callWithRetries } from "./retries.ts";

// oxlint-disable-next-line typescript/no-explicit-any -- any remote function
type Fn = (...args: any[]) => any;

/**
 * The same remote method with options for its calls: `await withOptions(chat.slow, { timeout: 500, signal })(42)`.
 *
 * @throws ColloquyError `INVALID_ARGUMENT` for what is no remote method, and for malformed options.
 */
export function withOptions<F extends Fn>(
  method: F,
  options: CallOptions & Required<Pick<CallOptions, "kwargs">>,
): (...args: Partial<Parameters<F>>) => ReturnType<F>;
export function withOptions<F extends Fn>(method: F, options: CallOptions): F;
export function withOptions<F extends Fn>(method: F, options: CallOptions): F {
  const node = remoteNode(method, "withOptions");
  checkCallOptions(options);
  if (options.whileAway !== undefined) checkWhileAway(options.whileAway);
  traceOf(options.trace);
  const { caller, path, reference, isFunction } = node;
  // A copy: what the caller changes later doesn't change what was checked.
  const metadata = options.metadata === undefined ? undefined : { metadata: metadataOf(options.metadata) };
  const all = { ...node.options, ...options, ...metadata };
  const changed = new RemoteNode(caller, path, reference, isFunction, all);
  if (all.retries === undefined || all.retries === 0) return functionProxy(changed) as unknown as F;
  return functionProxy(changed, (...args) => callWithRetries(changed, args, all)) as unknown as F;
}

/**
 * The same remote method without an answer: `notify(chat.say)("ada", "hi")`. Calls start in order with the others of the
 * connection. One that can't be sent or carried out is counted (`connection.stats()`) and published on the diagnostics channel
 * `colloquy:failed-notification`.
 *
 * @throws ColloquyError `INVALID_ARGUMENT` for what is no remote method; the call throws `SERIALIZATION_ERROR`.
 */
export function notify<F extends Fn>(method: F): (...args: Parameters<F>) => void {
  const node = remoteNode(method, "notify");
  return (...args) => node.caller.notify(node, args);
}

function remoteNode(method: unknown, name: string): RemoteNode {
  const node = typeof method === "function" ? nodeOf(method) : undefined;
  if (node === undefined)
    throw new ColloquyError("INVALID_ARGUMENT", `${name} takes a method of a proxy, such as remote.add`);
  return node;
}
