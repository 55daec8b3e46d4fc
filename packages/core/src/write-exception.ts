import { DEFAULT_ERROR_RULES, generalError, isPublic } from "./error-rules.ts";
import type { ErrorRules } from "./error-rules.ts";
import { FieldBudget, fieldsOf, isValue } from "./error-fields.ts";
import {
  MAX_CAUSE_DEPTH,
  MAX_ERROR_COUNT,
  MAX_TEXT_LENGTH,
  messageOf,
  messageWithoutPaths,
  nameOf,
  readField,
  wellFormed,
} from "./error-texts.ts";
import { ColloquyError, ERROR_CODES, EXECUTED, RemoteError } from "./errors.ts";
import { isPlainMap } from "./lower-lift.ts";
import { RemoteStack } from "./public-error.ts";

/**
 * How exceptions are written: `text` for aiomas (one string), `list` for mosaik (`[name, message, ...lines]`), `map` for peers
 * that said hello. All three are understood on arrival (`docs/protocol.md` section 6).
 */
export type ExceptionStyle = "text" | "list" | "map";

const MAX_FIELD_BYTES = 65_536;
const UNREADABLE = "what was thrown can't be read";

/** Content of an exception message: as much as the rules let out. Never throws, whatever getters the error has. */
export function writeException(
  thrown: unknown,
  style: ExceptionStyle,
  rules: ErrorRules = DEFAULT_ERROR_RULES,
): unknown {
  try {
    return write(thrown, style, rules);
  } catch {
    const error = generalError();
    if (rules.allow === "message") error.message = UNREADABLE;
    return write(error, style, { ...rules, stacks: false });
  }
}

function write(thrown: unknown, style: ExceptionStyle, rules: ErrorRules): unknown {
  const isOwn = isPublic(thrown, rules);
  const sent = isOwn ? thrown : replacementOf(thrown, rules);
  if (style === "map") {
    const map = new MapWriter(rules).write(sent, MAX_CAUSE_DEPTH, true);
    // It is in place of what a method has thrown, whatever it says of itself.
    if (!isOwn) map["executed"] = outcomeOf(thrown).executed;
    return map;
  }
  const [name, message] = [nameOf(sent, rules), allowedMessage(sent, rules)];
  if (style === "text") return `${name}: ${message}`;
  const isTelling = rules.stacks && (isOwn || rules.allow === "message");
  return [name, message, ...((isTelling && stackLines(sent)) || [`${name}: ${message}`])];
}

/** Each with its end, as tracebacks of Python have them. */
function stackLines(thrown: unknown): string[] | undefined {
  const stack = thrown instanceof Error ? readField(thrown, "stack") : undefined;
  if (typeof stack !== "string" || stack === "") return undefined;
  const lines = wellFormed(stack.slice(0, MAX_TEXT_LENGTH)).trimEnd().split("\n");
  return lines.map((line) => `${line}\n`);
}

function replacementOf(thrown: unknown, { allow, replace }: ErrorRules): unknown {
  if (allow === "none") return generalError();
  if (replace === undefined) return thrown;
  try {
    return replace(thrown) ?? generalError();
  } catch {
    return generalError();
  }
}

function allowedMessage(thrown: unknown, rules: ErrorRules): string {
  if (!isPublic(thrown, rules)) return rules.allow === "message" ? messageWithoutPaths(thrown) : "";
  if (rules.allow === "message") return messageOf(thrown);
  // Its message has the words of what a serializer or a codec has thrown.
  const quotes =
    thrown instanceof ColloquyError &&
    thrown.code === "SERIALIZATION_ERROR" &&
    thrown.cause !== undefined &&
    !isPublic(thrown.cause, rules);
  return quotes ? "a value can't be encoded or decoded" : messageOf(thrown);
}

/** What an error of this library tells of the call; of others, and of what can't be told, what a method's errors have. */
function outcomeOf(thrown: unknown): { readonly code: unknown; readonly executed: unknown } {
  const isOurs = thrown instanceof ColloquyError;
  const [code, executed] = isOurs ? [readField(thrown, "code"), readField(thrown, "executed")] : [];
  return {
    code: typeof code === "string" && ERROR_CODES.has(code) ? code : "REMOTE_ERROR",
    executed: EXECUTED.has(executed) ? executed : "yes",
  };
}

/** Writes one exception as a map: an error, its causes and what it gathers, within the bounds of all of them together. */
class MapWriter {
  readonly #rules: ErrorRules;
  readonly #budget = new FieldBudget(MAX_FIELD_BYTES);
  #textLeft = MAX_TEXT_LENGTH;
  #countLeft = MAX_ERROR_COUNT;

  constructor(rules: ErrorRules) {
    this.#rules = rules;
  }

