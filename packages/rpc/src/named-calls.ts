import { ColloquyError } from "@colloquy/core";
import type { Endpoint } from "@colloquy/core";

/** Calls of this side on what the peer has named: how many run, and when each starts. */
export class NamedCalls {
  readonly #endpoint: Endpoint;
  #count = 0;
  #isStarting = false;

  constructor(endpoint: Endpoint) {
    this.#endpoint = endpoint;
  }

  /** Those that run. */
  get count(): number {
    return this.#count;
  }

  /** Counts a call until it has ended. Rejects with `RESOURCE_EXHAUSTED` where as many run as may. */
  async run(call: () => Promise<unknown>): Promise<unknown> {
    const { maxRunningCount } = this.#endpoint.limits;
    if (this.#count >= maxRunningCount) {
      const reason = `${maxRunningCount} calls on methods that this peer has passed run already (maxRunningCount)`;
      throw new ColloquyError("RESOURCE_EXHAUSTED", reason, { limit: "maxRunningCount" });
    }
    const { total } = this.#endpoint.running;
    if (total?.refusal !== undefined) throw total.refusal;
    this.#count++;
    if (total !== undefined) total.count++;
    try {
      // One that is called while another one starts has a stack of its own: a method may call itself again and again.
      if (this.#isStarting) await Promise.resolve();
      return await call();
    } finally {
      this.#count--;
      if (total !== undefined) total.count--;
    }
  }

  /** Calls the method of one that runs. */
  start(callMethod: () => unknown): unknown {
    this.#isStarting = true;
    try {
      return callMethod();
    } finally {
      this.#isStarting = false;
    }
  }
}
