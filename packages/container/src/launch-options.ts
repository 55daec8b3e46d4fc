import { resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { ColloquyError, describeType, parseAddress, quoted } from "@colloquy/core";
import { checkOptionNames } from "./known-options.ts";
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

const NAMES: readonly string[] = [
  "entry",
  "mode",
  "args",
  "name",
  "address",
  "log",
  "timeout",
  "stopTimeout",
  "signal",
  "execArgv",
  "env",
] satisfies (keyof LaunchOptions)[];
const MODES: ReadonlySet<unknown> = new Set(["process", "thread"]);
const LOGS: ReadonlySet<unknown> = new Set(["prefix", "inherit", "ignore"]);

/** @throws ColloquyError `INVALID_ARGUMENT` that names the option. */
export function planLaunch(options: LaunchOptions): LaunchPlan {
  checkOptionNames(options, NAMES, "launch");
  const { mode = "process", log = "prefix", args, address, signal, execArgv, env } = options;
  if (!MODES.has(mode)) throw invalid(`mode is ${shown(mode)}; it takes "process" or "thread"`);
  if (typeof log !== "function" && !LOGS.has(log))
    throw invalid(`log is ${shown(log)}; it takes "prefix", "inherit", "ignore" or a function`);
  if (address !== undefined) checkAddress(address);
  if (signal !== undefined && !(signal instanceof AbortSignal)) throw invalid("signal is no AbortSignal");
  const entry = pathOf(options.entry);
  const name = checkedName(options.name ?? stem(entry));
  const timeout = milliseconds("timeout", options.timeout ?? READY_TIMEOUT_MS);
  const stopTimeout = milliseconds("stopTimeout", options.stopTimeout ?? STOP_TIMEOUT_MS);
  return { entry, mode, args, name, address, log, timeout, stopTimeout, signal, execArgv, env };
}

function pathOf(entry: unknown): string {
  const text = entry instanceof URL ? entry.href : entry;
  if (typeof text !== "string" || text === "")
    throw invalid(`entry is ${shown(entry)}; it takes the path or file: URL of a module`);
  if (text.startsWith("file:")) return fileURLToPath(text);
  // A drive of Windows is one letter.
  if (/^[a-z][a-z\d+.-]+:/i.test(text)) throw invalid(`entry is ${quoted(text)}; of URLs it takes those of files`);
  return resolve(text);
}

function stem(path: string): string {
  return path.replace(/^.*[/\\]/s, "").replace(/(?<=.)\.[^.]*$/, "") || "launched";
}

function checkedName(name: unknown): string {
  if (typeof name === "string" && /^[^\p{Cc}]{1,64}$/u.test(name)) return name;
  throw invalid(`name is ${shown(name)}; it has 1 to 64 characters, on one line`);
}

function checkAddress(address: string): void {
  if (parseAddress(address).kind === "local")
    throw invalid(`address is ${quoted(address)}; local:// ends at the borders of processes and threads`);
}

function milliseconds(name: string, value: unknown): number {
  if (typeof value === "number" && value >= 0) return value;
  throw invalid(`${name} is ${shown(value)}; it takes milliseconds`);
}

function shown(value: unknown): string {
  return typeof value === "string" ? quoted(value) : typeof value === "number" ? String(value) : describeType(value);
}

function invalid(message: string): ColloquyError {
  return new ColloquyError("INVALID_ARGUMENT", message);
}
