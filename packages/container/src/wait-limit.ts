import { timerMs } from "@colloquy/core";
import type { ColloquyError } from "@colloquy/core";

/** Until when to wait, and the errors that end the waiting. */
export interface WaitTerms {
  /** Milliseconds; Infinity: no time limit. */
  readonly timeout: number;
  readonly signal: AbortSignal | undefined;
  readonly expired: () => ColloquyError;
  readonly cancelled: () => ColloquyError;
}

/** A limit to race a promise against. `end` lets go of its timer and its signal. */
export interface WaitLimit {
  /** Rejects when the time is up or the signal aborts. */
  readonly reached: Promise<never>;
  end(): void;
}

export function waitLimit({ timeout, signal, expired, cancelled }: WaitTerms): WaitLimit {
  let end = (): void => undefined;
  const reached = new Promise<never>((_resolve, reject) => {
    const abort = (): void => reject(cancelled());
    const timer = timeout === Infinity ? undefined : setTimeout(() => reject(expired()), timerMs(timeout));
    if (signal?.aborted === true) abort();
    signal?.addEventListener("abort", abort, { once: true });
    end = () => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", abort);
    };
  });
  // Nobody looks any more where what was waited for has failed first.
  reached.catch(() => undefined);
  return { reached, end };
}
