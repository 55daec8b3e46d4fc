import type { Codec } from "./codec.ts";
import {
  ColloquyError,
  ERROR_CODES,
  EXECUTED,
  ProtocolError,
  RemoteError,
  SerializationError,
  describeType,
} from "./errors.ts";
import { messageOf } from "./readable.ts";
import type { ErrorCode, Executed } from "./errors.ts";
import { COLLOQUY_FIELDS } from "./error-fields.ts";
import { MAX_CAUSE_DEPTH, messageText, nameText } from "./error-texts.ts";
import { checkDecodedEntry, isMap } from "./lower-lift.ts";
import type { DecodingBudget } from "./serializers.ts";
import { malformed } from "./standard-values.ts";
import type { StandardType } from "./standard-values.ts";

/** Less memory than that, but time: a message of nothing else must be refused soon. */
export const ERROR_COST = 8192;
/** A key in the error beside the one in the map that it was decoded to, and the time for both. */
const ERROR_FIELD_COST = 512;
const CLASSES: ReadonlyMap<string, ErrorConstructor> = new Map(
  [Error, EvalError, RangeError, ReferenceError, SyntaxError, TypeError, URIError].map((type) => [type.name, type]),
);

type Fields = Readonly<Record<string, unknown>>;

/** An error below another one, and how many levels may follow it. */
class InnerError {
  readonly error: Error;
  readonly depth: number;

  constructor(error: Error, depth: number) {
    this.error = error;
    this.depth = depth;
  }
}

/**
 * Errors of all classes: name, message, cause, those that an `AggregateError` gathers, and own fields. Stacks stay in this process;
 * names, messages and levels of errors are cut as those of exceptions.
 */
export const ERROR: StandardType<Error | InnerError> = {
  id: -8,
  classes: [InnerError],
  write: (value, codec) =>
    value instanceof InnerError
      ? writeError(value.error, codec, value.depth)
      : writeError(value, codec, MAX_CAUSE_DEPTH),
  read: (data, _codec, budget) => readError(data, budget),
};

/** What crosses of an error. */
export interface ErrorParts {
  readonly name: string;
  readonly message: string;
  readonly cause?: unknown;
  /** Those that an `AggregateError` gathers. */
  readonly errors?: readonly unknown[];
  /** Own fields, where there are any. */
  readonly fields?: Fields;
}

/** @throws SerializationError where a part can't be read. */
export function partsOf(error: Error): ErrorParts {
  const [name, message] = [nameText(fieldOf(error, "name")), messageText(fieldOf(error, "message"))];
  const cause = fieldOf(error, "cause");
  const isAggregate = error instanceof AggregateError;
  const errors = isAggregate ? fieldOf(error, "errors") : undefined;
  const fields: Record<string, unknown> = {};
  for (const key of Object.keys(error)) {
    if (isCommon(key, isAggregate) || (key === "remoteStack" && error instanceof RemoteError)) continue;
    define(fields, key, fieldOf(error, key), true);
  }
  return {
    name,
    message,
    ...("cause" in error ? { cause } : {}),
    ...(isAggregate ? { errors: Array.isArray(errors) ? (errors as unknown[]) : [] } : {}),
    ...(Object.keys(fields).length > 0 ? { fields } : {}),
  };
}

/** The parts with errors below them in as many levels as may follow. */
function writeError(error: Error, codec: Codec, depth: number): Fields {
  const { name, message, errors, fields, ...rest } = partsOf(error);
  const written: Record<string, unknown> = { name, message };
  if ("cause" in rest && !isBelow(rest.cause, depth)) written["cause"] = inner(rest.cause, codec, depth);
  if (errors !== undefined)
    written["errors"] = errors.filter((one) => !isBelow(one, depth)).map((one) => inner(one, codec, depth));
  const kept = Object.entries(fields ?? {}).filter(([, value]) => !isBelow(value, depth));
  if (kept.length === 0) return written;
  const inside: Record<string, unknown> = {};
  for (const [key, value] of kept) define(inside, key, inner(value, codec, depth), true);
  written["fields"] = inside;
  return written;
}

