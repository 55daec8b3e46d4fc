/** What ends the attempts to connect: the time, or the user's signal. One waits at a time. */
export class AttemptLimit {
  /** Why the attempts have ended; undefined while they go on. */
  reason: unknown;
  #waiting: (() => void) | undefined;
  readonly #signal: AbortSignal | undefined;
  readonly #onAbort = (): void => this.end(this.#signal!.reason);

  constructor(signal: AbortSignal | undefined) {
    this.#signal = signal;
    if (signal?.aborted === true) this.reason = signal.reason;
    else signal?.addEventListener("abort", this.#onAbort, { once: true });
  }

  get ended(): boolean {
    return this.reason !== undefined;
  }

  end(reason: unknown): void {
    if (this.ended) return;
    this.reason = reason;
    this.#waiting?.();
  }

  /** Calls `listener` when the attempts end, until it is taken back with undefined. */
  whenEnded(listener: (() => void) | undefined): void {
    this.#waiting = listener;
  }

  /** The attempts are over: nothing is listened to any more. */
  close(): void {
    this.#waiting = undefined;
    this.#signal?.removeEventListener("abort", this.#onAbort);
  }
}
