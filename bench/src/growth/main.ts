import { spawnSync } from "node:child_process";
import { cpus } from "node:os";
import { parseArgs } from "node:util";
import type { Timing } from "../measure.ts";
import { chosenNames, positiveInteger, positiveNumber } from "../numeric-options.ts";
import { writeResult } from "../result-writer.ts";
import { packageVersion } from "../versions.ts";
import { allSeries, type Extent, type Point, type Series } from "./points.ts";
import { growthReport, summarizeGrowth, type GrowthCell } from "./report.ts";
import { runPoint } from "./run-point.ts";

interface Options {
  readonly series: readonly Series[];
  readonly rounds: number;
  readonly timing: Timing;
  /** What runs the child processes. */
  readonly command: readonly string[];
  readonly isPinned: boolean;
  readonly isSmoke: boolean;
}

const usage = `Usage: pnpm bench growth [options]

What a call costs as one thing grows: arguments, calls in flight, connections, methods, agents, calls made before.
Where taskset is there, client and server share one CPU: on two, the size of the batches, and with it the cost of a call,
depends on who is faster at the moment.

  --only a,b          series (of ${allSeries("full")
    .map(({ name }) => name)
    .join(", ")})
  --rounds n          rounds, the points of a series side by side in each (3)
  --seconds s         timed window of a point (0.8)
  --warm-up s         before the timed window (0.5)
  --spread            client and server on CPUs of their own choice, not both on one
  --cpu-prof folder   has Node write CPU profiles of all processes there
  --smoke             a small point of each series, once and very shortly; only the exit code counts
  --help
`;

const pinning = ["taskset", "-c", `${cpus().length - 1}`];
const smokeTiming: Timing = { warmUpMs: 20, timedMs: 50 };

function readOptions(args: readonly string[]): Options | undefined {
  const { values } = parseArgs({
    args: [...args],
    options: {
      only: { type: "string" },
      rounds: { type: "string", default: "3" },
      seconds: { type: "string", default: "0.8" },
      "warm-up": { type: "string", default: "0.5" },
      spread: { type: "boolean", default: false },
      "cpu-prof": { type: "string" },
      smoke: { type: "boolean", default: false },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) return undefined;
  const extent: Extent = values.smoke ? "smoke" : "full";
  const known = allSeries(extent);
  const names = known.map(({ name }) => name);
  const wanted = chosenNames("--only", values.only, names);
  const timing = {
    warmUpMs: positiveNumber("--warm-up", values["warm-up"]) * 1000,
    timedMs: positiveNumber("--seconds", values.seconds) * 1000,
  };
  const folder = values["cpu-prof"];
  const profiling = folder === undefined ? [] : ["--cpu-prof", `--cpu-prof-dir=${folder}`];
  const isPinned = !values.spread && canPin();
  return {
    series: known.filter(({ name }) => wanted.includes(name)),
    rounds: values.smoke ? 1 : positiveInteger("--rounds", values.rounds),
    timing: values.smoke ? smokeTiming : timing,
    command: [...(isPinned ? pinning : []), process.execPath, ...profiling],
    isPinned,
    isSmoke: values.smoke,
  };
}

function canPin(): boolean {
  const [command = "", ...args] = pinning;
  return spawnSync(command, [...args, process.execPath, "--version"]).status === 0;
}

/** Every other round goes backwards, so that a machine that gets slower doesn't look like growth. */
function inOrderOf(round: number, points: readonly Point[]): readonly Point[] {
  return round % 2 === 0 ? points.toReversed() : points;
}

async function runAll(options: Options): Promise<readonly GrowthCell[]> {
  const cells: GrowthCell[] = [];
  const total = options.rounds * options.series.reduce((sum, { points }) => sum + points.length, 0);
  for (let round = 1; round <= options.rounds; round++) {
    for (const { points } of options.series) {
      for (const point of inOrderOf(round, points)) {
        const cell = await runCell(round, point, options);
        cells.push(cell);
        const { series, x, cost, failure } = cell;
        const found = cost === undefined ? `FAILED: ${failure}` : `${Math.round(cost.callsPerSecond)} calls/s`;
        process.stderr.write(`${cells.length}/${total} round ${round} ${series} ${x}: ${found}\n`);
      }
    }
  }
  return cells;
}

async function runCell(round: number, point: Point, { timing, command }: Options): Promise<GrowthCell> {
  const place = { round, series: point.series, x: point.x };
  try {
    return { ...place, cost: await runPoint(point, timing, command) };
  } catch (error) {
    return { ...place, failure: (error as Error).message };
  }
}

/** Measures how the cost of a call grows. Resolves with the exit code: 1 where a point fails. */
export async function run(args: readonly string[]): Promise<number> {
  const options = readOptions(args);
  if (options === undefined) {
    process.stdout.write(usage);
    return 0;
  }
  const cells = await runAll(options);
  const working = cells.filter(({ cost }) => cost !== undefined).length;
  if (options.isSmoke) process.stdout.write(`${working} of ${cells.length} points work\n`);
  else {
    const { series, rounds, timing, isPinned } = options;
    const summaries = summarizeGrowth(cells, series);
    process.stdout.write(growthReport(summaries, series, isPinned));
    const versions = { "@colloquy/rpc": packageVersion("@colloquy/rpc") };
    const content = { versions, run: { rounds, ...timing, isPinned }, series, growth: summaries, cells };
    process.stderr.write(`written to ${await writeResult("growth", content)}\n`);
  }
  return working === cells.length ? 0 : 1;
}
