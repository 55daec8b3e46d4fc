import { ColloquyError } from "./errors.ts";
import type { ErrorCode, Executed } from "./errors.ts";
import type { ErrorClass } from "./error-rules.ts";
import { isPlainMap } from "./lower-lift.ts";
import { isErrorMember } from "./public-error.ts";

/** What has come of an error. */
export interface ErrorContent {
  readonly name: string;
  readonly message: string;
  readonly code: ErrorCode;
  readonly executed: Executed;
  readonly remoteStack: string | undefined;
  readonly cause?: Error;
  /** What it gathers. */
  readonly errors?: readonly Error[];
  /** Its fields, where they are a map. */
  readonly data: unknown;
}

type Fields = Readonly<Record<string, unknown>>;

/** What tells of the call, on errors of classes that have no such field. */
const ABOUT_THE_CALL: ReadonlySet<string> = new Set(["executed", "remoteStack"]);

/**
 * An instance of a known class, with the fields that have come, and `executed`, `code` and `remoteStack` where the class has no
 * such field. Made by `static fromRemote(fields, message)` where the class has it; what that throws, or makes that is no instance, is
 * as if it weren't there.
 */
export function rebuiltError(type: ErrorClass, content: ErrorContent): Error {
  const fields = fieldsFrom(type, content);
  const error = madeByClass(type, fields, content.message) ?? madeByHand(type, fields, content);
  addHidden(error, "executed", content.executed);
  addHidden(error, "code", content.code);
  if (content.remoteStack !== undefined) addHidden(error, "remoteStack", content.remoteStack);
  if (content.cause !== undefined) addHidden(error, "cause", content.cause);
  return error;
}

/** Without what an instance of the class has of its own or inherits: a peer replaces no method, and no `message`. */
function fieldsFrom({ prototype }: ErrorClass, { data, errors }: ErrorContent): Fields {
  const fields: Record<string, unknown> = {};
  if (typeof data !== "object" || data === null || !isPlainMap(data)) return fields;
  const isOurs = prototype instanceof ColloquyError;
  for (const [key, value] of Object.entries(data)) {
    if (key in prototype || isErrorMember(key) || ABOUT_THE_CALL.has(key)) continue;
    if ((isOurs && key === "code") || (errors !== undefined && key === "errors") || typeof value === "function")
      continue;
    fields[key] = value;
  }
  return fields;
}

function madeByClass(type: ErrorClass, fields: Fields, message: string): Error | undefined {
  try {
    const { fromRemote } = type as { fromRemote?: unknown };
    if (typeof fromRemote !== "function") return undefined;
    const made: unknown = Reflect.apply(fromRemote, type, [fields, message]);
    const isUsable = made instanceof Error && Object.prototype.isPrototypeOf.call(type.prototype, made);
    return isUsable && Object.isExtensible(made) ? made : undefined;
  } catch {
    return undefined;
  }
}

/** A constructor isn't called with arguments that it doesn't know. */
function madeByHand(type: ErrorClass, fields: Fields, { name, message, errors }: ErrorContent): Error {
  const error = errors === undefined ? new Error(message) : new AggregateError(errors, message);
  Object.setPrototypeOf(error, type.prototype);
  if (readName(error) !== name) define(error, "name", name, false);
  for (const [key, value] of Object.entries(fields)) define(error, key, value, true);
  return error;
}

function readName(error: Error): unknown {
  try {
    return error.name;
  } catch {
    return undefined;
  }
}

function addHidden(error: Error, key: string, value: unknown): void {
  if (!Object.hasOwn(error, key)) define(error, key, value, false);
}

/** Assigning would call setters that are inherited. */
function define(target: object, key: string, value: unknown, enumerable: boolean): void {
  Object.defineProperty(target, key, { value, enumerable, configurable: true, writable: true });
}
