import { ColloquyError, timerMs } from "@colloquy/core";
import type { CallMeta } from "./call-meta.ts";
import { isTrace, metadataOf } from "./metadata.ts";
import type { Metadata } from "./metadata.ts";

/** What there is of a call while it runs, where its method has asked for its context, or passes it on. */
export class CallScope {
  readonly abort: AbortController = new AbortController();
  /** Time of `performance.now()` until which the caller waits. */
  readonly deadline: number | undefined;
  readonly hops: number;
  /** Interceptors may change them before the method runs. */
  metadata: Metadata;
  trace: string | undefined;
  #timer: NodeJS.Timeout | undefined;

  /** @throws ColloquyError `INVALID_ARGUMENT` for metadata that are malformed or over the limits. A malformed trace is left out. */
  constructor({ deadline, hops = 0, data, trace }: CallMeta) {
    this.hops = hops;
    this.metadata = metadataOf(data);
    this.trace = isTrace(trace) ? trace : undefined;
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
