import { expose, notify, withOptions } from "@colloquy/rpc";
import { Agent } from "../src/index.ts";
import { Gate } from "./support.ts";

/** What a `Worker` does for a call: steps one after another. */
export type Script = readonly Step[];

export type Step =
  /** Calls another agent, with a time limit where one is given. What that fails with is the result of the step. */
  | { readonly call: string; readonly script: Script; readonly timeout?: number; readonly name?: string }
  | { readonly notify: string; readonly script: Script }
  /** Calls without waiting; the handler goes on. */
  | { readonly start: string; readonly script: Script }
  | { readonly all: Script }
  /** Does one thing after another and doesn't wait for it: the handler may end before. */
  | { readonly detach: Script }
  /** Opens a gate of this process, or waits for one. */
  | { readonly open: string }
  | { readonly await: string }
  | { readonly turns: number };

const gates = new Map<string, Gate>();

/** A gate of this process by name. */
export function gate(name: string): Gate {
  let found = gates.get(name);
  if (found === undefined) gates.set(name, (found = new Gate()));
  return found;
}

/** Carries scripts out, and writes down when. */
export class Worker extends Agent {
  readonly log: string[] = [];
  running = 0;
  most = 0;
  /** Names of the calls that run; those within another have its name and a slash in front. */
  readonly names: string[] = [];
  /** Calls that have started beside others which they aren't within. */
  beside = 0;
  readonly #proxies = new Map<string, any>();
  @expose readonly desk = new Desk(this);

  @expose async work(script: Script, name = ""): Promise<unknown[]> {
    this.running++;
    this.most = Math.max(this.most, this.running);
    this.log.push(`+${name}`);
    if (this.names.length > 0 && !this.names.some((outer) => name.startsWith(`${outer}/`))) this.beside++;
    this.names.push(name);
    try {
      const results: unknown[] = [];
      for (const step of script) results.push(await this.#take(step));
      return results;
    } finally {
      this.running--;
      this.names.splice(this.names.indexOf(name), 1);
      this.log.push(`-${name}`);
    }
  }

  /** Enters without a turn, and leaves without one. */
  @expose mark(name: string): string {
    this.log.push(name);
    return name;
  }

  @expose get accessed(): Desk {
    this.log.push("accessed");
    return this.desk;
  }

  @expose handOut(): () => void {
    return () => void this.log.push("function");
  }

  @expose async *stream(): AsyncGenerator<string> {
    this.log.push("stream read");
    yield "item";
  }

  @expose self(): this {
    return this;
  }

  async #take(step: Step): Promise<unknown> {
    if ("open" in step) return gate(step.open).open();
    if ("await" in step) return gate(step.await).promise;
    if ("turns" in step) {
      for (let count = 0; count < step.turns; count++) await new Promise((resolve) => setImmediate(resolve));
      return undefined;
    }
    if ("detach" in step) {
      void (async () => {
        for (const one of step.detach) await this.#take(one);
      })();
      return undefined;
    }
    if ("all" in step) return Promise.all(step.all.map(async (one) => this.#take(one)));
    if ("notify" in step) return notify((await this.#to(step.notify)).work)(step.script);
    if ("start" in step) {
      const proxy = await this.#to(step.start);
      void (proxy.work(step.script) as Promise<unknown>).catch((error: unknown) => this.log.push(codeOf(error)));
      return undefined;
    }
    const proxy = await this.#to(step.call);
    const method = step.timeout === undefined ? proxy.work : withOptions(proxy.work, { timeout: step.timeout });
    try {
      return await method(step.script, step.name ?? "called");
    } catch (error) {
      this.log.push((error as Error).message);
      return codeOf(error);
    }
  }

  async #to(url: string): Promise<any> {
    const known = this.#proxies.get(url);
    if (known !== undefined) return known;
    const proxy = await this.container.connect(url);
    this.#proxies.set(url, proxy);
    return proxy;
  }
}

class Desk extends Agent {
  readonly #worker: Worker;

  constructor(worker: Worker) {
    super();
    this.#worker = worker;
  }

  @expose mark(name: string): void {
    this.#worker.log.push(name);
  }
}

/** Code and `executed` of a failure, which has to say that nothing ran where it is a deadlock. */
export function codeOf(error: unknown): string {
  const { code, executed } = error as { code?: string; executed?: string };
  return code === "DEADLOCK" && executed !== "no" ? "DEADLOCK that has run" : (code ?? String(error));
}

/** The codes that results of scripts have among them. */
export function codesIn(results: unknown): string[] {
  if (typeof results === "string") return [results];
  return Array.isArray(results) ? results.flatMap(codesIn) : [];
}
