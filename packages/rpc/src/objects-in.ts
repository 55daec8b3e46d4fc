import { isStreamValue } from "./members.ts";

/** The streams in a value, at any depth of arrays, plain objects, Maps and Sets. */
export function streamsIn(value: unknown): Set<AsyncIterable<unknown>> {
  return objectsIn(value, isStreamValue);
}

/** The objects of one kind in a value, in the same way; in them it doesn't look. What can't be looked at is left out. */
export function objectsIn<T extends object>(value: unknown, isWanted: (value: object) => value is T): Set<T> {
  const wanted = new Set<T>();
  if (!isObject(value)) return wanted;
  const seen = new Set([value]);
  // A set tells what is added while it is walked.
  for (const found of seen) {
    try {
      if (isWanted(found)) wanted.add(found);
      else for (const inner of partsOf(found)) if (isObject(inner)) seen.add(inner);
    } catch {
      // A getter that throws.
    }
  }
  return wanted;
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
