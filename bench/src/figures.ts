import type { Measurement } from "./measure.ts";

/** What a figure is: `latency` in microseconds, `rate` a second, `bytes`, or a plain `factor`. */
export type Kind = "latency" | "rate" | "bytes" | "factor";

/** One column of the report: something that a workload finds. */
export interface Figure {
  readonly name: string;
  readonly title: string;
  readonly kind: Kind;
  readonly unit: string;
  /** Undefined where this peer's measurement doesn't hold it. */
  of(measurement: Measurement): number | undefined;
}

/** How the value stands to that of a reference: 2 is twice as good. Undefined where one of them makes no sense. */
export function ratioOf(
  { kind }: Figure,
  value: number | undefined,
  reference: number | undefined,
): number | undefined {
  if (value === undefined || reference === undefined || value <= 0 || reference <= 0) return undefined;
  return kind === "rate" ? value / reference : reference / value;
}

/** The value without its unit. */
export function formatNumber({ kind }: Figure, value: number): string {
  return kind === "latency" || kind === "factor" ? value.toFixed(1) : Math.round(value).toLocaleString("en-US");
}

/** The value with its unit. */
export function formatValue(figure: Figure, value: number): string {
  return `${formatNumber(figure, value)} ${figure.unit}`;
}
