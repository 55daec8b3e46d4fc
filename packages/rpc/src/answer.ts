import type { Call } from "./call.ts";
import { streamOf } from "./incoming-stream.ts";

/**
 * The promise that a call returns. Where the method's result is a stream it can be read without being awaited:
 * `for await (const line of remote.lines())`.
 */
export class Answer<T> extends Promise<T> {
  /** What waits for it, or has: `pipeline` addresses its result. */
  call: Call | undefined;

  [Symbol.asyncIterator](): AsyncIterableIterator<unknown> {
    return new LateStream(this);
  }
}

// What awaits it, or calls `then`, takes it for a plain promise: one of another class would be wrapped in one.
delete (Answer.prototype as { constructor?: unknown }).constructor;

/** A stream that the answer to a call brings. */
class LateStream implements AsyncIterableIterator<unknown> {
  readonly #answer: Promise<unknown>;
  #stream: AsyncIterator<unknown> | undefined;
  #left = false;

  constructor(answer: Promise<unknown>) {
    this.#answer = answer;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  next(): Promise<IteratorResult<unknown>> {
    return this.#stream === undefined ? this.#first() : this.#stream.next();
  }

  async return(): Promise<IteratorResult<unknown>> {
    this.#left = true;
    const stream = await this.#open().catch(() => undefined);
    await stream?.return?.();
    return { value: undefined, done: true };
  }

  async #first(): Promise<IteratorResult<unknown>> {
    if (this.#left) return { value: undefined, done: true };
    const stream = await this.#open();
    return stream.next();
  }

  async #open(): Promise<AsyncIterator<unknown>> {
    const result = await this.#answer;
    return (this.#stream ??= streamOf(result));
  }
}
