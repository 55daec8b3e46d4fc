import { Worker } from "node:worker_threads";
import type { LaunchSettings } from "./launched.ts";

/** How long the main thread of an orphan has to notice that it is one; after that it is taken to be blocked. */
const BLOCKED_MS = 3000;
/** After the main thread's own time to stop. */
const EXTRA_MS = 1000;
/** Of the pipe that the parent holds the other end of. */
const PIPE_FD = 4;

/**
 * The watching thread. It is text, so that no loader and no option of the process has any part in it: it has to run where all else
 * hangs.
 */
const WATCH = `
const { rmSync } = require("node:fs");
const { Socket } = require("node:net");
const { workerData } = require("node:worker_threads");
const { fd, folder, noticed, blockedMs, stopMs } = workerData;
const end = () => {
  try {
    if (folder !== undefined) rmSync(folder, { recursive: true, force: true });
  } finally {
    process.kill(process.pid, "SIGKILL");
  }
};
const pipe = new Socket({ fd, readable: true, writable: false });
pipe.on("error", () => {});
pipe.on("close", () => {
  setTimeout(() => {
    if (Atomics.load(noticed, 0) === 0) end();
  }, Math.min(blockedMs, stopMs));
  setTimeout(end, stopMs);
});
pipe.resume();
`;

/**
 * Ends this process by force where its parent is gone and its main thread doesn't end it: because it is blocked, or takes longer
 * than its time to stop. Returns what the main thread calls once it has noticed itself.
 */
export function watchParent({ folder, stopTimeout }: LaunchSettings, onFailure: (error: unknown) => void): () => void {
  const noticed = new Int32Array(new SharedArrayBuffer(4));
  // The longest time that a timer of the system takes.
  const stopMs = Math.min(stopTimeout + EXTRA_MS, 0x7fff_ffff);
  const watch = new Worker(WATCH, {
    eval: true,
    name: "colloquy-parent-watch",
    workerData: { fd: PIPE_FD, folder, noticed, blockedMs: BLOCKED_MS, stopMs },
    execArgv: [],
    env: {},
    resourceLimits: { maxOldGenerationSizeMb: 16, maxYoungGenerationSizeMb: 2 },
  });
  watch.on("error", onFailure);
  watch.unref();
  return () => void Atomics.store(noticed, 0, 1);
}
