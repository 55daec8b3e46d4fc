import { randomOf, wholeNumber } from "../random.ts";
import type { Random } from "../random.ts";

/** Power in each interval, in whole watts: what is produced counts up, what is used down. */
export type Schedule = readonly number[];

/** A unit of a virtual power plant, and all that it can do. */
export interface Unit {
  readonly name: string;
  readonly schedules: readonly Schedule[];
}

/** What the units of a virtual power plant together shall deliver. */
export interface Instance {
  readonly seed: number;
  readonly target: Schedule;
  readonly units: readonly Unit[];
}

export interface InstanceSize {
  readonly unitCount: number;
  readonly scheduleCount: number;
  readonly intervalCount: number;
}

/**
 * Draws a virtual power plant. The target is what one choice of schedules, drawn as well, gives on average in each of six blocks, as
 * products of a market have it: so it is about in reach, and not met exactly.
 */
export function drawInstance(seed: number, { unitCount, scheduleCount, intervalCount }: InstanceSize): Instance {
  const random = randomOf(seed);
  const units = Array.from({ length: unitCount }, (_, at) => {
    const [kind, draw] = KINDS[at % KINDS.length]!;
    const nextSchedule = draw(random, intervalCount);
    return { name: `${kind}-${at}`, schedules: Array.from({ length: scheduleCount }, () => nextSchedule()) };
  });
  const chosen = units.map(({ schedules }) => schedules[wholeNumber(random, 0, scheduleCount - 1)]!);
  const sum = Array.from({ length: intervalCount }, (_, at) => chosen.reduce((power, one) => power + one[at]!, 0));
  return { seed, target: blocks(sum, Math.max(1, Math.floor(intervalCount / 6))), units };
}

function blocks(power: Schedule, length: number): Schedule {
  return power.map((_, at) => {
    const start = Math.floor(at / length) * length;
    const block = power.slice(start, start + length);
    return Math.round(block.reduce((sum, one) => sum + one, 0) / block.length);
  });
}

/** Draws one unit of a kind; what it returns draws the unit's schedules. */
type DrawUnit = (random: Random, intervalCount: number) => () => Schedule;

const KINDS: readonly (readonly [kind: string, draw: DrawUnit])[] = [
  ["chp", drawChp],
  ["heat-pump", drawHeatPump],
  ["battery", drawBattery],
  ["pv", drawPv],
];

/** Combined heat and power: runs once, for a while, at more than half of its power. */
function drawChp(random: Random, count: number): () => Schedule {
  const rated = wholeNumber(random, 3, 10) * 1000;
  return () => {
    const power = Math.round(rated * (0.5 + random() / 2));
    return block(random, count, power);
  };
}

/** The same the other way round. */
function drawHeatPump(random: Random, count: number): () => Schedule {
  const rated = wholeNumber(random, 2, 5) * 1000;
  return () => block(random, count, -rated);
}

function block(random: Random, count: number, power: number): Schedule {
  const length = wholeNumber(random, Math.ceil(count / 6), Math.ceil(count / 2));
  const start = wholeNumber(random, 0, count - length);
  return Array.from({ length: count }, (_, at) => (at >= start && at < start + length ? power : 0));
}

/** Charges in some intervals and gives the same back in others. */
function drawBattery(random: Random, count: number): () => Schedule {
  const power = wholeNumber(random, 1, 4) * 500;
  return () => {
    const schedule = Array.from({ length: count }, () => 0);
    const pairCount = wholeNumber(random, 0, Math.floor(count / 4));
    for (let pair = 0; pair < pairCount; pair++) {
      const [from, to] = [wholeNumber(random, 0, count - 1), wholeNumber(random, 0, count - 1)];
      schedule[from] = schedule[from]! - power;
      schedule[to] = schedule[to]! + power;
    }
    return schedule;
  };
}

/** What the sun gives, limited to a share of the peak. */
function drawPv(random: Random, count: number): () => Schedule {
  const peak = wholeNumber(random, 3, 9) * 1000;
  const clouds = Array.from({ length: count }, () => 0.7 + 0.3 * random());
  return () => {
    const limit = peak * (0.2 + 0.8 * random());
    return clouds.map((share, at) => {
      const height = Math.sin((Math.PI * (at + 0.5 - count / 4)) / (count / 2));
      return Math.round(Math.min(Math.max(0, height) * peak * share, limit));
    });
  };
}
