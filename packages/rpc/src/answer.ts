import type { Call } from "./call.ts";
import { streamOf } from "./incoming-stream.ts";
import type { RemoteStream } from "./types.ts";

/**
 * The promise that a call returns. Where the method's result is a stream it can be read, and left, without being awaited:
 * `for await (const line of remote.lines())`. Towards the type checker it is a `RemoteCall`.
 */
export class Answer<T> extends Promise<T> implements RemoteStream<unknown> {
  /** What waits for it, or has: `pipeline` addresses its result. */
  call: Call | undefined;

  [Symbol.asyncIterator](): RemoteStream<unknown> {
    return new LateStream(this);
  }

  /** The next item of the stream that is the result. */
  next(): Promise<IteratorResult<unknown, undefined>> {
    return new LateStream(this).next();
  }

  /** Leaves that stream. Resolves also where the call fails, or where its result is no stream. */
  return(): Promise<IteratorReturnResult<undefined>> {
    return new LateStream(this).return();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.return();
  }
}

// What awaits it, or calls `then`, takes it for a plain promise: one of another class would be wrapped in one.
delete (Answer.prototype as { constructor?: unknown }).constructor;

/** A stream that the answer to a call brings. */
class LateStream implements RemoteStream<unknown> {
  readonly #answer: Promise<unknown>;
  #stream: AsyncIterator<unknown, undefined> | undefined;
  #left = false;

  constructor(answer: Promise<unknown>) {
    this.#answer = answer;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  next(): Promise<IteratorResult<unknown, undefined>> {
    return this.#stream === undefined ? this.#first() : this.#stream.next();
  }

  async return(): Promise<IteratorReturnResult<undefined>> {
    this.#left = true;
    const stream = await this.#open().catch(() => undefined);
    await stream?.return?.();
    return { value: undefined, done: true };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.return();
  }

  async #first(): Promise<IteratorResult<unknown, undefined>> {
    if (this.#left) return { value: undefined, done: true };
    const stream = await this.#open();
    return stream.next();
  }

  async #open(): Promise<AsyncIterator<unknown, undefined>> {
    const result = await this.#answer;
    return (this.#stream ??= streamOf(result));
  }
}
