import { SerializationError } from "./errors.ts";

const CLASSES: ReadonlyMap<string, ErrorConstructor> = new Map(
  [Error, EvalError, RangeError, ReferenceError, SyntaxError, TypeError, URIError].map((type) => [type.name, type]),
);

/** An error that is passed as a value: its name, message and cause, and those it gathers. */
export function writeError(error: Error): Record<string, unknown> {
  const written: Record<string, unknown> = { name: String(error.name), message: String(error.message) };
  if ("cause" in error) written["cause"] = error.cause;
  if (error instanceof AggregateError) written["errors"] = [...(error.errors as unknown[])];
  const fields = Object.keys(error).filter((key) => !(key in written) && key !== "stack");
  if (fields.length > 0)
    written["fields"] = Object.fromEntries(
      fields.map((key) => [key, (error as unknown as Record<string, unknown>)[key]]),
    );
  return written;
}

/** An error of the class that has its name here, else an `Error` with that name. */
export function readError(data: unknown): Error {
  if (typeof data !== "object" || data === null || Array.isArray(data))
    throw new SerializationError("malformed data of an Error: no map");
  const { name, message, errors } = data as Record<string, unknown>;
  if (typeof name !== "string" || typeof message !== "string")
    throw new SerializationError("malformed data of an Error: no name and message");
  const error = newError(name, message, Array.isArray(errors));
  completeError(error, data as Record<string, unknown>);
  return error;
}

/** The error alone; `gathers`: it has others, too. */
export function newError(name: string, message: string, gathers: boolean): Error {
  const error = gathers ? new AggregateError([], message) : new (CLASSES.get(name) ?? Error)(message);
  if (error.name !== name) Object.defineProperty(error, "name", { value: name, configurable: true, writable: true });
  return error;
}

/** Gives an error its cause, the errors that it gathers, and its fields, as far as `data` has them. */
export function completeError(error: Error, data: Readonly<Record<string, unknown>>): void {
  const { cause, errors, fields } = data;
  if (Array.isArray(errors))
    Object.defineProperty(error, "errors", { value: errors, configurable: true, writable: true });
  if ("cause" in data) Object.defineProperty(error, "cause", { value: cause, configurable: true, writable: true });
  if (typeof fields !== "object" || fields === null) return;
  for (const [key, value] of Object.entries(fields)) {
    if (key in Error.prototype || key === "stack" || key === "cause") continue;
    Object.defineProperty(error, key, { value, configurable: true, writable: true, enumerable: true });
  }
}
