import type { ColloquyError, Executed } from "./errors.ts";
import { refusal } from "./refusal.ts";

/** What calls fail with when their connection has ended, and because of what. Its caller gets one with a stack of its own. */
export function lostConnection(
  remoteAddress: string,
  cause: ColloquyError | undefined,
  executed: Executed,
): ColloquyError {
  const why = cause === undefined ? "" : `: ${cause.message}`;
  const message = `the connection to ${remoteAddress} is lost${why}`;
  return refusal("CONNECTION_LOST", message, { ...(cause && { cause }), executed });
}

/** What requests are refused with that come while this side closes. */
export function closingSide(): ColloquyError {
  return refusal("UNAVAILABLE", "this side of the connection is closing");
}
