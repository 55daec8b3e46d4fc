import { ColloquyError } from "@colloquy/core";
import type { Executed } from "@colloquy/core";

/** A failure that says itself whether the call ran: of a call that was passed on to another peer, for example. It is the cause. */
export class PassedOn extends Error {}

/**
 * A failure that tells its caller whether the method ran, also where it is the failure of a call of the method's own. What says so itself
 * stays as it is.
 */
export function withExecuted(error: unknown, value: Executed): unknown {
  if (error instanceof PassedOn) return error.cause;
  if (!(error instanceof ColloquyError) || error.executed === value) return error;
  // Its stack is that of where it was thrown.
  return Object.defineProperties(error.restated(), {
    executed: { value, enumerable: true },
    stack: { get: () => error.stack, configurable: true },
  });
}

/** What a call fails with that hangs on another one, `name` where that is known, which has failed. */
export function dependencyFailed(cause: unknown, name?: string): ColloquyError {
  // One that has hung on another itself has the words already.
  if (name === undefined && cause instanceof ColloquyError && cause.code === "DEPENDENCY_FAILED")
    return new ColloquyError("DEPENDENCY_FAILED", cause.message, { cause });
  const which = name === undefined ? "the call that this one hangs on" : `${name}, which this call hangs on,`;
  const why = cause instanceof Error && cause.message !== "" ? `: ${cause.message}` : "";
  return new ColloquyError("DEPENDENCY_FAILED", `${which} has failed${why}`, { cause });
}
