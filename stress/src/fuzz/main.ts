import { readFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { parseArgs } from "node:util";
import { chosenNames, positiveInteger, positiveNumber } from "@colloquy/bench/numeric-options";
import { storeInputs } from "./corpus.ts";
import { report, reportFindings } from "./report.ts";
import { exploreTarget, fuzzTarget, replay, type TargetRun } from "./schedule.ts";
import { targetNames } from "./target-names.ts";

const usage = `Usage: pnpm fuzz [options]

Feeds decoders and connections with inputs that nobody would send. None may end or block the process, throw what isn't documented,
change a prototype, keep memory, or disturb others. What fails is made short and written to stress/crashes/. Exit code 1 then.

  --minutes n         over all targets (1)
  --executions n      inputs for each target, in place of a time
  --targets a,b       some of: ${targetNames.join(", ")}
  --workers n         processes at a time (as many as there are cores)
  --seed text         makes the same inputs again (a new one for each run)
  --target t --input file   tries the input of one file alone
  --explore           looks for inputs that reach new code, and keeps them in stress/corpus/
  --help
`;

interface Settings {
  readonly targets: readonly string[];
  readonly seed: string;
  readonly workers: number;
  readonly milliseconds: number;
  readonly executions: number;
}

const text = { type: "string" } as const;
const flag = { type: "boolean", default: false } as const;

function parsed(args: readonly string[]) {
  const options = {
    minutes: text,
    executions: text,
    targets: text,
    target: text,
    input: text,
    workers: text,
    seed: text,
  };
  return parseArgs({ args: [...args], options: { ...options, explore: flag, help: flag } }).values;
}

function settingsOf(given: ReturnType<typeof parsed>): Settings {
  const targets = chosenNames("--targets", given.targets ?? given.target, targetNames);
  const workers = Math.min(
    positiveInteger("--workers", given.workers ?? String(availableParallelism())),
    targets.length,
  );
  const minutes = positiveNumber("--minutes", given.minutes ?? "1");
  const counted = given.executions !== undefined;
  return {
    targets,
    workers,
    seed: given.seed ?? Math.random().toString(36).slice(2, 10),
    milliseconds: counted && given.minutes === undefined ? Infinity : (minutes * 60_000 * workers) / targets.length,
    executions: counted ? positiveInteger("--executions", given.executions!) : Infinity,
  };
}

/** Does one thing for each target, as many at a time as there are workers. */
async function forEachTarget<T>({ targets, workers }: Settings, action: (target: string) => Promise<T>): Promise<T[]> {
  const results: T[] = [];
  const left = [...targets.entries()];
  const work = async (): Promise<void> => {
    for (let next = left.shift(); next !== undefined; next = left.shift()) results[next[0]] = await action(next[1]);
  };
  await Promise.all(Array.from({ length: workers }, work));
  return results;
}

async function exploreAll(settings: Settings): Promise<number> {
  const lines = await forEachTarget(settings, async (target) => {
    const { executions, found } = await exploreTarget(target, settings.seed, settings.milliseconds);
    const file = storeInputs(
      target,
      found.map((hex) => Buffer.from(hex, "hex")),
    );
    return `${target}: ${executions} executions, ${found.length} inputs that reach new code, in ${file}\n`;
  });
  process.stdout.write(lines.join(""));
  return 0;
}

async function replayFile(target: string | undefined, file: string): Promise<number> {
  const [name] = chosenNames("--target", target, targetNames);
  if (target === undefined) throw new Error("--input wants --target, too");
  const findings = await replay(name!, readFileSync(file));
  for (const { report } of findings) process.stdout.write(`${report}\n`);
  if (findings.length === 0) process.stdout.write("nothing is wrong with it\n");
  return findings.length > 0 ? 1 : 0;
}

/** Resolves with the exit code. */
export async function run(args: readonly string[]): Promise<number> {
  const given = parsed(args);
  if (given.help) {
    process.stdout.write(usage);
    return 0;
  }
  if (given.input !== undefined) return replayFile(given.target, given.input);
  const settings = settingsOf(given);
  if (given.explore) return exploreAll(settings);
  const { seed, milliseconds, executions } = settings;
  const runs: TargetRun[] = await forEachTarget(settings, async (target) => {
    const one = await fuzzTarget(target, seed, { milliseconds, executions });
    reportFindings(one, seed);
    return one;
  });
  process.stdout.write(report(runs, seed));
  return runs.some(({ findings }) => findings.length > 0) ? 1 : 0;
}
