import { ColloquyError, timerMs } from "@colloquy/core";
import type { CallMeta } from "./call-meta.ts";
import { isTrace, metadataOf } from "./metadata.ts";
import type { Metadata } from "./metadata.ts";

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
  /** Interceptors may change them before the method runs. */
  metadata: Metadata;
  trace: string | undefined;
  /** Lets go of what the call holds beside its message. */
  release: (() => void) | undefined;
  #timer: NodeJS.Timeout | undefined;

  /** @throws ColloquyError `INVALID_ARGUMENT` for metadata that are malformed or over the limits. A malformed trace is left out. */
  constructor({ deadline, hops = 0, data, trace }: CallMeta) {
    this.hops = hops;
    this.metadata = metadataOf(data);
    this.trace = isTrace(trace) ? trace : undefined;
    this.deadline = deadline === undefined ? undefined : performance.now() + deadline;
    if (deadline === undefined) return;
    this.#timer = setTimeout(() => this.cancel(true), timerMs(deadline + GRACE_MS)).unref();
  }

  get signal(): AbortSignal {
    return this.abort.signal;
  }

  /** The caller has given the call up, by itself or because its time is over: that is known, or to be seen from the clock. */
  cancel(isLate: boolean): void {
    const isOver = this.deadline !== undefined && performance.now() >= this.deadline - CLOCK_MS;
    const reason =
      isLate || isOver
        ? new ColloquyError("DEADLINE_EXCEEDED", "the time that the caller waits is over")
        : new ColloquyError("CANCELLED", "the caller gave the call up");
    this.abort.abort(reason);
  }

  /** The caller gives the call up when `signal` aborts. */
  cancelWith(signal: AbortSignal): void {
    signal.addEventListener("abort", () => this.cancel(false), { once: true });
  }

  /** What the failure of a method is to its caller once the time is over, and the caller may not have seen that yet. */
  lateness(cause: unknown): ColloquyError | undefined {
    const { reason } = this.signal as { readonly reason: unknown };
    if (!(reason instanceof ColloquyError) || reason.code !== "DEADLINE_EXCEEDED") return undefined;
    if (cause instanceof ColloquyError && cause.code === reason.code) return undefined;
    // One that has waited may not have started.
    const executed = cause instanceof ColloquyError ? cause.executed : "yes";
    return new ColloquyError(reason.code, reason.message, { cause, executed });
  }

  /** @throws the reason for which the call isn't to be started any more, where it has waited for something. */
  throwIfOver(): void {
    this.signal.throwIfAborted();
  }

  /** The call has settled. */
  end(): void {
    clearTimeout(this.#timer);
  }
}
