import { parseArgs } from "node:util";

export interface Options {
  readonly agents: number;
  readonly processes: number;
  readonly schedules: number;
  readonly seed: number;
  /** Milliseconds in which agents gather messages before they decide. */
  readonly gather: number;
  readonly svg: string | undefined;
  /** A file of small instances to be solved in simulated time, instead of one large one. */
  readonly instances: string | undefined;
  readonly starts: number;
}

export const USAGE = `usage: main [--agents N] [--processes N] [--schedules N] [--gather MS] [--seed N] [--svg FILE]
       main --instances FILE [--starts N] [--seed N]
The first form draws one virtual power plant and schedules it for a day (default 50 agents, 1 process, 10 schedules each, a fifth of a millisecond for each agent); --svg draws
the result. The second one solves all plants of a file in simulated time, each with several starts (default 40).`;

/** Reads the command line. @throws Error that says what is wrong. */
export function readOptions(argv: readonly string[]): Options {
  const { values } = parseArgs({
    args: [...argv],
    options: {
      agents: { type: "string", default: "50" },
      processes: { type: "string", default: "1" },
      schedules: { type: "string", default: "10" },
      seed: { type: "string", default: "1" },
      starts: { type: "string", default: "40" },
      gather: { type: "string" },
      svg: { type: "string" },
      instances: { type: "string" },
    },
  });
  const agents = count(values.agents, "--agents", 5000);
  return {
    agents,
    gather: count(values.gather ?? String(Math.ceil(agents / 5)), "--gather", 60_000),
    processes: count(values.processes, "--processes", 64),
    schedules: count(values.schedules, "--schedules", 1000),
    seed: count(values.seed, "--seed", 1_000_000),
    starts: count(values.starts, "--starts", 1000),
    svg: values.svg,
    instances: values.instances,
  };
}

function count(text: string, name: string, most: number): number {
  const value = Number(text);
  if (Number.isInteger(value) && value >= 1 && value <= most) return value;
  throw new Error(`${name} takes a number from 1 to ${most}, not "${text}"`);
}
