import { ColloquyError, readable } from "@colloquy/core";
import type { Executed } from "@colloquy/core";

const all = new WeakSet();

/** A failure that says itself whether the call ran: of a call that was passed on to another peer, for example. It is the cause. */
export class PassedOn extends Error {
  constructor(message: string, options: ErrorOptions) {
    super(message, options);
    all.add(this);
  }

  /** What is asked about may be a proxy that throws. */
  static is(error: unknown): error is PassedOn {
    return all.has(error as object);
  }
}

/**
 * A failure that tells its caller whether the method ran, also where it is the failure of a call of the method's own. What says so itself
 * stays as it is.
 */
export function withExecuted(thrown: unknown, value: Executed): unknown {
  if (PassedOn.is(thrown)) return thrown.cause;
  return readable(thrown, (error) => told(error, value));
}

function told(error: unknown, value: Executed): unknown {
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
