import { describeType, estimateBytes } from "@colloquy/core";

/** What answers a pull: items in order, and whether the stream has ended behind them. */
export type PulledItems = [items: readonly unknown[], ended: boolean];

/** True for what crosses as a stream: async generators, `ReadableStream`, readable streams of Node, and the like. */
export function isStream(value: object): value is AsyncIterable<unknown> {
  return typeof (value as Partial<AsyncIterable<unknown>>)[Symbol.asyncIterator] === "function";
}

/** The pull that waits for items. */
interface Pull {
  readonly maxCount: number;
  readonly maxBytes: number;
  resolve(items: PulledItems): void;
  reject(error: unknown): void;
}

/**
 * An async iterable of this side that the other one reads. Nothing is taken from it that wasn't pulled, but for the one item that it was asked for when a
 * pull was answered with those before it.
 */
export class OutgoingStream {
  readonly #iterator: AsyncIterator<unknown>;
  #items: readonly unknown[] = [];
  #bytes = 0;
  #answeredCount = 0;
  #pull: Pull | undefined;
  /** An item is under way. */
  #isAsked = false;
  #ended = false;
  #failure: { readonly error: unknown } | undefined;
  #timer: NodeJS.Immediate | undefined;

  /** @throws what the iterable throws. */
  constructor(iterable: AsyncIterable<unknown>) {
    this.#iterator = iterable[Symbol.asyncIterator]();
  }

  /** A pull waits for items: there must be no other one. */
  get isPulled(): boolean {
    return this.#pull !== undefined;
  }

  /**
   * The next items, one at least unless the stream ends: as many as there are at the end of a turn of the event loop, at most
   * `maxCount`, and no more once they have about `maxBytes`.
   *
   * Rejects with what the iterable throws, after the items before it.
   */
  pull(maxCount: number, maxBytes: number): Promise<PulledItems> {
    return new Promise((resolve, reject) => {
      this.#pull = { maxCount, maxBytes, resolve, reject };
      this.#goOn(this.#pull);
    });
  }

  /** The reader gets `error` now, and nothing else. */
  fail(error: unknown): void {
    const pull = this.#pull;
    this.#pull = undefined;
    clearImmediate(this.#timer);
    this.#timer = undefined;
    pull?.reject(error);
  }

  /** Items that have left, as answers to pulls. */
  get answeredCount(): number {
    return this.#answeredCount;
  }

  /** The last items of an answer have not left: they come with the next one. */
  putBack(items: readonly unknown[]): void {
    this.#answeredCount -= items.length;
    this.#items = [...items, ...this.#items];
    this.#bytes = Infinity;
    if (this.#pull !== undefined) this.#goOn(this.#pull);
  }

  /**
   * The last `count` items of an answer will never leave: behind those before them the reader gets `error`, and the producer is ended. Resolves when
   * that is done, and rejects with what it throws.
   */
  breakOff(count: number, error: unknown): Promise<void> {
    this.#answeredCount -= count;
    this.#failure = { error };
    return this.end();
  }

  /** What waits for a pull; there will be none. */
  takeItems(): readonly unknown[] {
    const items = this.#items;
    this.#items = [];
    return items;
  }

  /** Nobody reads any more: runs the `finally` of a generator. Resolves when that is done, and rejects with what it throws. */
  async end(): Promise<void> {
    if (this.#ended) return;
    this.#ended = true;
    if (this.#pull !== undefined) this.#answer(this.#pull);
    await this.#iterator.return?.();
  }

  #goOn(pull: Pull): void {
    const isFull = this.#items.length >= pull.maxCount || (this.#items.length > 0 && this.#bytes >= pull.maxBytes);
    if (this.#ended || isFull) return this.#answer(pull);
    // What comes in the same turn leaves in the same answer.
    if (this.#items.length > 0) this.#timer ??= setImmediate(() => this.#answer(pull));
    if (!this.#isAsked) this.#ask();
  }

  #ask(): void {
    this.#isAsked = true;
    let result: unknown;
    try {
      result = this.#iterator.next();
    } catch (error) {
      return this.#onFailure(error);
    }
    Promise.resolve(result).then(this.#onResult, this.#onFailure);
  }

  readonly #onResult = (result: unknown): void => {
    this.#isAsked = false;
    try {
      this.#take(result);
    } catch (error) {
      // A getter of what the iterable has given.
      this.#onFailure(error);
    }
  };

  #take(result: unknown): void {
    if (typeof result !== "object" || result === null)
      return this.#onFailure(new TypeError(`next() of a stream gave ${describeType(result)} in place of an object`));
    const { done, value } = result as IteratorResult<unknown>;
    // What it gives after it was left is of no use.
    if (this.#ended) return;
    if (done === true) this.#ended = true;
    else {
      (this.#items as unknown[]).push(value);
      this.#bytes += estimateBytes(value, this.#pull?.maxBytes ?? 0);
    }
    if (this.#pull !== undefined) this.#goOn(this.#pull);
  }

  readonly #onFailure = (error: unknown): void => {
    this.#isAsked = false;
    if (this.#ended) return;
    this.#ended = true;
    this.#failure = { error };
    if (this.#pull !== undefined) this.#answer(this.#pull);
  };

  #answer(pull: Pull): void {
    clearImmediate(this.#timer);
    this.#timer = undefined;
    this.#pull = undefined;
    const isAll = this.#items.length <= pull.maxCount;
    const items = isAll ? this.#items : this.#items.slice(0, pull.maxCount);
    if (items.length === 0 && this.#failure !== undefined) return pull.reject(this.#failure.error);
    this.#items = isAll ? [] : this.#items.slice(pull.maxCount);
    if (isAll) this.#bytes = 0;
    this.#answeredCount += items.length;
    pull.resolve([items, isAll && this.#ended && this.#failure === undefined]);
  }
}
