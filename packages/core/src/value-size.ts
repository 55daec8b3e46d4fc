const SCALAR_SIZE = 9;
const LARGE_BIGINT_SIZE = 4096;
const DEEPEST = 32;
const TWO_TO_THE_64 = 2n ** 64n;

/**
 * About how many bytes a value takes in a message; more than `most` where it has more than that, or is nested deeper than 32
 * levels, or in itself. May throw what a getter throws.
 */
export function valueSize(value: unknown, most: number): number {
  return sizeOf(value, most, DEEPEST);
}

function sizeOf(value: unknown, most: number, depth: number): number {
  if (typeof value === "string") return SCALAR_SIZE + value.length;
  if (typeof value === "bigint") return value < TWO_TO_THE_64 && value > -TWO_TO_THE_64 ? 20 : LARGE_BIGINT_SIZE;
  if (typeof value !== "object" || value === null) return SCALAR_SIZE;
  if (ArrayBuffer.isView(value) || value instanceof ArrayBuffer) return SCALAR_SIZE + value.byteLength;
  if (depth === 0) return most + 1;
  let size = SCALAR_SIZE;
  for (const part of partsOf(value)) {
    size += sizeOf(part, most - size, depth - 1);
    if (size > most) break;
  }
  return size;
}

function* partsOf(value: object): Iterable<unknown> {
  if (Array.isArray(value) || value instanceof Set) yield* value as Iterable<unknown>;
  else if (value instanceof Map) {
    for (const [key, item] of value as ReadonlyMap<unknown, unknown>) {
      yield key;
      yield item;
    }
  } else {
    for (const key of Object.keys(value)) {
      yield key;
      yield (value as Record<string, unknown>)[key];
    }
  }
}
