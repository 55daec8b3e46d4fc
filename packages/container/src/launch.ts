import { fork } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { fileURLToPath } from "node:url";
import { ColloquyError, OPTION, checkOptions, quoted, timerMs, toError, wrongOption } from "@colloquy/core";
import type { OptionKind } from "@colloquy/core";
import type { LaunchMessage } from "./launched.ts";

export interface LaunchOptions {
  /**
   * The module to run in the new process, as a path or a `file:` URL. Its default export is called with a `LaunchContext` and
   * returns the container: `export default ({ args }) => Container.create("tcp://127.0.0.1:0")`.
   */
  readonly entry: string | URL;
  /** Passed on to the entry; anything that structured cloning takes. */
  readonly args?: unknown;
  /** Milliseconds until the container has to be ready. Default: 30,000. */
  readonly timeout?: number | undefined;
  /** Options of Node for the process. Default: those of this process. */
  readonly execArgv?: readonly string[] | undefined;
  /** Variables of the environment. Default: those of this process. */
  readonly env?: NodeJS.ProcessEnv | undefined;
  /** Milliseconds that `stop` gives the container before it ends the process. Default: 10,000. */
  readonly stopTimeout?: number | undefined;
}

const ENTRY: OptionKind = {
  takes: "the path or the file: URL of a module",
  accepts: (value) => (typeof value === "string" && value !== "") || value instanceof URL,
};
const OPTIONS: Readonly<Record<keyof LaunchOptions, OptionKind>> = {
  entry: ENTRY,
  args: OPTION.any,
  timeout: OPTION.milliseconds,
  execArgv: {
    takes: "an array of texts",
    accepts: (value) => Array.isArray(value) && value.every((one) => typeof one === "string"),
  },
  env: OPTION.object,
  stopTimeout: OPTION.milliseconds,
};

/** How a launched process has ended. */
export interface LaunchExit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** A container in a child process. */
export interface LaunchedContainer extends AsyncDisposable {
  /** Address of the container: its agents are `${address}/0`, ... */
  readonly address: string;
  readonly pid: number;
  /** Resolves when the process has ended. */
  readonly exited: Promise<LaunchExit>;
  /** Shuts the container down; ends the process by force where that takes longer than `stopTimeout`. */
  stop(): Promise<LaunchExit>;
}

const READY_TIMEOUT_MS = 30_000;
const STOP_TIMEOUT_MS = 10_000;

/**
 * Starts a container in a child process; resolves when it is ready. The child ends with this process, however that ends: its
 * container shuts down when the channel between the two closes. What it prints appears on this process's own streams.
 *
 * Rejects with `INVALID_ARGUMENT` for options that are none, `UNAVAILABLE` where the process ends or fails before it is ready, or takes
 * longer than `timeout`.
 */
export async function launch(options: LaunchOptions): Promise<LaunchedContainer> {
  checkOptions("launch", options, OPTIONS);
  if ((options as LaunchOptions | undefined)?.entry === undefined)
    throw wrongOption("launch", "entry", undefined, ENTRY.takes);
  const entry = String(options.entry).startsWith("file:") ? fileURLToPath(options.entry) : String(options.entry);
  const child = fork(launchedMain(), [], {
    execArgv: [...(options.execArgv ?? process.execArgv)],
    env: options.env ?? process.env,
    serialization: "advanced",
    stdio: ["ignore", "inherit", "inherit", "ipc"],
  });
  const exited = new Promise<LaunchExit>((resolve) => {
    child.once("exit", (code, signal) => resolve({ code, signal }));
    child.on("error", () => {
      // Also for messages that can't be sent: then the process is still there.
      if (child.pid === undefined) resolve({ code: null, signal: null });
    });
  });
  try {
    const address = await ready(child, entry, options);
    const stop = (): Promise<LaunchExit> => stopChild(child, exited, options.stopTimeout ?? STOP_TIMEOUT_MS);
    return {
      address,
      pid: child.pid!,
      exited,
      stop,
      [Symbol.asyncDispose]: async () => {
        await stop();
      },
    };
  } catch (error) {
    child.kill("SIGKILL");
    await exited;
    throw error;
  }
}

/** The program of the child: beside this file, in TypeScript where this one is. */
function launchedMain(): string {
  return fileURLToPath(
    new URL(import.meta.url.endsWith(".ts") ? "./launched-main.ts" : "./launched-main.js", import.meta.url),
  );
}

function ready(
  child: ChildProcess,
  entry: string,
  { args, timeout = READY_TIMEOUT_MS, stopTimeout = STOP_TIMEOUT_MS }: LaunchOptions,
): Promise<string> {
  return new Promise((resolve, reject) => {
    const fail = (reason: string, cause?: unknown): void => {
      clearTimeout(timer);
      reject(new ColloquyError("UNAVAILABLE", `can't launch ${quoted(entry)}: ${reason}`, { cause }));
    };
    const timer = setTimeout(() => fail(`not ready within ${timeout} ms`), timerMs(timeout));
    child.once("error", (error) => fail(error.message, error));
    child.once("exit", (code, signal) => fail(`the process ended with ${signal ?? `exit code ${code}`}`));
    child.on("message", (message: LaunchMessage) => {
      if (message.type === "failed") fail(message.reason);
      if (message.type !== "ready") return;
      clearTimeout(timer);
      resolve(message.address);
    });
    const start: LaunchMessage = { type: "start", entry, args, stopTimeout };
    try {
      child.send(start, (error) => {
        if (error !== null) fail(error.message, error);
      });
    } catch (error) {
      // `args` holds what structured cloning doesn't take.
      fail(toError(error).message, error);
    }
  });
}

async function stopChild(child: ChildProcess, exited: Promise<LaunchExit>, timeout: number): Promise<LaunchExit> {
  // The closed channel is the signal to shut down, the same as when this process ends.
  if (child.connected) child.disconnect();
  const timer = setTimeout(() => child.kill("SIGKILL"), timerMs(timeout));
  const exit = await exited;
  clearTimeout(timer);
  return exit;
}
