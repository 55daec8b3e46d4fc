/** The program of a launched process: it runs the entry's default export and ends with its parent. */
import { pathToFileURL } from "node:url";
import { timerMs, toError, warn } from "@colloquy/core";
import type { LaunchContext, LaunchMessage } from "./launched.ts";

/** What the entry's default export returns. */
interface LaunchedThing {
  readonly address: string;
  shutdown(options?: { readonly graceMs?: number }): Promise<void>;
}

/** Share of the time to stop that calls under way get. */
const GRACE_SHARE = 0.8;

const end = new AbortController();
let container: LaunchedThing | undefined;
let stopTimeout = 10_000;

process.on("message", (message: LaunchMessage) => {
  if (message.type !== "start") return;
  ({ stopTimeout } = message);
  void start(message.entry, message.args);
});
process.once("disconnect", () => void stop());
if (!process.connected) void stop();
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
  setTimeout(() => process.exit(), timerMs(stopTimeout)).unref();
  try {
    await container?.shutdown({ graceMs: stopTimeout * GRACE_SHARE });
  } catch (error) {
    warn("shutting down failed", error);
  }
  process.exit();
}

function tell(message: LaunchMessage): void {
  if (process.connected) process.send?.(message);
}
