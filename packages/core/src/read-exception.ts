import { DEFAULT_ERROR_RULES } from "./error-rules.ts";
import type { ErrorRules } from "./error-rules.ts";
import { MAX_CAUSE_DEPTH, MAX_ERROR_COUNT, MAX_TEXT_LENGTH, messageText, nameText } from "./error-texts.ts";
import { ColloquyError, ERROR_CODES, RemoteError, describeType } from "./errors.ts";
import type { ErrorCode, Executed } from "./errors.ts";
import { isMap, isPlainMap } from "./lower-lift.ts";
import { RemoteStack } from "./public-error.ts";
import { rebuiltError } from "./rebuilt-error.ts";

type ErrorMap = Readonly<Record<string, unknown>>;

/** The error that the content of an exception message stands for: of a class that the rules know, else a `ColloquyError`. */
export function readException(content: unknown): ColloquyError;
export function readException(content: unknown, rules: ErrorRules | undefined): Error;
export function readException(content: unknown, rules: ErrorRules = DEFAULT_ERROR_RULES): Error {
  if (typeof content === "string") return fromText(content);
  if (Array.isArray(content)) return fromList(content);
  if (isMap(content)) return new MapReader(rules).read(content, MAX_CAUSE_DEPTH);
  return new RemoteError("Error", `exception without a text: ${describeType(content)}`, { executed: "unknown" });
}

/** A traceback as Python writes it: its last line is `Name: message`. It doesn't tell a refusal from what a method threw. */
function fromText(whole: string): RemoteError {
  // What counts stands at the end.
  const text = whole.length > MAX_TEXT_LENGTH ? whole.slice(-MAX_TEXT_LENGTH) : whole;
  const lines = text.trimEnd().split("\n");
  const first = lines.findLastIndex((line) => /^[A-Za-z_][\w.]*(?::\s|$)/.test(line));
  const last = lines.slice(Math.max(first, 0)).join("\n");
  const match = /^([A-Za-z_][\w.]*)(?::\s([\s\S]*))?$/.exec(last);
  if (match === null) return new RemoteError("Error", text.trimEnd(), { remoteStack: text, executed: "unknown" });
  const name = match[1]!.split(".").at(-1)!;
  const message = match[2] ?? "";
  return withStack(name, message, { remoteStack: text, executed: "unknown" }, first > 0);
}

function fromList(list: readonly unknown[]): RemoteError {
  const lines = list.slice(2, 1002).map((line) => textOf(line));
  const remoteStack = lines.length > 0 ? lines.join("").slice(-MAX_TEXT_LENGTH) : undefined;
  const options = { remoteStack, executed: "unknown" } as const;
  return withStack(textOf(list[0]) || "Error", textOf(list[1]), options, lines.length > 1);
}

/** `tells`: the stack says more than name and message do. */
function withStack(
  name: string,
  message: string,
  options: { readonly remoteStack: string | undefined; readonly executed: Executed },
  tells: boolean,
): RemoteError {
  const { remoteStack } = options;
  const cause = tells && remoteStack !== undefined ? { cause: new RemoteStack(name, message, remoteStack) } : {};
  return new RemoteError(name, message, { ...options, ...cause });
}

/** Reads one exception in the form of a map, within the bounds of all its errors together. */
class MapReader {
  readonly #rules: ErrorRules;
  #countLeft = MAX_ERROR_COUNT;

  constructor(rules: ErrorRules) {
    this.#rules = rules;
  }

  read(map: ErrorMap, depth: number): Error {
    this.#countLeft--;
    const name = textOf(map["name"]) || "Error";
    const message = textOf(map["message"]);
    const given = map["code"];
    const code = typeof given === "string" && ERROR_CODES.has(given) ? (given as ErrorCode) : "REMOTE_ERROR";
    const executed: Executed = map["executed"] === "no" || map["executed"] === "yes" ? map["executed"] : "unknown";
    const remoteStack = typeof map["stack"] === "string" ? map["stack"].slice(0, MAX_TEXT_LENGTH) : undefined;
    const inner = this.#inner(map, depth, remoteStack);
    // What was refused before it ran is a failure of the call; what a method threw is a RemoteError.
    if (executed === "no" && code !== "REMOTE_ERROR") {
      const cause = "cause" in inner ? { cause: inner.cause } : {};
      return new ColloquyError(code, message, { ...cause, executed });
    }
    const data = map["data"];
    const common = { ...inner, code, executed, remoteStack };
    if (Object.hasOwn(map, "thrown")) {
      const { thrown } = map;
      const fields = isPlainObject(thrown) ? thrown : data;
      return new RemoteError(name, message, { ...common, fields, thrown });
    }
    const type = this.#rules.known.get(name);
    const rebuilt = type === undefined ? undefined : rebuiltError(type, { ...common, name, message, data });
    return rebuilt ?? new RemoteError(name, message, { ...common, fields: data });
  }

  /** What is below an error: its cause, or else its stack as one, and what it gathers. */
  #inner(
    map: ErrorMap,
    depth: number,
    remoteStack: string | undefined,
  ): { readonly cause?: Error; readonly errors?: readonly Error[] } {
    const inner: { cause?: Error; errors?: readonly Error[] } = {};
    const { cause, errors } = map;
    if (isMap(cause) && depth > 0 && this.#countLeft > 0) inner.cause = this.read(cause, depth - 1);
    else if (remoteStack !== undefined)
      inner.cause = new RemoteStack(nameText(map["name"]), messageText(map["message"]), remoteStack);
    if (!Array.isArray(errors) || depth === 0) return inner;
    const gathered: Error[] = [];
    for (const one of errors as readonly unknown[]) {
      if (this.#countLeft <= 0) break;
      if (isMap(one)) gathered.push(this.read(one, depth - 1));
    }
    inner.errors = gathered;
    return inner;
  }
}

function isPlainObject(value: unknown): value is ErrorMap {
  return isMap(value) && isPlainMap(value);
}

function textOf(value: unknown): string {
  return typeof value === "string" ? value.slice(0, MAX_TEXT_LENGTH) : "";
}
