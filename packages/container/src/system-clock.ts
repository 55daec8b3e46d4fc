import { setImmediate as setNodeImmediate } from "node:timers";
import { DateTime } from "luxon";
import { Clock, type ClockDate, type TimerHandle } from "./clock.ts";
import { TimerHeap } from "./timer-heap.ts";

/** The longest delay that setTimeout takes; it fires anything longer at once. */
const MAX_DELAY_MS = 2 ** 31 - 1;

/**
 * The clock of the machine: `time()` is a monotonic one, `utcnow()` the calendar's, which may be set back. `sleep` and
 * `callIn` take 0 and less and mean the next turn of the event loop, in the order of the calls. Nothing fires early;
 * how late it fires is a matter of milliseconds and of how busy the process is. Delays of any length are kept.
 *
 * What a callback throws doesn't stop the others; it becomes an uncaught exception, as from `setTimeout`. Like there,
 * what is scheduled keeps the process alive until it has fired or was cancelled. As aiomas' `AsyncioClock`.
 */
export class SystemClock extends Clock {
  readonly #lifetime: AbortSignal | undefined;
  readonly #heap = new TimerHeap<() => void>();
  #lastOrder = -1;
  /** What the one timer is set for; `undefined` if none is set. */
  #armedFor: number | undefined;
  #disarm = (): void => {};
  #isFiring = false;

  /** `signal` ends the clock: what sleeps or ticks on it rejects with the signal's reason, what is scheduled is dropped. */
  constructor(options: { readonly signal?: AbortSignal } = {}) {
    super();
    this.#lifetime = options.signal;
    options.signal?.addEventListener("abort", () => this.#drop(), { once: true });
  }

  protected override get lifetime(): AbortSignal | undefined {
    return this.#lifetime;
  }

  /** Seconds since the process began to count. */
  override time(): number {
    return performance.now() / 1000;
  }

  override get timerCount(): number {
    return this.#heap.size;
  }

  /** The date of the machine's calendar, in UTC. */
  override utcnow(): ClockDate {
    return DateTime.utc();
  }

  protected override schedule(due: number, fire: () => void): TimerHandle {
    if (this.#lifetime?.aborted === true) return { cancel: () => {} };
    const entry = this.#heap.insert(due, fire);
    this.#lastOrder = entry.order;
    this.#arm();
    return {
      cancel: () => {
        if (this.#heap.remove(entry)) this.#arm();
      },
    };
  }

  #drop(): void {
    while (this.#heap.pop() !== undefined);
    this.#arm();
  }

  /** Sets the timer for what is due first. */
  #arm(): void {
    const due = this.#heap.peek()?.due;
    if (this.#isFiring || due === this.#armedFor) return;
    this.#disarm();
    this.#armedFor = due;
    this.#disarm = due === undefined ? () => {} : this.#setTimer((due - this.time()) * 1000);
  }

  /** Returns what clears the timer. */
  #setTimer(delayMs: number): () => void {
    const wake = (): void => this.#fireDue();
    if (delayMs > 0) {
      const timeout = setTimeout(wake, Math.min(Math.ceil(delayMs), MAX_DELAY_MS));
      return () => clearTimeout(timeout);
    }
    const immediate = setImmediate(wake);
    return () => clearImmediate(immediate);
  }

  #fireDue(): void {
    const now = this.time();
    // What a callback schedules for now waits for the next turn, so that it can't starve the event loop.
    const lastOrder = this.#lastOrder;
    this.#armedFor = undefined;
    this.#isFiring = true;
    // Node's timers may be early, by rounding or because the delay was cut: then nothing is due.
    for (const fire of this.#heap.takeDue(now, lastOrder)) {
      try {
        fire();
      } catch (error) {
        queueMicrotask(() => {
          throw error;
        });
      }
    }
    this.#isFiring = false;
    this.#arm();
  }
}

/**
 * Resolves in the next turn of the event loop: all promise continuations that can run now, and those which follow from
 * them, have run by then. A module's import and not the global one, so that it goes on where a test has replaced the
 * timers.
 */
export function nextTurn(): Promise<void> {
  return new Promise((resolve) => {
    setNodeImmediate(resolve);
  });
}
