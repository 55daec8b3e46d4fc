import { warn } from "@colloquy/core";

/** Runs user code for which nobody waits; `what` says what it is. What it throws doesn't end the process, which is warned. */
export function guard(what: string, action: () => void): void {
  try {
    action();
  } catch (error) {
    warn(`${what} failed`, error);
  }
}
