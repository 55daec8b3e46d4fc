import { ColloquyError } from "./errors.ts";
import { elementCount, simplified } from "./shape.ts";

/** Shorter runs are copied one by one: a call takes longer. */
const SHORT_RUN_UNITS = 16;

type Units = Uint8Array | Uint16Array | Uint32Array;

/**
 * Memory for so many bytes, aligned for every type; with anything in it unless it is to be zeroed.
 *
 * @throws ColloquyError `RESOURCE_EXHAUSTED`
 */
export function allocateBytes(byteLength: number, zeroed = false): Uint8Array<ArrayBuffer> {
  try {
    return new Uint8Array(zeroed ? new ArrayBuffer(byteLength) : Buffer.allocUnsafeSlow(byteLength).buffer);
  } catch (error) {
    throw new ColloquyError("RESOURCE_EXHAUSTED", `no memory for an array of ${byteLength} bytes`, { cause: error });
  }
}

/** The places of all elements in C order, in bytes from `first` on. */
export function* elementPlaces(
  shape: readonly number[],
  strides: readonly number[],
  first: number,
): Generator<number, void> {
  if (shape.includes(0)) return;
  const [sizes, steps] = simplified(shape, strides);
  const size = sizes.pop()!;
  const step = steps.pop()!;
  for (const start of runStarts(sizes, steps, first)) {
    for (let index = 0, place = start; index < size; index++, place += step) yield place;
  }
}

/**
 * A copy of the elements in C order without gaps, in memory of its own. `bytes` has nothing before or after the elements; the
 * one with the indices 0 is at `first`.
 */
export function packElements(
  bytes: Uint8Array,
  shape: readonly number[],
  strides: readonly number[],
  first: number,
  itemBytes: number,
): Uint8Array<ArrayBuffer> {
  const packed = allocateBytes(elementCount(shape) * itemBytes);
  if (packed.length === 0) return packed;
  const [sizes, steps] = simplified(shape, strides);
  const unitBytes = commonUnit(itemBytes, bytes.byteOffset, steps);
  const source = unitsOf(bytes, unitBytes);
  const target = unitsOf(packed, unitBytes);
  const itemUnits = itemBytes / unitBytes;
  const size = sizes.pop()!;
  const step = steps.pop()! / unitBytes;
  const isRun = step === itemUnits && size * itemUnits > SHORT_RUN_UNITS;
  let at = 0;
  const unitSteps = steps.map((stride) => stride / unitBytes);
  for (const start of runStarts(sizes, unitSteps, first / unitBytes)) {
    if (isRun) {
      target.set(source.subarray(start, start + size * itemUnits), at);
      at += size * itemUnits;
      continue;
    }
    for (let index = 0, place = start; index < size; index++, place += step) {
      for (let unit = 0; unit < itemUnits; unit++) target[at++] = source[place + unit]!;
    }
  }
  return packed;
}

/** Where the runs along the last dimension start, which `sizes` and `steps` don't have any more. */
function* runStarts(sizes: readonly number[], steps: readonly number[], first: number): Generator<number, void> {
  const indices = sizes.map(() => 0);
  let start = first;
  for (;;) {
    yield start;
    let axis = sizes.length - 1;
    for (; axis >= 0; axis--) {
      start += steps[axis]!;
      if (++indices[axis]! < sizes[axis]!) break;
      start -= steps[axis]! * sizes[axis]!;
      indices[axis] = 0;
    }
    if (axis < 0) return;
  }
}

/** The largest unit of memory in which items, their places and the ways between them are whole. */
function commonUnit(itemBytes: number, place: number, steps: readonly number[]): 1 | 2 | 4 {
  for (const unit of [4, 2] as const) {
    if (itemBytes % unit === 0 && place % unit === 0 && steps.every((step) => step % unit === 0)) return unit;
  }
  return 1;
}

function unitsOf(bytes: Uint8Array, unitBytes: 1 | 2 | 4): Units {
  if (unitBytes === 1) return bytes;
  const [start, count] = [bytes.byteOffset, bytes.length / unitBytes];
  return unitBytes === 2 ? new Uint16Array(bytes.buffer, start, count) : new Uint32Array(bytes.buffer, start, count);
}

/** Turns the bytes of each part around, in place. */
export function swapBytes(bytes: Uint8Array, partBytes: number): void {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  if (partBytes === 2) buffer.swap16();
  else if (partBytes === 4) buffer.swap32();
  else if (partBytes === 8) buffer.swap64();
}
