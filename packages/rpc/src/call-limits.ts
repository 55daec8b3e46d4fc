import { ColloquyError, describeType } from "@colloquy/core";

/** @throws ColloquyError `INVALID_ARGUMENT` for a time or a signal that is none. */
export function checkCallLimits({ timeout, signal }: { readonly timeout?: unknown; readonly signal?: unknown }): void {
  if (timeout !== undefined && !(typeof timeout === "number" && timeout >= 0)) {
    throw new ColloquyError(
      "INVALID_ARGUMENT",
      `timeout is ${typeof timeout === "number" ? timeout : describeType(timeout)}; it takes milliseconds`,
    );
  }
  if (signal !== undefined && !(signal instanceof AbortSignal)) {
    throw new ColloquyError("INVALID_ARGUMENT", "signal is no AbortSignal");
  }
}
