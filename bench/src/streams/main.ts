import { mebibyte } from "../arrays/samples.ts";
import { formatQuantity, markdownTable, spreadText } from "../markdown-table.ts";
import { integerOptions } from "../numeric-options.ts";
import { writeResult } from "../result-writer.ts";
import { spreadOf } from "../statistics.ts";
import { Subprocess } from "../subprocess.ts";
import type { Left, StreamRun, StreamsQuestion } from "./cell.ts";

interface Options {
  readonly rounds: number;
  readonly count: number;
  readonly seconds: number;
}

const usage = `Usage: pnpm bench streams [options]

A stream of numbers from one process to another: items per second beside one call for each item, what leaving it early takes, and
small calls beside a stream whose reader sleeps: their 99th percentile is at most twice that of idle, else the exit code is 1. Each
round has fresh processes.

  --rounds n          rounds (5)
  --count n           items of the stream (1000000)
  --smoke             one short round; only the exit code counts
  --help
`;

const smoke: Options = { rounds: 1, count: 10_000, seconds: 0.05 };
const program = new URL("cell.js", import.meta.url);
/** Each call of an item takes this much longer than an item of the stream. */
const callShare = 20;
const leftAt = 10;
/** Of small calls beside a slow reader, by those of an idle connection. */
const mostP99Ratio = 2;

interface Round {
  readonly stream: StreamRun;
  readonly oneByOne: number;
  readonly inFlight: number;
  readonly left: Left;
  readonly idleP99: number;
  readonly besideP99: number;
}

function readOptions(args: readonly string[]): Options | undefined {
  const options = integerOptions(args, { rounds: 5, count: 1_000_000 });
  if (options === undefined || options.smoke) return options && smoke;
  return { ...options.numbers, seconds: 2 };
}

async function oneRound({ count, seconds }: Options): Promise<Round> {
  const [producer, reader] = [new Subprocess(program), new Subprocess(program)];
  const ask = <T>(question: StreamsQuestion): Promise<T> => reader.ask<T>(question);
  try {
    const address = await producer.ask<string>({ kind: "serve" } satisfies StreamsQuestion);
    await ask({ kind: "connect", address });
    const calls = Math.ceil(count / callShare);
    // Once to warm up.
    await ask({ kind: "stream", count: Math.ceil(count / 2) });
    await ask({ kind: "calls", count: calls, inFlight: 1 });
    return {
      stream: await ask<StreamRun>({ kind: "stream", count }),
      oneByOne: await ask<number>({ kind: "calls", count: calls, inFlight: 1 }),
      inFlight: await ask<number>({ kind: "calls", count, inFlight: 256 }),
      left: await ask<Left>({ kind: "leave", at: leftAt }),
      idleP99: await ask<number>({ kind: "beside", seconds, hasReader: false }),
      besideP99: await ask<number>({ kind: "beside", seconds, hasReader: true }),
    };
  } finally {
    await reader.end();
    await producer.end();
  }
}

function p99Ratio({ idleP99, besideP99 }: Round): number {
  return besideP99 / idleP99;
}

function report(rounds: readonly Round[], { count }: Options): string {
  const spread = (value: (round: Round) => number): string => spreadText(spreadOf(rounds.map(value)), formatQuantity);
  return markdownTable(
    ["", "median (min..max)"],
    [
      [`${formatQuantity(count)} items, items/s`, spread(({ stream }) => stream.perSecond)],
      ["by one call an item, one after another", spread(({ stream, oneByOne }) => stream.perSecond / oneByOne)],
      ["by one call an item, 256 in flight", spread(({ stream, inFlight }) => stream.perSecond / inFlight)],
      ["the reader grows by, MiB", spread(({ stream }) => stream.grownBytes / mebibyte)],
      [
        `left at item ${leftAt}: until the producer ends, round trips`,
        spread(({ left }) => left.milliseconds / left.roundTripMs),
      ],
      ["items that it has given by then", spread(({ left }) => left.given)],
      [`p99 of small calls beside a reader that sleeps, by idle (at most ${mostP99Ratio})`, spread(p99Ratio)],
    ],
  );
}

/** Measures streams. Resolves with the exit code. */
export async function run(args: readonly string[]): Promise<number> {
  const options = readOptions(args);
  if (options === undefined) {
    process.stdout.write(usage);
    return 0;
  }
  const rounds: Round[] = [];
  for (let round = 1; round <= options.rounds; round++) {
    rounds.push(await oneRound(options));
    process.stderr.write(`round ${round}/${options.rounds}\n`);
  }
  process.stdout.write(`${report(rounds, options)}\n`);
  if (options !== smoke)
    process.stdout.write(`\nwritten to ${await writeResult("streams", { run: options, rounds })}\n`);
  // One short round says nothing of times.
  return options === smoke || spreadOf(rounds.map(p99Ratio))!.median <= mostP99Ratio ? 0 : 1;
}