  /** `tells`: what is no error crosses as a value, too. */
  write(thrown: unknown, depth: number, tells: boolean): Record<string, unknown> {
    this.#countLeft--;
    const isOwn = isPublic(thrown, this.#rules);
    const map: Record<string, unknown> = {
      name: nameOf(thrown, this.#rules),
      message: allowedMessage(thrown, this.#rules),
      ...outcomeOf(thrown),
    };
    if (!(thrown instanceof Error)) {
      if (tells && this.#rules.allow === "message") this.#addValue(map, thrown);
      return map;
    }
    if (isOwn) this.#addFields(map, thrown);
    else if (tells && thrown instanceof RemoteError && Object.hasOwn(thrown, "thrown"))
      this.#addValue(map, thrown.thrown);
    if (this.#rules.stacks && (isOwn || this.#rules.allow === "message")) this.#addStack(map, thrown);
    if (depth > 0) this.#addInner(map, thrown, depth - 1, isOwn);
    return map;
  }

  #addFields(map: Record<string, unknown>, error: Error): void {
    if (error instanceof RemoteError) {
      const { fields } = error;
      if (isPlain(fields)) map["data"] = fieldsOf(fields, this.#budget);
      else if (fields !== undefined && this.#budget.take(fields)) map["data"] = fields;
      return;
    }
    const data = fieldsOf(error, this.#budget);
    if (!(error instanceof ColloquyError) || Object.keys(data).length > 0) map["data"] = data;
  }

  /** What was thrown is no error. */
  #addValue(map: Record<string, unknown>, thrown: unknown): void {
    if (isPlain(thrown)) map["thrown"] = fieldsOf(thrown, this.#budget);
    else if (isValue(thrown) && this.#budget.take(thrown)) map["thrown"] = thrown;
  }

  #addStack(map: Record<string, unknown>, error: Error): void {
    const stack = readField(error, "stack");
    if (typeof stack !== "string" || this.#textLeft <= 0) return;
    const cut = wellFormed(stack.slice(0, this.#textLeft));
    this.#textLeft -= cut.length;
    map["stack"] = cut;
  }

  /** The cause, and what an `AggregateError` gathers. */
  #addInner(map: Record<string, unknown>, error: Error, depth: number, isOwn: boolean): void {
    const cause = readField(error, "cause");
    // It says again what the error says, but for the stack.
    const isWanted = cause !== undefined && !(cause instanceof RemoteStack && !this.#rules.stacks);
    const written = isWanted ? this.#inner(cause, depth, isOwn) : undefined;
    if (written !== undefined) map["cause"] = written;
    // Elsewhere it is a field as any other.
    if (!(error instanceof AggregateError) && !(error instanceof RemoteError)) return;
    const gathered = readField(error, "errors");
    if (!Array.isArray(gathered)) return;
    const errors: unknown[] = gathered.slice(0, MAX_ERROR_COUNT);
    map["errors"] = errors.map((one) => this.#inner(one, depth, isOwn)).filter((one) => one !== undefined);
  }

  #inner(thrown: unknown, depth: number, tells: boolean): Record<string, unknown> | undefined {
    if (this.#countLeft <= 0) return undefined;
    try {
      if (this.#rules.allow === "none" && !isPublic(thrown, this.#rules)) return undefined;
      return this.write(thrown, depth, tells);
    } catch {
      return { name: "Error", message: UNREADABLE, code: "REMOTE_ERROR", executed: "yes" };
    }
  }
}

function isPlain(value: unknown): value is object {
  return typeof value === "object" && value !== null && isPlainMap(value);
}

/**
 * Takes the part that can't be encoded out of the content of an exception; `place` is where it stands. Undefined: it is in no
 * field, so that all fields, stacks and gathered errors go. Returns false where there is nothing left to go.
 */
export function reduceException(content: unknown, place: readonly unknown[] | undefined): boolean {
  if (!isPlain(content)) return false;
  const map = content as Record<string, unknown>;
  if (place !== undefined && dropPart(map, place)) return true;
  const optional = ["data", "thrown", "stack", "errors", "cause"].filter((key) => Object.hasOwn(map, key));
  for (const key of optional) delete map[key];
  return optional.length > 0;
}

function dropPart(map: Record<string, unknown>, [first, second, ...rest]: readonly unknown[]): boolean {
  if (first === "cause") {
    const cause = map["cause"];
    return isPlain(cause) && dropPart(cause as Record<string, unknown>, second === undefined ? [] : [second, ...rest]);
  }
  if (first === "errors") {
    const inner = Array.isArray(map["errors"]) ? (map["errors"] as unknown[])[second as number] : undefined;
    return isPlain(inner) && dropPart(inner as Record<string, unknown>, rest);
  }
  if (first !== "data" && first !== "thrown") return false;
  const value = map[first];
  if (typeof second === "string" && isPlain(value)) return delete (value as Record<string, unknown>)[second];
  return Object.hasOwn(map, first) && delete map[first];
}
