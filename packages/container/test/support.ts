import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { ColloquyError } from "@colloquy/core";
import { expose } from "@colloquy/rpc";
import { afterEach } from "vitest";
import { Agent, Container } from "../src/index.ts";
import type { ContainerOptions } from "../src/index.ts";

let addressCount = 0;

/** An address in this process that no other test has. */
export function newAddress(): string {
  return `local://container-test-${process.pid}-${addressCount++}`;
}

const open = new Set<Container>();

afterEach(async () => {
  const containers = [...open];
  open.clear();
  await Promise.allSettled(containers.map((container) => container.shutdown({ graceMs: 50 })));
});

/** A container that ends with the test. */
export async function newContainer(address: string = newAddress(), options: ContainerOptions = {}): Promise<Container> {
  const container = await Container.create(address, options);
  open.add(container);
  return container;
}

/** A promise and what settles it. */
export class Gate<T = void> {
  readonly promise: Promise<T>;
  open!: (value: T) => void;

  constructor() {
    this.promise = new Promise((resolve) => (this.open = resolve));
  }
}

/** An agent that answers what it is told. */
export class Echo extends Agent {
  @expose echo(value: unknown): unknown {
    return value;
  }

  @expose where(): string {
    return this.address;
  }

  @expose override fail(message: string): never {
    throw new RangeError(message);
  }
}

/** Calls that wait until the test lets them go. */
export class Slow extends Agent {
  readonly entered = new Gate();
  readonly gate = new Gate<string>();

  @expose async wait(): Promise<string> {
    this.entered.open();
    return this.gate.promise;
  }

  @expose quick(): string {
    return "quick";
  }
}

/** The ColloquyError that a promise rejects with. */
export async function failureOf(promise: unknown): Promise<ColloquyError & Record<string, unknown>> {
  let value: unknown;
  try {
    value = await promise;
  } catch (error) {
    if (error instanceof ColloquyError) return error as ColloquyError & Record<string, unknown>;
    throw new Error("rejected with something else than a ColloquyError", { cause: error });
  }
  throw new Error(`resolved with ${JSON.stringify(value)}`);
}

/** What a promise rejects with. */
export async function rejectionOf(promise: Promise<unknown>): Promise<unknown> {
  try {
    await promise;
  } catch (error) {
    return error;
  }
  throw new Error("the promise was fulfilled");
}

/** Turns of the event loop until `condition` holds. */
export async function until(condition: () => boolean, what = "the condition"): Promise<void> {
  const start = performance.now();
  while (!condition()) {
    if (performance.now() - start > 8000) throw new Error(`${what} didn't come about within 8 s`);
    await turn();
  }
}

/** Until `condition` holds, which other processes bring about: they get the processor meanwhile. */
export async function eventually(condition: () => boolean, what: string): Promise<void> {
  const start = performance.now();
  while (!condition()) {
    if (performance.now() - start > 30_000) throw new Error(`${what} didn't come about within 30 s`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** One turn of the event loop: what is in sockets is read, timers that are due have run. */
export async function turn(): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve));
}

export async function turns(count: number): Promise<void> {
  for (let index = 0; index < count; index++) await turn();
}

/** What became an unhandled rejection while `act` ran and a few turns after. */
export async function unhandledDuring(act: () => unknown): Promise<unknown[]> {
  const reasons: unknown[] = [];
  const listeners = process.listeners("unhandledRejection");
  process.removeAllListeners("unhandledRejection");
  process.on("unhandledRejection", (reason) => reasons.push(reason));
  await act();
  await turns(10);
  process.removeAllListeners("unhandledRejection");
  for (const listener of listeners) process.on("unhandledRejection", listener);
  return reasons;
}

/** Options of Node with which a process runs the TypeScript sources. */
export const SOURCE_FLAGS: readonly string[] = ["--conditions=@colloquy/source", "--import", "tsx"];

/** Path of a file of `children/`. */
export function childFile(name: string): string {
  return fileURLToPath(new URL(`children/${name}`, import.meta.url));
}

/** A process that runs a file of `children/` and prints JSON lines. */
export class Child implements AsyncDisposable {
  readonly process: ChildProcess;
  /** Resolves with the exit code, or the name of the signal. */
  readonly exited: Promise<number | string>;
  readonly #lines: unknown[] = [];
  #wake: (() => void) | undefined;
  #stderr = "";
  #end: number | string | undefined;

  constructor(file: string, args: readonly string[] = [], options: { readonly detached?: boolean } = {}) {
    const node = [...SOURCE_FLAGS, childFile(file), ...args];
    this.process = spawn(process.execPath, node, { stdio: ["pipe", "pipe", "pipe"], ...options });
    this.process.stderr!.setEncoding("utf8").on("data", (text: string) => (this.#stderr += text));
    createInterface({ input: this.process.stdout! }).on("line", (line) => {
      this.#lines.push(jsonOrText(line));
      this.#wake?.();
    });
    this.exited = once(this.process, "close").then(([code, signal]) => {
      this.#end = (code ?? signal) as number | string;
      this.#wake?.();
      return this.#end;
    });
  }

  get stderr(): string {
    return this.#stderr;
  }

  /** The next line that it prints. */
  async line(): Promise<any> {
    while (this.#lines.length === 0) {
      if (this.#end !== undefined) throw new Error(`the process ended with ${this.#end}: ${this.#stderr}`);
      await new Promise<void>((resolve) => (this.#wake = resolve));
    }
    return this.#lines.shift();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.process.kill("SIGKILL");
    await this.exited;
  }
}

/** Lines of children begin with `[name]`. */
function jsonOrText(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return line;
  }
}

/** True while there is such a process. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
