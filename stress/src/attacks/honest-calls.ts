import { quantile } from "@colloquy/bench/statistics";

/** Of an honest client. */
export interface Calls {
  readonly count: number;
  readonly failures: readonly string[];
  readonly p99Ms: number;
}

const GAP_MS = 1;

/** Calls one after the other for so long; each has to return the sum. */
export async function callsFor(seconds: number, add: (a: number, b: number) => Promise<number>): Promise<Calls> {
  const failures: string[] = [];
  const times: number[] = [];
  const end = performance.now() + 1000 * seconds;
  for (let number = 0; performance.now() < end; number++) {
    const start = performance.now();
    const sum = await add(number, 1).catch((error: unknown) => String(error));
    times.push(performance.now() - start);
    if (sum !== number + 1) failures.push(String(sum));
    await new Promise((resolve) => setTimeout(resolve, GAP_MS));
  }
  return {
    count: times.length,
    failures,
    p99Ms: quantile(
      times.sort((a, b) => a - b),
      0.99,
    ),
  };
}
