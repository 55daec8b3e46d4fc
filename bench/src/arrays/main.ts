import { formatQuantity, markdownTable, spreadText } from "../markdown-table.ts";
import { integerOptions } from "../numeric-options.ts";
import { writeResult } from "../result-writer.ts";
import { spreadOf } from "../statistics.ts";
import { Subprocess } from "../subprocess.ts";
import type { ArraysQuestion, Latency, Offer, Transfer, Way } from "./cell.ts";
import { mebibyte } from "./samples.ts";

interface Options {
  readonly rounds: number;
  readonly largeMib: number;
  readonly besideMib: number;
}

const usage = `Usage: pnpm bench arrays [options]

A large array from one process to another: bytes per second and memory beside bare loops of node:net, and what it does to small
calls on the same connection. Each round has fresh processes.

  --rounds n          rounds (5)
  --large n           MiB of the array that is timed (512)
  --beside n          MiB of the array beside small calls (256)
  --smoke             one round with small arrays; only the exit code counts
  --help
`;

const smoke: Options = { rounds: 1, largeMib: 8, besideMib: 8 };
const program = new URL("cell.js", import.meta.url);
const ways: readonly Way[] = ["in-place", "copied", "colloquy"];
const idleSeconds = 1;

/** What a process has used so far. */
interface Usage {
  readonly resident: number;
  readonly peak: number;
  readonly cpuSeconds: number;
}

/** A transfer, and the CPU time of both sides. */
interface MeasuredTransfer extends Transfer {
  readonly cpuSeconds: number;
}

interface Round {
  readonly transfers: Readonly<Record<Way, MeasuredTransfer>>;
  /** What each side had beyond the array at most, in bytes. */
  readonly beyond: { readonly sender: number; readonly receiver: number };
  readonly idle: Latency;
  readonly beside: Latency;
  /** Once the engine has compiled what the first array has used. */
  readonly besideSecond: Latency;
}

function readOptions(args: readonly string[]): Options | undefined {
  const options = integerOptions(args, { rounds: 5, large: 512, beside: 256 });
  if (options === undefined || options.smoke) return options && smoke;
  const { rounds, large, beside } = options.numbers;
  return { rounds, largeMib: large, besideMib: beside };
}

type Ask = <T>(side: Subprocess, question: ArraysQuestion) => Promise<T>;

/** Runs `action` between two fresh processes, one of which offers an array of `mib` MiB. */
async function between<T>(
  mib: number,
  action: (sender: Subprocess, receiver: Subprocess, ask: Ask, bytes: number) => Promise<T>,
): Promise<T> {
  const [sender, receiver] = [new Subprocess(program), new Subprocess(program)];
  const ask: Ask = (side, question) => side.ask(question);
  try {
    const offer = await ask<Offer>(sender, { kind: "offer", sample: "smooth", bytes: mib * mebibyte });
    await ask(receiver, { kind: "connect", offer });
    return await action(sender, receiver, ask, offer.bytes);
  } finally {
    await receiver.end();
    await sender.end();
  }
}

async function oneTransfer(way: Way, mib: number): Promise<{ transfer: MeasuredTransfer; beyond: Round["beyond"] }> {
  return between(mib, async (sender, receiver, ask, bytes) => {
    const usages = (): Promise<Usage[]> =>
      Promise.all([sender, receiver].map((side) => ask<Usage>(side, { kind: "usage" })));
    const before = await usages();
    const transfer = await ask<Transfer>(receiver, { kind: "fetch", way });
    const after = await usages();
    if (!transfer.isRight) throw new Error(`${way}: the array arrived with other bytes`);
    const beyond = {
      sender: after[0]!.peak - Math.max(before[0]!.peak, before[0]!.resident),
      receiver: after[1]!.peak - before[1]!.resident - bytes,
    };
    const cpuSeconds = after.reduce((sum, usage, side) => sum + usage.cpuSeconds - before[side]!.cpuSeconds, 0);
    return { transfer: { ...transfer, cpuSeconds }, beyond };
  });
}

