import { Subprocess } from "@colloquy/bench/subprocess";
import type { BatchResult } from "./batch.ts";
import type { CellQuestion } from "./cell.ts";

const program = new URL("cell.js", import.meta.url);
/** Errors are made by the thousand, and nobody reads their stacks; what is made lives for one run. */
const command = [process.execPath, "--stack-trace-limit=0", "--max-semi-space-size=32"];
const BATCH_COUNT = 250;
const LIMIT_MS = 600_000;

export interface Search {
  readonly first: number;
  readonly runs: number;
  readonly workers: number;
  readonly plant: string | undefined;
  /** Failures after which no more is run. */
  readonly mostFailures: number;
}

export interface SearchResult {
  readonly runs: number;
  readonly calls: number;
  /** By their seeds. */
  readonly failures: readonly NonNullable<BatchResult["failure"]>[];
}

/** Runs seeds in processes of their own; `onProgress` is told how many are done. */
export async function search(given: Search, onProgress: (runs: number) => void = () => {}): Promise<SearchResult> {
  const end = given.first + given.runs;
  let next = given.first;
  let [runs, calls] = [0, 0];
  const failures: NonNullable<BatchResult["failure"]>[] = [];
  const work = async (): Promise<void> => {
    let cell = new Subprocess(program, command);
    while (next < end && failures.length < given.mostFailures) {
      const batch = { first: next, count: Math.min(BATCH_COUNT, end - next) };
      next += batch.count;
      for (let done = 0; done < batch.count && failures.length < given.mostFailures;) {
        const question: CellQuestion = { first: batch.first + done, count: batch.count - done, plant: given.plant };
        const result = await cell.ask<BatchResult>(question, LIMIT_MS);
        done += result.runs;
        runs += result.runs;
        calls += result.calls;
        if (result.failure === undefined) continue;
        failures.push(result.failure);
        // What a broken run has left behind must not reach the next.
        await cell.end();
        cell = new Subprocess(program, command);
      }
      onProgress(runs);
    }
    await cell.end();
  };
  await Promise.all(Array.from({ length: given.workers }, work));
  return { runs, calls, failures: failures.toSorted((a, b) => a.seed - b.seed) };
}
