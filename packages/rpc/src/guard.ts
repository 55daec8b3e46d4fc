/** True for promises, and for what has a `then`. */
export function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof value === "object" && value !== null && typeof (value as { then?: unknown }).then === "function";
}

/** A promise that may be awaited any number of times: what has a `then` of its own may begin its work anew with each call of that. */
export function promiseOf(result: PromiseLike<unknown>): Promise<unknown> {
  if (result instanceof Promise && result.then === Promise.prototype.then) return result;
  return new Promise((resolve) => {
    resolve(result);
  });
}

/** For failures that somebody else tells of, or that nobody has to know. */
export function ignore(): void {}
