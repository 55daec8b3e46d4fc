import { ColloquyError, NO_KWARGS, rejection } from "@colloquy/core";
import { Answer } from "./answer.ts";
import type { CallerConnection } from "./context.ts";
import { ignore } from "./guard.ts";
import { runChain } from "./interceptors.ts";
import type { Interceptor, OutgoingCall } from "./interceptors.ts";
import { NO_METADATA, metaOf } from "./metadata.ts";
import type { NotificationTags } from "./metadata.ts";
import { isControlPath } from "./path.ts";
import type { CallOptions, RemoteNode } from "./proxy.ts";

/** The connection that calls leave on. */
export interface OutgoingHost extends CallerConnection {
  send(node: RemoteNode, args: unknown[], options: CallOptions | undefined): Promise<unknown>;
  sendNotification(node: RemoteNode, args: unknown[], options: CallOptions | undefined): void;
}

/** Makes a call through interceptors. */
export function callThrough(
  interceptors: readonly Interceptor<OutgoingCall>[],
  host: OutgoingHost,
  node: RemoteNode,
  args: unknown[],
  options: CallOptions | undefined,
): Promise<unknown> {
  // Control of the protocol, pulls of streams for example, is no call of the user's.
  if (isControlPath(node.path)) return host.send(node, args, options);
  const call = outgoingCall(host, node, args, options, false);
  let sent: Promise<unknown> | undefined;
  const last = (changed: OutgoingCall): Promise<unknown> =>
    (sent = host.send(node, [...changed.args], changedOptions(options, changed)));
  const answer = new Answer<unknown>((resolve) => {
    runChain(interceptors, call, last).then(resolve, (error: unknown) => resolve(failureOf(error)));
  });
  // Where it has left in this turn, calls may address its result before it is there.
  if ((sent as unknown) instanceof Answer) answer.call = (sent as unknown as Answer<unknown>).call;
  // Nobody has to await a call on a received function.
  if (node.isReferencedFunction) answer.catch(ignore);
  return answer;
}

/** A failure of the library has the stack of whoever awaits the call; what else an interceptor throws keeps its own. */
async function failureOf(error: unknown): Promise<never> {
  if (error instanceof ColloquyError) return rejection(() => error.restated());
  throw error;
}

/** The same for a notification. */
export function notifyThrough(
  interceptors: readonly Interceptor<OutgoingCall>[],
  host: OutgoingHost,
  node: RemoteNode,
  args: unknown[],
  onLost: (error: unknown) => void,
): void {
  const call = outgoingCall(host, node, args, node.options, true);
  const last = async (changed: OutgoingCall): Promise<void> =>
    host.sendNotification(node, [...changed.args], changedOptions(node.options, changed));
  runChain(interceptors, call, last).catch(onLost);
}

/** The content of a notification. */
export function notificationOf(path: string, args: unknown[], tags: NotificationTags | undefined): unknown[] {
  const meta = tags === undefined ? undefined : metaOf(tags);
  const content = [path, args, tags?.kwargs ?? NO_KWARGS];
  return meta === undefined ? content : [...content, meta];
}

function outgoingCall(
  host: OutgoingHost,
  { path }: RemoteNode,
  args: readonly unknown[],
  { kwargs = NO_KWARGS, metadata = NO_METADATA, trace, timeout, signal, context }: CallOptions = {},
  notification: boolean,
): OutgoingCall {
  return {
    direction: "outgoing",
    path,
    args,
    kwargs,
    metadata,
    trace: trace ?? context?.trace,
    timeout,
    signal,
    connection: host,
    notification,
  };
}

/** The options as interceptors hand them on; those that they don't see stay. A call without options stays one. */
function changedOptions(
  options: CallOptions | undefined,
  { kwargs, metadata, trace, timeout, signal }: OutgoingCall,
): CallOptions | undefined {
  const seen = {
    kwargs: kwargs === NO_KWARGS ? undefined : kwargs,
    metadata: metadata === NO_METADATA ? undefined : metadata,
    trace,
    timeout,
    signal,
  };
  const entries = Object.entries({ ...options, ...seen }).filter(([, value]) => value !== undefined);
  return entries.length === 0 ? undefined : Object.fromEntries(entries);
}
