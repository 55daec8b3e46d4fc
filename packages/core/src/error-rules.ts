import { ColloquyError, RemoteError, describeType } from "./errors.ts";
import { OPTION, checkOptions } from "./options.ts";
import type { OptionKind } from "./options.ts";
import { ownName } from "./own-name.ts";
import { PublicError } from "./public-error.ts";

/** A class of errors, one with a private constructor too. */
export interface ErrorClass {
  readonly prototype: Error;
  readonly name: string;
}

/** What leaves of an error that wasn't made for it: name and message, the name alone, or nothing but an id. */
export type AllowedParts = "message" | "name" | "none";

/** What leaves the process with errors, and what is made of those that come. The `errors` option of both sides. */
export interface ErrorPolicy {
  /**
   * Classes of errors that both sides know, by their names, or `{ OutOfStock: OutOfStock }` where a build changes the names of
   * classes. Direct instances leave with their fields, as a `PublicError` does, and arrive as instances of this class. Its
   * constructor isn't called; `static fromRemote(fields, message)` is, where the class has it, and makes the instance.
   */
  readonly known?: Iterable<ErrorClass> | Readonly<Record<string, ErrorClass>> | undefined;
  /**
   * What leaves of all other errors. Default: `"message"`. With `"none"` the caller gets an id that `onMethodFailure` is told,
   * too. A function gets what was thrown and returns what is sent in its place: undefined, or what it throws, is `"none"`. Causes
   * of what it returns leave with name and message.
   */
  readonly allow?: AllowedParts | ((thrown: unknown) => unknown) | undefined;
  /** Whether stacks leave, too. Default: false. Of other errors only where their messages do. */
  readonly stacks?: boolean | undefined;
}

/** An `ErrorPolicy` that was checked. */
export interface ErrorRules {
  readonly known: ReadonlyMap<string, ErrorClass>;
  /** Names of the known classes by their prototypes. */
  readonly names: ReadonlyMap<object, string>;
  /** Of errors that weren't made to leave. */
  readonly allow: AllowedParts;
  readonly replace: ((thrown: unknown) => unknown) | undefined;
  readonly stacks: boolean;
}

export const DEFAULT_ERROR_RULES: ErrorRules = Object.freeze({
  known: new Map(),
  names: new Map(),
  allow: "message",
  replace: undefined,
  stacks: false,
});

const PARTS = ["message", "name", "none"] as const satisfies readonly AllowedParts[];
const OPTIONS: Readonly<Record<keyof ErrorPolicy, OptionKind>> = {
  known: OPTION.any,
  allow: {
    takes: '"message", "name", "none" or a function',
    accepts: (value) => typeof value === "function" || PARTS.some((part) => part === value),
  },
  stacks: OPTION.flag,
};
/** They have state of their own that only their constructors make, and cross as what they are anyway. */
const OWN_CLASSES: ReadonlySet<string> = new Set([
  "ColloquyError",
  "SerializationError",
  "ProtocolError",
  "RemoteError",
  "PublicError",
]);

/** @throws ColloquyError `INVALID_ARGUMENT` that says which part of the policy is wrong. */
export function resolveErrors(policy: ErrorPolicy | undefined): ErrorRules {
  if (policy === undefined) return DEFAULT_ERROR_RULES;
  checkOptions("errors", policy, OPTIONS);
  const { allow = "message", stacks = false } = policy;
  const known = knownClasses(policy.known);
  const names = new Map([...known].map(([name, type]) => [type.prototype, name]));
  const isFunction = typeof allow === "function";
  return { known, names, stacks, allow: isFunction ? "message" : allow, replace: isFunction ? allow : undefined };
}

function knownClasses(known: ErrorPolicy["known"]): Map<string, ErrorClass> {
  const classes = new Map<string, ErrorClass>();
  if (known === undefined) return classes;
  if (typeof known !== "object" || known === null)
    throw invalid(`errors.known is ${describe(known)}; it takes an array of classes, or an object of them`);
  const entries =
    Symbol.iterator in known
      ? [...known].map((type): [string, ErrorClass] => [ownName(checkedClass(type, undefined)), type])
      : Object.entries(known).map(([name, type]): [string, ErrorClass] => [name, checkedClass(type, name)]);
  for (const [name, type] of entries) {
    if (name === "") throw invalid("errors.known has a class without a name; give it one: { Name: class }");
    if (OWN_CLASSES.has(name)) throw invalid(`errors.known can't have ${name}: every peer knows it`);
    if (classes.has(name) && classes.get(name) !== type) throw invalid(`errors.known has two classes named ${name}`);
    classes.set(name, type);
  }
  return classes;
}

function checkedClass(given: unknown, name: string | undefined): ErrorClass {
  const where = name === undefined ? "errors.known" : `errors.known.${name}`;
  if (typeof given !== "function") throw invalid(`${where} has ${describe(given)}; it takes classes of errors`);
  const prototype: unknown = given.prototype;
  if (prototype !== Error.prototype && !(prototype instanceof Error))
    throw invalid(`${where} has ${ownName(given) || "a function"}, which doesn't extend Error`);
  return given;
}

/**
 * True for what was made to leave: `PublicError`s, errors of this library, known ones. What another peer has sent is what it was
 * there. May throw what a proxy throws.
 */
export function isPublic(thrown: unknown, { names }: ErrorRules): boolean {
  if (!(thrown instanceof Error)) return false;
  if (thrown instanceof RemoteError)
    return thrown.code !== "REMOTE_ERROR" || (thrown.fields !== undefined && !Object.hasOwn(thrown, "thrown"));
  return (
    thrown instanceof PublicError ||
    thrown instanceof ColloquyError ||
    (names.size > 0 && names.has(Object.getPrototypeOf(thrown) as object))
  );
}

/** What the caller gets in place of what was thrown, where nothing of that leaves. `id` is to find it in the log with. */
export function generalError(id?: string): PublicError {
  const where = id === undefined ? "" : `, under the id ${id}`;
  const error = new PublicError(`the method failed; the log of its process may say why${where}`, {
    fields: id === undefined ? undefined : { errorId: id },
  });
  error.name = "Error";
  return error;
}

/** True where the caller gets an id in place of what was thrown. */
export function isHidden(thrown: unknown, rules: ErrorRules): boolean {
  if (rules.allow !== "none") return false;
  try {
    return !isPublic(thrown, rules);
  } catch {
    return true;
  }
}

function describe(value: unknown): string {
  return typeof value === "string" ? JSON.stringify(value) : describeType(value);
}

function invalid(message: string): ColloquyError {
  return new ColloquyError("INVALID_ARGUMENT", message);
}
