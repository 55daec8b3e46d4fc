import { resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { ColloquyError, OPTION, checkOptions, oneOf, parseAddress, quoted, wrongOption } from "@colloquy/core";
import type { OptionKind } from "@colloquy/core";
import type { LogListener } from "./log-lines.ts";

export interface LaunchOptions {
  /**
   * The module to run there, as a path or a `file:` URL. Its default export is called with a `LaunchContext` and returns the
   * container: `export default ({ address }) => Container.create(address)`.
   */
  readonly entry: string | URL;
  /** A process of its own, or a thread of this one. Default: `"process"`. */
  readonly mode?: "process" | "thread" | undefined;
  /** Passed on to the entry; anything that structured cloning takes. */
  readonly args?: unknown;
  /** Stands before its lines. Default: the name of the entry's file, without its ending. */
  readonly name?: string | undefined;
  /**
   * Proposed to the entry as `context.address`. Default: a Unix socket in a new private folder; on Windows, where there are none,
   * `tcp://127.0.0.1:0`.
   */
  readonly address?: string | undefined;
  /**
   * What becomes of what it prints: lines behind `[name] ` on this process's own streams (`"prefix"`, the default), the streams
   * themselves (`"inherit"`), nothing (`"ignore"`), or a function that gets each line. Lines over 65,536 bytes come in pieces.
   */
  readonly log?: "prefix" | "inherit" | "ignore" | LogListener | undefined;
  /** Milliseconds until the container has to be ready. Default: 30,000. */
  readonly timeout?: number | undefined;
  /** Milliseconds that `stop` gives the container before it ends the process or thread by force. Default: 10,000. */
  readonly stopTimeout?: number | undefined;
  /** Gives the start up: it rejects with `CANCELLED`. */
  readonly signal?: AbortSignal | undefined;
  /** Options of Node for the process or thread. Default: those of this one. */
  readonly execArgv?: readonly string[] | undefined;
  /** Variables of the environment. Default: those of this process. */
  readonly env?: NodeJS.ProcessEnv | undefined;
}

/** Options that were checked, with defaults. */
export interface LaunchPlan {
  /** Absolute path. */
  readonly entry: string;
  readonly mode: "process" | "thread";
  readonly args: unknown;
  readonly name: string;
  readonly address: string | undefined;
  readonly log: "prefix" | "inherit" | "ignore" | LogListener;
  readonly timeout: number;
  readonly stopTimeout: number;
  readonly signal: AbortSignal | undefined;
  readonly execArgv: readonly string[] | undefined;
  readonly env: NodeJS.ProcessEnv | undefined;
}

const READY_TIMEOUT_MS = 30_000;
const STOP_TIMEOUT_MS = 10_000;

const OPTIONS: Readonly<Record<keyof LaunchOptions, OptionKind>> = Object.freeze({
  entry: {
    takes: "the path or the file: URL of a module",
    accepts: (value) => value instanceof URL || (typeof value === "string" && value !== ""),
  },
  mode: oneOf("process", "thread"),
  args: OPTION.any,
  name: {
    takes: "1 to 64 characters, on one line",
    accepts: (value) => typeof value === "string" && /^[^\p{Cc}]{1,64}$/u.test(value),
  },
  address: OPTION.text,
  log: {
    takes: '"prefix", "inherit", "ignore" or a function',
    accepts: (value) => typeof value === "function" || LOGS.has(value),
  },
  timeout: OPTION.milliseconds,
  stopTimeout: OPTION.milliseconds,
  signal: OPTION.signal,
  execArgv: { takes: "an array of texts", accepts: Array.isArray },
  env: { ...OPTION.object, isSecret: true },
});
const LOGS: ReadonlySet<unknown> = new Set(["prefix", "inherit", "ignore"]);

/** @throws ColloquyError `INVALID_ARGUMENT` that names the option. */
export function planLaunch(options: LaunchOptions): LaunchPlan {
  checkOptions("launch", options, OPTIONS);
  if ((options as LaunchOptions | undefined)?.entry === undefined)
    throw wrongOption("launch", "entry", undefined, OPTIONS.entry.takes);
  const { mode = "process", log = "prefix", args, address, signal, execArgv, env } = options;
  if (address !== undefined) checkAddress(address);
  const entry = pathOf(options.entry);
  const { name = stem(entry), timeout = READY_TIMEOUT_MS, stopTimeout = STOP_TIMEOUT_MS } = options;
  return { entry, mode, args, name, address, log, timeout, stopTimeout, signal, execArgv, env };
}

function pathOf(entry: string | URL): string {
  const text = String(entry);
  if (text.startsWith("file:")) return fileURLToPath(text);
  // A drive of Windows is one letter.
  if (/^[a-z][a-z\d+.-]+:/i.test(text)) throw invalid(`entry is ${quoted(text)}; of URLs it takes those of files`);
  return resolve(text);
}

function stem(path: string): string {
  return path.replace(/^.*[/\\]/s, "").replace(/(?<=.)\.[^.]*$/, "") || "launched";
}

function checkAddress(address: string): void {
  if (parseAddress(address).kind === "local")
    throw invalid(`address is ${quoted(address)}; local:// ends at the borders of processes and threads`);
}

function invalid(message: string): ColloquyError {
  return new ColloquyError("INVALID_ARGUMENT", message);
}
