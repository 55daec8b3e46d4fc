import { tmpdir } from "node:os";
import { join } from "node:path";
import { formatQuantity } from "@colloquy/bench/markdown-table";
import { integerOptions } from "@colloquy/bench/numeric-options";
import { quantile } from "@colloquy/bench/statistics";
import { killRound, type KillRound } from "./kills.ts";
import { stallsOf, type Stalls } from "./stalls.ts";

const usage = `Usage: pnpm faults [options]

Kills a server at a random one of many calls, in each round a new one: every call has to settle once, none may run twice, and what
says that it did not run must not have; the 99th percentile from the death to the end of the calls that fail is at most 1 s. Then
stalls its own event loop, for up to a minute, while answers wait in the socket: no call may time out, no peer be taken for dead.
Exit code 1 where any of that isn't so.

  --rounds n          servers that are killed (1000)
  --smoke             3 servers, and stalls of up to half a second
  --help
`;

const mostP99Ms = 1000;
const stallsMs = [100, 300, 1000, 3000, 10_000, 60_000];
const smoke = { rounds: 3, stallsMs: [100, 500] };
const shownCount = 5;

function readOptions(args: readonly string[]): typeof smoke | undefined {
  const options = integerOptions(args, { rounds: 1000 });
  if (options === undefined || options.smoke) return options && smoke;
  return { rounds: options.numbers.rounds, stallsMs };
}

/** Whether all was as it has to be. */
function reportKills(rounds: readonly KillRound[]): boolean {
  const [calls, settled] = rounds.reduce(([a, b], one) => [a + one.calls, b + one.settled], [0, 0] as [number, number]);
  const wrong = rounds.flatMap((round) => round.wrong);
  const late = Float64Array.from(rounds.flatMap(({ lateMs }) => lateMs)).toSorted();
  const p99 = quantile(late, 0.99);
  process.stdout.write(
    `${rounds.length} servers killed: ${formatQuantity(calls)} calls, ${formatQuantity(settled)} settled, ` +
      `${formatQuantity(late.length)} failed, p99 ${formatQuantity(p99)} ms after the death (at most ${mostP99Ms}), ` +
      `${wrong.length} wrong (0)\n`,
  );
  for (const text of wrong.slice(0, shownCount)) process.stdout.write(`  ${text}\n`);
  return calls === settled && wrong.length === 0 && p99 <= mostP99Ms;
}

function reportStalls({ calls, falseTimeouts, falseDeaths }: Stalls, milliseconds: readonly number[]): boolean {
  const most = formatQuantity(Math.max(...milliseconds));
  process.stdout.write(
    `stalls of up to ${most} ms: ${calls} calls, ${falseTimeouts} false timeouts (0), ${falseDeaths} false deaths (0)\n`,
  );
  return falseTimeouts + falseDeaths === 0;
}

/** Resolves with the exit code. */
export async function run(args: readonly string[]): Promise<number> {
  const options = readOptions(args);
  if (options === undefined) {
    process.stdout.write(usage);
    return 0;
  }
  const rounds: KillRound[] = [];
  for (let round = 0; round < options.rounds; round++) {
    rounds.push(await killRound(join(tmpdir(), `colloquy-kills-${process.pid}-${round}`), Math.random()));
    if (round % 100 === 99) process.stderr.write(`${round + 1} of ${options.rounds}\n`);
  }
  const areKillsGood = reportKills(rounds);
  const areStallsGood = reportStalls(await stallsOf(options.stallsMs), options.stallsMs);
  return areKillsGood && areStallsGood ? 0 : 1;
}
