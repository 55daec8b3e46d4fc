import { fork } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { fileURLToPath } from "node:url";
import { isLaunchMessage } from "./launched.ts";
import type { LaunchSettings } from "./launched.ts";
import type { LaunchPlan } from "./launch-options.ts";
import { LAST_LINES_MS, launchedMain } from "./runner.ts";
import type { LaunchExit, Runner, RunnerListener } from "./runner.ts";

/** Starts a process. It ends with this one: its channel closes then, and so does a pipe that a thread of it watches. */
export function runProcess(plan: LaunchPlan, settings: LaunchSettings, listener: RunnerListener): Runner {
  const output = plan.log === "inherit" || plan.log === "ignore" ? plan.log : "pipe";
  const child = fork(fileURLToPath(launchedMain()), [JSON.stringify(settings)], {
    execArgv: [...(plan.execArgv ?? process.execArgv)],
    env: plan.env ?? process.env,
    serialization: "advanced",
    stdio: ["ignore", output, output, "ipc", "pipe"],
  });
  child.on("message", (message: unknown) => {
    if (isLaunchMessage(message)) listener.onMessage(message);
  });
  // Also for messages that can't be sent: then the process is still there.
  child.on("error", (error) => listener.onError(error));
  child.stdout?.on("data", (chunk: Buffer) => listener.lines.stdout.push(chunk));
  child.stderr?.on("data", (chunk: Buffer) => listener.lines.stderr.push(chunk));
  for (const stream of child.stdio) stream?.on("error", () => undefined);
  watchedPipe(child);
  return {
    pid: child.pid ?? 0,
    threadId: undefined,
    exited: exitOf(child),
    send: (message) => {
      // One that is ending doesn't read it any more, and `exited` tells.
      if (child.connected) child.send(message, () => undefined);
    },
    kill: () => void child.kill("SIGKILL"),
  };
}

/** Nothing is written to it: its end is the message. */
function watchedPipe(child: ChildProcess): void {
  const pipe = child.stdio[4];
  if (pipe === null || pipe === undefined) return;
  (pipe as NodeJS.ReadableStream).resume();
  (pipe as unknown as { unref?(): void }).unref?.();
}

function exitOf(child: ChildProcess): Promise<LaunchExit> {
  return new Promise((resolve) => {
    child.once("error", () => {
      if (child.pid === undefined) resolve({ code: null, signal: null });
    });
    child.once("exit", (code, signal) => {
      const exit = { code, signal };
      const timer = setTimeout(() => resolve(exit), LAST_LINES_MS);
      child.once("close", () => {
        clearTimeout(timer);
        resolve(exit);
      });
    });
  });
}
