/** Work on a clock that isn't over, and that the clock can't see: files, sockets, threads. */
export class BusyWork {
  readonly #running = new Set<{ readonly label: string }>();
  readonly #waiters = new Set<() => void>();

  /** What runs, as it was called, in order. */
  get labels(): readonly string[] {
    return [...this.#running].map(({ label }) => label);
  }

  get size(): number {
    return this.#running.size;
  }

  /** Counts `promise` until it settles; resolves and rejects as that does. */
  async add<T>(promise: PromiseLike<T>, label: string): Promise<T> {
    const entry = { label };
    this.#running.add(entry);
    try {
      return await promise;
    } finally {
      this.#running.delete(entry);
      if (this.#running.size === 0) for (const waiter of this.#waiters) waiter();
    }
  }

  /** Calls `listener` each time when nothing runs any more; returns what takes that back. */
  onIdle(listener: () => void): () => void {
    this.#waiters.add(listener);
    return () => this.#waiters.delete(listener);
  }

  /** Resolves when nothing runs. */
  async whenIdle(): Promise<void> {
    if (this.#running.size === 0) return;
    await new Promise<void>((resolve) => {
      const forget = this.onIdle(() => {
        forget();
        resolve();
      });
    });
  }
}
