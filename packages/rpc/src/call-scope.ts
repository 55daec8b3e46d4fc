import { ColloquyError, timerMs } from "@colloquy/core";
import type { CallMeta } from "./call-meta.ts";

/** The caller leaves first: what a method throws as its signal aborts would pass for an answer in time. */
const GRACE_MS = 10;
/** The deadline crosses in whole milliseconds. */
const CLOCK_MS = 1;

/** What there is of a call while it runs, where its method has asked for its context, or passes it on. */
export class CallScope {
  readonly abort: AbortController = new AbortController();
  /** Time of `performance.now()` until which the caller waits. */
  readonly deadline: number | undefined;
  readonly hops: number;
  #timer: NodeJS.Timeout | undefined;

  constructor({ deadline, hops = 0 }: CallMeta) {
    this.hops = hops;
    this.deadline = deadline === undefined ? undefined : performance.now() + deadline;
    if (deadline === undefined) return;
    this.#timer = setTimeout(() => this.cancel(), timerMs(deadline + GRACE_MS)).unref();
  }

  get signal(): AbortSignal {
    return this.abort.signal;
  }

  /** The caller has given the call up, by itself or because its time is over. */
  cancel(): void {
    const isOver = this.deadline !== undefined && performance.now() >= this.deadline - CLOCK_MS;
    const reason = isOver
      ? new ColloquyError("DEADLINE_EXCEEDED", "the time that the caller waits is over")
      : new ColloquyError("CANCELLED", "the caller gave the call up");
    this.abort.abort(reason);
  }

  /** The call has settled. */
  end(): void {
    clearTimeout(this.#timer);
  }
}
