import { isStreamValue } from "./members.ts";

/** The streams in a value, at any depth of arrays, plain objects, Maps and Sets. What can't be looked at is left out. */
export function streamsIn(value: unknown): Set<AsyncIterable<unknown>> {
  const streams = new Set<AsyncIterable<unknown>>();
  if (!isObject(value)) return streams;
  const seen = new Set([value]);
  // A set tells what is added while it is walked.
  for (const found of seen) {
    try {
      if (isStreamValue(found)) streams.add(found);
      else for (const inner of partsOf(found)) if (isObject(inner)) seen.add(inner);
    } catch {
      // A getter that throws.
    }
  }
  return streams;
}

function isObject(value: unknown): value is object {
  return typeof value === "object" && value !== null;
}

function partsOf(value: object): Iterable<unknown> {
  if (Array.isArray(value) || value instanceof Set) return value as Iterable<unknown>;
  if (value instanceof Map) return [...value.keys(), ...value.values()] as unknown[];
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null ? readable(value as Record<string, unknown>) : [];
}

/** One getter that throws takes no other field with it. */
function* readable(value: Record<string, unknown>): Generator<unknown, void, undefined> {
  for (const key of Object.keys(value)) {
    try {
      yield value[key];
    } catch {
      continue;
    }
  }
}
