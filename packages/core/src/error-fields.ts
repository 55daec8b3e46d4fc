import { ColloquyError } from "./errors.ts";
import { isErrorMember } from "./public-error.ts";
import { estimateBytes } from "./estimate-bytes.ts";

/** What a constructor of a `ColloquyError` has set already, and stacks of the other side. */
export const COLLOQUY_FIELDS: ReadonlySet<string> = new Set([
  "code",
  "executed",
  "reason",
  "remoteName",
  "remoteStack",
  "fields",
]);
/** What `ColloquyError` and its classes have, which crosses in places of its own or not at all. */
const OWN_FIELDS: ReadonlySet<string> = new Set([...COLLOQUY_FIELDS, "thrown"]);
/** Keys that no map on the wire may have. */
const REFUSED: ReadonlySet<string> = new Set(["__proto__", "__type__"]);

/** How many bytes of fields one exception may have still. */
export class FieldBudget {
  #left: number;

  constructor(bytes: number) {
    this.#left = bytes;
  }

  /** Spends what a value takes. False: it takes more than is left, or it can't be read. */
  take(value: unknown): boolean {
    const size = estimateBytes(value, this.#left);
    if (size > this.#left) return false;
    this.#left -= size;
    return true;
  }
}

/**
 * The own enumerable fields of an error, or of an object that was thrown, as far as the budget goes. Functions are methods, and
 * stay here; so do fields that can't be read.
 */
export function fieldsOf(owner: object, budget: FieldBudget): Record<string, unknown> {
  const fields: Record<string, unknown> = {};
  const isError = owner instanceof Error;
  const isOurs = owner instanceof ColloquyError;
  const gathers = owner instanceof AggregateError;
  for (const key of Object.keys(owner)) {
    if (
      REFUSED.has(key) ||
      (isError && isErrorMember(key)) ||
      (isOurs && OWN_FIELDS.has(key)) ||
      (gathers && key === "errors")
    )
      continue;
    try {
      const value = (owner as Record<string, unknown>)[key];
      if (typeof value === "function" || typeof value === "symbol") continue;
      if (budget.take(key) && budget.take(value)) fields[key] = value;
    } catch {
      // A getter that throws.
    }
  }
  return fields;
}

/** A member, undefined where its getter throws. */
export function readField(owner: object, key: string): unknown {
  try {
    return (owner as Record<string, unknown>)[key];
  } catch {
    return undefined;
  }
}
