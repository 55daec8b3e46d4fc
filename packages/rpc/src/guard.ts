import { toError } from "@colloquy/core";

/** Runs user code for which nobody waits. What it throws doesn't end the process, which is warned. */
export function guard(action: () => void): void {
  try {
    action();
  } catch (error) {
    process.emitWarning(toError(error));
  }
}
