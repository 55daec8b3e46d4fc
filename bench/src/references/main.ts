import { parseArgs } from "node:util";
import { mebibyte } from "../arrays/samples.ts";
import { positiveInteger } from "../numeric-options.ts";
import { Subprocess } from "../subprocess.ts";
import type { Held, ReferencesQuestion } from "./cell.ts";

const usage = `Usage: pnpm bench references [options]

Passes a function and gets a service in every call, releases none of them by hand, and calls them all. Fails where a call fails, or
where either side holds a reference at the end. Prints what is held on the way, and the heap.

  --count n           calls, each with two references (500000)
  --smoke             few calls
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

/** Resolves with the exit code. */
export async function run(args: readonly string[]): Promise<number> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      count: { type: "string", default: "500000" },
      smoke: { type: "boolean", default: false },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) {
    process.stdout.write(usage);
    return 0;
  }
  const count = values.smoke ? smokeCount : positiveInteger("--count", values.count);
  const sides: Sides = [0, 1].map(() => new Subprocess(program, [process.execPath, "--expose-gc"])) as never;
  const [maker, caller] = sides;
  try {
    const address = await maker.ask<string>({ kind: "serve" } satisfies ReferencesQuestion);
    await caller.ask({ kind: "connect", address } satisfies ReferencesQuestion);
    for (let step = 0; step < stepCount; step++) {
      const [from, to] = [step, step + 1].map((at) => Math.round((at * count) / stepCount)) as [number, number];
      await caller.ask({ kind: "make", from, to } satisfies ReferencesQuestion);
      process.stdout.write(line(to, await heldBy(sides)));
    }
    const held = await emptied(sides);
    process.stdout.write(`at the end, ${line(count, held)}`);
    return held.every(({ exported, imported }) => exported + imported === 0) ? 0 : 1;
  } finally {
    for (const side of sides) await side.end();
  }
}
