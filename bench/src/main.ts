// The program behind `pnpm bench`: runs every peer through every workload, round by round, and reports.
import { spawnSync } from "node:child_process";
import { relative } from "node:path";
import { Children } from "./children.ts";
import { parseOptions, usage, type Options } from "./options.ts";
import { yardstick } from "./peers/table.ts";
import { formatValue, markdownReport } from "./report.ts";
import { writeResults } from "./result-file.ts";
import { runCell } from "./run-cell.ts";
import { summarize, type Cell } from "./summary.ts";
import type { Workload } from "./workloads.ts";

const pinning = ["taskset", "-c", "0"];

function canPin(): boolean {
  const [command = "", ...args] = pinning;
  return spawnSync(command, [...args, process.execPath, "--version"]).status === 0;
}

async function runAll(options: Options, isPinning: boolean, children: Children): Promise<readonly Cell[]> {
  const cells: Cell[] = [];
  const total = options.rounds * options.workloads.length * options.peers.length;
  for (let round = 1; round <= options.rounds; round++) {
    for (const workload of options.workloads) {
      for (const peer of rotated(options.peers, round - 1)) {
        const command = workload.isPinned && isPinning ? [...pinning, process.execPath] : [process.execPath];
        const outcome = await runCell(peer, workload, options.timing, command, children);
        const cell: Cell = { round, workload: workload.name, peer, outcome };
        cells.push(cell);
        process.stderr.write(`${cells.length}/${total} ${progressLine(workload, cell)}\n`);
      }
    }
  }
  return cells;
}

/** Each round begins with another peer, so that none always runs in the wake of the same one. */
function rotated<T>(items: readonly T[], by: number): readonly T[] {
  const start = by % items.length;
  return [...items.slice(start), ...items.slice(0, start)];
}

function progressLine(workload: Workload, { round, peer, outcome }: Cell): string {
  const place = `round ${round} ${workload.name} ${peer}`;
  if (!outcome.ok) return `${place} FAILED: ${outcome.reason.replaceAll(/\s+/g, " ")}`;
  const note = outcome.hasClosed ? "" : " (did not close in time)";
  return `${place} ${formatValue(workload, outcome.measurement.value)}${note}`;
}

async function main(options: Options, children: Children): Promise<number> {
  const isPinning = canPin();
  const cells = await runAll(options, isPinning, children);
  if (options.isSmoke) {
    const working = cells.filter(({ outcome }) => outcome.ok && outcome.hasClosed).length;
    process.stdout.write(`${working} of ${cells.length} cells work\n`);
    return working === cells.length ? 0 : 1;
  }
  const summaries = summarize(cells, options.workloads, options.peers, yardstick);
  process.stdout.write(markdownReport(summaries, options.workloads, options.peers, yardstick));
  const path = await writeResults(options, isPinning, cells, summaries);
  process.stderr.write(`written to ${relative(process.cwd(), path)}\n`);
  return cells.every(({ outcome }) => outcome.ok) ? 0 : 1;
}

const children = new Children();
process.on("exit", () => children.killAll());
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => process.exit(130));
try {
  const options = parseOptions(process.argv.slice(2));
  if (options === undefined) process.stdout.write(usage);
  else process.exitCode = await main(options, children);
} catch (error) {
  process.stderr.write(`${(error as Error).message}\n`);
  process.exitCode = 2;
}
