import { ColloquyError, warn } from "@colloquy/core";
import { setGate } from "@colloquy/rpc";
import { stoppedBeforeCall } from "./endings.ts";
import type { Ending, EndReason, RestartType } from "./endings.ts";
import { endedWithin, settledWithin } from "./settled-within.ts";
import type { Grace } from "./settled-within.ts";

/** What lives: it has a text for messages. */
export interface Living {
  toString(): string;
}

/** Where an agent lives: its words in the address table, which stay when it is restarted. */
export interface Seat<A extends Living> {
  readonly id: string;
  readonly name: string | undefined;
  /** How it is supervised; undefined: it isn't. */
  readonly restart: RestartType | undefined;
  /** Who can be called here; undefined while it starts, and between two lives. */
  agent: A | undefined;
}

/** The container of agents as their lives see it. */
export interface LifeHost<A extends Living> {
  readonly address: string;
  end(agent: A, ending: Ending): Promise<void>;
  /** The agent has failed, or a task of it. Never throws. */
  onTaskFailure(error: unknown, agent: A): void;
}

/** What the class of an agent does at the turns of its life: one object for all of them. */
export interface LifeHooks<A extends Living> {
  start(agent: A): void | Promise<void>;
  /** Undefined where the class has none. */
  ready(agent: A): (() => void | Promise<void>) | undefined;
  stop(agent: A, reason: EndReason): void | Promise<void>;
}

export type EndListener = (ending: Ending) => void;

/** An agent as its container handles it. There are many: what few need is made when it is asked for. */
export class AgentLife<A extends Living> {
  readonly #agent: A;
  readonly #hooks: LifeHooks<A>;
  #host: LifeHost<A> | undefined;
  #seat: Seat<A> | undefined;
  #mailbox: { close(): void } | undefined;
  #tasks: Set<Promise<void>> | undefined;
  #abort: AbortController | undefined;
  #cancelled = false;
  #end: Promise<void> | undefined;
  #ending: Ending | undefined;
  #told = false;
  #listeners: Set<EndListener> | undefined;

  constructor(agent: A, hooks: LifeHooks<A>) {
    this.#agent = agent;
    this.#hooks = hooks;
  }

  get isAttached(): boolean {
    return this.#host !== undefined;
  }

  /** @throws ColloquyError `INVALID_ARGUMENT` before the agent is spawned. */
  get host(): LifeHost<A> {
    return this.#host ?? this.#refuse();
  }

  /** @throws ColloquyError `INVALID_ARGUMENT` before the agent is spawned. */
  get seat(): Seat<A> {
    return this.#seat ?? this.#refuse();
  }

  get address(): string {
    return `${this.host.address}/${this.seat.id}`;
  }

  /** Once the agent is ending, or has failed to start: how. */
  get ending(): Ending | undefined {
    return this.#ending;
  }

