import { CONTAINER_COST, ENTRY_COST, SCALAR_COST, TEXT_COST, bytesCost } from "./decoded-cost.ts";
import { indexKeyCost, indexOfKey } from "./index-key-cost.ts";

/** What is no plain value: an instance, a proxy, a function. Its own content isn't looked at. */
const OBJECT_COST = 512;
const SIGNAL_COST = 4096;
const DEEPEST = 1000;
/** Up to this size nothing is remembered of what was seen: that would take longer than to look at small values. */
const SMALL_SIZE = 32_768;

/**
 * About what a decoded value takes in memory, by the costs of `docs/limits.md`; it stops where that is above `most`. An object counts once,
 * wherever it stands, unless each time together makes a small size. What a serializer has made counts as one object: whoever asks takes
 * the bytes that it came in where these are more.
 */
export function decodedSize(value: unknown, most: number): number {
  const mostSmall = Math.min(most, SMALL_SIZE);
  const size = sizeOf(value, mostSmall, DEEPEST, undefined);
  return size <= mostSmall ? size : sizeOf(value, most, DEEPEST, new Set());
}

/** What is in `seen` has been counted. */
function sizeOf(value: unknown, most: number, depth: number, seen: Set<object> | undefined): number {
  if (typeof value === "string") return TEXT_COST + value.length;
  if (typeof value !== "object" || value === null)
    return typeof value === "bigint" || typeof value === "function" ? OBJECT_COST : SCALAR_COST;
  if (seen !== undefined) {
    const count = seen.size;
    if (seen.add(value).size === count) return 0;
  }
  if (ArrayBuffer.isView(value) || value instanceof ArrayBuffer) return bytesCost(value.byteLength);
  if (depth === 0) return most;
  if (Array.isArray(value)) return sizeOfArray(value, most, depth, seen);
  if (value instanceof Map) {
    const size = withAll(OBJECT_COST + CONTAINER_COST, value.keys(), most, depth, seen);
    return size > most ? size : withAll(size, value.values(), most, depth, seen);
  }
  if (value instanceof Set) return withAll(OBJECT_COST + CONTAINER_COST, value, most, depth, seen);
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype === Object.prototype || prototype === null) return sizeOfMap(value, most, depth, seen);
  return value instanceof AbortSignal ? SIGNAL_COST : OBJECT_COST;
}

function sizeOfArray(values: readonly unknown[], most: number, depth: number, seen: Set<object> | undefined): number {
  let size = CONTAINER_COST;
  for (const value of values) {
    size += SCALAR_COST + sizeOf(value, most - size, depth - 1, seen);
    if (size > most) break;
  }
  return size;
}

/** A size with that of other iterables: engines go through arrays alone faster. */
function withAll(
  start: number,
  values: Iterable<unknown>,
  most: number,
  depth: number,
  seen: Set<object> | undefined,
): number {
  let size = start;
  for (const value of values) {
    size += SCALAR_COST + sizeOf(value, most - size, depth - 1, seen);
    if (size > most) break;
  }
  return size;
}

function sizeOfMap(map: object, most: number, depth: number, seen: Set<object> | undefined): number {
  let size = CONTAINER_COST;
  let highest = -1;
  // Decoded maps inherit nothing that is counted.
  for (const key in map) {
    const index = indexOfKey(key);
    if (index >= 0) {
      size += indexKeyCost(index, highest);
      highest = Math.max(highest, index);
    }
    size += ENTRY_COST + sizeOf((map as Record<string, unknown>)[key], most - size, depth - 1, seen);
    if (size > most) break;
  }
  return size;
}
