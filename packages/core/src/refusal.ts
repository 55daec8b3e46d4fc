import { ColloquyError } from "./errors.ts";
import type { ColloquyErrorOptions, ErrorCode } from "./errors.ts";

/**
 * An error that the other side alone gets, in place of an answer. It has no stack: to take one costs ten times what a small call costs, and
 * a peer can ask for many.
 */
export function refusal(code: ErrorCode, message: string, options?: ColloquyErrorOptions): ColloquyError {
  const { stackTraceLimit } = Error;
  // Where intrinsics are frozen there is one.
  Reflect.set(Error, "stackTraceLimit", 0);
  const error = new ColloquyError(code, message, options);
  Reflect.set(Error, "stackTraceLimit", stackTraceLimit);
  return error;
}
