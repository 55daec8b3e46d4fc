/** The program of a launched process: it runs the entry's default export and ends with its parent. */
import { pathToFileURL } from "node:url";
import { toError, warn } from "@colloquy/core";
import type { LaunchContext, LaunchMessage } from "./launched.ts";

/** What the entry's default export returns. */
interface LaunchedThing {
  readonly address: string;
  shutdown(): Promise<void>;
}

const FORCED_EXIT_MS = 9000;

const end = new AbortController();
let container: LaunchedThing | undefined;

process.on("message", (message: LaunchMessage) => {
  if (message.type === "start") void start(message.entry, message.args);
});
process.once("disconnect", () => void stop());
// Ctrl-C reaches the whole group; the parent ends, and with it the channel.
process.on("SIGINT", () => undefined);
process.once("SIGTERM", () => void stop());

async function start(entry: string, args: unknown): Promise<void> {
  try {
    const module = (await import(pathToFileURL(entry).href)) as { default?: unknown };
    if (typeof module.default !== "function") throw new TypeError("the module has no function as its default export");
    const run = module.default as (context: LaunchContext) => unknown;
    const made = await run({ args, signal: end.signal });
    if (!isContainer(made)) throw new TypeError("the default export has returned no container");
    container = made;
    tell({ type: "ready", address: made.address });
  } catch (error) {
    tell({ type: "failed", reason: toError(error).message });
    process.exitCode = 1;
    await stop();
  }
}

function isContainer(made: unknown): made is LaunchedThing {
  return typeof made === "object" && made !== null && "address" in made && "shutdown" in made;
}

async function stop(): Promise<void> {
  if (end.signal.aborted) return;
  end.abort();
  // Nothing of the entry's may keep a process alive whose parent is gone.
  setTimeout(() => process.exit(), FORCED_EXIT_MS).unref();
  try {
    await container?.shutdown();
  } catch (error) {
    warn("shutting down failed", error);
  }
  process.exit();
}

function tell(message: LaunchMessage): void {
  if (process.connected) process.send?.(message);
}
