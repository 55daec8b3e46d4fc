import { isMap, refusal } from "@colloquy/core";
import type { ColloquyError, Limits } from "@colloquy/core";

/** A request's content once it is checked: the array that has come. */
export type RequestContent = readonly [path: string, args: unknown[], kwargs: Record<string, unknown>, meta?: unknown];

/**
 * Checks the content of a request.
 *
 * @throws ColloquyError `INVALID_ARGUMENT` that says what is wrong.
 */
export function readRequest(content: unknown, limits: Limits): RequestContent {
  if (!Array.isArray(content) || content.length < 3 || content.length > 4)
    throw invalid("a request is [path, args, kwargs]: this side serves methods, the peer seems to use a channel");
  const [path, args, kwargs] = content as [unknown, unknown, unknown];
  if (typeof path !== "string") throw invalid("the path of a request is no string");
  if (!Array.isArray(args)) throw invalid("the arguments of a request are no array");
  if (args.length > limits.maxArgumentCount) {
    const reason = `${args.length} arguments; the limit is ${limits.maxArgumentCount} (maxArgumentCount)`;
    throw refusal("INVALID_ARGUMENT", reason, { limit: "maxArgumentCount" });
  }
  if (!isMap(kwargs)) throw invalid("the keyword arguments are no map");
  return content as unknown as RequestContent;
}

/** The same request for another path. */
export function withPath([, ...rest]: RequestContent, path: string): RequestContent {
  return [path, ...rest];
}

function invalid(message: string): ColloquyError {
  return refusal("INVALID_ARGUMENT", message);
}
