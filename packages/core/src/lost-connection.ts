import type { ColloquyError, Executed } from "./errors.ts";
import type { Limits } from "./limits.ts";
import type { PendingCall } from "./pending.ts";
import { refusal } from "./refusal.ts";

/** Which side has closed a connection in order, and so cut off the calls that have outlasted its time for them. */
export type Closer = "this side" | "the other side";

/** What calls fail with when their connection has ended, and because of what. Its caller gets one with a stack of its own. */
export function lostConnection(
  remoteAddress: string,
  cause: ColloquyError | undefined,
  executed: Executed,
  closer?: Closer,
): ColloquyError {
  const cut = closer === undefined ? "" : `: ${closer} has closed it, and the time for calls under way is over`;
  const why = cause === undefined ? cut : `: ${cause.message}`;
  const ownLimit: keyof Limits | undefined = closer === "this side" ? "closeGraceMs" : undefined;
  const limit = cause === undefined ? ownLimit : cause.limit;
  const message = `the connection to ${remoteAddress} is lost${why}`;
  return refusal("CONNECTION_LOST", message, { ...(cause && { cause }), executed, ...(limit && { limit }) });
}

/** What calls fail with that are made on a connection that has ended. */
export function closedConnection(remoteAddress: string): ColloquyError {
  return refusal("CONNECTION_LOST", `the connection to ${remoteAddress} is closed`);
}

/** Fails all calls of a connection that has ended. */
export function failAll(
  calls: { readonly sent: readonly PendingCall[]; readonly unsent: readonly PendingCall[] },
  remoteAddress: string,
  cause: ColloquyError | undefined,
  closer: Closer | undefined,
): void {
  for (const call of calls.sent) call.onFailure(lostConnection(remoteAddress, cause, "unknown", closer));
  for (const call of calls.unsent) call.onFailure(lostConnection(remoteAddress, cause, "no", closer));
}

/** What requests are refused with that come while this side closes. */
export function closingSide(): ColloquyError {
  return refusal("UNAVAILABLE", "this side of the connection is closing");
}
