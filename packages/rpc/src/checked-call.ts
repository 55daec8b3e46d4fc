import { ColloquyError } from "@colloquy/core";
import { PassedOn } from "./passed-on.ts";
import { checkArguments, checkResult, wrongResult } from "./validation.ts";
import type { SchemaOptions } from "./validation.ts";

/**
 * Calls a method between its schemas; without a promise among those of the arguments it starts in this turn. Rejects with what it
 * throws, or with a `PassedOn`. `onFault` is told of results and schemas that are wrong: the caller isn't told more than that they are.
 */
export async function callChecked(
  { input, output }: SchemaOptions,
  path: string,
  args: unknown[],
  apply: (args: unknown[]) => unknown,
  onFault: (error: unknown) => unknown,
): Promise<unknown> {
  let given: unknown[];
  try {
    const checked = input === undefined ? args : checkArguments(input, args, path);
    given = checked instanceof Promise ? await checked : checked;
  } catch (error) {
    const isRefused = error instanceof ColloquyError && error.code === "INVALID_ARGUMENT";
    const cause = isRefused ? error : withoutCause(onFault(error));
    throw new PassedOn("the arguments were refused", { cause });
  }
  const result = await apply(given);
  if (output === undefined) return result;
  try {
    return await checkResult(output, result, path);
  } catch (error) {
    onFault(error);
    throw new PassedOn("the result was refused", { cause: wrongResult(path) });
  }
}

/** Of what fails in a schema the text may hold parts of values. */
function withoutCause(error: unknown): unknown {
  return error instanceof ColloquyError ? new ColloquyError(error.code, error.message) : error;
}
