import { availableParallelism } from "node:os";
import { parseArgs } from "node:util";
import { formatQuantity, markdownTable } from "@colloquy/bench/markdown-table";
import { positiveInteger } from "@colloquy/bench/numeric-options";
import { plantFault, runSeed } from "./batch.ts";
import { PLANTS } from "./plants.ts";
import { search } from "./workers.ts";

const usage = `Usage: pnpm simulate [options]

Runs servers and clients, their network and its faults in one process and in virtual time, and holds all that happens against what is
promised. Everything follows from the seed. Exit code 1 where a run breaks a promise: its seed and the promise are told.

  --runs n            runs (10000)
  --first n           the seed of the first; the others follow (1)
  --workers n         processes (as many as there are cores)
  --seed n            one run, with all that happens in it
  --plant name        puts a fault into the packages, for --seed and --runs
  --plants            puts each fault in, one after another: exit code 1 where one isn't found within --runs (20000)
  --smoke             10,000 runs, and three faults
  --help
`;

const DEFAULT_RUNS = "10000";
const PLANT_RUNS = "20000";
const SHOWN_FAILURES = 10;
const SHOWN_EVENTS = 40;
const PROGRESS_RUNS = 10_000;
const SMOKE_PLANTS = ["lost settle", "slot freed on cancel", "release that ignores the count"];

const OPTIONS = {
  runs: { type: "string" },
  first: { type: "string", default: "1" },
  workers: { type: "string", default: String(availableParallelism()) },
  seed: { type: "string" },
  plant: { type: "string" },
  plants: { type: "boolean", default: false },
  smoke: { type: "boolean", default: false },
  help: { type: "boolean", default: false },
} as const;

interface Given {
  readonly runs: number;
  readonly first: number;
  readonly workers: number;
  readonly plant: string | undefined;
}

/** Whether the run was as it has to be. */
async function replay(seed: number, plant: string | undefined): Promise<boolean> {
  if (plant !== undefined) plantFault(plant);
  const { plan, events, broken, milliseconds, print } = await runSeed(seed, true);
  process.stdout.write(`seed ${seed}: ${JSON.stringify(plan)}\n`);
  for (const event of events) process.stdout.write(`${event}\n`);
  process.stdout.write(`${formatQuantity(milliseconds)} virtual ms, print ${print}, ${broken ?? "all as promised"}\n`);
  return broken === undefined;
}

async function runAll({ runs, first, workers, plant }: Given): Promise<boolean> {
  const start = performance.now();
  let told = 0;
  const found = await search({ first, runs, workers, plant, mostFailures: SHOWN_FAILURES }, (done) => {
    if (done - told < PROGRESS_RUNS) return;
    told = done;
    process.stderr.write(`${formatQuantity(done)} of ${formatQuantity(runs)}\n`);
  });
  const seconds = (performance.now() - start) / 1000;
  for (const { seed, broken } of found.failures) process.stdout.write(`seed ${seed}: ${broken}\n`);
  const [firstFailure] = found.failures;
  if (firstFailure !== undefined) await showEnd(firstFailure.seed, plant);
  process.stdout.write(
    `${formatQuantity(found.runs)} runs, ${formatQuantity(found.calls)} calls, ${found.failures.length} broken promises (0), ` +
      `${formatQuantity((seconds * 1000) / found.runs)} ms a run with ${workers} workers\n`,
  );
  return found.failures.length === 0;
}

/** What happened last in a run that has failed. */
async function showEnd(seed: number, plant: string | undefined): Promise<void> {
  if (plant !== undefined) plantFault(plant);
  const { events } = await runSeed(seed, true);
  for (const event of events.slice(-SHOWN_EVENTS)) process.stdout.write(`  ${event}\n`);
  const again = plant === undefined ? "" : ` --plant "${plant}"`;
  process.stdout.write(`pnpm simulate --seed ${seed}${again} shows all of it\n`);
}

/** Whether all plants are found. */
async function findPlants(names: readonly string[], { runs, first, workers }: Given): Promise<boolean> {
  const rows: string[][] = [];
  let areFound = true;
  for (const name of names) {
    const found = await search({ first, runs, workers, plant: name, mostFailures: 1 });
    const [failure] = found.failures;
    if (failure === undefined) areFound = false;
    rows.push([
      name,
      failure === undefined ? "-" : String(failure.seed),
      formatQuantity(found.runs),
      failure?.broken.split("\n")[0] ?? "not found",
    ]);
    process.stderr.write(`${name}: ${failure === undefined ? "not found" : `seed ${failure.seed}`}\n`);
  }
  process.stdout.write(`${markdownTable(["planted fault", "seed", "runs", "what it breaks"], rows)}\n`);
  return areFound;
}

async function command(args: readonly string[]): Promise<boolean> {
  const { values } = parseArgs({ args: [...args], options: OPTIONS });
  const { help, seed, plant, plants, smoke } = values;
  if (help) {
    process.stdout.write(usage);
    return true;
  }
  if (seed !== undefined) return replay(positiveInteger("--seed", seed), plant);
  const given: Given = {
    runs: positiveInteger("--runs", values.runs ?? (plants ? PLANT_RUNS : DEFAULT_RUNS)),
    first: positiveInteger("--first", values.first),
    workers: positiveInteger("--workers", values.workers),
    plant,
  };
  if (plants)
    return findPlants(
      PLANTS.map(({ name }) => name),
      given,
    );
  if (!(await runAll(given))) return false;
  return smoke ? findPlants(SMOKE_PLANTS, given) : true;
}

/** Resolves with the exit code. */
export async function run(args: readonly string[]): Promise<number> {
  return (await command(args)) ? 0 : 1;
}
