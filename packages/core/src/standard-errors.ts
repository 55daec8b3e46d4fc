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
  const { name, message, cause, errors, fields } = data as Record<string, unknown>;
  if (typeof name !== "string" || typeof message !== "string")
    throw new SerializationError("malformed data of an Error: no name and message");
  const error = Array.isArray(errors) ? new AggregateError(errors, message) : new (CLASSES.get(name) ?? Error)(message);
  if (error.name !== name) Object.defineProperty(error, "name", { value: name, configurable: true, writable: true });
  if ("cause" in data) Object.defineProperty(error, "cause", { value: cause, configurable: true, writable: true });
  if (typeof fields === "object" && fields !== null) {
    for (const [key, value] of Object.entries(fields)) {
      if (key in Error.prototype || key === "stack" || key === "cause") continue;
      Object.defineProperty(error, key, { value, configurable: true, writable: true, enumerable: true });
    }
  }
  return error;
}
