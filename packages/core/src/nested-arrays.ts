import { parseDtype } from "./dtype.ts";
import type { Dtype } from "./dtype.ts";
import { writeElement } from "./elements.ts";
import type { NdArrayElement } from "./elements.ts";
import { describeType, formatPlace } from "./errors.ts";
import type { ColloquyError } from "./errors.ts";
import { allocateBytes } from "./packed-elements.ts";
import { MAX_DIMENSION_COUNT, checkShape, elementCount, formatShape, invalid } from "./shape.ts";

/** Arrays in arrays, all of the same length on one level; an element by itself has no dimensions. */
export type NestedArray = NdArrayElement | readonly NestedArray[];

/** Arrays without an element in them that a shape may stand for: its other sizes can be anything. */
const MAX_EMPTY_ARRAY_COUNT = 1_000_000;

/** Packed elements in C order. */
export interface PackedArray {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly dtype: Dtype;
  readonly shape: readonly number[];
}

/**
 * The elements of nested arrays. Without a dtype booleans make `bool`, bigints `int64` and numbers `float64`: as the first
 * element is. A complex number is a pair, `[re, im]`.
 *
 * @throws ColloquyError `INVALID_ARGUMENT` for arrays of different lengths on one level, and elements that don't fit.
 */
export function packNested(nested: unknown, wanted: string | undefined): PackedArray {
  const sizes: number[] = [];
  let first = nested;
  while (Array.isArray(first)) {
    // One more is for the pairs of complex numbers.
    if (sizes.length > MAX_DIMENSION_COUNT)
      throw invalid(`arrays nested deeper than ${MAX_DIMENSION_COUNT} levels, or cyclic`);
    sizes.push(first.length);
    if (first.length === 0) break;
    first = (first as unknown[])[0];
  }
  const dtype = parseDtype(wanted ?? dtypeOf(first));
  if (dtype.kind === "c" && sizes.at(-1) !== 0 && sizes.pop() !== 2)
    throw invalid(`elements that are no pairs; those of ${dtype.text} are [re, im]`);
  const shape = checkShape(sizes, dtype.itemBytes);
  const bytes = allocateBytes(elementCount(shape) * dtype.itemBytes);
  new NestedReader(dtype, shape, bytes).read(nested, 0);
  return { bytes, dtype, shape };
}

/** As numbers of JavaScript are all of one type, whole ones aren't told from the others. */
function dtypeOf(element: unknown): string {
  if (typeof element === "boolean") return "bool";
  return typeof element === "bigint" ? "int64" : "float64";
}

/** Reads nested arrays of a shape. */
class NestedReader {
  readonly #dtype: Dtype;
  readonly #shape: readonly number[];
  readonly #view: DataView;
  /** On the way down to where it reads. */
  readonly #indices: number[];
  #at = 0;

  constructor(dtype: Dtype, shape: readonly number[], bytes: Uint8Array<ArrayBuffer>) {
    this.#dtype = dtype;
    this.#shape = shape;
    this.#view = new DataView(bytes.buffer);
    this.#indices = shape.map(() => 0);
  }

  /** As deep as the shape is long. */
  read(nested: unknown, axis: number): void {
    if (axis === this.#shape.length) return this.#element(nested);
    const size = this.#shape[axis]!;
    if (!Array.isArray(nested) || nested.length !== size) {
      const found = Array.isArray(nested) ? `an array of ${nested.length}` : describeType(nested);
      throw this.#fault(axis, `${found} in place of an array of ${size}; the shape is ${formatShape(this.#shape)}`);
    }
    for (let index = 0; index < size; index++) {
      this.#indices[axis] = index;
      this.read((nested as unknown[])[index], axis + 1);
    }
  }

  #element(value: unknown): void {
    try {
      writeElement(this.#dtype, this.#view, this.#at, value);
    } catch (error) {
      throw this.#fault(this.#shape.length, (error as Error).message);
    }
    this.#at += this.#dtype.itemBytes;
  }

  #fault(depth: number, reason: string): ColloquyError {
    const place = this.#indices.slice(0, depth);
    return invalid(place.length === 0 ? reason : `${reason}, at ${formatPlace(place)}`);
  }
}

/**
 * Nested arrays of a shape, of elements in C order.
 *
 * @throws ColloquyError `INVALID_ARGUMENT` for a shape without elements that stands for too many arrays.
 */
export function nest(elements: NestedArray[], shape: readonly number[]): NestedArray {
  if (shape.length === 0) return elements[0]!;
  const outerCount = elementCount(shape.slice(0, shape.includes(0) ? shape.indexOf(0) : 0));
  if (outerCount > MAX_EMPTY_ARRAY_COUNT)
    throw invalid(`the shape ${formatShape(shape)} has no elements and stands for ${outerCount} empty arrays`);
  let level = elements;
  // From the inside out.
  for (let axis = shape.length - 1; axis > 0; axis--) {
    const size = shape[axis]!;
    const count = elementCount(shape.slice(0, axis));
    const grouped: NestedArray[] = [];
    for (let index = 0; index < count; index++) grouped.push(level.slice(index * size, (index + 1) * size));
    level = grouped;
  }
  return level;
}
