import { ColloquyError, RemoteError, SerializationError, toError } from "./errors.ts";

const FIELDS: readonly string[] = ["name", "code", "message", "executed", "cause", "limit"];

/**
 * What `look` makes of what was thrown, or a general error in its place where looking at that throws: it may be a revoked proxy, or have
 * getters that throw.
 */
export function readable(thrown: unknown, look: (thrown: unknown) => unknown = (error) => error): unknown {
  try {
    // What is no error of this library is read with care anyway.
    if (!(thrown instanceof ColloquyError)) return look(thrown);
    return look(hasGetters(thrown) ? readOnce(thrown) : thrown);
  } catch {
    return new Error("what was thrown can't be read");
  }
}

/** What a getter gives once it may not give again. Those of this library do. */
function hasGetters(error: ColloquyError): boolean {
  if (error instanceof SerializationError) {
    for (const field of FIELDS) Reflect.get(error, field);
    return false;
  }
  return FIELDS.some((field) => {
    let holder: object | null = error;
    while (holder !== null && !Object.hasOwn(holder, field)) holder = Reflect.getPrototypeOf(holder);
    return holder !== null && Reflect.getOwnPropertyDescriptor(holder, field)?.get !== undefined;
  });
}

function readOnce(error: ColloquyError): Error {
  const { code, message, executed, cause, limit } = error;
  // What a peer has told is told on by rules of its own.
  if (error instanceof RemoteError) return new Error(message, { cause });
  return new ColloquyError(code, message, { executed, cause, limit });
}

/** The message of what was thrown. */
export function messageOf(thrown: unknown): string {
  try {
    const { message } = toError(thrown);
    return typeof message === "string" ? message : "an error that can't be read";
  } catch {
    return "an error that can't be read";
  }
}
