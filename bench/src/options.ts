import { parseArgs } from "node:util";
import type { Timing } from "./measure.ts";
import { peers } from "./peers/table.ts";
import { workloads, type Workload } from "./workloads.ts";

/** What a run consists of. */
export interface Options {
  readonly peers: readonly string[];
  readonly workloads: readonly Workload[];
  readonly rounds: number;
  readonly timing: Timing;
  /** Everything once and very shortly: tells whether it works, not how fast it is. */
  readonly isSmoke: boolean;
}

/** The command line in one screen. */
export const usage: string = `Usage: pnpm bench [options]

  --only W2,W3        workloads to run (of ${workloads.map(({ name }) => name).join(", ")})
  --peers a,b         peers to run (of ${Object.keys(peers).join(", ")})
  --rounds n          rounds, peers interleaved within each (5)
  --seconds s         timed window of a cell (2)
  --warm-up s         before the timed window (0.5)
  --smoke             everything once and very shortly; only the exit code counts
  --help
`;

const smokeTiming: Timing = { warmUpMs: 20, timedMs: 80 };

/** Reads the command line; undefined when help is wanted. Throws when something is wrong with it. */
export function parseOptions(args: readonly string[]): Options | undefined {
  const { values } = parseArgs({
    args: args.filter((arg) => arg !== "--"),
    options: {
      only: { type: "string" },
      peers: { type: "string" },
      rounds: { type: "string", default: "5" },
      seconds: { type: "string", default: "2" },
      "warm-up": { type: "string", default: "0.5" },
      smoke: { type: "boolean", default: false },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) return undefined;
  const wanted = chosen(
    "workload",
    values.only,
    workloads.map(({ name }) => name),
  );
  const rounds = positive("--rounds", values.rounds);
  if (!Number.isInteger(rounds)) throw new Error("--rounds wants a whole number");
  return {
    peers: chosen("peer", values.peers, Object.keys(peers)),
    workloads: workloads.filter(({ name }) => wanted.includes(name)),
    rounds: values.smoke ? 1 : rounds,
    timing: values.smoke
      ? smokeTiming
      : {
          warmUpMs: positive("--warm-up", values["warm-up"]) * 1000,
          timedMs: positive("--seconds", values.seconds) * 1000,
        },
    isSmoke: values.smoke,
  };
}

function chosen(what: string, list: string | undefined, known: readonly string[]): readonly string[] {
  if (list === undefined) return known;
  const wanted = list.split(",").map((name) => name.trim());
  const stranger = wanted.find((name) => !known.includes(name));
  if (stranger !== undefined) throw new Error(`no such ${what}: ${stranger} (there are ${known.join(", ")})`);
  return known.filter((name) => wanted.includes(name));
}

function positive(option: string, text: string): number {
  const value = Number(text);
  if (!(value > 0 && value < Infinity)) throw new Error(`${option} wants a positive number, not ${text}`);
  return value;
}
