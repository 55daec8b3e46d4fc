import { toError } from "./errors.ts";

/**
 * Tells of a failure for which nobody waits, as a warning of the process, with its stack: `what` says what has failed. Programs
 * listen with `process.on("warning", ...)`, where its name is `ColloquyWarning`.
 */
export function warn(what: string, thrown: unknown): void {
  const error = toError(thrown);
  process.emitWarning(`${what}: ${error.stack ?? error.message}`, "ColloquyWarning");
}
