import { register } from "node:module";
import { PLANTS } from "./plants.ts";
import type { RunResult } from "./run.ts";

/** Seeds that follow each other. */
export interface Batch {
  readonly first: number;
  readonly count: number;
}

export interface BatchResult {
  /** Runs that were made: fewer where one has failed. */
  readonly runs: number;
  readonly calls: number;
  readonly failure: { readonly seed: number; readonly broken: string } | undefined;
}

/** Has a fault put into the packages, which must not be loaded yet. */
export function plantFault(name: string): void {
  const plant = PLANTS.find((one) => one.name === name);
  if (plant === undefined)
    throw new Error(`no plant "${name}" (there are ${PLANTS.map((one) => one.name).join(", ")})`);
  const own = import.meta.url;
  register(`./plant-loader${own.slice(own.lastIndexOf("."))}`, { parentURL: own, data: plant });
}

/** One run, with the packages as they are, or with the fault that was planted. */
export async function runSeed(seed: number, isTraced: boolean): Promise<RunResult> {
  const { simulate } = await import("./run.ts");
  return simulate(seed, isTraced);
}

/** Runs until one fails. */
export async function runBatch({ first, count }: Batch): Promise<BatchResult> {
  let calls = 0;
  for (let seed = first; seed < first + count; seed++) {
    const result = await runSeed(seed, false);
    calls += result.calls;
    const { broken } = result;
    if (broken !== undefined) return { runs: seed - first + 1, calls, failure: { seed, broken } };
  }
  return { runs: count, calls, failure: undefined };
}
