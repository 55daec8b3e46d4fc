import { fork, type ChildProcess } from "node:child_process";
import { fileURLToPath } from "node:url";
import type { CellOrder, CellReport, CellRequest } from "./cell-messages.ts";

const program = fileURLToPath(new URL("cell.js", import.meta.url));
const keptOutputLength = 2000;
const outputGraceMs = 200;

interface Waiter {
  wants(report: CellReport): boolean;
  resolve(report: CellReport): void;
  reject(error: Error): void;
}

/** One child process that runs one side of a cell. */
export class Child {
  readonly #process: ChildProcess;
  readonly #reports: CellReport[] = [];
  readonly #waiters: Waiter[] = [];
  #failure: Error | undefined;
  #output = "";
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
    this.#process.on("message", (report) => this.#take(report as CellReport));
    this.#process.on("error", (error) => this.#end(`did not start: ${error.message}`));
    this.#process.on("exit", (code, signal) => {
      const reason = `ended with ${signal ?? `exit code ${code}`}`;
      this.#process.on("close", () => this.#end(reason));
      setTimeout(() => this.#end(reason), outputGraceMs).unref();
    });
  }

  /** The next report of one of the kinds; rejects when the child fails, or ends without one. */
  next<K extends CellReport["kind"]>(...kinds: readonly K[]): Promise<CellReport & { kind: K }> {
    return new Promise((resolve, reject) => {
      const waiter: Waiter = {
        wants: ({ kind }) => kinds.includes(kind as K),
        resolve: (report) => resolve(report as CellReport & { kind: K }),
        reject,
      };
      const place = this.#reports.findIndex(waiter.wants);
      if (place >= 0) waiter.resolve(this.#reports.splice(place, 1)[0] as CellReport);
      else if (this.#failure !== undefined) reject(this.#failure);
      else this.#waiters.push(waiter);
    });
  }

  send(request: CellRequest): void {
    if (this.#process.connected) this.#process.send(request, () => {});
  }

  kill(): void {
    this.#process.kill("SIGKILL");
  }

  #take(report: CellReport): void {
    if (report.kind === "failed") {
      this.#fail(report.reason);
      return;
    }
    const place = this.#waiters.findIndex(({ wants }) => wants(report));
    if (place < 0) this.#reports.push(report);
    else this.#waiters.splice(place, 1)[0]?.resolve(report);
  }

  #fail(reason: string): void {
    this.#failure ??= new Error(reason);
    for (const { reject } of this.#waiters.splice(0)) reject(this.#failure);
  }

  #end(reason: string): void {
    this.#fail(`${reason} ${this.#output}`.trim());
    this.#settle?.();
  }
}

/** All child processes of this one: none outlives it, also when it is told to end. */
export class Children {
  readonly #living = new Set<Child>();

  constructor() {
    process.on("exit", () => this.killAll());
    for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => process.exit(130));
  }

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
