import { getEventListeners } from "node:events";
import type { CallOptions } from "@colloquy/rpc";
import type { Ledger } from "./ledger.ts";

/** Holds signals of the workload to what may listen to them: nothing, once all is over that they were given to. */
export class SignalWatch {
  readonly #ledger: Ledger;
  /** With how many calls and streams each is given to that aren't over. */
  readonly #users = new Map<AbortSignal, number>();
  /** Those of which the last one is over, since the latest check. */
  readonly #left = new Set<AbortSignal>();

  constructor(ledger: Ledger) {
    this.#ledger = ledger;
  }

  /** The signals of a call that is made. Returns what is to be called when it is over. */
  use({ signal, context }: CallOptions): () => void {
    const signals = [signal, context?.signal].filter((one) => one !== undefined);
    for (const one of signals) this.#users.set(one, (this.#users.get(one) ?? 0) + 1);
    return () => {
      for (const one of signals) {
        const users = this.#users.get(one)! - 1;
        this.#users.set(one, users);
        if (users === 0) this.#left.add(one);
      }
    };
  }

  /** A signal that crosses: what listens to it does so until its connection has ended. */
  lend(signal: AbortSignal): void {
    this.#users.set(signal, (this.#users.get(signal) ?? 0) + 1);
  }

  /** To be called behind everything that happens. */
  check(): void {
    if (this.#left.size === 0) return;
    for (const signal of this.#left) if (this.#users.get(signal) === 0) this.#hold(signal, "its calls are over");
    this.#left.clear();
  }

  /** When all is closed. */
  checkEnd(): void {
    for (const signal of this.#users.keys()) this.#hold(signal, "all is closed");
  }

  #hold(signal: AbortSignal, when: string): void {
    const { length } = getEventListeners(signal, "abort");
    if (length > 0) this.#ledger.break(`${when}, and ${length} listeners of a signal are left`);
  }
}
