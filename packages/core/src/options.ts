import { ColloquyError, describeType, quoted } from "./errors.ts";

/** What an option takes, in words and as a test. */
export interface OptionKind {
  readonly takes: string;
  /** No message shows what was given. */
  readonly isSecret?: boolean;
  accepts(value: unknown): boolean;
}

/** The options of one function. */
export type OptionKinds = Readonly<Record<string, OptionKind>>;

type UsualKind = "any" | "flag" | "text" | "secretText" | "function" | "object" | "signal" | "milliseconds";

/** The kinds of most options. */
export const OPTION: Readonly<Record<UsualKind, OptionKind>> = Object.freeze({
  /** Whoever uses it checks it. */
  any: kind("anything", () => true),
  flag: kind("true or false", (value) => typeof value === "boolean"),
  text: kind("a text", (value) => typeof value === "string"),
  secretText: Object.freeze({ ...kind("a text", (value) => typeof value === "string"), isSecret: true }),
  function: kind("a function", (value) => typeof value === "function"),
  object: kind("an object", (value) => typeof value === "object" && value !== null && !Array.isArray(value)),
  signal: kind("an AbortSignal", (value) => value instanceof AbortSignal),
  milliseconds: kind("milliseconds, 0 or Infinity", (value) => typeof value === "number" && value >= 0),
});

/** How `close()` and `shutdown()` end. */
export const CLOSE_OPTIONS: OptionKinds = Object.freeze({ graceMs: OPTION.milliseconds });

function kind(takes: string, accepts: (value: unknown) => boolean): OptionKind {
  return Object.freeze({ takes, accepts });
}

/** One of a few texts. */
export function oneOf(...texts: readonly string[]): OptionKind {
  const shown = texts.map((text) => JSON.stringify(text));
  const takes = `${shown.slice(0, -1).join(", ")} or ${shown.at(-1)}`;
  return kind(takes, (value) => typeof value === "string" && texts.includes(value));
}

/**
 * Checks the options of `owner`, a function or another option: a plain object with known names, whose values are of their kinds.
 * What is undefined isn't there.
 *
 * @throws ColloquyError `INVALID_ARGUMENT` that names the option and `owner`, and says what has come and what is wanted.
 */
export function checkOptions(owner: string, given: unknown, kinds: OptionKinds): void {
  if (given === undefined) return;
  if (!isPlain(given)) {
    // Who gives a text in place of options may have meant a key, or a token.
    const shown = typeof given === "string" ? "a string" : shownValue(given);
    throw invalid(`${owner} takes a plain object of options, not ${shown}`);
  }
  for (const [name, value] of Object.entries(given)) {
    if (value === undefined) continue;
    if (!Object.hasOwn(kinds, name)) throw unknownOption(owner, name, Object.keys(kinds));
    const { takes, accepts, isSecret = false } = kinds[name]!;
    if (accepts(value)) continue;
    throw isSecret
      ? invalid(`option ${name} of ${owner} is ${describeType(value)}; it takes ${takes}`)
      : wrongOption(owner, name, value, takes);
  }
}

/** What a value of another kind fails with. */
export function wrongOption(owner: string, name: string, value: unknown, takes: string): ColloquyError {
  return invalid(`option ${name} of ${owner} is ${shownValue(value)}; it takes ${takes}`);
}

/** What a name fails with that `owner` doesn't have. */
export function unknownOption(owner: string, name: string, known: readonly string[]): ColloquyError {
  const near = nearest(name, known);
  const advice = near === undefined ? `it takes ${known.join(", ")}` : `did you mean ${quoted(near)}?`;
  return invalid(`unknown option ${quoted(name)} of ${owner}; ${advice}`);
}

/** A value in a message: what is short as it is, else its type. */
export function shownValue(value: unknown): string {
  if (typeof value === "string") return quoted(value, 40);
  if (typeof value === "number" || typeof value === "boolean") return String(value);
  return Array.isArray(value) ? "an array" : describeType(value);
}

/** An object literal, of another realm too. */
function isPlain(value: unknown): value is object {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === null || Object.getPrototypeOf(prototype) === null;
}

/** Of a wrong name: letters that may be missing, too many or others. */
const MOST_EDITS = 2;

function nearest(name: string, known: readonly string[]): string | undefined {
  const lower = name.toLowerCase().slice(0, 64);
  const distances = known.map((other) => [editsBetween(lower, other.toLowerCase()), other] as const);
  const [edits, near] = distances.toSorted(([a], [b]) => a - b)[0] ?? [Infinity];
  // Of a short name little is left.
  if (near !== undefined && edits <= Math.min(MOST_EDITS, lower.length / 2)) return near;
  const part = (other: string): boolean => other.includes(lower) || lower.includes(other);
  return lower.length < 4 ? undefined : known.find((other) => other.length >= 4 && part(other.toLowerCase()));
}

/** Letters to insert, to leave out or to replace. */
function editsBetween(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const replaced = row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(replaced, row[j]! + 1, next[j - 1]! + 1));
    }
    row = next;
  }
  return row[b.length]!;
}

function invalid(message: string): ColloquyError {
  return new ColloquyError("INVALID_ARGUMENT", message);
}
