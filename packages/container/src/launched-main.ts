/** The program of launched processes and threads: it runs the entry's default export and ends with its parent. */
import { pathToFileURL } from "node:url";
import { Deferred, timerMs, messageOf, toError, warn } from "@colloquy/core";
import type { LaunchContext, LaunchMessage } from "./launched.ts";
import { openParentPort } from "./parent-port.ts";
import { watchParent } from "./parent-watch.ts";
import { removeFolder } from "./socket-folder.ts";

/** What the entry's default export returns. */
interface LaunchedThing {
  readonly address: string;
  shutdown(options?: { readonly graceMs?: number }): Promise<void>;
}

/** Share of the time to stop that calls under way get. */
const GRACE_SHARE = 0.8;
/** The parent ends it by force at the end of its time; it does so itself only where the parent is gone. */
const EXTRA_MS = 1000;

const end = new AbortController();
const allReady = new Deferred<void>();
let container: LaunchedThing | undefined;
let isOrphan = false;

const port = openParentPort({
  onMessage: (message: LaunchMessage) => {
    if (message.colloquy === "start") void start(message.args);
    if (message.colloquy === "allReady") allReady.resolve();
    if (message.colloquy === "stop") void stop();
  },
  onGone: () => {
    isOrphan = true;
    noticed();
    void stop();
  },
});
const { entry, name, address, folder, stopTimeout } = port.settings;
const noticed = port.isThread ? () => undefined : watchParent(port.settings, (error) => warn("no watch", error));
if (!port.isThread) listenToSystem();

/** Ctrl-C and a closed terminal reach the whole group: the parent ends, and with it the channel. */
function listenToSystem(): void {
  process.on("SIGINT", () => undefined);
  process.on("SIGHUP", () => undefined);
  process.once("SIGTERM", () => void stop());
  // The other ends of its streams go with the parent. What an agent prints at its end then is no failure.
  process.stdout.on("error", () => undefined);
  process.stderr.on("error", () => undefined);
}

async function start(args: unknown): Promise<void> {
  try {
    const module = (await import(pathToFileURL(entry).href)) as { default?: unknown };
    if (typeof module.default !== "function") throw new Error("the module has no function as its default export");
    const run = module.default as (context: LaunchContext) => unknown;
    const context = { args, name, address, signal: end.signal, allReady: allReady.promise, stop: () => void stop() };
    const made = await run(context);
    if (!isContainer(made)) throw new Error("the default export has returned no container");
    container = made;
    if (end.signal.aborted) return;
    port.tell({ colloquy: "ready", address: made.address });
    // A container that was shut down ends its process, where nothing else keeps that alive.
    port.unref();
  } catch (thrown) {
    port.tell({ colloquy: "failed", ...readFailure(thrown) });
    process.exitCode = 1;
    await stop();
  }
}

function readFailure(thrown: unknown): { readonly reason: string; readonly stack: string } {
  try {
    const { name, message, stack } = toError(thrown);
    const reason = name === "Error" ? message : `${name}: ${message}`;
    return { reason, stack: typeof stack === "string" ? stack : message };
  } catch {
    const reason = messageOf(thrown);
    return { reason, stack: reason };
  }
}

function isContainer(made: unknown): made is LaunchedThing {
  if (typeof made !== "object" || made === null) return false;
  const { address, shutdown } = made as Partial<Record<keyof LaunchedThing, unknown>>;
  return typeof address === "string" && typeof shutdown === "function";
}

async function stop(): Promise<void> {
  if (end.signal.aborted) return;
  end.abort();
  // Nothing of the entry's may keep a process alive whose parent is gone.
  setTimeout(() => exit(1), timerMs(stopTimeout + EXTRA_MS)).unref();
  try {
    await container?.shutdown({ graceMs: stopTimeout * GRACE_SHARE });
  } catch (error) {
    warn("shutting down failed", error);
  }
  exit();
}

function exit(code?: number): void {
  if (isOrphan && folder !== undefined) removeFolder(folder);
  process.exit(code);
}
