import { parseArgs } from "node:util";
import { markdownTable, spreadText } from "../markdown-table.ts";
import { positiveInteger, positiveNumber } from "../numeric-options.ts";
import { defaultSize, smokeSize } from "../options.ts";
import { canPin, runRounds, type Plan } from "../rounds.ts";
import type { Spread } from "../statistics.ts";
import { summarize, type Cell } from "../summary.ts";
import { workloads } from "../workloads.ts";
import { defaultTolerance, floors, type Floor } from "./floors.ts";

const usage = `Usage: pnpm bench guard [options]

Runs what has a floor side by side with what it is held against; exits with 1 where a median lies below.

  --rounds n          rounds, peers interleaved within each (3)
  --seconds s         timed window of a cell (1.5)
  --tolerance t       how far below a floor counts as noise (${defaultTolerance}, for W1 less)
  --all               the slow floors, too (memory)
  --smoke             everything once and very shortly, without judging
  --help
`;

/** A floor with what was reached. */
interface Verdict {
  readonly floor: Floor;
  readonly ratio: Spread | undefined;
  readonly isReached: boolean;
}

function planFor(wanted: readonly Floor[], rounds: number, size: Plan["size"]): Plan {
  const entries = workloads.map((workload) => {
    const own = wanted.filter((floor) => workload.figures.some(({ name }) => name === floor.figure));
    return { workload, peers: [...new Set(own.flatMap(({ peer, reference }) => [reference, peer]))] };
  });
  return { rounds, size, entries: entries.filter(({ peers }) => peers.length > 0) };
}

function judge(floor: Floor, cells: readonly Cell[], tolerance: number | undefined): Verdict {
  const own = summarize(cells, workloads, [floor.peer], floor.reference);
  const ratio = own.find(({ workload }) => workload === floor.figure)?.ratio;
  const allowed = floor.atLeast * (1 - (tolerance ?? floor.tolerance ?? defaultTolerance));
  return { floor, ratio, isReached: ratio !== undefined && ratio.median >= allowed };
}

function verdictTable(verdicts: readonly Verdict[]): string {
  return markdownTable(
    ["", "peer", "held against", "floor", "reached", ""],
    verdicts.map(({ floor, ratio, isReached }) => [
      floor.figure,
      floor.peer,
      floor.reference,
      floor.atLeast.toFixed(2),
      ratio === undefined ? "nothing" : spreadText(ratio, (value) => value.toFixed(2)),
      isReached ? "holds" : "BELOW",
    ]),
  );
}

/** Holds what is measured now against the floors. Resolves with the exit code. */
export async function run(args: readonly string[]): Promise<number> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      rounds: { type: "string", default: "3" },
      seconds: { type: "string", default: "1.5" },
      tolerance: { type: "string" },
      all: { type: "boolean", default: false },
      smoke: { type: "boolean", default: false },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) {
    process.stdout.write(usage);
    return 0;
  }
  const tolerance = values.tolerance === undefined ? undefined : Number(values.tolerance);
  if (tolerance !== undefined && !(tolerance >= 0 && tolerance < 1)) throw new Error("--tolerance wants 0 to 1");
  const timedMs = positiveNumber("--seconds", values.seconds) * 1000;
  const rounds = values.smoke ? 1 : positiveInteger("--rounds", values.rounds);
  const size = values.smoke ? smokeSize : { ...defaultSize, timedMs };
  const wanted = floors.filter(({ isSlow }) => values.all || values.smoke || isSlow !== true);
  const cells = await runRounds(planFor(wanted, rounds, size), canPin());
  if (values.smoke) return cells.every(({ outcome }) => outcome.ok) ? 0 : 1;
  const verdicts = wanted.map((floor) => judge(floor, cells, tolerance));
  process.stdout.write(`${verdictTable(verdicts)}\n`);
  const below = verdicts.filter(({ isReached }) => !isReached);
  for (const { floor, ratio } of below) {
    const reached = ratio === undefined ? "nothing" : ratio.median.toFixed(2);
    process.stderr.write(
      `${floor.figure}: ${floor.peer} reaches ${reached} of ${floor.reference}, and has to reach ${floor.atLeast.toFixed(2)}\n`,
    );
  }
  return below.length === 0 ? 0 : 1;
}
