/** A point of a line, in the chart's own units. */
export type Point = readonly [x: number, y: number];

export interface Line {
  readonly name: string;
  readonly color: string;
  readonly points: readonly Point[];
  /** Holds each value until the next point. Default: straight lines. */
  readonly isStepped?: boolean;
  /** Fills the area below, down to 0. */
  readonly isFilled?: boolean;
  readonly width?: number;
}

export interface Panel {
  readonly title: string;
  readonly xLabel: string;
  readonly yLabel: string;
  readonly lines: readonly Line[];
  /** Where the x axis begins. Default: with the first point. */
  readonly xFrom?: number;
  /** Where ticks are on the x axis. Default: at round numbers. */
  readonly xTicks?: readonly number[];
  /** Powers of ten instead of equal distances on the y axis. */
  readonly isLog?: boolean;
}

const PANEL = { width: 520, height: 320, left: 64, right: 16, top: 56, bottom: 44 };
const TEXT = 'font-family="system-ui, -apple-system, Segoe UI, DejaVu Sans, sans-serif"';
const INK = "#1f2933";
const FAINT = "#e4e7eb";
const GREY = "#616e7c";

/** Panels beside each other, below a heading, as the text of an SVG file. */
export function drawChart(heading: string, panels: readonly Panel[]): string {
  const width = panels.length * PANEL.width + 16;
  const height = PANEL.height + 44;
  const drawn = panels.map(
    (panel, at) => `<g transform="translate(${8 + at * PANEL.width} 40)">${drawPanel(panel)}</g>`,
  );
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" ${TEXT}>`,
    `<rect width="${width}" height="${height}" fill="#ffffff"/>`,
    `<text x="${8 + 16}" y="30" font-size="17" font-weight="600" fill="${INK}">${escaped(heading)}</text>`,
    ...drawn,
    "</svg>",
    "",
  ].join("\n");
}

function drawPanel({ title, xLabel, yLabel, lines, xFrom = Infinity, xTicks, isLog = false }: Panel): string {
  const points = lines.flatMap((line) => line.points);
  const xs = points.map(([x]) => x);
  const [xMin, xMax] = [Math.min(xFrom, ...xs), Math.max(...xs)];
  const yTicks = isLog
    ? powersOfTen(points)
    : ticksOver(Math.min(0, ...points.map(([, y]) => y)), Math.max(...points.map(([, y]) => y)));
  const [yMin, yMax] = [yTicks[0]!, yTicks.at(-1)!];
  const inner = { width: PANEL.width - PANEL.left - PANEL.right, height: PANEL.height - PANEL.top - PANEL.bottom };
  const scaleY = isLog ? Math.log10 : (value: number): number => value;
  const toX = (x: number): number => PANEL.left + ((x - xMin) / (xMax - xMin || 1)) * inner.width;
  const toY = (y: number): number =>
    PANEL.top +
    inner.height * (1 - (scaleY(Math.max(y, isLog ? yMin : y)) - scaleY(yMin)) / (scaleY(yMax) - scaleY(yMin) || 1));
  const bottom = PANEL.top + inner.height;
  const right = PANEL.left + inner.width;
  const horizontal = yTicks.map(
    (y) =>
      `<line x1="${PANEL.left}" x2="${right}" y1="${n(toY(y))}" y2="${n(toY(y))}" stroke="${y === 0 && yMin < 0 ? GREY : FAINT}"/>` +
      `<text x="${PANEL.left - 8}" y="${n(toY(y) + 4)}" font-size="11" text-anchor="end" fill="${GREY}">${label(y)}</text>`,
  );
  const vertical = (xTicks ?? ticksOver(xMin, xMax).filter((x) => x >= xMin && x <= xMax)).map(
    (x) =>
      `<line x1="${n(toX(x))}" x2="${n(toX(x))}" y1="${n(bottom)}" y2="${n(bottom + 4)}" stroke="${GREY}"/>` +
      `<text x="${n(toX(x))}" y="${n(bottom + 17)}" font-size="11" text-anchor="middle" fill="${GREY}">${label(x)}</text>`,
  );
  return [
    `<text x="16" y="16" font-size="13" font-weight="600" fill="${INK}">${escaped(title)}</text>`,
    `<text x="16" y="${PANEL.top - 10}" font-size="11" fill="${GREY}">${escaped(yLabel)}</text>`,
    ...horizontal,
    ...vertical,
    ...lines.map((line) => drawLine(line, toX, toY, toY(isLog ? yMin : 0))),
    `<line x1="${PANEL.left}" x2="${right}" y1="${n(bottom)}" y2="${n(bottom)}" stroke="${GREY}"/>`,
    `<text x="${n(right)}" y="${n(bottom + 34)}" font-size="11" text-anchor="end" fill="${GREY}">${escaped(xLabel)}</text>`,
    drawLegend(lines),
  ].join("\n");
}

