import { ColloquyError } from "@colloquy/core";
import { Service } from "@colloquy/rpc";
import type { Remote } from "@colloquy/rpc";
import type { Clock } from "./clock.ts";

/** Members of every agent that are its own process's business: `Remote` leaves them out. */
export type LocalAgentMembers = "attach" | "begin" | "cancelTasks" | "end" | "stop" | "toString";

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

interface Attachment {
  readonly container: AgentHome;
  readonly id: string;
  readonly address: string;
  readonly onTaskFailure: TaskFailureListener;
  readonly stop: () => Promise<void>;
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
  readonly #tasks = new Set<Promise<void>>();
  readonly #abort = new AbortController();
  #attachment: Attachment | undefined;

  /** The container it lives in. @throws ColloquyError `INVALID_ARGUMENT` before it is spawned. */
  get container(): AgentHome {
    return this.#attached().container;
  }

  /** Its number in the container, or the id that it was spawned with. */
  get id(): string {
    return this.#attached().id;
  }

  /** `tcp://host:port/id`: where any container finds it. */
  get address(): string {
    return this.#attached().address;
  }

  /** Ends the agent: `onStop` runs, its tasks are aborted and awaited, its address is free. Once; later calls await the same. */
  async stop(): Promise<void> {
    await this.#attachment?.stop();
  }

  /** `Greeter('tcp://127.0.0.1:5555/0')`. */
  override toString(): string {
    return `${this.constructor.name}('${this.#attachment?.address ?? "not spawned"}')`;
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
    const { onTaskFailure } = this.#attached();
    const { signal } = this.#abort;
    const run = async (): Promise<void> => {
      try {
        await work(signal);
      } catch (error) {
        if (!signal.aborted) onTaskFailure(error, this);
      }
    };
    const task = run();
    this.#tasks.add(task);
    void task.then(() => this.#tasks.delete(task));
  }

  /** @internal Called by the container. */
  attach(attachment: Attachment): void {
    if (this.#attachment !== undefined) {
      throw new ColloquyError("INVALID_ARGUMENT", `${this.toString()} was spawned already; an agent lives once`);
    }
    this.#attachment = attachment;
  }

  /** @internal Called by the container. */
  async begin(): Promise<void> {
    await this.onStart();
  }

  /** @internal Called by the container. */
  cancelTasks(): void {
    this.#abort.abort(new ColloquyError("CANCELLED", `${this.toString()} was stopped`));
  }

  /** @internal Called by the container: rejects with what `onStop` throws. */
  async end(graceMs: number): Promise<void> {
    this.cancelTasks();
    await settledWithin([...this.#tasks], graceMs);
    await this.onStop();
  }

  #attached(): Attachment {
    if (this.#attachment === undefined) {
      throw new ColloquyError("INVALID_ARGUMENT", `${this.constructor.name} was not spawned: it has no container and no address`);
    }
    return this.#attachment;
  }
}

/** Waits for all, but no longer than `milliseconds`. */
async function settledWithin(tasks: readonly Promise<void>[], milliseconds: number): Promise<void> {
  if (tasks.length === 0) return;
  let timer: NodeJS.Timeout | undefined;
  const limit = new Promise<void>((resolve) => (timer = setTimeout(resolve, milliseconds)));
  await Promise.race([Promise.all(tasks), limit]);
  clearTimeout(timer);
}
