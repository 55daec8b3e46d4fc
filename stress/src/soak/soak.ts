import { setTimeout as sleep } from "node:timers/promises";
import { seededRandom } from "@colloquy/core";
import { Cast } from "./actors.ts";
import type { Book } from "./load.ts";
import type { Look } from "./look.ts";
import { slopeOf, type Slope } from "./slope.ts";
import { makeTrouble } from "./trouble.ts";

export interface SoakOptions {
  readonly minutes: number;
  readonly seed: number;
  readonly sampleMs: number;
}

type Measure = Exclude<keyof Look, "found">;

/** What each may grow by between the middle and the end of a run, however short, because that is noise. */
const noise: Readonly<Record<Measure, { readonly growth: number; readonly unit: number; readonly name: string }>> = {
  // The engine goes on to compile for many minutes, and keeps that in the heap.
  heapBytes: { growth: 1_000_000, unit: 1000, name: "heap, kB" },
  externalBytes: { growth: 500_000, unit: 1000, name: "buffers, kB" },
  residentBytes: { growth: 16_000_000, unit: 1000, name: "resident, kB" },
  handles: { growth: 3, unit: 1, name: "handles" },
  descriptors: { growth: 3, unit: 1, name: "descriptors" },
  connections: { growth: 3, unit: 1, name: "connections" },
  entries: { growth: 3, unit: 1, name: "entries of tables" },
};

/** How one figure of one side has grown. */
export interface Growth {
  readonly name: string;
  readonly last: number;
  /** Undefined: there were too few looks for one. */
  readonly slope: Slope | undefined;
  readonly mostPerHour: number;
  readonly verdict: "ok" | "grows" | "too few looks";
}

export interface SoakResult {
  readonly growths: readonly Growth[];
  readonly books: readonly Book[];
  readonly troubles: ReadonlyMap<string, number>;
  readonly samples: number;
  /** What is not as it has to be, in words. */
  readonly faults: readonly string[];
}

export interface Sample {
  readonly hours: number;
  readonly sides: Readonly<Record<"client" | "server", Look>>;
}

const shortestGapMs = 50;
const longestGapMs = 700;

/** Runs mixed load with random faults, and looks again and again at what the two processes hold that live all the time. */
export async function soak(options: SoakOptions, onSample: (text: string) => void = () => {}): Promise<SoakResult> {
  const cast = await Cast.start(options.seed);
  try {
    return await observed(cast, options, onSample);
  } finally {
    await cast.end();
  }
}

async function observed(
  cast: Cast,
  { minutes, seed, sampleMs }: SoakOptions,
  onSample: (text: string) => void,
): Promise<SoakResult> {
  const random = seededRandom(seed);
  const [samples, faults, troubles] = [[] as Sample[], [] as string[], new Map<string, number>()];
  const start = performance.now();
  const end = start + minutes * 60_000;
  while (performance.now() < end) {
    const next = Math.min(performance.now() + sampleMs, end);
    while (performance.now() < next) {
      await sleep(shortestGapMs + random() * (longestGapMs - shortestGapMs));
      const name = await makeTrouble(cast, random);
      troubles.set(name, (troubles.get(name) ?? 0) + 1);
    }
    if (!(await cast.pause())) {
      faults.push("calls have not settled while nothing was wrong any more");
      break;
    }
    const sides = await cast.look();
    samples.push({ hours: (performance.now() - start) / 3_600_000, sides });
    onSample(`${samples.length}: ${JSON.stringify(sides)}`);
    await cast.go();
  }
  await cast.pause();
  const books = await cast.books();
  const growths = (["client", "server"] as const).flatMap((side) => growthsOf(side, samples));
  faults.push(...books.flatMap(faultsOf), ...leftovers(samples.at(-1)));
  return { growths, books, troubles, samples: samples.length, faults };
}

/** One line through the second half of the samples for each measure. */
export function growthsOf(side: "client" | "server", samples: readonly Sample[]): Growth[] {
  // The engine compiles and grows its heaps at first.
  const half = samples.slice(Math.floor(samples.length / 2));
  const windowHours = (half.at(-1)?.hours ?? 0) - (half[0]?.hours ?? 0);
  return (Object.keys(noise) as Measure[]).map((measure) => {
    const { growth, unit, name } = noise[measure];
    const slope = slopeOf(half.map(({ hours, sides }) => [hours, sides[side][measure] / unit]));
    const mostPerHour = growth / unit / windowHours;
    const last = (half.at(-1)?.sides[side][measure] ?? 0) / unit;
    return { name: `${side}: ${name}`, last, slope, mostPerHour, verdict: verdictOf(slope, mostPerHour) };
  });
}

function verdictOf(slope: Slope | undefined, mostPerHour: number): Growth["verdict"] {
  if (slope === undefined) return "too few looks";
  return slope.perHour - slope.margin > mostPerHour ? "grows" : "ok";
}

function faultsOf({ calls, settled, wrong, wrongCount }: Book): readonly string[] {
  const more = wrongCount > wrong.length ? [`and ${wrongCount - wrong.length} more`] : [];
  return [...(settled < calls ? [`${calls - settled} calls have not settled`] : []), ...wrong, ...more];
}

/** What is never released by hand goes when the engine has collected it; then the tables are empty. */
export function leftovers(sample: Sample | undefined): readonly string[] {
  if (sample === undefined) return ["no sample was taken"];
  return Object.entries(sample.sides)
    .filter(([, { entries }]) => entries > 0)
    .map(([side, { entries, found }]) => `the tables of the ${side} have ${entries} entries at rest (${found})`);
}
