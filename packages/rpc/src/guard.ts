import { warn } from "@colloquy/core";

/** Runs user code for which nobody waits; `what` says what it is. What it throws, or rejects with, is a warning and doesn't end the process. */
export function guard(what: string, action: () => unknown): void {
  const onFailure = (error: unknown): void => warn(`${what} failed`, error);
  try {
    const made = action();
    if (made instanceof Promise) made.catch(onFailure);
  } catch (error) {
    onFailure(error);
  }
}

/** True for promises, and for what has a `then`. */
export function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof value === "object" && value !== null && typeof (value as { then?: unknown }).then === "function";
}

/** For failures that somebody else tells of, or that nobody has to know. */
export function ignore(): void {}
