import { timerMs } from "@colloquy/core";

/** Waits for all, but no longer than `milliseconds`. */
export async function settledWithin(promises: readonly Promise<unknown>[], milliseconds: number): Promise<void> {
  if (promises.length === 0) return;
  let timer: NodeJS.Timeout | undefined;
  const limit = new Promise<void>((resolve) => (timer = setTimeout(resolve, timerMs(milliseconds))));
  await Promise.race([Promise.allSettled(promises), limit]);
  clearTimeout(timer);
}

/** Throws what was rejected: the one reason, or several as an `AggregateError`. */
export function throwRejected(ends: readonly PromiseSettledResult<unknown>[], message: string): void {
  const errors = [...new Set(ends.filter((end) => end.status === "rejected").map((end) => end.reason as unknown))];
  if (errors.length === 1) throw errors[0];
  if (errors.length > 1) throw new AggregateError(errors, message);
}
