import { NO_KWARGS } from "@colloquy/core";
import { Answer } from "./answer.ts";
import type { CallerConnection } from "./context.ts";
import { ignore } from "./guard.ts";
import { runChain } from "./interceptors.ts";
import type { Interceptor, OutgoingCall } from "./interceptors.ts";
import { callWithin, failureOf, hasLimits } from "./limited-chain.ts";
import type { SendOne, SendingHost } from "./limited-chain.ts";
import { NO_METADATA, metaOf } from "./metadata.ts";
import type { NotificationTags } from "./metadata.ts";
import { isControlPath } from "./path.ts";
import { hasPending, takePromises } from "./pending-arguments.ts";
import type { CallOptions, Caller, RemoteNode } from "./proxy.ts";

/** The connection that calls leave on. */
export interface OutgoingHost extends CallerConnection, SendingHost, Caller {
  sendNotification(node: RemoteNode, args: unknown[], options: CallOptions | undefined): void;
}

/**
 * Makes a call through interceptors. Its time and its signals hold for what they wait for, too; those that they hand on hold for what
 * is sent.
 */
export function callThrough(
  interceptors: readonly Interceptor<OutgoingCall>[],
  host: OutgoingHost,
  node: RemoteNode,
  args: unknown[],
  options: CallOptions | undefined,
): Promise<unknown> {
  // Control of the protocol, pulls of streams for example, is no call of the user's.
  if (isControlPath(node.path)) return host.send(node, args, options);
  if (hasPending(args) || options?.kwargs !== undefined) takePromises(args, options);
  let sent: Promise<unknown> | undefined;
  const make = (send: SendOne): Promise<unknown> => {
    const call = outgoingCall(host, node, args, options, false);
    const last = (changed: OutgoingCall): Promise<unknown> =>
      (sent = send(node, [...changed.args], changedOptions(options, changed)));
    return runChain(interceptors, call, last);
  };
  const answer = answerOf(host, node, options, make);
  // Where it has left in this turn, calls may address its result before it is there.
  if ((sent as unknown) instanceof Answer) answer.call = (sent as unknown as Answer<unknown>).call;
  // Nobody has to await a call on a received function.
  if (node.isReferencedFunction) answer.catch(ignore);
  return answer;
}

function answerOf(
  host: OutgoingHost,
  node: RemoteNode,
  options: CallOptions | undefined,
  make: (send: SendOne) => Promise<unknown>,
): Answer<unknown> {
  if (options !== undefined && hasLimits(options)) return callWithin(host, host, node, options, make);
  return new Answer((resolve) => {
    const send: SendOne = (...request) => host.send(...request);
    make(send).then(resolve, (error: unknown) => resolve(failureOf(error)));
  });
}

/** The same for a notification. */
export function notifyThrough(
  interceptors: readonly Interceptor<OutgoingCall>[],
  host: OutgoingHost,
  node: RemoteNode,
  args: unknown[],
  onLost: (error: unknown) => void,
): void {
  takePromises(args, node.options);
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
