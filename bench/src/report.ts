import type { Spread } from "./statistics.ts";
import type { Summary } from "./summary.ts";
import type { Workload } from "./workloads.ts";

/** Two Markdown tables, peers down and workloads across: ratios to the yardstick, then what was measured. */
export function markdownReport(
  summaries: readonly Summary[],
  workloads: readonly Workload[],
  peers: readonly string[],
  yardstick: string,
): string {
  const find = (workload: Workload, peer: string): Summary | undefined =>
    summaries.find((summary) => summary.workload === workload.name && summary.peer === peer);
  const ratios = table(
    ["", ...workloads.map(({ name }) => name)],
    peers.map((peer) => [peer, ...workloads.map((workload) => ratioCell(find(workload, peer)))]),
  );
  const values = table(
    ["", ...workloads.map(({ name, kind }) => `${name}, ${kind === "latency" ? "us" : "calls/s"}`)],
    peers.map((peer) => [peer, ...workloads.map((workload) => valueCell(workload, find(workload, peer)))]),
  );
  return [
    `Speed relative to ${yardstick}, more is better: median of the rounds (min..max).\n`,
    ratios,
    "\nMeasured: median of the rounds (min..max).\n",
    values,
    "",
    ...workloads.map(({ name, title }) => `- ${name}: ${title}.`),
    "",
  ].join("\n");
}

/** A measured value with the unit of its workload. */
export function formatValue(workload: Workload, value: number): string {
  return workload.kind === "latency"
    ? `${formatNumber(workload, value)} us`
    : `${formatNumber(workload, value)} calls/s`;
}

function formatNumber(workload: Workload, value: number): string {
  return workload.kind === "latency" ? value.toFixed(1) : Math.round(value).toLocaleString("en-US");
}

function ratioCell(summary: Summary | undefined): string {
  if (summary?.ratio === undefined) return summary?.value === undefined ? "fails" : "";
  return withFailures(
    summary,
    spreadCell(summary.ratio, (ratio) => ratio.toFixed(2)),
  );
}

function valueCell(workload: Workload, summary: Summary | undefined): string {
  if (summary?.value === undefined) return "fails";
  return withFailures(
    summary,
    spreadCell(summary.value, (value) => formatNumber(workload, value)),
  );
}

function spreadCell({ median, min, max }: Spread, format: (value: number) => string): string {
  return min === max ? format(median) : `${format(median)} (${format(min)}..${format(max)})`;
}

function withFailures({ failures }: Summary, text: string): string {
  return failures === 0 ? text : `${text}, failed ${failures} x`;
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(" | ")} |`;
  return [line(head), `|---|${"--:|".repeat(head.length - 1)}`, ...rows.map(line)].join("\n");
}
