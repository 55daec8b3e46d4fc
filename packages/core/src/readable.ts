import { ColloquyError } from "./errors.ts";

const FIELDS: readonly string[] = ["name", "code", "message", "executed", "cause", "limit"];

/**
 * What `look` makes of what was thrown, or a general error in its place where looking at that throws: it may be a revoked proxy, or have
 * getters that throw.
 */
export function readable(thrown: unknown, look: (thrown: unknown) => unknown = (error) => error): unknown {
  try {
    // What is no error of this library is read with care anyway.
    if (thrown instanceof ColloquyError) for (const field of FIELDS) Reflect.get(thrown, field);
    return look(thrown);
  } catch {
    return new Error("what was thrown can't be read");
  }
}
