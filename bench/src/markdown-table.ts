import type { Spread } from "./statistics.ts";

/** A Markdown table whose first column is text and whose other columns are numbers. */
export function markdownTable(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(" | ")} |`;
  return [line(head), `|---|${"--:|".repeat(head.length - 1)}`, ...rows.map(line)].join("\n");
}

/** `1.20 (1.10..1.30)`, or nothing where there is nothing. */
export function spreadText(spread: Spread | undefined, format: (value: number) => string): string {
  if (spread === undefined) return "";
  const { median, min, max } = spread;
  return min === max ? format(median) : `${format(median)} (${format(min)}..${format(max)})`;
}

/** Whole numbers as they are, others with three digits: `0.0123`, `4.56`, `78`, `1,234,567`. */
export function formatQuantity(value: number): string {
  if (value >= 100 || Number.isInteger(value)) return Math.round(value).toLocaleString("en-US");
  return value.toPrecision(3);
}
