import { OPTION } from "@colloquy/core";
import type { OptionKinds } from "@colloquy/core";
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

/** What those take. */
export const RESTART_OPTIONS: OptionKinds = Object.freeze({
  intensity: {
    takes: "a whole number from 0 on, or Infinity",
    accepts: (value) => value === Infinity || (Number.isInteger(value) && (value as number) >= 0),
  },
  periodMs: {
    takes: "milliseconds, more than 0",
    accepts: (value) => typeof value === "number" && value > 0,
  },
  backoff: OPTION.object,
});

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

  /** @throws ColloquyError `INVALID_ARGUMENT` for a back-off that is none. */
  constructor(
    { intensity = DEFAULT_INTENSITY, periodMs = DEFAULT_PERIOD_MS, backoff }: RestartOptions,
    random: () => number,
  ) {
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
