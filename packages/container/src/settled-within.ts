import { ColloquyError, timerMs } from "@colloquy/core";

/** Whoever comes last in an end has that of its time at the least, and so many milliseconds. */
const LAST_SHARE = 0.2;
const LAST_MS = 100;

/** The time that an end has, from when this is made: its steps share it. */
export class Grace {
  readonly milliseconds: number;
  readonly #start = performance.now();

  constructor(milliseconds: number) {
    this.milliseconds = milliseconds;
  }

  get leftMs(): number {
    return Math.max(0, this.milliseconds - (performance.now() - this.#start));
  }

  /** For the last steps: the first ones may have taken all there was. */
  get lastMs(): number {
    return Math.max(this.leftMs, this.milliseconds * LAST_SHARE, LAST_MS);
  }
}

/** Waits for all, but no longer than `milliseconds`. False where that was too short. */
export async function settledWithin(promises: readonly Promise<unknown>[], milliseconds: number): Promise<boolean> {
  if (promises.length === 0) return true;
  let timer: NodeJS.Timeout | undefined;
  const limit = new Promise<boolean>((resolve) => (timer = setTimeout(() => resolve(false), timerMs(milliseconds))));
  const isSettled = await Promise.race([Promise.allSettled(promises).then(() => true), limit]);
  clearTimeout(timer);
  return isSettled;
}

/**
 * Waits for what a hook has returned. Rejects as that does, and with `DEADLINE_EXCEEDED` where it hasn't ended after `milliseconds`:
 * nobody waits for ever for one that hangs.
 */
export async function endedWithin(ending: unknown, milliseconds: number, message: () => string): Promise<void> {
  if (ending instanceof Promise && !(await settledWithin([ending], milliseconds)))
    throw new ColloquyError("DEADLINE_EXCEEDED", message(), { executed: "yes" });
  await ending;
}

/** Throws what was rejected: the one reason, or several as an `AggregateError`. */
export function throwRejected(ends: readonly PromiseSettledResult<unknown>[], message: string): void {
  const errors = [...new Set(ends.filter((end) => end.status === "rejected").map((end) => end.reason as unknown))];
  if (errors.length === 1) throw errors[0];
  if (errors.length > 1) throw new AggregateError(errors, message);
}
