/** How many seconds' worth may come at once. */
const BURST_SECONDS = 5;
/** Timers aren't exact: shorter ones aren't worth one. */
const SHORTEST_PAUSE_MS = 4;

/**
 * Meters what a peer sends that runs no handler. An honest one sends little of it; one that sends more than `perSecond`, and five times
 * that at once, is read more slowly, so that it can't take the time of other connections.
 */
export class Overhead {
  readonly #perSecond: number;
  readonly #now: () => number;
  #left: number;
  #filledMs: number;

  constructor(perSecond: number, now: () => number = () => performance.now()) {
    this.#perSecond = perSecond;
    this.#now = now;
    this.#left = BURST_SECONDS * perSecond;
    this.#filledMs = now();
  }

  /** Counts so many more. Returns for how many milliseconds nothing more should be read; 0: it may go on. */
  spend(count = 1): number {
    // One large message holds nobody up for longer than many small ones.
    this.#left = Math.max(this.#left - count, -BURST_SECONDS * this.#perSecond);
    // The clock is asked only where it matters.
    return this.#left >= 0 ? 0 : this.owedMs();
  }

  /** The same without one more. */
  owedMs(): number {
    const now = this.#now();
    const earned = ((now - this.#filledMs) / 1000) * this.#perSecond;
    this.#filledMs = now;
    this.#left = Math.min(this.#left + earned, BURST_SECONDS * this.#perSecond);
    const milliseconds = this.#left >= 0 ? 0 : (-this.#left / this.#perSecond) * 1000;
    return milliseconds < SHORTEST_PAUSE_MS ? 0 : milliseconds;
  }
}
