import { ColloquyError } from "./errors.ts";
import { readField } from "./error-texts.ts";
import { estimateBytes } from "./estimate-bytes.ts";
import { checkDecodedEntry, isPlainMap } from "./lower-lift.ts";
import { isErrorMember } from "./public-error.ts";

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
/** As deep as the estimate looks. */
const DEEPEST = 32;

/** How many bytes of fields one exception may have still. */
export class FieldBudget {
  #left: number;

  constructor(bytes: number) {
    this.#left = bytes;
  }

  /** Spends what a value takes, under this key. False: it takes more than is left, or it can't be read, here or there. */
  take(value: unknown, key = ""): boolean {
    const size = estimateBytes(value, this.#left);
    if (size > this.#left || !isTaken(key, value)) return false;
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
      if (budget.take(key) && budget.take(value, key)) fields[key] = value;
    } catch {
      // A getter that throws.
    }
  }
  return fields;
}

/** False for a value with an entry that its receiver refuses: that would cost it the whole exception. */
function isTaken(key: string, value: unknown): boolean {
  try {
    checkEntry(key, value);
    checkEntries(value, DEEPEST, new Set());
    return true;
  } catch {
    return false;
  }
}

function checkEntries(value: unknown, depth: number, seen: Set<object>): void {
  if (typeof value !== "object" || value === null || depth === 0 || seen.has(value)) return;
  seen.add(value);
  for (const [key, inner] of entriesOf(value)) {
    checkEntry(key, inner);
    checkEntries(inner, depth - 1, seen);
  }
}

function checkEntry(key: string, value: unknown): void {
  // An instance may arrive as a function.
  const isByReference = typeof value === "object" && value !== null && !isPlainMap(value) && !isValue(value);
  checkDecodedEntry(key, isByReference ? checkEntry : value);
}

/** What is in a value that crosses as it is; without a key where it has none in a map. */
function entriesOf(value: object): readonly (readonly [key: string, inner: unknown])[] {
  const unnamed = (values: Iterable<unknown>): [string, unknown][] => Array.from(values, (one) => ["", one]);
  if (Array.isArray(value) || value instanceof Set) return unnamed(value as Iterable<unknown>);
  if (value instanceof Map) return unnamed([...value.keys(), ...value.values()]);
  const isError = value instanceof Error;
  if (!isError && !isPlainMap(value)) return [];
  return [...Object.entries(value), ...(isError ? unnamed([value.cause, readField(value, "errors")]) : [])];
}

/** No function, and no instance of a class of the application: those weren't made to be read elsewhere. */
export function isValue(value: unknown): boolean {
  if (typeof value === "function" || typeof value === "symbol") return false;
  if (typeof value !== "object" || value === null) return true;
  return Array.isArray(value) || value instanceof Map || value instanceof Set || value instanceof Date;
}
