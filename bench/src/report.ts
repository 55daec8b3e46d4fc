import { formatNumber, type Figure } from "./figures.ts";
import { markdownTable, spreadText } from "./markdown-table.ts";
import type { Summary } from "./summary.ts";
import type { Workload } from "./workloads.ts";

/** Two Markdown tables, peers down and figures across: ratios to the yardstick, then what was measured. */
export function markdownReport(
  summaries: readonly Summary[],
  workloads: readonly Workload[],
  peers: readonly string[],
  yardstick: string,
): string {
  const figures = workloads.flatMap((workload) => workload.figures);
  const tableOf = (title: (figure: Figure) => string, text: (figure: Figure, summary: Summary) => string): string =>
    markdownTable(
      ["", ...figures.map(title)],
      peers.map((peer) => [peer, ...figures.map((figure) => cell(summaries, figure, peer, text))]),
    );
  return [
    `Relative to ${yardstick}, more is better: median of the rounds (min..max).\n`,
    tableOf(({ name }) => name, ratioText),
    "\nMeasured: median of the rounds (min..max).\n",
    tableOf(({ name, unit }) => `${name}, ${unit}`, valueText),
    "",
    ...figures.map(({ name, title, unit }) => `- ${name}: ${title} (${unit}).`),
    ...leftOutNotes(summaries),
    "",
  ].join("\n");
}

function cell(
  summaries: readonly Summary[],
  figure: Figure,
  peer: string,
  text: (figure: Figure, summary: Summary) => string,
): string {
  const summary = summaries.find((one) => one.workload === figure.name && one.peer === peer);
  if (summary === undefined || summary.leftOut !== undefined) return "";
  if (summary.value === undefined) return "fails";
  const failed = summary.failures === 0 ? "" : `, failed ${summary.failures} x`;
  return `${text(figure, summary)}${failed}`;
}

function ratioText(_: Figure, { ratio }: Summary): string {
  return spreadText(ratio, (value) => value.toFixed(2));
}

function valueText(figure: Figure, { value }: Summary): string {
  return spreadText(value, (number) => formatNumber(figure, number));
}

function leftOutNotes(summaries: readonly Summary[]): readonly string[] {
  const workloadsOf = new Map<string, string[]>();
  for (const { peer, workload, leftOut } of summaries) {
    if (leftOut === undefined) continue;
    const key = `${peer}: ${leftOut}`;
    workloadsOf.set(key, [...(workloadsOf.get(key) ?? []), workload]);
  }
  return [...workloadsOf].map(([key, names]) => `- Left out of ${names.join(", ")}: ${key}.`);
}
