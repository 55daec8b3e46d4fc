import { formatQuantity, markdownTable, spreadText } from "../markdown-table.ts";
import { spreadOf, type Spread } from "../statistics.ts";
import type { Series } from "./points.ts";
import type { Cost } from "./run-point.ts";

/** One measurement of a run, with its place in it. */
export interface GrowthCell {
  readonly round: number;
  readonly series: string;
  readonly x: number;
  readonly cost?: Cost;
  readonly failure?: string;
}

/** What a call costs at a point, over all rounds. Growth is relative to the first point of the series in the same round. */
export interface GrowthSummary {
  readonly series: string;
  readonly x: number;
  readonly failures: number;
  readonly callsPerSecond: Spread | undefined;
  readonly clientUs: Spread | undefined;
  readonly serverUs: Spread | undefined;
  /** Of the time of CPU a call takes on both sides. */
  readonly cpuGrowth: Spread | undefined;
  /** Of the least that both sides have needed in any round: what others do to the machine only adds to it. */
  readonly leastCpuGrowth: number | undefined;
  /** Of the time between two calls. */
  readonly timeGrowth: Spread | undefined;
}

/** Summarizes the rounds of every point. */
export function summarizeGrowth(cells: readonly GrowthCell[], all: readonly Series[]): readonly GrowthSummary[] {
  return all.flatMap(({ name, points }) => {
    const ofSeries = cells.filter((cell) => cell.series === name);
    const first = ofSeries.filter(({ x }) => x === points[0]?.x);
    return points.map(({ x }) =>
      summarizePoint(
        name,
        x,
        ofSeries.filter((cell) => cell.x === x),
        first,
      ),
    );
  });
}

function summarizePoint(
  series: string,
  x: number,
  own: readonly GrowthCell[],
  first: readonly GrowthCell[],
): GrowthSummary {
  const costs = own.flatMap(({ cost }) => cost ?? []);
  const growth = (value: (cost: Cost) => number): Spread | undefined =>
    spreadOf(
      own.flatMap(({ round, cost }) => {
        const base = first.find((cell) => cell.round === round)?.cost;
        return cost === undefined || base === undefined ? [] : value(cost) / value(base);
      }),
    );
  return {
    series,
    x,
    failures: own.length - costs.length,
    callsPerSecond: spreadOf(costs.map(({ callsPerSecond }) => callsPerSecond)),
    clientUs: spreadOf(costs.map(({ clientUs }) => clientUs)),
    serverUs: spreadOf(costs.map(({ serverUs }) => serverUs)),
    cpuGrowth: growth(cpuUs),
    leastCpuGrowth: leastCpuUs(own) / leastCpuUs(first) || undefined,
    timeGrowth: growth(({ callsPerSecond }) => 1 / callsPerSecond),
  };
}

function cpuUs({ clientUs, serverUs }: Cost): number {
  return clientUs + serverUs;
}

/** NaN where no round has worked. */
function leastCpuUs(cells: readonly GrowthCell[]): number {
  return spreadOf(cells.flatMap(({ cost }) => (cost === undefined ? [] : cpuUs(cost))))?.min ?? Number.NaN;
}

/** One table for each series. */
export function growthReport(summaries: readonly GrowthSummary[], all: readonly Series[], isPinned: boolean): string {
  const place = isPinned ? "on one CPU" : "on CPUs of their choice";
  const legend =
    `Cost of one call as one thing grows, client and server ${place}. Growth is relative to the first row of the same ` +
    "round: median of the rounds (min..max); of least CPU: of the cheapest rounds.\n";
  const tables = all.map(({ name, title, unit, mustBeFlat }) => {
    const head = [
      unit,
      "calls/s",
      "CPU of client, us",
      "CPU of server, us",
      "growth of CPU",
      "of least CPU",
      "growth of time",
    ];
    const rows = summaries.filter(({ series }) => series === name).map(row);
    const note = mustBeFlat ? " (must not grow)" : "";
    return `${title[0]!.toUpperCase()}${title.slice(1)}${note}:\n\n${markdownTable(head, rows)}\n`;
  });
  return [legend, ...tables].join("\n");
}

function row(summary: GrowthSummary): readonly string[] {
  const x = formatQuantity(summary.x);
  if (summary.callsPerSecond === undefined) return [x, "fails", "", "", "", "", ""];
  const median = (spread: Spread | undefined): string => (spread === undefined ? "" : formatQuantity(spread.median));
  const growth = (spread: Spread | undefined): string => spreadText(spread, formatGrowth);
  return [
    summary.failures === 0 ? x : `${x} (failed ${summary.failures} x)`,
    median(summary.callsPerSecond),
    median(summary.clientUs),
    median(summary.serverUs),
    growth(summary.cpuGrowth),
    summary.leastCpuGrowth === undefined ? "" : formatGrowth(summary.leastCpuGrowth),
    growth(summary.timeGrowth),
  ];
}

function formatGrowth(value: number): string {
  return value < 10 ? value.toFixed(2) : formatQuantity(value);
}
