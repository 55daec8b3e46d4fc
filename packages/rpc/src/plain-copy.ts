import { isPlainMap } from "@colloquy/core";

/** Shorter texts are never parts of others in memory. */
const LONGEST_OWN_TEXT = 12;
const TWO_TO_THE_64 = 2n ** 64n;

/** What isn't copied. */
const NOT_PLAIN = new Error("no plain value");

/**
 * A copy that keeps nothing else in memory, with texts and bytes of its own, in an array; undefined where a value isn't plain. Plain are null,
 * booleans, numbers, bigints of 64 bits, texts, dates, bytes, and arrays and maps of these.
 */
export function plainCopy(value: unknown): readonly [copy: unknown] | undefined {
  try {
    return [copyOf(value)];
  } catch {
    // That, or a getter has thrown.
    return undefined;
  }
}

function copyOf(value: unknown): unknown {
  switch (typeof value) {
    case "string":
      return value.length <= LONGEST_OWN_TEXT ? value : (JSON.parse(JSON.stringify(value)) as string);
    case "bigint":
      if (value >= TWO_TO_THE_64 || value <= -TWO_TO_THE_64) throw NOT_PLAIN;
      return value;
    case "object":
      return value === null ? null : copyOfObject(value);
    case "function":
    case "symbol":
      throw NOT_PLAIN;
    default:
      return value;
  }
}

function copyOfObject(value: object): unknown {
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype === Array.prototype) return (value as unknown[]).map(copyOf);
  if (isPlainMap(value)) return copyOfMap(value as Record<string, unknown>);
  if (prototype === Date.prototype) return new Date(value as Date);
  if (prototype === Uint8Array.prototype) return new Uint8Array(value as Uint8Array);
  if (prototype === Buffer.prototype) return Buffer.from(new Uint8Array(value as Buffer).buffer);
  throw NOT_PLAIN;
}

function copyOfMap(map: Record<string, unknown>): Record<string, unknown> {
  // Without keys it crosses as a stream.
  if (Symbol.asyncIterator in map) throw NOT_PLAIN;
  const copy: Record<string, unknown> = {};
  for (const key of Object.keys(map)) {
    if (key === "__proto__") throw NOT_PLAIN;
    copy[key] = copyOf(map[key]);
  }
  return copy;
}
