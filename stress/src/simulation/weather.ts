import type { Random } from "@colloquy/core";

/** How one connection carries bytes. */
export class LinkWeather {
  /** What the system takes beyond what has arrived. */
  readonly capacityBytes: number;
  readonly fillsRooms: boolean;
  readonly #random: Random;
  readonly #baseMs: number;
  readonly #jitterMs: number;
  readonly #cutShare: number;
  readonly #joinShare: number;

  constructor(random: Random) {
    this.#random = random;
    this.capacityBytes = pick(random, [0, 256, 4096, 65_536, 65_536]);
    this.fillsRooms = random() < 0.5;
    this.#baseMs = pick(random, [0, 0.2, 1, 5]);
    this.#jitterMs = pick(random, [0, 0, 0.5, 3, 20]);
    this.#cutShare = pick(random, [0, 0, 0.1, 0.5]);
    this.#joinShare = pick(random, [0, 0.3, 0.9]);
  }

  latencyMs(): number {
    return this.#jitterMs === 0 ? this.#baseMs : this.#baseMs + this.#random() * this.#jitterMs;
  }

  /** How many of so many bytes come with one read: often all. */
  portionOf(length: number): number {
    if (length < 2 || this.#cutShare === 0 || this.#random() >= this.#cutShare) return length;
    return 1 + Math.floor(this.#random() * (length - 1));
  }

  /** Whether the next bytes, which are there too, come with the same read. */
  joins(): boolean {
    return this.#joinShare > 0 && this.#random() < this.#joinShare;
  }

  /** Whether a connection that is destroyed takes along what is under way. */
  resets(): boolean {
    return this.#random() < 0.5;
  }
}

export function pick<T>(random: Random, values: readonly T[]): T {
  return values[Math.floor(random() * values.length)]!;
}

/** A whole number from `least` to `most`. */
export function between(random: Random, least: number, most: number): number {
  return least + Math.floor(random() * (most - least + 1));
}
