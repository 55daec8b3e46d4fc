import { setTimeout as sleep } from "node:timers/promises";
import { quantile } from "./statistics.ts";

/** How long something is measured, in milliseconds. */
export interface Timing {
  readonly warmUpMs: number;
  readonly timedMs: number;
}

/** A call to repeat: `start` makes one, `isRight` is a cheap look at what came back. */
export interface Operation {
  start(): Promise<unknown>;
  isRight(result: unknown): boolean;
}

/** What one cell found. */
export interface Measurement {
  /** The first figure of the workload, in its unit. */
  readonly value: number;
  /** Calls that ended inside the timed window. */
  readonly calls: number;
  /** The 99th percentile in microseconds; of a latency only. */
  readonly p99?: number;
  /** Further figures, by the names that the workload has for them. */
  readonly more?: Readonly<Record<string, number>>;
}

const maxSampleCount = 2 ** 20;

/** Repeats the operation one at a time; the value is the median in microseconds. Rejects at the first wrong result. */
export async function measureLatency(operation: Operation, timing: Timing): Promise<Measurement> {
  const samples = new Float64Array(maxSampleCount);
  let count = 0;
  const timedFrom = performance.now() + timing.warmUpMs;
  const end = timedFrom + timing.timedMs;
  let before = performance.now();
  while (before < end && count < samples.length) {
    requireRight(operation, await operation.start());
    const now = performance.now();
    if (before >= timedFrom) samples[count++] = (now - before) * 1000;
    before = now;
  }
  if (count === 0) throw new Error("no call ended within the timed window");
  const sorted = samples.subarray(0, count).sort();
  return { value: quantile(sorted, 0.5), calls: count, p99: quantile(sorted, 0.99) };
}

/**
 * Repeats the operation in as many loops as there are to be calls in flight, each with one at a time; what completes in
 * the window is counted, and the value is calls a second. Rejects at the first wrong result.
 */
export async function measureRate(operation: Operation, inFlight: number, timing: Timing): Promise<Measurement> {
  const run = { completed: 0, stopped: false };
  const loop = async (): Promise<void> => {
    while (!run.stopped) {
      requireRight(operation, await operation.start());
      run.completed++;
    }
  };
  const loops = Promise.all(Array.from({ length: inFlight }, loop));
  await Promise.race([loops, sleep(timing.warmUpMs)]);
  const completedBefore = run.completed;
  const start = performance.now();
  await Promise.race([loops, sleep(timing.timedMs)]);
  const calls = run.completed - completedBefore;
  const seconds = (performance.now() - start) / 1000;
  run.stopped = true;
  await loops;
  if (calls === 0) throw new Error("no call ended within the timed window");
  return { value: calls / seconds, calls };
}

/** The error for a result that isn't right. */
export function wrongResult(result: unknown): Error {
  return new Error(`wrong result while measuring: ${JSON.stringify(result)}`);
}

function requireRight(operation: Operation, result: unknown): void {
  if (!operation.isRight(result)) throw wrongResult(result);
}
