import { parseArgs } from "node:util";
import type { CellSize } from "./many-connections.ts";
import { chosenNames, positiveInteger, positiveNumber } from "./numeric-options.ts";
import { peers } from "./peers/table.ts";
import { workloads, type Workload } from "./workloads.ts";

/** What a run consists of. */
export interface Options {
  readonly peers: readonly string[];
  readonly workloads: readonly Workload[];
  readonly rounds: number;
  readonly size: CellSize;
  /** Everything once and very shortly: tells whether it works, not how fast it is. */
  readonly isSmoke: boolean;
}

/** The command line in one screen. */
export const usage: string = `Usage: pnpm bench [options]
       pnpm bench agents|arrays|codec|codecs|growth|soak|charts|guard [options]

Runs every peer through every workload, round by round, and prints how they stand to a bare loop.
Each command of the second line has a --help of its own.

  --only W2,W3        workloads to run (of ${workloads.map(({ name }) => name).join(", ")})
  --peers a,b         peers to run (of ${Object.keys(peers).join(", ")})
  --rounds n          rounds, peers interleaved within each (5)
  --seconds s         timed window of a cell (2)
  --warm-up s         before the timed window (0.5)
  --connections n     connections of W6, W7 and W8 (1000)
  --smoke             everything once and very shortly; only the exit code counts
  --help
`;

/** Enough to see whether a cell works. */
export const smokeSize: CellSize = { warmUpMs: 20, timedMs: 200, connections: 50, settleMs: 20 };

/** What cells do where no option says otherwise. */
export const defaultSize: CellSize = { warmUpMs: 500, timedMs: 2000, connections: 1000, settleMs: 1000 };

/** Reads the command line; undefined when help is wanted. Throws when something is wrong with it. */
export function parseOptions(args: readonly string[]): Options | undefined {
  const { values } = parseArgs({
    args: [...args],
    options: {
      only: { type: "string" },
      peers: { type: "string" },
      rounds: { type: "string", default: "5" },
      seconds: { type: "string", default: "2" },
      "warm-up": { type: "string", default: "0.5" },
      connections: { type: "string", default: "1000" },
      smoke: { type: "boolean", default: false },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) return undefined;
  const wanted = chosenNames(
    "--only",
    values.only,
    workloads.map(({ name }) => name),
  );
  const size: CellSize = {
    ...defaultSize,
    warmUpMs: positiveNumber("--warm-up", values["warm-up"]) * 1000,
    timedMs: positiveNumber("--seconds", values.seconds) * 1000,
    connections: positiveInteger("--connections", values.connections),
  };
  const rounds = positiveInteger("--rounds", values.rounds);
  return {
    peers: chosenNames("--peers", values.peers, Object.keys(peers)),
    workloads: workloads.filter(({ name }) => wanted.includes(name)),
    rounds: values.smoke ? 1 : rounds,
    size: values.smoke ? smokeSize : size,
    isSmoke: values.smoke,
  };
}
