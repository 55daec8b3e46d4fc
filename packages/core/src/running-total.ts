import type { ColloquyError } from "./errors.ts";
import { refusal } from "./refusal.ts";

/**
 * Requests and notifications whose handlers run, on all connections of one server. A handler counts until it has settled, also where its
 * connection has ended: who connects anew gets no new places by that.
 */
export class RunningTotal {
  count = 0;
  readonly #maxCount: number;
  #full: ColloquyError | undefined;

  constructor(maxCount: number) {
    this.#maxCount = maxCount;
  }

  /** Why one more is refused. */
  get refusal(): ColloquyError | undefined {
    if (this.count < this.#maxCount) return undefined;
    const reason = `${this.#maxCount} calls run on all connections of this server already (maxTotalRunningCount)`;
    return (this.#full ??= refusal("RESOURCE_EXHAUSTED", reason, { limit: "maxTotalRunningCount" }));
  }
}
