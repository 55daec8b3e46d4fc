import { describeType } from "./errors.ts";
import { invalid } from "./shape.ts";

/**
 * What `slice` takes of a dimension: one index, which leaves the dimension out; `[start, stop, step]` as in Python, where
 * negative numbers count from the end and null is the default; null for all.
 */
export type SliceRange = number | null | readonly [start?: number | null, stop?: number | null, step?: number | null];

/** Indices of one dimension, from `start` in steps of `step`. */
interface IndexRange {
  readonly start: number;
  readonly size: number;
  readonly step: number;
}

/**
 * An index that may count from the end.
 *
 * @throws ColloquyError `INVALID_ARGUMENT`
 */
export function checkIndex(index: unknown, size: number, axis: number): number {
  if (!Number.isInteger(index)) {
    const found = typeof index === "number" ? String(index) : describeType(index);
    throw invalid(`${found} as an index of dimension ${axis}; indices are whole numbers`);
  }
  const place = (index as number) < 0 ? (index as number) + size : (index as number);
  if (place >= 0 && place < size) return place;
  throw invalid(`index ${String(index)} of dimension ${axis}, which has ${size}`);
}

/**
 * The indices that a range stands for. Bounds outside are cut, as in Python.
 *
 * @throws ColloquyError `INVALID_ARGUMENT`
 */
export function resolveRange(range: Exclude<SliceRange, number>, size: number, axis: number): IndexRange {
  if (range !== null && (!Array.isArray(range) || range.length > 3))
    throw invalid(
      `${describeType(range)} as a range of dimension ${axis}; it takes an index, [start, stop, step] or null`,
    );
  const [from, to, by] = range ?? [];
  const step = wholeOr(by, 1, axis);
  if (step === 0) throw invalid(`a range of dimension ${axis} with the step 0`);
  // Going down, it may end before the first.
  const [lowest, highest] = step > 0 ? [0, size] : [-1, size - 1];
  const start = bound(from, size, lowest, highest, step > 0 ? lowest : highest, axis);
  const stop = bound(to, size, lowest, highest, step > 0 ? highest : lowest, axis);
  const count = Math.max(0, Math.ceil((stop - start) / step));
  // A step that isn't taken may be too large for a number of bytes.
  return { start, size: count, step: count < 2 ? 1 : step };
}

function bound(
  value: number | null | undefined,
  size: number,
  lowest: number,
  highest: number,
  otherwise: number,
  axis: number,
): number {
  if (value == null) return otherwise;
  const whole = wholeOr(value, otherwise, axis);
  return Math.min(Math.max(whole < 0 ? whole + size : whole, lowest), highest);
}

function wholeOr(value: number | null | undefined, otherwise: number, axis: number): number {
  if (value == null) return otherwise;
  if (Number.isSafeInteger(value)) return value;
  throw invalid(`a range of dimension ${axis} with something that is no whole number`);
}
