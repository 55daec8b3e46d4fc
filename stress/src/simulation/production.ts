import type { Random } from "@colloquy/core";
import { between } from "./weather.ts";

/** How many functions a party hands out again and again. */
export const POOL_SIZE = 3;

/** What the calls of these functions are named. */
export const POOLED = "pooled";

/** A stream: numbers from 0 on, as many as `count`, and an error in the place of the one with the number `failsAt`. */
export interface Production {
  readonly count: number;
  /** -1: it doesn't fail. */
  readonly failsAt: number;
  readonly gapMs: number;
}

export function productionOf(random: Random): Production {
  const count = between(random, 0, 12);
  const failsAt = random() < 0.2 ? between(random, 0, count) : -1;
  return { count, failsAt: failsAt === count ? -1 : failsAt, gapMs: random() < 0.5 ? 0 : between(random, 1, 10) };
}
