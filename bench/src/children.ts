import { fork, type ChildProcess } from "node:child_process";
import { fileURLToPath } from "node:url";
import type { CellOrder, CellReport } from "./cell-messages.ts";

const program = fileURLToPath(new URL("cell.js", import.meta.url));
const keptOutputLength = 2000;
const outputGraceMs = 200;

/** One child process that runs one side of a cell. */
export class Child {
  readonly #process: ChildProcess;
  readonly #reports: CellReport[] = [];
  #ended: string | undefined;
  #output = "";
  #wake: (() => void) | undefined;
  #settle: (() => void) | undefined;
  /** Resolves when the process is gone. */
  readonly ended: Promise<void> = new Promise((resolve) => {
    this.#settle = resolve;
  });

  constructor(order: CellOrder, command: readonly string[]) {
    const [execPath = process.execPath, ...execArgv] = command;
    this.#process = fork(program, [JSON.stringify(order)], {
      execPath,
      execArgv,
      stdio: ["ignore", "ignore", "pipe", "ipc"],
    });
    this.#process.stderr?.setEncoding("utf8").on("data", (text: string) => {
      this.#output = (this.#output + text).slice(-keptOutputLength);
    });
    this.#process.on("message", (report) => {
      this.#reports.push(report as CellReport);
      this.#wake?.();
    });
    this.#process.on("error", (error) => this.#end(`did not start: ${error.message}`));
    this.#process.on("exit", (code, signal) => {
      const reason = `ended with ${signal ?? `exit code ${code}`}`;
      this.#process.on("close", () => this.#end(reason));
      setTimeout(() => this.#end(reason), outputGraceMs).unref();
    });
  }

  /** The next report of that kind; rejects when the child fails, or ends without one. One caller at a time. */
  async next<K extends CellReport["kind"]>(kind: K): Promise<CellReport & { kind: K }> {
    for (;;) {
      const report = this.#reports.shift();
      if (report?.kind === kind) return report as CellReport & { kind: K };
      if (report?.kind === "failed") throw new Error(report.reason);
      if (report === undefined) {
        if (this.#ended !== undefined) throw new Error(`${this.#ended} ${this.#output}`.trim());
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
      }
    }
  }

  send(message: string): void {
    if (this.#process.connected) this.#process.send(message, () => {});
  }

  kill(): void {
    this.#process.kill("SIGKILL");
  }

  #end(reason: string): void {
    this.#ended ??= reason;
    this.#wake?.();
    this.#settle?.();
  }
}

/** All child processes of this one, so that none outlives it. */
export class Children {
  readonly #living = new Set<Child>();

  /** Starts a child with `command`, for instance `["taskset", "-c", "0", "node"]`; without it, with this Node. */
  start(order: CellOrder, command: readonly string[]): Child {
    const child = new Child(order, command);
    this.#living.add(child);
    void child.ended.then(() => this.#living.delete(child));
    return child;
  }

  killAll(): void {
    for (const child of this.#living) child.kill();
  }

  /** Kills those that still run and resolves when all are gone. */
  async clear(): Promise<void> {
    this.killAll();
    await Promise.all([...this.#living].map((child) => child.ended));
  }
}
