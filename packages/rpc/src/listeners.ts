import { guard } from "@colloquy/core";

interface Entry<Args extends unknown[]> {
  readonly listener: (...args: Args) => unknown;
  /** How often it was given, and not taken back. */
  count: number;
}

/**
 * Functions that are told of something, in the order of asking. One that was given twice is told once, until it is taken back twice. What
 * one throws is a warning, and the others are told.
 */
export class Listeners<Args extends unknown[]> {
  #entries: readonly Entry<Args>[] = [];
  readonly #name: string;

  /** `name` is what users call to register: for warnings. */
  constructor(name: string) {
    this.#name = name;
  }

  /** Returns a function that takes back what this call has asked for. */
  add(listener: (...args: Args) => unknown): () => void {
    const known = this.#entries.find((entry) => entry.listener === listener);
    const entry = known ?? { listener, count: 0 };
    entry.count++;
    if (known === undefined) this.#entries = [...this.#entries, entry];
    let isTakenBack = false;
    return () => {
      if (isTakenBack) return;
      isTakenBack = true;
      entry.count--;
      if (entry.count === 0) this.#entries = this.#entries.filter((other) => other !== entry);
    };
  }

  /** Those that are taken back meanwhile aren't told, nor are those that come meanwhile. */
  tell(...args: Args): void {
    for (const { listener, count } of this.#entries)
      if (count > 0) guard(`a listener of ${this.#name}`, () => listener(...args));
  }
}
