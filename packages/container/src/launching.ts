import { existsSync } from "node:fs";
import { ColloquyError, guard, messageOf, quoted, timerMs, toError, warn } from "@colloquy/core";
import type { LaunchMessage } from "./launched.ts";
import type { LaunchPlan } from "./launch-options.ts";
import { LogLines } from "./log-lines.ts";
import type { LogStream } from "./log-lines.ts";
import { runProcess } from "./process-runner.ts";
import type { LaunchExit, Runner, RunnerListener } from "./runner.ts";
import { SocketFolder } from "./socket-folder.ts";
import { runThread } from "./thread-runner.ts";

/** A container in a process or thread of its own. */
export interface LaunchedContainer extends AsyncDisposable {
  /** Address of the container: its agents are `${address}/0`, ... */
  readonly address: string;
  readonly name: string;
  readonly mode: "process" | "thread";
  /** Of the process; of this one for a thread. */
  readonly pid: number;
  /** Of the thread; undefined for a process. */
  readonly threadId: number | undefined;
  /** Resolves when it has ended and its last lines were told. Never rejects. */
  readonly exited: Promise<LaunchExit>;
  /**
   * Shuts the container down; ends the process or thread by force where that takes longer than `stopTimeout`. Once; later calls await
   * the same.
   */
  stop(): Promise<LaunchExit>;
}

/** Where one is launched: at an address of the user's, or at a socket in a folder. */
export type LaunchPlace = string | SocketFolder;

/** A place of its own. */
export function newPlace(plan: LaunchPlan): LaunchPlace {
  if (plan.address !== undefined) return plan.address;
  // Sockets with a path are another thing on Windows.
  return process.platform === "win32" ? "tcp://127.0.0.1:0" : new SocketFolder();
}

/**
 * Starts several at once. Where one start fails, its signal gives the others up, those that are ready are stopped, and this rejects with
 * what that one has failed with.
 */
export async function allOrNone(
  starts: readonly ((failed: AbortSignal) => Promise<Launching>)[],
): Promise<Launching[]> {
  const failed = new AbortController();
  let failure: { readonly error: unknown } | undefined;
  const results = await Promise.all(
    starts.map(async (start) => {
      try {
        return await start(failed.signal);
      } catch (error) {
        failure ??= { error };
        failed.abort();
        return undefined;
      }
    }),
  );
  const launched = results.filter((one) => one !== undefined);
  if (failure === undefined) return launched;
  await Promise.all(launched.map((one) => one.stop()));
  throw failure.error;
}

/** One launched container, from the start of its process on. */
export class Launching implements LaunchedContainer {
  readonly mode: "process" | "thread";
  readonly name: string;
  readonly exited: Promise<LaunchExit>;
  readonly #plan: LaunchPlan;
  readonly #runner: Runner;
  readonly #log: Log;
  #address = "";
  #stopping: Promise<LaunchExit> | undefined;
  #onMessage: (message: LaunchMessage) => void = () => undefined;
  #onError: (error: Error) => void = () => undefined;

