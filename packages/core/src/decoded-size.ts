import { CONTAINER_COST, ENTRY_COST, SCALAR_COST, TEXT_COST, bytesCost } from "./decoded-cost.ts";
import { indexKeyCost, indexOfKey } from "./index-key-cost.ts";

/** What is no plain value: an instance, a proxy, a function. Its own content isn't looked at. */
const OBJECT_COST = 512;
const SIGNAL_COST = 4096;
const DEEPEST = 1000;

/**
 * About what a decoded value takes in memory, by the costs of `docs/limits.md`; it stops where that is above `most`. What a serializer
 * has made counts as one object: whoever asks takes the bytes that it came in where these are more.
 */
export function decodedSize(value: unknown, most: number): number {
  return sizeOf(value, most, DEEPEST);
}

function sizeOf(value: unknown, most: number, depth: number): number {
  if (typeof value === "string") return TEXT_COST + value.length;
  if (typeof value !== "object" || value === null)
    return typeof value === "bigint" || typeof value === "function" ? OBJECT_COST : SCALAR_COST;
  if (ArrayBuffer.isView(value) || value instanceof ArrayBuffer) return bytesCost(value.byteLength);
  if (depth === 0) return most;
  if (Array.isArray(value)) return sizeOfAll(value, most, depth);
  if (value instanceof Map) return OBJECT_COST + sizeOfAll([...value.keys(), ...value.values()], most, depth);
  if (value instanceof Set) return OBJECT_COST + sizeOfAll([...value], most, depth);
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype === Object.prototype || prototype === null) return sizeOfMap(value, most, depth);
  return value instanceof AbortSignal ? SIGNAL_COST : OBJECT_COST;
}

function sizeOfAll(values: readonly unknown[], most: number, depth: number): number {
  let size = CONTAINER_COST;
  for (const value of values) {
    size += SCALAR_COST + sizeOf(value, most - size, depth - 1);
    if (size > most) break;
  }
  return size;
}

function sizeOfMap(map: object, most: number, depth: number): number {
  let size = CONTAINER_COST;
  let highest = -1;
  // Decoded maps inherit nothing that is counted.
  for (const key in map) {
    const index = indexOfKey(key);
    if (index >= 0) {
      size += indexKeyCost(index, highest);
      highest = Math.max(highest, index);
    }
    size += ENTRY_COST + sizeOf((map as Record<string, unknown>)[key], most - size, depth - 1);
    if (size > most) break;
  }
  return size;
}
