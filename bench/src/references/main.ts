import { mebibyte } from "../arrays/samples.ts";
import { integerOptions } from "../numeric-options.ts";
import { Subprocess } from "../subprocess.ts";
import type { Held, ReferencesQuestion } from "./cell.ts";

const mostSlopeBytes = 8;
const usage = `Usage: pnpm bench references [options]

Passes a function and gets a service in every call, and calls them all: once without a release by hand, once with. Fails where a call
fails, where either side holds a reference at the end, or where the heap of a side grows by more than ${mostSlopeBytes} bytes with each reference
from the first tenth on. Prints what is held on the way, and the heap.

  --count n           calls of each kind, each with two references (500000)
  --smoke             few calls, and no look at the heap
  --help
`;

const program = new URL("cell.js", import.meta.url);
const stepCount = 10;
const smokeCount = 2000;
const patienceMs = 30_000;

type Sides = readonly [maker: Subprocess, caller: Subprocess];

async function heldBy(sides: Sides): Promise<readonly Held[]> {
  return Promise.all(sides.map((side) => side.ask<Held>({ kind: "held" } satisfies ReferencesQuestion)));
}

function line(calls: number, held: readonly Held[]): string {
  const shown = held.map(
    ({ exported, imported, heapBytes }) =>
      `${exported} out, ${imported} in, heap ${(heapBytes / mebibyte).toFixed(1)} MiB`,
  );
  return `${calls} calls: server ${shown[0]}; client ${shown[1]}\n`;
}

/** The engine reports what it has collected after a while. */
async function emptied(sides: Sides): Promise<readonly Held[]> {
  const end = performance.now() + patienceMs;
  for (;;) {
    const held = await heldBy(sides);
    if (held.every(({ exported, imported }) => exported + imported === 0) || performance.now() > end) return held;
  }
}

/** Bytes by which the heap of one side grows with each reference. */
function slopeOf(heaps: readonly number[], count: number): number {
  const referencesPerStep = (2 * count) / stepCount;
  const middle = (heaps.length - 1) / 2;
  const mean = heaps.reduce((sum, heap) => sum + heap, 0) / heaps.length;
  let [rise, run] = [0, 0];
  for (const [step, heap] of heaps.entries()) {
    rise += (step - middle) * (heap - mean);
    run += (step - middle) ** 2;
  }
  return rise / run / referencesPerStep;
}

/** Whether nothing is held at the end, and the heaps have stayed. */
async function crossed(sides: Sides, count: number, releases: boolean, isHeapLooked: boolean): Promise<boolean> {
  process.stdout.write(`${releases ? "released by hand" : "never released by hand"}:\n`);
  const [, caller] = sides;
  const heaps: [maker: number[], caller: number[]] = [[], []];
  for (let step = 0; step < stepCount; step++) {
    const [from, to] = [step, step + 1].map((at) => Math.round((at * count) / stepCount)) as [number, number];
    await caller.ask({ kind: "make", from, to, releases } satisfies ReferencesQuestion);
    process.stdout.write(line(to, await heldBy(sides)));
    await emptied(sides);
    // What the last ones to be collected have held is garbage now.
    const held = await heldBy(sides);
    if (step > 0) for (const side of [0, 1] as const) heaps[side].push(held[side]!.heapBytes);
  }
  const held = await emptied(sides);
  process.stdout.write(`at the end, ${line(count, held)}`);
  const slopes = heaps.map((side) => slopeOf(side, count));
  const shown = slopes.map((slope) => slope.toFixed(2)).join(" and ");
  process.stdout.write(`heap slope: ${shown} bytes a reference (at most ${mostSlopeBytes})\n`);
  const isEmpty = held.every(({ exported, imported }) => exported + imported === 0);
  return isEmpty && (!isHeapLooked || slopes.every((slope) => slope <= mostSlopeBytes));
}

/** Resolves with the exit code. */
export async function run(args: readonly string[]): Promise<number> {
  const options = integerOptions(args, { count: 500_000 });
  if (options === undefined) {
    process.stdout.write(usage);
    return 0;
  }
  const count = options.smoke ? smokeCount : options.numbers.count;
  const sides: Sides = [0, 1].map(() => new Subprocess(program, [process.execPath, "--expose-gc"])) as never;
  const [maker, caller] = sides;
  try {
    const address = await maker.ask<string>({ kind: "serve" } satisfies ReferencesQuestion);
    await caller.ask({ kind: "connect", address } satisfies ReferencesQuestion);
    const looks = !options.smoke;
    const isGood = await crossed(sides, count, false, looks);
    return (await crossed(sides, count, true, looks)) && isGood ? 0 : 1;
  } finally {
    for (const side of sides) await side.end();
  }
}
