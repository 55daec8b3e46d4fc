import { ColloquyError, describeType } from "./errors.ts";

/** `"C"`: the last index runs fastest. `"F"`: the first one does. */
export type NdArrayOrder = "C" | "F";

/** NumPy's limit. */
export const MAX_DIMENSION_COUNT = 32;

/**
 * A copy of a shape that can't be changed.
 *
 * @throws ColloquyError `INVALID_ARGUMENT` for what is no shape, or one of more bytes than a number can say.
 */
export function checkShape(shape: unknown, itemBytes: number): readonly number[] {
  if (!Array.isArray(shape)) throw invalid(`a shape is an array of sizes, not ${describeType(shape)}`);
  if (shape.length > MAX_DIMENSION_COUNT)
    throw invalid(`${shape.length} dimensions; an array has at most ${MAX_DIMENSION_COUNT}`);
  // A size of 0 hides no others: strides are made of all of them.
  let bytes = itemBytes;
  const checked: number[] = [];
  for (const [axis, size] of (shape as unknown[]).entries()) {
    if (typeof size !== "number" || !Number.isSafeInteger(size) || size < 0)
      throw invalid(`the size at ${axis} of the shape is ${shown(size)}; sizes are whole numbers from 0 on`);
    bytes *= Math.max(size, 1);
    if (!Number.isSafeInteger(bytes)) throw invalid("a shape of more than 2^53-1 bytes");
    // No -0.
    checked.push(size + 0);
  }
  return Object.freeze(checked);
}

/**
 * A shape in which -1 stands for what the other sizes leave of `count` elements.
 *
 * @throws ColloquyError `INVALID_ARGUMENT`
 */
export function withRest(shape: readonly number[], count: number): readonly number[] {
  const place = shape.indexOf(-1);
  if (place < 0) return shape;
  const others = elementCount(checkShape(shape.toSpliced(place, 1), 1));
  if (others === 0 || count % others !== 0)
    throw invalid(`${count} elements in a shape whose other sizes make ${others}: no size is left for -1`);
  return shape.with(place, count / others);
}

/** How many elements there are. The shape has been checked. */
export function elementCount(shape: readonly number[]): number {
  return shape.reduce((product, size) => product * size, 1);
}

/** Strides of elements without gaps. */
export function stridesOf(shape: readonly number[], itemBytes: number, order: NdArrayOrder): number[] {
  const strides: number[] = shape.map(() => 0);
  let stride = itemBytes;
  for (let step = 0; step < shape.length; step++) {
    const axis = order === "C" ? shape.length - 1 - step : step;
    strides[axis] = stride;
    stride *= shape[axis]!;
  }
  return strides;
}

/** The order in which the elements lie without gaps; undefined where they don't. */
export function orderOf(
  shape: readonly number[],
  strides: readonly number[],
  itemBytes: number,
): NdArrayOrder | undefined {
  if (shape.includes(0)) return "C";
  for (const order of ["C", "F"] as const) {
    const packed = stridesOf(shape, itemBytes, order);
    // Where there is one index only its stride has no meaning.
    if (packed.every((stride, axis) => shape[axis] === 1 || stride === strides[axis])) return order;
  }
  return undefined;
}

/** Where elements lie in bytes, from the first one: `start` is 0 or less, `end` is behind the last of them. */
export interface Extent {
  readonly start: number;
  readonly end: number;
}

/** The sums are exact as long as they are in any memory, and stay beyond it where they are not. */
export function extentOf(shape: readonly number[], strides: readonly number[], itemBytes: number): Extent {
  if (shape.includes(0)) return { start: 0, end: 0 };
  let start = 0;
  let end = itemBytes;
  for (const [axis, size] of shape.entries()) {
    const way = (size - 1) * strides[axis]!;
    if (way < 0) start += way;
    else end += way;
  }
  return { start, end };
}

/**
 * A copy of strides that can't be changed.
 *
 * @throws ColloquyError `INVALID_ARGUMENT`
 */
export function checkStrides(strides: unknown, shape: readonly number[]): readonly number[] {
  if (!Array.isArray(strides) || strides.length !== shape.length)
    throw invalid(`strides are as many numbers of bytes as the shape ${formatShape(shape)} has sizes`);
  for (const stride of strides as unknown[]) {
    if (!Number.isSafeInteger(stride))
      throw invalid(`${shown(stride)} as a stride; strides are whole numbers of bytes`);
  }
  return Object.freeze([...(strides as number[])]);
}

/** Shape and strides of the same elements in the same order with as few dimensions as possible; at least one. */
export function simplified(shape: readonly number[], strides: readonly number[]): [shape: number[], strides: number[]] {
  const [sizes, steps]: [number[], number[]] = [[], []];
  for (const [axis, size] of shape.entries()) {
    if (size === 1) continue;
    const stride = strides[axis]!;
    // All of the inner ones together are one step of the outer one.
    if (sizes.length > 0 && steps.at(-1) === stride * size) {
      sizes[sizes.length - 1]! *= size;
      steps[steps.length - 1] = stride;
    } else {
      sizes.push(size);
      steps.push(stride);
    }
  }
  return sizes.length === 0 ? [[1], [0]] : [sizes, steps];
}

/**
 * Strides with which the same elements in C order have another shape of as many elements; undefined where that takes a copy.
 * Neither shape has a size of 0.
 */
export function reshapedStrides(
  shape: readonly number[],
  strides: readonly number[],
  wanted: readonly number[],
): number[] | undefined {
  const [sizes, steps] = simplified(shape, strides);
  const result: number[] = [];
  // From the last: each of the simplified dimensions has to be a product of wanted ones.
  let from = sizes.length - 1;
  let stride = steps[from]!;
  let left = sizes[from]!;
  for (let axis = wanted.length - 1; axis >= 0; axis--) {
    const size = wanted[axis]!;
    if (left === 1 && size > 1) {
      from--;
      stride = steps[from]!;
      left = sizes[from]!;
    }
    if (left % size !== 0) return undefined;
    result.push(stride);
    stride *= size;
    left /= size;
  }
  return result.toReversed();
}

/** A shape as NumPy writes it: `(2, 3)`, `(4,)`, `()`. */
export function formatShape(shape: readonly number[]): string {
  return `(${shape.join(", ")}${shape.length === 1 ? "," : ""})`;
}

export function invalid(message: string): ColloquyError {
  return new ColloquyError("INVALID_ARGUMENT", message);
}

/** A value that should have been a number. */
function shown(value: unknown): string {
  return typeof value === "number" ? String(value) : describeType(value);
}
