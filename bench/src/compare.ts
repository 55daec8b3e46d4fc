import { parseOptions, usage } from "./options.ts";
import { yardstick } from "./peers/table.ts";
import { markdownReport } from "./report.ts";
import { writeResults } from "./result-file.ts";
import { canPin, runRounds } from "./rounds.ts";
import { summarize } from "./summary.ts";

/** Runs every peer through every workload, round by round, and reports. Resolves with the exit code. */
export async function run(args: readonly string[]): Promise<number> {
  const options = parseOptions(args);
  if (options === undefined) {
    process.stdout.write(usage);
    return 0;
  }
  const { peers, workloads, rounds, size } = options;
  const isPinning = canPin();
  const entries = workloads.map((workload) => ({ workload, peers }));
  const cells = await runRounds({ rounds, size, entries }, isPinning);
  if (options.isSmoke) {
    const leftOut = cells.filter(({ outcome }) => !outcome.ok && outcome.isLeftOut).length;
    const working = cells.filter(({ outcome }) => outcome.ok && outcome.hasClosed).length;
    process.stdout.write(`${working} of ${cells.length - leftOut} cells work, ${leftOut} left out\n`);
    return working === cells.length - leftOut ? 0 : 1;
  }
  const summaries = summarize(cells, workloads, peers, yardstick);
  process.stdout.write(markdownReport(summaries, workloads, peers, yardstick));
  process.stderr.write(`written to ${await writeResults(options, isPinning, cells, summaries)}\n`);
  return cells.every(({ outcome }) => outcome.ok || outcome.isLeftOut) ? 0 : 1;
}
