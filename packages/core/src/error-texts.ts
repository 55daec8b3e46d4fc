import { RemoteError, describeType } from "./errors.ts";
import type { ErrorRules } from "./error-rules.ts";

const MAX_NAME_LENGTH = 256;
const MAX_MESSAGE_LENGTH = 4096;
/** Levels of errors below one, also of errors that are passed as values. */
export const MAX_CAUSE_DEPTH = 8;
/** Errors of one exception: itself, causes, and what they gather. */
export const MAX_ERROR_COUNT = 64;
/** Of stacks, together; also of a traceback that comes. */
export const MAX_TEXT_LENGTH = 65_536;

const BUILT_IN: ReadonlySet<unknown> = new Set([
  "Error",
  "AggregateError",
  "EvalError",
  "RangeError",
  "ReferenceError",
  "SyntaxError",
  "TypeError",
  "URIError",
]);

/** The class of what was thrown, as its peers call it. */
export function nameOf(thrown: unknown, { names }: ErrorRules): string {
  if (thrown instanceof RemoteError) return nameText(thrown.remoteName);
  if (!(thrown instanceof Error)) return nameText(describeType(thrown));
  const known = names.size === 0 ? undefined : names.get(Object.getPrototypeOf(thrown) as object);
  if (known !== undefined) return nameText(known);
  const { name } = thrown;
  // A class that says nothing of its name has that of a built-in one.
  if (!BUILT_IN.has(name) || Object.hasOwn(thrown, "name")) return nameText(name);
  const className = describeType(thrown);
  return className.includes(" ") ? name : nameText(className);
}

/** The name of an error, cut. */
export function nameText(name: unknown): string {
  return typeof name === "string" ? wellFormed(name.slice(0, MAX_NAME_LENGTH)) : "Error";
}

/** What was thrown, in words. */
export function messageOf(thrown: unknown): string {
  let text: unknown;
  if (thrown instanceof Error) text = thrown.message;
  else if (typeof thrown === "object" && thrown !== null) text = `thrown: ${describeType(thrown)}`;
  else if (typeof thrown === "function") text = "thrown: function";
  else text = String(thrown);
  return messageText(text);
}

/**
 * What was thrown, in words, for who didn't make it. Errors of the system name files of this machine: those paths are left out. Callers
 * that have asked for one know it.
 */
export function messageWithoutPaths(thrown: unknown): string {
  const message = messageOf(thrown);
  if (!(thrown instanceof Error) || typeof readField(thrown, "syscall") !== "string") return message;
  return ["path", "dest", "address"].reduce((text, field) => {
    const path = readField(thrown, field);
    return typeof path === "string" && path !== "" ? withoutPath(text, path) : text;
  }, message);
}

/** Short names may be parts of words. */
function withoutPath(text: string, path: string): string {
  return /[/\\]/.test(path) ? text.replaceAll(path, "...") : text.replaceAll(`'${path}'`, "'...'");
}

/** The message of an error, cut. */
export function messageText(text: unknown): string {
  if (typeof text !== "string") return "";
  return wellFormed(text.length > MAX_MESSAGE_LENGTH ? `${text.slice(0, MAX_MESSAGE_LENGTH)}...` : text);
}

/** Cutting may have left one half of a pair, too. */
export function wellFormed(text: string): string {
  return (text as unknown as { toWellFormed(): string }).toWellFormed();
}

/** A member, undefined where its getter throws. */
export function readField(owner: object, key: string): unknown {
  try {
    return (owner as Record<string, unknown>)[key];
  } catch {
    return undefined;
  }
}
