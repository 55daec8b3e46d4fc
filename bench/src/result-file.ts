import type { Options } from "./options.ts";
import { writeResult } from "./result-writer.ts";
import type { Cell, Summary } from "./summary.ts";

/** Writes a run of peers with all that is needed to judge it and resolves with the file's path from here. */
export function writeResults(
  { rounds, size, workloads }: Options,
  isLatencyPinned: boolean,
  cells: readonly Cell[],
  summaries: readonly Summary[],
): Promise<string> {
  const versions = Object.assign({}, ...cells.map(({ outcome }) => (outcome.ok ? outcome.versions : {}))) as object;
  return writeResult("peers", {
    versions,
    run: { rounds, ...size, isLatencyPinned },
    workloads: workloads.flatMap(({ inFlight, figures }) =>
      figures.map(({ name, title, kind, unit }) => ({ name, title, kind, unit, inFlight })),
    ),
    summaries: summaries.filter(({ leftOut }) => leftOut === undefined),
    leftOut: summaries.filter(({ leftOut }) => leftOut !== undefined),
    cells,
  });
}
