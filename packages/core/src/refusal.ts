import { ColloquyError, withoutStack } from "./errors.ts";
import type { ColloquyErrorOptions, ErrorCode } from "./errors.ts";

/** An error that the other side alone gets, in place of an answer. It has no stack: a peer can ask for many. */
export function refusal(code: ErrorCode, message: string, options?: ColloquyErrorOptions): ColloquyError {
  return withoutStack(() => new ColloquyError(code, message, options));
}
