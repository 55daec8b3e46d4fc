import { spawnSync } from "node:child_process";
import { Children } from "./children.ts";
import { formatValue } from "./figures.ts";
import type { CellSize } from "./many-connections.ts";
import { runCell } from "./run-cell.ts";
import type { Cell } from "./summary.ts";
import type { Workload } from "./workloads.ts";

/** What is run in every round. */
export interface Plan {
  readonly rounds: number;
  readonly size: CellSize;
  /** The peers of each workload. */
  readonly entries: readonly { readonly workload: Workload; readonly peers: readonly string[] }[];
}

const pinning = ["taskset", "-c", "0"];

/** Whether processes can be held on one CPU here. */
export function canPin(): boolean {
  const [command = "", ...args] = pinning;
  return spawnSync(command, [...args, process.execPath, "--version"]).status === 0;
}

/** Runs a plan, one cell after another, and says on stderr how far it is. */
export async function runRounds(plan: Plan, isPinning: boolean): Promise<readonly Cell[]> {
  const children = new Children();
  const cells: Cell[] = [];
  const total = plan.rounds * plan.entries.reduce((sum, { peers }) => sum + peers.length, 0);
  for (let round = 1; round <= plan.rounds; round++) {
    for (const { workload, peers } of plan.entries) {
      const command = [...(workload.isPinned && isPinning ? pinning : []), process.execPath];
      command.push(...(workload.nodeOptions ?? []));
      for (const peer of rotated(peers, round - 1)) {
        const outcome = await runCell(peer, workload, plan.size, command, children);
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

function progressLine({ figures }: Workload, { round, workload, peer, outcome }: Cell): string {
  const place = `round ${round} ${workload} ${peer}`;
  if (!outcome.ok) return `${place} ${outcome.isLeftOut ? "left out" : "FAILED"}: ${onOneLine(outcome.reason)}`;
  const values = figures.flatMap((figure) => {
    const value = figure.of(outcome.measurement);
    return value === undefined ? [] : [formatValue(figure, value)];
  });
  return `${place} ${values.join(", ")}${outcome.hasClosed ? "" : " (did not close in time)"}`;
}

function onOneLine(text: string): string {
  return text.replaceAll(/\s+/g, " ");
}
