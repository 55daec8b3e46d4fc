import type { ChartedFigure, ChartedSummary } from "./result.ts";
import { logScale, type LogScale } from "./scale.ts";

const width = 760;
const rowHeight = 22;
const barHeight = 14;
const margin = 16;
const valueWidth = 56;
const characterWidth = 7.6;
const labelGap = 10;
const titleLineHeight = 19;
const maxTitleLength = 84;
const axisHeight = 26;

const style = `
text { font: 12px system-ui, -apple-system, "Segoe UI", sans-serif; fill: #1f2328 }
.title { font-size: 14px; font-weight: 600 }
.note, .tick { fill: #59636e }
.tick, .value { font-variant-numeric: tabular-nums }
.grid { stroke: #d1d9e0 }
.one { stroke: #59636e; stroke-width: 1.5 }
.bar { fill: #afb8c1 }
.own { fill: #0969da }
.spread { stroke: #1f2328; stroke-opacity: 0.6 }
.strong { font-weight: 600 }
@media (prefers-color-scheme: dark) {
text { fill: #f0f6fc }
.note, .tick { fill: #9198a1 }
.grid { stroke: #3d444d }
.one { stroke: #9198a1 }
.bar { fill: #656c76 }
.own { fill: #4493f8 }
.spread { stroke: #f0f6fc }
}`;

/** A bar for each peer, the best first; it starts at the yardstick, and goes left where the peer is behind it. */
export function barChart(
  figure: ChartedFigure,
  summaries: readonly ChartedSummary[],
  yardstick: string,
  isOwn: (peer: string) => boolean,
): string {
  const rows = summaries.toSorted((a, b) => (b.ratio?.median ?? 0) - (a.ratio?.median ?? 0));
  const titleLines = wrap(`${figure.name}: ${figure.title.replaceAll("`", "")}`, maxTitleLength);
  const note = `Relative to ${yardstick}, logarithmic; to the right is better. Thin lines: worst to best round.`;
  const top = margin + titleLines.length * titleLineHeight + titleLineHeight;
  const bottom = top + rows.length * rowHeight + 4;
  const height = bottom + axisHeight;
  const left = margin + labelGap + Math.max(0, ...rows.map(({ peer }) => peer.length)) * characterWidth;
  const values = rows.flatMap(({ ratio }) => (ratio === undefined ? [] : [ratio.min, ratio.max]));
  const scale = logScale([...values, 1], left, width - margin - valueWidth);
  const head = titleLines.map((line, index) =>
    text(margin, margin + 10 + index * titleLineHeight, line, { class: "title" }),
  );
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img" aria-labelledby="title desc">`,
    `<title id="title">${escaped(titleLines.join(" "))}</title>`,
    `<desc id="desc">${escaped(description(rows, yardstick))}</desc>`,
    `<style>${style}\n</style>`,
    ...head,
    text(margin, top - 12, note, { class: "note" }),
    ...grid(scale, top, bottom),
    ...rows.flatMap((row, index) => barRow(row, top + index * rowHeight, left, scale, isOwn(row.peer))),
    line(scale.place(1), top, scale.place(1), bottom, "one"),
    "</svg>",
    "",
  ].join("\n");
}

function barRow(
  { peer, ratio }: ChartedSummary,
  y: number,
  left: number,
  scale: LogScale,
  isOwn: boolean,
): readonly string[] {
  const baseline = y + rowHeight / 2 + 4;
  const strength = isOwn ? "strong" : "";
  const label = text(left - labelGap, baseline, peer, { class: strength, anchor: "end" });
  const value = text(width - margin, baseline, ratio === undefined ? "fails" : formatRatio(ratio.median), {
    class: `value ${strength}`.trim(),
    anchor: "end",
  });
  if (ratio === undefined) return [label, value];
  const ends = [scale.place(1), scale.place(ratio.median)];
  const x = Math.min(...ends);
  const bar =
    `<rect class="${isOwn ? "own" : "bar"}" x="${pixels(x)}" y="${pixels(y + (rowHeight - barHeight) / 2)}" ` +
    `width="${pixels(Math.max(...ends) - x)}" height="${barHeight}"/>`;
  const middle = y + rowHeight / 2;
  return [label, bar, line(scale.place(ratio.min), middle, scale.place(ratio.max), middle, "spread"), value];
}

function grid(scale: LogScale, top: number, bottom: number): readonly string[] {
  return scale.ticks.flatMap((tick) => {
    const x = scale.place(tick);
    return [line(x, top, x, bottom, "grid"), text(x, bottom + 16, `${tick}`, { class: "tick", anchor: "middle" })];
  });
}

function line(x1: number, y1: number, x2: number, y2: number, name: string): string {
  return `<line class="${name}" x1="${pixels(x1)}" y1="${pixels(y1)}" x2="${pixels(x2)}" y2="${pixels(y2)}"/>`;
}

function text(x: number, y: number, content: string, options: { class?: string; anchor?: string }): string {
  const name = options.class ? ` class="${options.class}"` : "";
  const anchor = options.anchor === undefined ? "" : ` text-anchor="${options.anchor}"`;
  return `<text${name} x="${pixels(x)}" y="${pixels(y)}"${anchor}>${escaped(content)}</text>`;
}

/** What the chart shows, for those who can't see it. */
function description(rows: readonly ChartedSummary[], yardstick: string): string {
  const parts = rows.map(({ peer, ratio }) => `${peer} ${ratio === undefined ? "fails" : formatRatio(ratio.median)}`);
  return `Relative to ${yardstick}, more is better: ${parts.join(", ")}.`;
}

/** At most two digits behind the point, at least two digits that count. */
export function formatRatio(ratio: number): string {
  if (ratio >= 10) return ratio.toFixed(0);
  return ratio >= 0.095 ? ratio.toFixed(2) : ratio.toPrecision(2);
}

function pixels(value: number): string {
  return `${Number(value.toFixed(1))}`;
}

function escaped(content: string): string {
  return content.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;").replaceAll('"', "&quot;");
}

function wrap(content: string, length: number): readonly string[] {
  const lines: string[] = [];
  for (const word of content.split(/\s+/)) {
    const last = lines.at(-1);
    if (last === undefined || last.length + 1 + word.length > length) lines.push(word);
    else lines[lines.length - 1] = `${last} ${word}`;
  }
  return lines;
}
