import { ColloquyError, describeType, timerMs, warn } from "@colloquy/core";
import { Service, setGate } from "@colloquy/rpc";
import type { Remote } from "@colloquy/rpc";
import type { Clock } from "./clock.ts";
import type { Mailbox, MailboxMode } from "./mailbox.ts";

/** Members of every agent that are its own process's business: `Remote` leaves them out. */
export type LocalAgentMembers = "stop" | "toString";

/** Takes the failure of a task. */
export type TaskFailureListener = (error: unknown, agent: Agent) => void;

/** How long to try to connect. */
export interface OpenOptions {
  /** Milliseconds to keep trying while nobody listens there. Default: 0, one attempt. */
  readonly timeout?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface SpawnOptions {
  /** Default: the next number. */
  readonly id?: string | undefined;
  /** How many of its calls run at a time. Default: `static mailbox` of the class, else `"interleave"`: all. */
  readonly mailbox?: MailboxMode | undefined;
}

/** The container of an agent, as the agent sees it: a `Container`. */
export interface AgentHome {
  readonly address: string;
  readonly clock: Clock;
  readonly agents: readonly Agent[];
  spawn<A extends Agent>(agent: A | (() => A | Promise<A>), options?: SpawnOptions): Promise<A>;
  connect<A extends object>(url: string, options?: OpenOptions): Promise<Remote<A>>;
  shutdown(options?: { readonly graceMs?: number }): Promise<void>;
}

/**
 * A service with an address. It lives in a container, which gives it its id; its exposed methods are called by agents and
 * programs anywhere.
 *
 * ```ts
 * class Greeter extends Agent {
 *   @expose greet(name: string) { return `Hello ${name}, this is ${this.address}`; }
 * }
 * ```
 */
export abstract class Agent extends Service {
  /** For the type checker: what `Remote` of an agent leaves out. */
  declare readonly localMembers?: LocalAgentMembers;
  readonly #life = new AgentLife(this, { start: () => this.onStart(), stop: () => this.onStop() });

  /** @internal What containers do with an agent isn't among its members, so that its methods may have any name. */
  static lifeOf(agent: Agent): AgentLife {
    if (typeof agent === "object" && agent !== null && #life in agent) return agent.#life;
    throw new ColloquyError("INVALID_ARGUMENT", `${describeType(agent)} is no Agent of this copy of the package`);
  }

  /** The container it lives in. @throws ColloquyError `INVALID_ARGUMENT` before it is spawned. */
  get container(): AgentHome {
    return this.#life.attachment.container;
  }

  /** Its number in the container, or the id that it was spawned with. */
  get id(): string {
    return this.#life.attachment.id;
  }

  /** `tcp://host:port/id`: where any container finds it. */
  get address(): string {
    return this.#life.attachment.address;
  }

  /** Ends the agent: `onStop` runs, its tasks are aborted and awaited, its address is free. Once; later calls await the same. */
  async stop(): Promise<void> {
    if (this.#life.isAttached) await this.#life.attachment.stop();
  }

  /** `Greeter('tcp://127.0.0.1:5555/0')`. */
  override toString(): string {
    return `${this.constructor.name}('${this.#life.isAttached ? this.address : "not spawned"}')`;
  }

  /** Runs when the agent has its address, before anybody can call it. */
  protected onStart(): void | Promise<void> {}

  /** Runs once when the agent ends, after its tasks have ended. */
  protected onStop(): void | Promise<void> {}

  /**
   * Runs `work` in the background for as long as the agent lives. Its signal aborts when the agent ends, and its container waits for
   * it. What it throws before that goes to the container's `onTaskFailure`.
   */
  protected task(work: (signal: AbortSignal) => Promise<unknown>): void {
    this.#life.run(work);
  }
}

interface Attachment {
  readonly container: AgentHome;
  readonly id: string;
  readonly address: string;
  readonly onTaskFailure: TaskFailureListener;
  readonly stop: () => Promise<void>;
  readonly mailbox: Mailbox | undefined;
}

interface AgentHooks {
  readonly start: () => void | Promise<void>;
  readonly stop: () => void | Promise<void>;
}

/** @internal An agent as its container handles it. */
export class AgentLife {
  readonly #agent: Agent;
  readonly #hooks: AgentHooks;
  readonly #tasks = new Set<Promise<void>>();
  readonly #abort = new AbortController();
  #attachment: Attachment | undefined;
  #end: Promise<void> | undefined;

  constructor(agent: Agent, hooks: AgentHooks) {
    this.#agent = agent;
    this.#hooks = hooks;
  }

  get isAttached(): boolean {
    return this.#attachment !== undefined;
  }

  /** @throws ColloquyError `INVALID_ARGUMENT` before the agent is spawned. */
  get attachment(): Attachment {
    if (this.#attachment !== undefined) return this.#attachment;
    const { name } = this.#agent.constructor;
    throw new ColloquyError("INVALID_ARGUMENT", `${name} was not spawned: it has no container and no address`);
  }

  /** True once the agent is ending, or has failed to start. */
  get ended(): boolean {
    return this.#end !== undefined;
  }

  attach(attachment: Attachment): void {
    if (this.#attachment !== undefined) {
      throw new ColloquyError("INVALID_ARGUMENT", `${String(this.#agent)} was spawned already; an agent lives once`);
    }
    this.#attachment = attachment;
    if (attachment.mailbox !== undefined) setGate(this.#agent, attachment.mailbox);
  }

  /** Rejects with what `onStart` throws: there is nothing to end then but the tasks. */
  async start(): Promise<void> {
    try {
      await this.#hooks.start();
    } catch (error) {
      this.#end ??= Promise.resolve();
      this.cancelTasks();
      throw error;
    }
  }

  run(work: (signal: AbortSignal) => Promise<unknown>): void {
    const { onTaskFailure } = this.attachment;
    const { signal } = this.#abort;
    const run = async (): Promise<void> => {
      try {
        await work(signal);
      } catch (error) {
        if (!signal.aborted) onTaskFailure(error, this.#agent);
      }
    };
    const task = run().catch((error: unknown) => warn(`onTaskFailure of ${String(this.#agent)} failed`, error));
    this.#tasks.add(task);
    void task.then(() => this.#tasks.delete(task));
  }

  cancelTasks(): void {
    if (!this.#abort.signal.aborted)
      this.#abort.abort(new ColloquyError("CANCELLED", `${String(this.#agent)} was stopped`));
  }

  /** Once. Rejects with what `onStop` throws. */
  async end(graceMs: number): Promise<void> {
    this.#end ??= this.#finish(graceMs);
    await this.#end;
  }

  async #finish(graceMs: number): Promise<void> {
    this.#attachment?.mailbox?.close();
    this.cancelTasks();
    await settledWithin([...this.#tasks], graceMs);
    await this.#hooks.stop();
  }
}

/** @internal Waits for all, but no longer than `milliseconds`. */
export async function settledWithin(tasks: readonly Promise<unknown>[], milliseconds: number): Promise<void> {
  if (tasks.length === 0) return;
  let timer: NodeJS.Timeout | undefined;
  const limit = new Promise<void>((resolve) => (timer = setTimeout(resolve, timerMs(milliseconds))));
  await Promise.race([Promise.allSettled(tasks), limit]);
  clearTimeout(timer);
}
