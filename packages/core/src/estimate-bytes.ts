const SCALAR_BYTES = 9;
const LARGE_BIGINT_BYTES = 4096;
const DEEPEST = 32;
const TWO_TO_THE_64 = 2n ** 64n;

/**
 * About how many bytes a value takes in a message: 9 for each value, and the length of texts, keys and binary data. More than `most` where
 * it has more than that, is nested deeper than 32 levels, or can't be looked at because a getter throws.
 */
export function estimateBytes(value: unknown, most: number): number {
  try {
    return estimate(value, most, DEEPEST);
  } catch {
    return most + 1;
  }
}

function estimate(value: unknown, most: number, depth: number): number {
  if (typeof value === "string") return SCALAR_BYTES + value.length;
  if (typeof value === "bigint") return value < TWO_TO_THE_64 && value > -TWO_TO_THE_64 ? 20 : LARGE_BIGINT_BYTES;
  if (typeof value !== "object" || value === null) return SCALAR_BYTES;
  if (ArrayBuffer.isView(value) || value instanceof ArrayBuffer) return SCALAR_BYTES + value.byteLength;
  if (depth === 0) return most + 1;
  if (Array.isArray(value) || value instanceof Set) return estimateAll(value as Iterable<unknown>, most, depth);
  if (value instanceof Map) return estimateAll([...value.keys(), ...value.values()], most, depth);
  let bytes = SCALAR_BYTES;
  for (const key of Object.keys(value)) {
    bytes += key.length + estimate((value as Record<string, unknown>)[key], most - bytes, depth - 1);
    if (bytes > most) break;
  }
  return bytes;
}

function estimateAll(values: Iterable<unknown>, most: number, depth: number): number {
  let bytes = SCALAR_BYTES;
  for (const value of values) {
    bytes += estimate(value, most - bytes, depth - 1);
    if (bytes > most) break;
  }
  return bytes;
}