  /** @throws ColloquyError `INVALID_ARGUMENT` for an agent that was spawned before. */
  checkUnused(): void {
    if (this.#host === undefined) return;
    throw new ColloquyError("INVALID_ARGUMENT", `${String(this.#agent)} was spawned already; an agent lives once`);
  }

  /** `mailbox` is closed when the agent ends. */
  attach(host: LifeHost<A>, seat: Seat<A>, mailbox?: { close(): void }): void {
    this.checkUnused();
    this.#mailbox = mailbox;
    this.#host = host;
    this.#seat = seat;
  }

  /** Rejects with what `onStart` throws: there is nothing to end then but the tasks. */
  async start(): Promise<void> {
    try {
      await this.#hooks.start(this.#agent);
    } catch (error) {
      if (this.#end === undefined) {
        this.#ending = { reason: "error", error };
        this.#end = Promise.resolve();
        this.#tell();
      }
      this.cancelTasks();
      throw error;
    }
  }

  /** Runs `onReady` in the background, where there is one and the agent still lives: now, or when `ready` resolves. */
  ready(ready: Promise<unknown> | undefined): void {
    const onReady = this.#hooks.ready(this.#agent);
    if (onReady === undefined) return;
    const run = (): void => {
      if (this.#end === undefined) this.run(async () => onReady());
    };
    if (ready === undefined) run();
    else ready.then(run, () => {});
  }

  run(work: (signal: AbortSignal) => Promise<unknown>): void {
    const { host } = this;
    const signal = this.#signal;
    const run = async (): Promise<void> => {
      try {
        await work(signal);
      } catch (error) {
        if (signal.aborted) return;
        if (this.seat.restart === undefined) host.onTaskFailure(error, this.#agent);
        else this.fail(error);
      }
    };
    const task = run();
    const tasks = (this.#tasks ??= new Set());
    tasks.add(task);
    void task.then(() => tasks.delete(task));
  }

  /** Ends the agent as failed, unless it is ending. Nobody waits for it. */
  fail(error: unknown): void {
    const { host } = this;
    if (this.#end !== undefined) return;
    host.onTaskFailure(error, this.#agent);
    void this.#endAsFailed(error);
  }

  /** It may have been handed out as an object meanwhile, which no address leads to. */
  #shut(): void {
    const agent = this.#agent;
    if (!Object.isExtensible(agent)) return;
    const pass = (): never => {
      throw stoppedBeforeCall(String(agent));
    };
    setGate(agent, { pass });
  }

  cancelTasks(): void {
    this.#cancelled = true;
    this.#abort?.abort(this.#stopped());
  }

  /** Once: later calls await the first end. Rejects with what `onStop` throws, and where it takes too long. */
  async end(grace: Grace, ending: Ending): Promise<void> {
    if (this.#end === undefined) {
      this.#ending = ending;
      if (this.#mailbox !== undefined) this.#mailbox.close();
      else this.#shut();
      this.#end = this.#finish(grace, ending);
    }
    await this.#end;
  }

  /** Who waits for the end. */
  get listenerCount(): number {
    return this.#listeners?.size ?? 0;
  }

  /** Calls `listener` once, when the agent has ended, which may be now. Returns a function that takes it back. */
  onEnd(listener: EndListener): () => void {
    if (this.#told) {
      listener(this.#ending!);
      return () => {};
    }
    this.#listeners ??= new Set();
    this.#listeners.add(listener);
    return () => {
      this.#listeners?.delete(listener);
    };
  }

  async #endAsFailed(error: unknown): Promise<void> {
    try {
      await this.host.end(this.#agent, { reason: "error", error });
    } catch (reason) {
      warn(`onStop of ${String(this.#agent)} failed`, reason);
    }
  }

  async #finish(grace: Grace, ending: Ending): Promise<void> {
    // Who listens to the tasks' signal may ask for the end, too: there is one by then.
    await Promise.resolve();
    this.cancelTasks();
    if (this.#tasks !== undefined) await settledWithin([...this.#tasks], grace.leftMs);
    try {
      await this.#stop(ending.reason, grace);
    } catch (error) {
      // As in OTP: who fails in the end has failed.
      this.#ending = { ...ending, reason: "error", error };
      throw error;
    } finally {
      this.#tell();
    }
  }

  /** Neither a restart nor the end of the container waits for one that hangs. */
  async #stop(reason: EndReason, grace: Grace): Promise<void> {
    const message = (): string =>
      `onStop of ${String(this.#agent)} hasn't ended in the ${grace.milliseconds} ms that an end has (closeGraceMs, graceMs)`;
    await endedWithin(this.#hooks.stop(this.#agent, reason), grace.lastMs, message);
  }

  #tell(): void {
    const listeners = this.#listeners;
    this.#listeners = undefined;
    this.#told = true;
    if (listeners !== undefined) for (const listener of listeners) listener(this.#ending!);
  }

  get #signal(): AbortSignal {
    if (this.#abort === undefined) {
      this.#abort = new AbortController();
      if (this.#cancelled) this.#abort.abort(this.#stopped());
    }
    return this.#abort.signal;
  }

  #stopped(): ColloquyError {
    return new ColloquyError("CANCELLED", `${String(this.#agent)} was stopped`);
  }

  #refuse(): never {
    const { name } = this.#agent.constructor;
    throw new ColloquyError("INVALID_ARGUMENT", `${name} was not spawned: it has no container and no address`);
  }
}
