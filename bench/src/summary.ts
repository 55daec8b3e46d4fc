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

/** What a peer reached in a workload, over all rounds. */
export interface Summary {
  readonly workload: string;
  readonly peer: string;
  /** Microseconds or calls a second, by the kind of the workload; absent where every round failed. */
  readonly value?: Spread;
  /** Speed relative to the yardstick in the same round: 2 is twice as fast, for latencies too. */
  readonly ratio?: Spread;
  readonly failures: number;
}

/** Summarizes the rounds of every peer in every workload. */
export function summarize(
  cells: readonly Cell[],
  workloads: readonly Workload[],
  peers: readonly string[],
  yardstick: string,
): readonly Summary[] {
  return workloads.flatMap((workload) =>
    peers.map((peer) => {
      const own = cells.filter((cell) => cell.workload === workload.name && cell.peer === peer);
      const values = own.flatMap((cell) => valueOf(cell) ?? []);
      const ratios = own.flatMap((cell) => {
        const reference = cells.find(
          (other) => other.workload === cell.workload && other.peer === yardstick && other.round === cell.round,
        );
        return ratioOf(workload, valueOf(cell), reference && valueOf(reference)) ?? [];
      });
      const value = spreadOf(values);
      const ratio = spreadOf(ratios);
      return {
        workload: workload.name,
        peer,
        ...(value && { value }),
        ...(ratio && { ratio }),
        failures: own.length - values.length,
      };
    }),
  );
}

function valueOf(cell: Cell): number | undefined {
  return cell.outcome.ok ? cell.outcome.measurement.value : undefined;
}

function ratioOf(workload: Workload, value: number | undefined, reference: number | undefined): number | undefined {
  if (value === undefined || reference === undefined) return undefined;
  return workload.kind === "latency" ? reference / value : value / reference;
}