async function oneRound({ largeMib, besideMib }: Options, round: number): Promise<Round> {
  const transfers: Partial<Record<Way, MeasuredTransfer>> = {};
  let beyond = { sender: 0, receiver: 0 };
  for (let step = 0; step < ways.length; step++) {
    const way = ways[(step + round) % ways.length]!;
    const done = await oneTransfer(way, largeMib);
    transfers[way] = done.transfer;
    if (way === "colloquy") ({ beyond } = done);
  }
  const [idle, beside, besideSecond] = await between(besideMib, async (_sender, receiver, ask) => {
    await ask(receiver, { kind: "small", seconds: idleSeconds, isFetching: false });
    return [
      await ask<Latency>(receiver, { kind: "small", seconds: idleSeconds, isFetching: false }),
      await ask<Latency>(receiver, { kind: "small", seconds: 0, isFetching: true }),
      await ask<Latency>(receiver, { kind: "small", seconds: 0, isFetching: true }),
    ] as const;
  });
  return { transfers: transfers as Record<Way, MeasuredTransfer>, beyond, idle, beside, besideSecond };
}

function cpuRatio(transfers: Round["transfers"], way: Way): number {
  return transfers.colloquy.cpuSeconds / transfers[way].cpuSeconds;
}

function report(rounds: readonly Round[], { largeMib, besideMib }: Options): string {
  const spread = (value: (round: Round) => number): string => spreadText(spreadOf(rounds.map(value)), formatQuantity);
  const rate = (way: Way): string => spread(({ transfers }) => (largeMib * mebibyte) / 1e6 / transfers[way].seconds);
  const ratio = (way: Way): string => spread(({ transfers }) => transfers[way].seconds / transfers.colloquy.seconds);
  const rows = [
    ...ways.map((way) => [`${largeMib} MiB, ${way}, MB/s`, rate(way)]),
    ["colloquy by in-place", ratio("in-place")],
    ["colloquy by copied", ratio("copied")],
    ["CPU of both sides, colloquy by in-place", spread(({ transfers }) => cpuRatio(transfers, "in-place"))],
    ["CPU of both sides, colloquy by copied", spread(({ transfers }) => cpuRatio(transfers, "copied"))],
    ["sender beyond the array, MiB", spread(({ beyond }) => beyond.sender / mebibyte)],
    ["receiver beyond the array, MiB", spread(({ beyond }) => beyond.receiver / mebibyte)],
    ["small calls, idle, p50, us", spread(({ idle }) => idle.p50)],
    ["small calls, idle, p99, us", spread(({ idle }) => idle.p99)],
    [`small calls beside ${besideMib} MiB, p50, us`, spread(({ beside }) => beside.p50)],
    [`small calls beside ${besideMib} MiB, p99, us`, spread(({ beside }) => beside.p99)],
    ["p99 beside by idle", spread(({ idle, beside }) => beside.p99 / idle.p99)],
    ["the same, beside a second array", spread(({ idle, besideSecond }) => besideSecond.p99 / idle.p99)],
  ];
  return markdownTable(["", "median (min..max)"], rows);
}

/** Compares large arrays with bare loops. Resolves with the exit code. */
export async function run(args: readonly string[]): Promise<number> {
  const options = readOptions(args);
  if (options === undefined) {
    process.stdout.write(usage);
    return 0;
  }
  const rounds: Round[] = [];
  for (let round = 0; round < options.rounds; round++) {
    rounds.push(await oneRound(options, round));
    process.stderr.write(`round ${round + 1}/${options.rounds}\n`);
  }
  process.stdout.write(`${report(rounds, options)}\n`);
  const path = await writeResult("arrays", { run: options, rounds });
  process.stdout.write(`written to ${path}\n`);
  return 0;
}
