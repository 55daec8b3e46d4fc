import { ColloquyError } from "@colloquy/core";

/** What ticks need of their clock. */
export interface TickSource {
  /** Ends the iteration. */
  readonly signal: AbortSignal | undefined;
  time(): number;
  /**
   * Calls `fire` when the time has reached `due`, at the first chance if it has already, and never within this call.
   */
  schedule(due: number, fire: () => void): { cancel(): void };
  /** Calls `listener` once when the signal aborts; returns what takes that back. */
  onAbort(listener: (reason: unknown) => void): () => void;
}

interface Waiter {
  resolve(result: IteratorResult<number, undefined>): void;
  reject(reason: unknown): void;
}

/**
 * The ticks of `Clock.every`. Not a generator: that one would keep `return()` waiting for the tick under way, which on
 * a clock that nobody sets any more is for ever.
 */
export class Ticks implements AsyncIterableIterator<number, undefined> {
  readonly #interval: number;
  readonly #source: TickSource;
  readonly #start: number;
  /** Whoever asked for a tick, in order. Only the first one's tick is in the clock. */
  readonly #waiters: Waiter[] = [];
  /** The number of the tick that was given out last; tick 0 would have been at the start. */
  #last = 0;
  #ended = false;
  #timer: { cancel(): void } | undefined;
  #forgetSignal: (() => void) | undefined;

  constructor(interval: number, source: TickSource) {
    this.#interval = interval;
    this.#source = source;
    this.#start = source.time();
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  next(): Promise<IteratorResult<number, undefined>> {
    const { signal } = this.#source;
    const promise = new Promise<IteratorResult<number, undefined>>((resolve, reject) => {
      if (this.#ended) {
        resolve({ done: true, value: undefined });
        return;
      }
      this.#waiters.push({ resolve, reject });
      if (this.#waiters.length > 1) return;
      if (signal?.aborted === true) {
        this.#fail(signal.reason);
        return;
      }
      this.#forgetSignal = this.#source.onAbort((reason) => this.#fail(reason));
      this.#await();
    });
    // As with a sleep: who aborts knows that it ended.
    if (signal !== undefined) promise.catch(() => {});
    return promise;
  }

  return(): Promise<IteratorResult<number, undefined>> {
    for (const waiter of this.#end()) waiter.resolve({ done: true, value: undefined });
    return Promise.resolve({ done: true, value: undefined });
  }

  #await(): void {
    const due = this.#dueOf(this.#last + 1);
    if (due > this.#dueOf(this.#last)) {
      this.#timer = this.#source.schedule(due, () => this.#tick());
      return;
    }
    const reason = `dt ${this.#interval} is too small for a clock at ${this.#source.time()}`;
    this.#fail(new ColloquyError("INVALID_ARGUMENT", reason));
  }

  #tick(): void {
    this.#last = this.#latest();
    const value = this.#dueOf(this.#last);
    const waiter = this.#waiters.shift();
    if (this.#waiters.length > 0) this.#await();
    else this.#forgetSignal?.();
    waiter?.resolve({ done: false, value });
  }

  /** The number of the last tick that is due by now, and at least of the one that fires. */
  #latest(): number {
    const now = this.#source.time();
    const next = this.#last + 1;
    const latest = Math.max(next, Math.floor((now - this.#start) / this.#interval));
    // The quotient is rounded, and it is the times that count.
    if (this.#dueOf(latest + 1) <= now) return latest + 1;
    return latest > next && this.#dueOf(latest) > now ? latest - 1 : latest;
  }

  #dueOf(tick: number): number {
    return this.#start + tick * this.#interval;
  }

  #fail(reason: unknown): void {
    const [first, ...others] = this.#end();
    first?.reject(reason);
    for (const waiter of others) waiter.resolve({ done: true, value: undefined });
  }

  #end(): Waiter[] {
    this.#ended = true;
    this.#timer?.cancel();
    this.#forgetSignal?.();
    return this.#waiters.splice(0);
  }
}
