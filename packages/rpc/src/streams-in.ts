import { isStreamValue } from "./members.ts";

/** So many values are looked at: what can't be sent may have no end. */
const MOST_LOOKED_AT = 100_000;

/**
 * The streams in a value, at any depth of arrays, plain objects, Maps and Sets, as far as that is read without running anything: what getters
 * would make is left out, as is what can't be looked at.
 */
export function streamsIn(value: unknown): Set<AsyncIterable<unknown>> {
  const streams = new Set<AsyncIterable<unknown>>();
  if (!isObject(value)) return streams;
  const seen = new Set([value]);
  let left = MOST_LOOKED_AT;
  // A set tells what is added while it is walked.
  for (const found of seen) {
    try {
      if (isStreamValue(found)) streams.add(found);
      else {
        for (const inner of partsOf(found)) {
          if (left-- === 0) return streams;
          if (isObject(inner)) seen.add(inner);
        }
      }
    } catch {
      // A proxy that throws.
    }
  }
  return streams;
}

function isObject(value: unknown): value is object {
  return typeof value === "object" && value !== null;
}

function* partsOf(value: object): Generator<unknown, void, undefined> {
  if (value instanceof Set) yield* value as ReadonlySet<unknown>;
  else if (value instanceof Map) for (const entry of value as ReadonlyMap<unknown, unknown>) yield* entry;
  else if (Array.isArray(value))
    for (let index = 0; index < value.length; index++) yield Object.getOwnPropertyDescriptor(value, index)?.value;
  else if (isPlain(value)) for (const key in value) yield Object.getOwnPropertyDescriptor(value, key)?.value;
}

function isPlain(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}
