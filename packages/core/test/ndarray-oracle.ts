import * as fc from "fast-check";
import type { NdArrayElement } from "../src/elements.ts";
import type { NdArray } from "../src/ndarray.ts";

/** An array as a list in C order: what views of memory are held against. */
export interface Listed {
  readonly shape: readonly number[];
  readonly elements: readonly NdArrayElement[];
}

export type Step =
  | { readonly kind: "slice"; readonly seed: readonly number[] }
  | { readonly kind: "transpose"; readonly seed: readonly number[] }
  | { readonly kind: "reshape"; readonly seed: readonly number[] };

export const shapes: fc.Arbitrary<number[]> = fc.oneof(
  fc.array(fc.integer({ min: 1, max: 4 }), { maxLength: 4 }),
  fc.array(fc.integer({ min: 0, max: 3 }), { maxLength: 3 }),
);

export const steps: fc.Arbitrary<Step[]> = fc.array(
  fc.record({
    kind: fc.constantFrom("slice" as const, "transpose" as const, "reshape" as const),
    seed: fc.array(fc.integer({ min: -6, max: 6 }), { minLength: 24, maxLength: 24 }),
  }),
  { maxLength: 4 },
);

/** All lists of indices of a shape, in C order. */
export function allIndices(shape: readonly number[]): number[][] {
  let lists: number[][] = [[]];
  for (const size of shape)
    lists = lists.flatMap((list) => Array.from({ length: size }, (_, index) => [...list, index]));
  return lists;
}

function elementAt({ shape, elements }: Listed, indices: readonly number[]): NdArrayElement {
  let place = 0;
  for (const [axis, size] of shape.entries()) place = place * size + indices[axis]!;
  return elements[place]!;
}

/** The same step for the array and for the list. */
export function applyStep(step: Step, array: NdArray, listed: Listed): [NdArray, Listed] {
  switch (step.kind) {
    case "slice":
      return sliced(step.seed, array, listed);
    case "transpose":
      return transposed(step.seed, array, listed);
    default:
      return reshaped(step.seed, array, listed);
  }
}

function sliced(seed: readonly number[], array: NdArray, listed: Listed): [NdArray, Listed] {
  const chosen = listed.shape.map((size, axis) => {
    const [kind, a, b, c] = [0, 1, 2, 3].map((offset) => seed[(axis * 4 + offset) % seed.length]!);
    if (kind! % 3 === 0 && size > 0) return { range: (((a! % size) + size) % size) - (b! > 0 ? size : 0) };
    if (kind! % 3 === 1) return { range: null };
    return { range: [a!, b! % 2 === 0 ? null : b!, c === 0 ? undefined : c!] as [number, number | null, number?] };
  });
  const places = chosen.map(({ range }, axis) => {
    const all = Array.from({ length: listed.shape[axis]! }, (_, index) => index);
    if (typeof range === "number") return all.at(range)!;
    return range === null ? all : pythonRange(all, ...range);
  });
  const shape = places.filter((place) => Array.isArray(place)).map((place) => place.length);
  const elements = allIndices(shape).map((indices) => {
    const left = [...indices];
    return elementAt(
      listed,
      places.map((place) => (Array.isArray(place) ? place[left.shift()!]! : place)),
    );
  });
  return [array.slice(...chosen.map(({ range }) => range)), { shape, elements }];
}

/** Which indices `list[start:stop:step]` has, by looking at each in turn. */
function pythonRange(list: number[], start: number, stop: number | null, step = 1): number[] {
  const size = list.length;
  const from = start < 0 ? start + size : start;
  const to = stop === null ? (step > 0 ? size : -1) : stop < 0 ? stop + size : stop;
  const ordered = step > 0 ? list : list.toReversed();
  const first = ordered.find((index) => (step > 0 ? index >= from : index <= from));
  return ordered.filter(
    (index) =>
      first !== undefined &&
      (step > 0 ? index >= first && index < to : index <= first && index > to) &&
      (index - first) % step === 0,
  );
}

function transposed(seed: readonly number[], array: NdArray, listed: Listed): [NdArray, Listed] {
  const axes = listed.shape.map((_, axis) => axis).sort((a, b) => seed[a]! - seed[b]! || a - b);
  const shape = axes.map((axis) => listed.shape[axis]!);
  const elements = allIndices(shape).map((indices) => {
    const original: number[] = [];
    for (const [place, axis] of axes.entries()) original[axis] = indices[place]!;
    return elementAt(listed, original);
  });
  return [array.transpose(axes), { shape, elements }];
}

function reshaped(seed: readonly number[], array: NdArray, { elements }: Listed): [NdArray, Listed] {
  const shape: number[] = [];
  let left = elements.length;
  for (const number of seed.slice(0, 4)) {
    const size = Math.abs(number);
    if (size > 0 && left > 0 && left % size === 0) {
      shape.push(size);
      left /= size;
    }
  }
  shape.splice(Math.abs(seed[5]!) % (shape.length + 1), 0, left);
  const given = elements.length > 0 && seed[6]! > 0 ? shape.with(seed[7]! > 0 ? 0 : -1, -1) : shape;
  return [array.reshape(given), { shape, elements }];
}
