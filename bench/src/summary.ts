import { ratioOf, type Figure } from "./figures.ts";
import type { CellOutcome } from "./run-cell.ts";
import { spreadOf, type Spread } from "./statistics.ts";
import type { Workload } from "./workloads.ts";

/** One cell of a run, with its place in it. */
export interface Cell {
  readonly round: number;
  readonly workload: string;
  readonly peer: string;
  readonly outcome: CellOutcome;
}

/** What a peer reached in one figure of a workload, over all rounds. */
export interface Summary {
  /** The name of the figure, which is that of its workload where there is only one. */
  readonly workload: string;
  readonly peer: string;
  /** In the unit of the figure; absent where every round failed. */
  readonly value?: Spread;
  /** How it stands to the yardstick in the same round: 2 is twice as good, also where less is better. */
  readonly ratio?: Spread;
  readonly failures: number;
  /** Why the peer takes no part. */
  readonly leftOut?: string;
}

/** Summarizes the rounds of every peer in every figure of the workloads. */
export function summarize(
  cells: readonly Cell[],
  workloads: readonly Workload[],
  peers: readonly string[],
  yardstick: string,
): readonly Summary[] {
  return workloads.flatMap((workload) => {
    const there = cells.filter((cell) => cell.workload === workload.name);
    return workload.figures.flatMap((figure) => peers.map((peer) => summaryOf(there, figure, peer, yardstick)));
  });
}

function summaryOf(cells: readonly Cell[], figure: Figure, peer: string, yardstick: string): Summary {
  const own = cells.filter((cell) => cell.peer === peer);
  const value = spreadOf(own.flatMap((cell) => valueOf(cell, figure) ?? []));
  const ratio = spreadOf(
    own.flatMap((cell) => {
      const reference = cells.find((other) => other.peer === yardstick && other.round === cell.round);
      return ratioOf(figure, valueOf(cell, figure), valueOf(reference, figure)) ?? [];
    }),
  );
  const leftOut = own.map(({ outcome }) => (!outcome.ok && outcome.isLeftOut ? outcome.reason : undefined))[0];
  return {
    workload: figure.name,
    peer,
    ...(value && { value }),
    ...(ratio && { ratio }),
    failures: own.filter(({ outcome }) => !outcome.ok && !outcome.isLeftOut).length,
    ...(leftOut !== undefined && { leftOut }),
  };
}

function valueOf(cell: Cell | undefined, figure: Figure): number | undefined {
  return cell?.outcome.ok ? figure.of(cell.outcome.measurement) : undefined;
}