/** True for an error that is too many levels down. */
function isBelow(value: unknown, depth: number): boolean {
  return depth === 0 && value instanceof Error;
}

function inner(value: unknown, codec: Codec, depth: number): unknown {
  if (!(value instanceof Error) || codec.table.has(Object.getPrototypeOf(value) as object)) return value;
  return new InnerError(value, depth - 1);
}

/** What every error has, or isn't sent. */
function isCommon(key: string, isAggregate: boolean): boolean {
  return key in Error.prototype || key === "stack" || key === "cause" || (isAggregate && key === "errors");
}

function fieldOf(error: Error, key: string): unknown {
  try {
    return (error as unknown as Fields)[key];
  } catch (thrown) {
    const reason = `"${key}" of ${describeType(error)} can't be read: ${messageOf(thrown)}`;
    throw new SerializationError(reason, { cause: thrown });
  }
}

/** An error of the class that has its name here, else an `Error` with that name. */
export function readError(data: unknown, budget: DecodingBudget): Error {
  if (!isMap(data)) throw malformed("an Error", "no map");
  budget.spend(ERROR_COST);
  const { message, errors } = data;
  const fields = data["fields"] ?? {};
  if (typeof data["name"] !== "string" || typeof message !== "string" || !isMap(fields))
    throw malformed("an Error", "no name, no message, or fields that are no map");
  const name = nameText(data["name"]);
  const gathers = Array.isArray(errors);
  const error = (gathers ? undefined : colloquyError(name, message, fields)) ?? newError(name, message, gathers);
  completeError(error, data, budget);
  return error;
}

/** The error alone; `gathers`: it has others, too. */
export function newError(name: string, message: string, gathers: boolean): Error {
  const error = gathers ? new AggregateError([], message) : new (CLASSES.get(name) ?? Error)(message);
  if (error.name !== name) define(error, "name", name, false);
  return error;
}

/** Gives an error its cause, the errors that it gathers, and its fields, as far as `data` has them. */
export function completeError(error: Error, data: Fields, budget: DecodingBudget): void {
  const { errors } = data;
  const fields = isMap(data["fields"]) ? data["fields"] : {};
  const keys = Object.keys(fields);
  budget.spend(keys.length * ERROR_FIELD_COST);
  // Where it was decoded tells nothing, and takes memory.
  error.stack = `${error.name}: ${error.message}`;
  if (Array.isArray(errors)) define(error, "errors", errors, false);
  if (Object.hasOwn(data, "cause")) define(error, "cause", data["cause"], false);
  const isColloquy = error instanceof ColloquyError;
  for (const key of keys) {
    if (isCommon(key, Array.isArray(errors)) || (isColloquy && COLLOQUY_FIELDS.has(key))) continue;
    const value = fields[key];
    checkDecodedEntry(key, value);
    define(error, key, value, true);
  }
}

/** The errors of this library keep their class, `code` and `executed`. */
function colloquyError(name: string, message: string, fields: Fields): ColloquyError | undefined {
  const { code, executed, remoteName } = fields;
  if (typeof code !== "string" || !ERROR_CODES.has(code) || !EXECUTED.has(executed)) return undefined;
  const options = { executed: executed as Executed };
  switch (name) {
    case "ColloquyError":
      return new ColloquyError(code as ErrorCode, message, options);
    case "SerializationError":
      return new SerializationError(message, options);
    case "ProtocolError":
      return new ProtocolError(message, options);
    case "RemoteError": {
      const [all, given] = [{ ...options, code: code as ErrorCode }, fields["fields"]];
      return new RemoteError(nameText(remoteName), message, { ...all, fields: given });
    }
    default:
      return undefined;
  }
}

/** Assigning would call setters that are inherited. */
function define(target: object, key: string, value: unknown, enumerable: boolean): void {
  Object.defineProperty(target, key, { value, enumerable, configurable: true, writable: true });
}
