import { readdir, readFile, stat } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import type { Spread } from "../statistics.ts";

/** Something that a run has found for each peer; most workloads have one. */
export interface ChartedFigure {
  readonly name: string;
  readonly title: string;
}

/** What charts need of a summary of a result file. */
export interface ChartedSummary {
  /** The name of the figure. */
  readonly workload: string;
  readonly peer: string;
  readonly value?: Spread;
  readonly ratio?: Spread;
}

/** What charts need of a result file. */
export interface Result {
  readonly date: string;
  readonly node: string;
  readonly workloads: readonly ChartedFigure[];
  readonly summaries: readonly ChartedSummary[];
}

/** Those that a figure compares: with a ratio, or without one where they fail. */
export function comparedIn({ name }: ChartedFigure, { summaries }: Result): readonly ChartedSummary[] {
  return summaries.filter(
    ({ workload, ratio, value }) => workload === name && (ratio !== undefined || value === undefined),
  );
}

const folder = new URL("../../results/", import.meta.url);

/** Reads a result file. Rejects when it is none of a run of peers. */
export async function readResult(path: string): Promise<Result> {
  const content: unknown = JSON.parse(await readFile(path, "utf8"));
  if (!isResult(content)) throw new Error(`${path} is not the result of a run of peers`);
  return content;
}

/** The path of the newest result of a run of peers. Rejects when there is none. */
export async function newestResult(): Promise<string> {
  const names = await readdir(folder).catch(() => []);
  const paths = names.filter((name) => name.endsWith(".json")).map((name) => fileURLToPath(new URL(name, folder)));
  const dated = await Promise.all(paths.map(async (path) => ({ path, ms: (await stat(path)).mtimeMs })));
  for (const { path } of dated.toSorted((a, b) => b.ms - a.ms)) {
    const result = await readResult(path).catch(() => undefined);
    if (result !== undefined) return path;
  }
  throw new Error(`no result of a run of peers in ${fileURLToPath(folder)}; pnpm bench makes one`);
}

function isResult(content: unknown): content is Result {
  if (typeof content !== "object" || content === null) return false;
  const { date, workloads, summaries } = content as Partial<Result>;
  return typeof date === "string" && Array.isArray(workloads) && Array.isArray(summaries);
}
