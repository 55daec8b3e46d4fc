import type { LaunchMessage } from "./launched.ts";
import type { LogLines, LogStream } from "./log-lines.ts";

/** How a launched process or thread has ended. */
export interface LaunchExit {
  /** Its exit code; null where a signal has ended it. A thread that was ended by force has 1. */
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** What one tells whoever has started it. */
export interface RunnerListener {
  onMessage(message: LaunchMessage): void;
  /** It couldn't be started, or has crashed. It ends, or has ended. */
  onError(error: Error): void;
  /** Takes what is printed, unless `plan.log` is "inherit". */
  readonly lines: Readonly<Record<LogStream, LogLines>>;
}

/** A process or thread that runs the program of launched containers. */
export interface Runner {
  readonly pid: number;
  readonly threadId: number | undefined;
  /** Resolves when it has ended, and its last lines were told. */
  readonly exited: Promise<LaunchExit>;
  /** @throws what structured cloning throws. */
  send(message: LaunchMessage): void;
  /** Ends it at once. */
  kill(): void;
}

/** How long the ends of its streams are waited for: others may hold them, as children of its own that it has left behind. */
export const LAST_LINES_MS = 500;

/** The program: beside this file, in TypeScript where this one is. */
export function launchedMain(): URL {
  return new URL(import.meta.url.endsWith(".ts") ? "./launched-main.ts" : "./launched-main.js", import.meta.url);
}