function drawLine(
  { points, color, isStepped = false, isFilled = false, width = 2 }: Line,
  toX: (x: number) => number,
  toY: (y: number) => number,
  base: number,
): string {
  if (points.length === 0) return "";
  const path = points.map(([x, y], at) => {
    if (at === 0) return `M${n(toX(x))} ${n(toY(y))}`;
    return isStepped ? `H${n(toX(x))}V${n(toY(y))}` : `L${n(toX(x))} ${n(toY(y))}`;
  });
  const [first, last] = [points[0]!, points.at(-1)!];
  const area = isFilled
    ? `<path d="${path.join("")}V${n(base)}H${n(toX(first[0]))}Z" fill="${color}" fill-opacity="0.16"/>`
    : "";
  const end =
    points.length === 1 ? `<circle cx="${n(toX(last[0]))}" cy="${n(toY(last[1]))}" r="3" fill="${color}"/>` : "";
  return `${area}<path d="${path.join("")}" fill="none" stroke="${color}" stroke-width="${width}" stroke-linejoin="round"/>${end}`;
}

/** From the right; about as wide as the names are. */
function drawLegend(lines: readonly Line[]): string {
  if (lines.length < 2) return "";
  let x = PANEL.width - PANEL.right;
  const entries = lines.toReversed().map(({ name, color }) => {
    x -= name.length * 6.2 + 30;
    return (
      `<line x1="${n(x)}" x2="${n(x + 16)}" y1="${PANEL.top - 14}" y2="${PANEL.top - 14}" stroke="${color}" stroke-width="3"/>` +
      `<text x="${n(x + 21)}" y="${PANEL.top - 10}" font-size="11" fill="${INK}">${escaped(name)}</text>`
    );
  });
  return entries.join("");
}

/** About five round numbers that hold the range between them. */
function ticksOver(low: number, high: number): number[] {
  const span = high - low || 1;
  const rough = span / 5;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 2.5, 5, 10].map((factor) => factor * power).find((size) => size >= rough)!;
  const ticks: number[] = [];
  for (let at = Math.floor(low / step); at * step < high + step; at++) {
    ticks.push(Number((at * step).toPrecision(12)));
    if (at * step >= high) break;
  }
  return ticks;
}

function powersOfTen(points: readonly Point[]): number[] {
  const values = points.map(([, y]) => y).filter((y) => y > 0);
  const low = Math.floor(Math.log10(Math.min(...values)));
  const high = Math.max(Math.ceil(Math.log10(Math.max(...values))), low + 1);
  return Array.from({ length: high - low + 1 }, (_, at) => 10 ** (low + at));
}

function label(value: number): string {
  if (value !== 0 && Math.abs(value) < 0.001) return value.toExponential(0);
  return Number(value.toPrecision(6)).toLocaleString("en-US", { maximumFractionDigits: 4 });
}

function n(value: number): string {
  return String(Math.round(value * 10) / 10);
}

function escaped(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;");
}