  /** @throws ColloquyError `UNAVAILABLE` */
  constructor(plan: LaunchPlan, place: LaunchPlace) {
    this.#plan = plan;
    this.mode = plan.mode;
    this.name = plan.name;
    const folder = typeof place === "string" ? undefined : place;
    this.#log = new Log(plan);
    const { entry, name, stopTimeout } = plan;
    const address = typeof place === "string" ? place : place.address;
    try {
      if (!existsSync(entry)) throw new Error("there is no such file");
      folder?.create(plan.mode === "thread");
      const settings = { entry, name, address, folder: folder?.path, stopTimeout: timerMs(stopTimeout) };
      this.#runner = (plan.mode === "thread" ? runThread : runProcess)(plan, settings, this.#listener());
    } catch (error) {
      folder?.remove();
      throw this.#failure(messageOf(error), error);
    }
    this.exited = this.#runner.exited.then((exit) => {
      this.#log.end();
      folder?.remove();
      return exit;
    });
  }

  get address(): string {
    return this.#address;
  }

  get pid(): number {
    return this.#runner.pid;
  }

  get threadId(): number | undefined {
    return this.#runner.threadId;
  }

  /** Resolves when the container is ready. Where it fails, nothing is left of it when this rejects. */
  async ready(): Promise<this> {
    try {
      this.#address = await this.#whenReady();
      return this;
    } catch (error) {
      this.#runner.kill();
      await this.exited;
      throw error;
    }
  }

  /** Tells it that all are ready that were launched with it. */
  tellAllReady(): this {
    this.#runner.send({ colloquy: "allReady" });
    return this;
  }

  async stop(): Promise<LaunchExit> {
    this.#stopping ??= this.#stop();
    return this.#stopping;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  async #stop(): Promise<LaunchExit> {
    this.#runner.send({ colloquy: "stop" });
    const timer = setTimeout(() => this.#runner.kill(), timerMs(this.#plan.stopTimeout));
    const exit = await this.exited;
    clearTimeout(timer);
    return exit;
  }

  #listener(): RunnerListener {
    return {
      onMessage: (message) => this.#onMessage(message),
      onError: (error) => {
        // A process tells its own end on its stderr.
        if (this.mode === "thread") this.#log.tellCrash(error);
        this.#onError(error);
      },
      lines: this.#log.lines,
    };
  }

  #whenReady(): Promise<string> {
    const { args, timeout, signal } = this.#plan;
    return new Promise((resolve, reject) => {
      const settle = (): void => {
        clearTimeout(timer);
        signal?.removeEventListener("abort", cancel);
        this.#onMessage = () => undefined;
        this.#onError = () => undefined;
      };
      const fail = (reason: string, cause?: unknown): void => {
        settle();
        reject(this.#failure(reason, cause));
      };
      const cancel = (): void => {
        settle();
        const reason = `launching ${quoted(this.#plan.entry)} was cancelled`;
        reject(new ColloquyError("CANCELLED", reason, { cause: signal?.reason }));
      };
      const timer = setTimeout(() => fail(`not ready within ${timeout} ms`), timerMs(timeout));
      if (signal?.aborted === true) return cancel();
      signal?.addEventListener("abort", cancel, { once: true });
      this.#onError = (error) => fail(error.message, error);
      const noun = this.mode;
      void this.exited.then(({ code, signal: by }) => fail(`the ${noun} ended with ${by ?? `exit code ${code}`}`));
      this.#onMessage = (message) => {
        if (message.colloquy === "failed") fail(message.reason, remoteCause(message.reason, message.stack));
        if (message.colloquy !== "ready") return;
        settle();
        resolve(message.address);
      };
      try {
        this.#runner.send({ colloquy: "start", args });
      } catch (error) {
        // The engine shows the source of a function, and whatever stands in it.
        const { name } = toError(error);
        fail(
          `args can't be passed on: ${name}, they hold a function or something else that structured cloning doesn't take`,
        );
      }
    });
  }

  #failure(reason: string, cause: unknown): ColloquyError {
    return new ColloquyError("UNAVAILABLE", `can't launch ${quoted(this.#plan.entry, 300)}: ${reason}`, { cause });
  }
}

/** What is printed by one process or thread. */
class Log {
  readonly lines: Readonly<Record<LogStream, LogLines>>;
  readonly #plan: LaunchPlan;
  #hasFailed = false;
  /** One warning says it all; a program that prints much would make as many. */
  readonly #warnOnce: typeof warn = (what, error) => {
    if (!this.#hasFailed) warn(what, error);
    this.#hasFailed = true;
  };

  constructor(plan: LaunchPlan) {
    this.#plan = plan;
    this.lines = {
      stdout: new LogLines((line) => this.#tell(line, "stdout")),
      stderr: new LogLines((line) => this.#tell(line, "stderr")),
    };
  }

  /** A process prints that itself. */
  tellCrash(error: Error): void {
    const stack = error.stack ?? `${error.name}: ${error.message}`;
    for (const line of stack.split("\n")) this.#tell(line, "stderr");
  }

  end(): void {
    this.lines.stdout.end();
    this.lines.stderr.end();
  }

  #tell(line: string, stream: LogStream): void {
    const { log, name } = this.#plan;
    if (log === "ignore") return;
    if (typeof log !== "function") {
      process[stream].write(log === "prefix" ? `[${name}] ${line}\n` : `${line}\n`);
      return;
    }
    guard(`log of ${name}`, () => log(line, stream), this.#warnOnce);
  }
}

/** The failure of the entry, with its own stack. */
function remoteCause(message: string, stack: string): Error {
  const cause = new Error(message);
  cause.stack = stack;
  return cause;
}
