import { ColloquyError } from "@colloquy/core";
import { Backoff } from "@colloquy/rpc";
import type { BackoffOptions } from "@colloquy/rpc";

/** How many restarts there may be, and how far apart they are. */
export interface RestartOptions {
  /** Restarts that there may be within `periodMs`; one more, and the supervisor gives up. Default: 1, as in OTP. Infinity: any number. */
  readonly intensity?: number | undefined;
  /** Milliseconds on the supervisor's clock. Default: 5000, as in OTP. */
  readonly periodMs?: number | undefined;
  /**
   * How long to wait before a restart. The first one comes at once; where the child fails again before it has lived for `periodMs`, the
   * waits grow. Default: those of `connect`'s reconnecting.
   */
  readonly backoff?: BackoffOptions | undefined;
}

export const RESTART_OPTION_NAMES: readonly string[] = ["intensity", "periodMs", "backoff"];

const DEFAULT_INTENSITY = 1;
const DEFAULT_PERIOD_MS = 5000;

/** Counts the restarts of one supervisor. */
export class RestartPolicy {
  readonly intensity: number;
  readonly periodMs: number;
  readonly #backoff: BackoffOptions | undefined;
  readonly #random: () => number;
  /** Moments of the latest restarts, in seconds of the clock, the oldest first. */
  #restarts: number[] = [];

  /** @throws ColloquyError `INVALID_ARGUMENT` */
  constructor(
    { intensity = DEFAULT_INTENSITY, periodMs = DEFAULT_PERIOD_MS, backoff }: RestartOptions,
    random: () => number,
  ) {
    if (!(Number.isInteger(intensity) || intensity === Infinity) || intensity < 0) {
      const reason = `intensity is ${String(intensity)}; it takes a whole number from 0 on, or Infinity`;
      throw new ColloquyError("INVALID_ARGUMENT", reason);
    }
    if (typeof periodMs !== "number" || !(periodMs > 0)) {
      const reason = `periodMs is ${String(periodMs)}; it takes milliseconds, more than 0`;
      throw new ColloquyError("INVALID_ARGUMENT", reason);
    }
    this.intensity = intensity;
    this.periodMs = periodMs;
    this.#backoff = backoff;
    this.#random = random;
    if (backoff !== undefined) this.newBackoff();
  }

  newBackoff(): Backoff {
    return new Backoff(this.#backoff, this.#random);
  }

  /** Counts a restart at `now`, in seconds. False where it is one too many. */
  admits(now: number): boolean {
    if (this.intensity === Infinity) return true;
    const since = now - this.periodMs / 1000;
    this.#restarts = this.#restarts.filter((moment) => moment >= since);
    this.#restarts.push(now);
    return this.#restarts.length <= this.intensity;
  }
}
