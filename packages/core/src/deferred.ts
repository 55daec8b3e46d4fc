import { isAwaited } from "./errors.ts";

/** A promise together with what settles it. */
export class Deferred<T> {
  readonly promise: Promise<T>;
  resolve!: (value: T | PromiseLike<T>) => void;
  reject!: (reason: unknown) => void;

  constructor() {
    this.promise = new Promise<T>((resolve, reject) => {
      this.resolve = resolve;
      this.reject = reject;
    });
  }
}

/**
 * A promise that rejects with `make()`. Resolving a promise with it, instead of rejecting that with an error made earlier,
 * gives the error the stack of whoever awaits: the engine follows the awaiting functions from here, and a call that
 * succeeds pays nothing for it. Where nobody awaits, `place` is all that the stack can say: what was called.
 */
export async function rejection(make: () => Error, place?: { toString(): string }): Promise<never> {
  // The awaiting promise is linked after one turn of the microtask queue; the error is made after that.
  const turn = Promise.resolve();
  await turn;
  await turn;
  const error = make();
  // The frames of this library are of no use to the caller.
  Error.captureStackTrace(error, rejection);
  if (place !== undefined && !isAwaited(error)) error.stack += `\n    at the call of ${String(place)}`;
  throw error;
}
