import { Worker } from "node:worker_threads";
import { toError } from "@colloquy/core";
import { isLaunchMessage } from "./launched.ts";
import type { LaunchSettings } from "./launched.ts";
import type { LaunchPlan } from "./launch-options.ts";
import { LAST_LINES_MS, launchedMain } from "./runner.ts";
import type { LaunchExit, Runner, RunnerListener } from "./runner.ts";

/**
 * What a thread runs first. Node before 24 runs `--import tsx` in threads without effect: there tsx is asked by its own interface,
 * where the options name it.
 */
const BOOT = `
const { createRequire } = require("node:module");
const { pathToFileURL } = require("node:url");
const { workerData } = require("node:worker_threads");
const load = () => import(workerData.main);
const findTsx = () => {
  for (const from of [workerData.settings.entry, workerData.main]) {
    try {
      const manifest = createRequire(from).resolve("tsx/package.json");
      return new URL(require(manifest).exports["./esm/api"].import.default, pathToFileURL(manifest)).href;
    } catch {}
  }
};
const isNamed = process.execArgv.some((option) => /\\btsx\\b/.test(option));
const api = isNamed && Number.parseInt(process.versions.node) < 24 ? findTsx() : undefined;
if (api === undefined) load();
else import(api).then(({ register }) => register()).then(load);
`;

/** Starts a thread of this process. */
export function runThread(plan: LaunchPlan, settings: LaunchSettings, listener: RunnerListener): Runner {
  const ownStreams = plan.log !== "inherit";
  const worker = new Worker(BOOT, {
    eval: true,
    name: plan.name,
    workerData: { main: launchedMain().href, settings },
    stdout: ownStreams,
    stderr: ownStreams,
    env: plan.env ?? process.env,
    // Options of this process that threads don't take are left out only where none are given.
    ...(plan.execArgv === undefined ? undefined : { execArgv: [...plan.execArgv] }),
  });
  worker.on("message", (message: unknown) => {
    if (isLaunchMessage(message)) listener.onMessage(message);
  });
  worker.on("error", (error) => listener.onError(toError(error)));
  if (ownStreams) {
    worker.stdout.on("data", (chunk: Buffer) => listener.lines.stdout.push(chunk));
    worker.stderr.on("data", (chunk: Buffer) => listener.lines.stderr.push(chunk));
  }
  return {
    pid: process.pid,
    threadId: worker.threadId,
    exited: exitOf(worker, ownStreams),
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- no window
    send: (message) => worker.postMessage(message),
    kill: () => void worker.terminate(),
  };
}

function exitOf(worker: Worker, ownStreams: boolean): Promise<LaunchExit> {
  const streams = ownStreams ? [worker.stdout, worker.stderr] : [];
  const ends = streams.map((stream) => new Promise<void>((resolve) => void stream.once("close", resolve)));
  return new Promise((resolve) => {
    worker.once("exit", (code) => {
      const exit = { code, signal: null };
      const timer = setTimeout(() => resolve(exit), LAST_LINES_MS);
      void Promise.all(ends).then(() => {
        clearTimeout(timer);
        resolve(exit);
      });
    });
  });
}
