import { ColloquyError, escaped, quoted, toError } from "./errors.ts";

/**
 * Tells of a failure for which nobody waits, as a warning of the process, with its stack: `what` says what has failed. Programs
 * listen with `process.on("warning", ...)`, where its name is `ColloquyWarning`.
 */
export function warn(what: string, thrown: unknown): void {
  process.emitWarning(`${what}: ${textOf(toError(thrown))}`, "ColloquyWarning");
}

/** Runs user code for which nobody waits; `what` says what it is. What it throws, or rejects with, is a warning and doesn't end the process. */
export function guard(what: string, action: () => unknown, tell: typeof warn = warn): void {
  const onFailure = (error: unknown): void => tell(`${what} failed`, error);
  try {
    const made = action();
    if (made instanceof Promise) made.catch(onFailure);
  } catch (error) {
    onFailure(error);
  }
}

/**
 * Stack or message of an error. The message may be a peer's text, that of a `RemoteError` always: it forges no line of a log, and no
 * command to a terminal.
 */
function textOf(error: Error): string {
  try {
    return readText(error);
  } catch {
    return "an error that can't be read";
  }
}

function readText(error: Error): string {
  const { message, stack } = error;
  if (!(error instanceof ColloquyError) || !message.includes("\n")) return escaped(stack ?? message);
  const oneLine = quoted(message, Infinity).slice(1, -1);
  return escaped(stack?.replace(message, () => oneLine) ?? oneLine);
}

const SELDOM_MS = 60_000;

/**
 * Makes a `warn` for what anybody can cause, as often as they like: it tells one failure a minute, and how many there were between
 * two that it tells.
 */
export function seldomWarn(): typeof warn {
  let nextMs = -Infinity;
  let untoldCount = 0;
  return (what, thrown) => {
    const now = performance.now();
    if (now < nextMs) {
      untoldCount++;
      return;
    }
    warn(untoldCount === 0 ? what : `${what} (${untoldCount} more since the last warning)`, thrown);
    nextMs = now + SELDOM_MS;
    untoldCount = 0;
  };
}
