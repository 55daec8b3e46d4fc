import { ColloquyError, timerMs } from "@colloquy/core";
import type { CallMeta } from "./call-meta.ts";

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
    const expire = (): void =>
      this.abort.abort(new ColloquyError("DEADLINE_EXCEEDED", `the caller has waited for ${deadline} ms`));
    this.#timer = setTimeout(expire, timerMs(deadline)).unref();
  }

  get signal(): AbortSignal {
    return this.abort.signal;
  }

  /** The call has settled. */
  end(): void {
    clearTimeout(this.#timer);
  }
}
