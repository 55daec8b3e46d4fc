import { spawnSync } from "node:child_process";
import { cpus } from "node:os";
import { integerOptions } from "../numeric-options.ts";
import { spreadOf } from "../statistics.ts";
import { Subprocess } from "../subprocess.ts";
import { shareByHand } from "./by-hand.ts";
import type { AgentsQuestion, Spawned } from "./cell.ts";

const usage = `Usage: pnpm bench agents [options]

Many agents in one container: the heap that each takes, the time to spawn them and to end them, and calls to random ones beside
calls to one, in calls for each second of CPU that both processes use. Fails where random ones, one call at a
time, get less than 80 % of it. Beside it the same by hand, without a library, 64 at a time: what the memory of the machine leaves.
Where taskset is there, both processes share one CPU: on two, the size of the batches depends on who is faster at the moment.

  --count n           agents (100000)
  --rounds n          of both, side by side (5)
  --calls n           in each (20000)
  --smoke             few agents, once and very shortly; only whether it works counts
  --help
`;

const program = new URL("cell.js", import.meta.url);
const leastShare = 0.8;
/** The first is the one that counts: with many in flight a call is little more than the memory that it touches. */
const inFlightCounts = [1, 64];
const pinning = ["taskset", "-c", `${cpus().length - 1}`];
const smoke = { count: 500, rounds: 1, calls: 1000 };

interface Rates {
  readonly one: number[];
  readonly random: number[];
}

async function cpuMs(sides: readonly Subprocess[]): Promise<number> {
  const used = await Promise.all(sides.map((side) => side.ask<number>({ kind: "cpu" } satisfies AgentsQuestion)));
  return used.reduce((sum, one) => sum + one, 0);
}

/** Calls for each second of CPU, with so many in flight. */
async function measured(
  sides: readonly [home: Subprocess, caller: Subprocess],
  rounds: number,
  calls: number,
  inFlight: number,
): Promise<Rates> {
  const rates: Rates = { one: [], random: [] };
  for (let round = -1; round < rounds; round++) {
    for (const targets of ["one", "random"] as const) {
      const before = await cpuMs(sides);
      await sides[1].ask({ kind: "call", targets, calls, inFlight } satisfies AgentsQuestion);
      const used = (await cpuMs(sides)) - before;
      // The first round warms up.
      if (round >= 0) rates[targets].push(calls / (used / 1000));
    }
  }
  return rates;
}

/** Resolves with the exit code. */
export async function run(args: readonly string[]): Promise<number> {
  const options = integerOptions(args, { count: 100_000, rounds: 5, calls: 20_000 });
  if (options === undefined) {
    process.stdout.write(usage);
    return 0;
  }
  const { count, rounds, calls } = options.smoke ? smoke : options.numbers;
  const isPinned = spawnSync(pinning[0]!, [...pinning.slice(1), "true"]).status === 0;
  const command = [...(isPinned ? pinning : []), process.execPath, "--expose-gc"];
  const [home, caller] = [0, 1].map(() => new Subprocess(program, command)) as [Subprocess, Subprocess];
  try {
    const { address, seconds, bytes } = await home.ask<Spawned>({ kind: "spawn", count } satisfies AgentsQuestion);
    process.stdout.write(
      `${count} agents: ${bytes.toFixed(0)} bytes of heap each, spawned in ${seconds.toFixed(2)} s\n`,
    );
    await caller.ask({ kind: "connect", address, count } satisfies AgentsQuestion);
    const shares: number[] = [];
    for (const inFlight of inFlightCounts) {
      const rates = await measured([home, caller], rounds, calls, inFlight);
      const [one, random] = [spreadOf(rates.one)!.median, spreadOf(rates.random)!.median];
      shares.push(random / one);
      process.stdout.write(
        `calls for each second of CPU, ${inFlight} in flight: ${one.toFixed(0)} to one, ${random.toFixed(0)} to random ones, ${((random / one) * 100).toFixed(0)} %\n`,
      );
    }
    process.stdout.write(`by hand, ${count} objects in a Map: ${(shareByHand(count) * 100).toFixed(0)} %\n`);
    const endedMs = await home.ask<number>({ kind: "end" } satisfies AgentsQuestion);
    process.stdout.write(`ended in ${(endedMs / 1000).toFixed(2)} s\n`);
    return shares[0]! >= leastShare || options.smoke ? 0 : 1;
  } finally {
    await Promise.all([home.end(), caller.end()]);
  }
}
