import { fileURLToPath } from "node:url";
import { markdownTable, spreadText } from "../markdown-table.ts";
import { integerOptions } from "../numeric-options.ts";
import { writeResult } from "../result-writer.ts";
import { spreadOf } from "../statistics.ts";
import { Subprocess } from "../subprocess.ts";
import type { HooksQuestion } from "./cell.ts";

interface Options {
  readonly rounds: number;
  readonly seconds: number;
}

const usage = `Usage: pnpm bench hooks [options]

Small calls within one process, one at a time and 64 in flight, where nobody listens to the hooks: by the same packages without the
questions whether somebody does. Two processes take turns, each round in the other order.

  --rounds n          rounds (15)
  --smoke             one short round; only the exit code counts
  --help
`;

const smoke: Options = { rounds: 1, seconds: 0.05 };
const program = new URL("cell.js", import.meta.url);
const withoutHooks = fileURLToPath(new URL("without-hooks.js", import.meta.url));
const inFlightCounts = [1, 64];

/** Calls a second with the hooks, and without, by calls in flight. */
type Round = readonly { readonly inFlight: number; readonly withHooks: number; readonly without: number }[];

async function oneRound([first, second]: readonly Subprocess[], seconds: number): Promise<readonly [number, number][]> {
  const rates: [number, number][] = [];
  for (const inFlight of inFlightCounts) {
    const question: HooksQuestion = { seconds, inFlight };
    rates.push([await first!.ask<number>(question), await second!.ask<number>(question)]);
  }
  return rates;
}

async function measure({ rounds, seconds }: Options): Promise<Round[]> {
  const hooked = new Subprocess(program);
  const bare = new Subprocess(program, [process.execPath, "--import", withoutHooks]);
  const found: Round[] = [];
  try {
    // Once to warm up.
    await oneRound([hooked, bare], seconds);
    for (let round = 0; round < rounds; round++) {
      const isTurned = round % 2 === 1;
      const rates = await oneRound(isTurned ? [bare, hooked] : [hooked, bare], seconds);
      found.push(
        rates.map(([first, second], index) => ({
          inFlight: inFlightCounts[index]!,
          withHooks: isTurned ? second : first,
          without: isTurned ? first : second,
        })),
      );
      process.stderr.write(`round ${round + 1}/${rounds}\n`);
    }
  } finally {
    await Promise.all([hooked.end(), bare.end()]);
  }
  return found;
}

function report(rounds: readonly Round[]): string {
  const rows = inFlightCounts.map((inFlight, index) => {
    const ratios = rounds.map((round) => round[index]!.withHooks / round[index]!.without);
    return [`${inFlight} in flight`, spreadText(spreadOf(ratios), (value) => value.toFixed(3))];
  });
  return markdownTable(["", "calls a second, by those without hooks: median (min..max)"], rows);
}

/** Measures what hooks cost where nobody listens. Resolves with the exit code. */
export async function run(args: readonly string[]): Promise<number> {
  const parsed = integerOptions(args, { rounds: 15 });
  if (parsed === undefined) {
    process.stdout.write(usage);
    return 0;
  }
  const options = parsed.smoke ? smoke : { ...parsed.numbers, seconds: 1 };
  const rounds = await measure(options);
  process.stdout.write(`${report(rounds)}\n`);
  if (!parsed.smoke) process.stdout.write(`\nwritten to ${await writeResult("hooks", { run: options, rounds })}\n`);
  return 0;
}
