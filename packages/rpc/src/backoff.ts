import { ColloquyError, timerMs } from "@colloquy/core";
import { addAbortListener, removeAbortListener } from "./abort-listeners.ts";

/** How long to wait between attempts. */
export interface BackoffOptions {
  /** Milliseconds that the first wait has at most. Default: 100. */
  readonly minMs?: number;
  /** Milliseconds that any wait has at most. Default: 30,000, or `minMs` where that is more. */
  readonly maxMs?: number;
  /** From one wait to the next, at most. Default: 1.6. */
  readonly factor?: number;
}

export const DEFAULT_BACKOFF: Required<BackoffOptions> = Object.freeze({ minMs: 100, maxMs: 30_000, factor: 1.6 });

/**
 * Longer and longer waits. Each is drawn between 0 and its bound, so that many who have lost the same server don't come back at the
 * same moment.
 */
export class Backoff {
  readonly #options: Required<BackoffOptions>;
  readonly #random: () => number;
  #boundMs: number;

  /** @throws ColloquyError `INVALID_ARGUMENT` for bounds that are none. */
  constructor(options: BackoffOptions = {}, random: () => number = Math.random) {
    const { minMs = DEFAULT_BACKOFF.minMs, factor = DEFAULT_BACKOFF.factor } = options;
    const { maxMs = Math.max(DEFAULT_BACKOFF.maxMs, minMs) } = options;
    checkNumber("minMs", minMs, 0, Infinity);
    checkNumber("maxMs", maxMs, minMs, Infinity);
    checkNumber("factor", factor, 1, Infinity);
    this.#options = { minMs, maxMs, factor };
    this.#random = random;
    this.#boundMs = minMs;
  }

  /** Bound of the next wait. */
  get boundMs(): number {
    return this.#boundMs;
  }

  /** Milliseconds to wait now. */
  next(): number {
    const bound = this.#boundMs;
    const { maxMs, factor } = this.#options;
    this.#boundMs = Math.min(Math.max(bound, 1) * factor, maxMs);
    return bound * this.#random();
  }

  /** What was waited for has come: the next wait is a first one. */
  reset(): void {
    this.#boundMs = this.#options.minMs;
  }
}

function checkNumber(name: string, value: unknown, least: number, most: number): void {
  if (typeof value === "number" && value >= least && value < most) return;
  const bound = name === "factor" ? "a number" : "milliseconds";
  throw new ColloquyError("INVALID_ARGUMENT", `${name} is ${String(value)}; it takes ${bound} from ${least} on`);
}

/** Resolves after `milliseconds`, or when a signal aborts. It keeps the process alive: something is to go on. */
export async function pause(milliseconds: number, signals: readonly AbortSignal[]): Promise<void> {
  if (signals.some(({ aborted }) => aborted)) return;
  await new Promise<void>((resolve) => {
    const done = (): void => {
      clearTimeout(timer);
      for (const signal of signals) removeAbortListener(signal, done);
      resolve();
    };
    const timer = setTimeout(done, timerMs(milliseconds));
    for (const signal of signals) addAbortListener(signal, done);
  });
}
