import { ColloquyError, ERROR_CODES, RemoteError, describeType } from "./errors.ts";
import type { ErrorCode, Executed } from "./errors.ts";

/**
 * How exceptions are written: `text` for aiomas (one string), `list` for mosaik (`[name, message, ...lines]`), `map` for peers
 * that said hello. All three are understood on arrival (`docs/protocol.md` section 6).
 */
export type ExceptionStyle = "text" | "list" | "map";

const MAX_NAME_LENGTH = 256;
const MAX_MESSAGE_LENGTH = 4096;
/** Levels of errors below one, also of errors that are passed as values. */
export const MAX_CAUSE_DEPTH = 8;
const MAX_TEXT_LENGTH = 65_536;

/** Content of an exception message. Stacks and fields stay in this process. Never throws, whatever getters the error has. */
export function writeException(thrown: unknown, style: ExceptionStyle): unknown {
  try {
    return write(thrown, style);
  } catch {
    return write(new Error("what was thrown can't be read"), style);
  }
}

function write(thrown: unknown, style: ExceptionStyle): unknown {
  const name = nameOf(thrown);
  const message = messageOf(thrown);
  switch (style) {
    case "text":
      return `${name}: ${message}`;
    case "list":
      return [name, message, `${name}: ${message}`];
    case "map":
      return writeMap(thrown, MAX_CAUSE_DEPTH);
  }
}

function writeMap(thrown: unknown, depth: number): Record<string, unknown> {
  const map: Record<string, unknown> = { name: nameOf(thrown), message: messageOf(thrown) };
  if (thrown instanceof ColloquyError) {
    map["code"] = thrown.code;
    map["executed"] = thrown.executed;
  } else {
    map["code"] = "REMOTE_ERROR";
    map["executed"] = "yes";
  }
  if (thrown instanceof Error && "cause" in thrown && thrown.cause !== undefined && depth > 0) {
    map["cause"] = writeMap(thrown.cause, depth - 1);
  }
  return map;
}

function nameOf(thrown: unknown): string {
  if (thrown instanceof RemoteError) return thrown.remoteName;
  if (!(thrown instanceof Error)) return describeType(thrown);
  return nameText(thrown.name);
}

/** The name of an error, cut. */
export function nameText(name: unknown): string {
  return typeof name === "string" ? wellFormed(name.slice(0, MAX_NAME_LENGTH)) : "Error";
}

function messageOf(thrown: unknown): string {
  let text: unknown;
  if (thrown instanceof Error) text = thrown.message;
  else if (typeof thrown === "object" && thrown !== null) text = `thrown: ${describeType(thrown)}`;
  else text = String(thrown);
  return messageText(text);
}

/** The message of an error, cut. */
export function messageText(text: unknown): string {
  if (typeof text !== "string") return "";
  return wellFormed(text.length > MAX_MESSAGE_LENGTH ? `${text.slice(0, MAX_MESSAGE_LENGTH)}...` : text);
}

/** Cutting may have left one half of a pair, too. */
function wellFormed(text: string): string {
  return (text as unknown as { toWellFormed(): string }).toWellFormed();
}

/** The error that the content of an exception message stands for. */
export function readException(content: unknown): ColloquyError {
  if (typeof content === "string") return fromText(content);
  if (Array.isArray(content)) return fromList(content);
  if (typeof content === "object" && content !== null)
    return fromMap(content as Record<string, unknown>, MAX_CAUSE_DEPTH);
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
  return new RemoteError(name, match[2] ?? "", { remoteStack: text, executed: "unknown" });
}

function fromList(list: readonly unknown[]): RemoteError {
  const lines = list.slice(2, 1002).map((line) => textOf(line));
  return new RemoteError(textOf(list[0]) || "Error", textOf(list[1]), {
    remoteStack: lines.length > 0 ? lines.join("") : undefined,
    executed: "unknown",
  });
}

function fromMap(map: Record<string, unknown>, depth: number): ColloquyError {
  const message = textOf(map["message"]);
  const cause = map["cause"];
  const causeOption =
    typeof cause === "object" && cause !== null && depth > 0
      ? { cause: fromMap(cause as Record<string, unknown>, depth - 1) }
      : {};
  const given = map["code"];
  const code = typeof given === "string" && ERROR_CODES.has(given) ? (given as ErrorCode) : "REMOTE_ERROR";
  const executed: Executed = map["executed"] === "no" || map["executed"] === "yes" ? map["executed"] : "unknown";
  // What was refused before it ran is a failure of the call; what a method threw is a RemoteError.
  if (executed === "no" && code !== "REMOTE_ERROR")
    return new ColloquyError(code, message, { ...causeOption, executed });
  const stack = map["stack"];
  return new RemoteError(textOf(map["name"]) || "Error", message, {
    ...causeOption,
    code,
    executed,
    fields: map["data"],
    remoteStack: typeof stack === "string" ? stack : undefined,
  });
}

function textOf(value: unknown): string {
  return typeof value === "string" ? value.slice(0, MAX_TEXT_LENGTH) : "";
}
