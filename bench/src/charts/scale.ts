/** A logarithmic axis. */
export interface LogScale {
  readonly ticks: readonly number[];
  /** Where a value lies, in pixels. */
  place(value: number): number;
}

const steps = [1, 2, 5];
const maxTickCount = 9;

/** An axis from `from` to `to` pixels that holds all values and ends at round numbers. */
export function logScale(values: readonly number[], from: number, to: number): LogScale {
  const low = roundDown(Math.min(...values));
  const high = roundUp(Math.max(...values));
  const logLow = Math.log10(low);
  const width = Math.max(Math.log10(high) - logLow, Number.EPSILON);
  const place = (value: number): number => from + ((Math.log10(value) - logLow) / width) * (to - from);
  return { ticks: ticksBetween(low, high), place };
}

/** The 1-2-5 numbers, or the powers of ten where those are too many. */
function ticksBetween(low: number, high: number): readonly number[] {
  const fine = roundNumbers(low, high, steps);
  return fine.length <= maxTickCount ? fine : roundNumbers(low, high, [1]);
}

function roundNumbers(low: number, high: number, mantissas: readonly number[]): readonly number[] {
  const found: number[] = [];
  for (let power = Math.floor(Math.log10(low)); power <= Math.ceil(Math.log10(high)); power++) {
    for (const mantissa of mantissas) {
      const value = Number(`${mantissa}e${power}`);
      if (value >= low && value <= high) found.push(value);
    }
  }
  return found;
}

function roundDown(value: number): number {
  return roundNumbers(value / 10, value, steps).at(-1) ?? value;
}

function roundUp(value: number): number {
  return roundNumbers(value, value * 10, steps)[0] ?? value;
}
