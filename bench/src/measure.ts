import { setTimeout as sleep } from "node:timers/promises";
import { quantile } from "./statistics.ts";
import type { Operation, Workload } from "./workloads.ts";

/** How long a cell runs, in milliseconds. */
export interface Timing {
  readonly warmUpMs: number;
  readonly timedMs: number;
}

/** What one cell found. */
export interface Measurement {
  /** Median microseconds a call, or calls a second, by the kind of the workload. */
  readonly value: number;
  /** Calls that ended inside the timed window. */
  readonly calls: number;
  /** The 99th percentile in microseconds; of a latency only. */
  readonly p99?: number;
}

const maxSampleCount = 2 ** 20;

/** Repeats the operation for warm-up and timed window; rejects at the first wrong or failed result. */
export function measure(workload: Workload, operation: Operation, timing: Timing): Promise<Measurement> {
  return workload.kind === "latency"
    ? measureLatency(operation, timing)
    : measureRate(operation, workload.inFlight, timing);
}

async function measureLatency(operation: Operation, timing: Timing): Promise<Measurement> {
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

/** As many loops as there are calls in flight, each with one call at a time; what completes in the window is counted. */
async function measureRate(operation: Operation, inFlight: number, timing: Timing): Promise<Measurement> {
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

function requireRight(operation: Operation, result: unknown): void {
  if (!operation.isRight(result)) throw new Error(`wrong result while measuring: ${JSON.stringify(result)}`);
}
