import { ColloquyError, describeType, ownName } from "@colloquy/core";
import { Service } from "@colloquy/rpc";
import type { Connection, Remote } from "@colloquy/rpc";
import { AgentLife } from "./agent-life.ts";
import type { LifeHooks, LifeHost } from "./agent-life.ts";
import type { ChildSpec, SupervisedChild } from "./child-spec.ts";
import type { Clock } from "./clock.ts";
import type { EndReason } from "./endings.ts";
import type { ChildOptions, SpawnOptions } from "./spawn-options.ts";

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

/** Why a monitored agent is gone: how it has ended, or `"unreachable"` where nobody can know. */
export type MonitorReason = EndReason | "unreachable";

/** Told once that an agent is gone. */
export type MonitorListener = (reason: MonitorReason) => void;

/** One life of an agent under a supervisor. */
export interface AgentChild<A extends Agent = Agent> extends SupervisedChild {
  readonly agent: A;
}

/** The container of an agent, as the agent sees it: a `Container`. */
export interface AgentHome {
  readonly address: string;
  readonly clock: Clock;
  readonly agents: readonly Agent[];
  readonly connections: readonly Connection[];
  spawn<A extends Agent>(agent: A | (() => A | Promise<A>), options?: SpawnOptions): Promise<A>;
  child<A extends Agent>(factory: () => A | Promise<A>, options?: ChildOptions): ChildSpec<AgentChild<A>>;
  terminate(target: string | Agent): Promise<void>;
  monitor(target: object | string, listener: MonitorListener): () => void;
  connect<A extends object>(url: string, options?: OpenOptions): Promise<Remote<A>>;
  shutdown(options?: { readonly graceMs?: number }): Promise<void>;
}

/** A container that agents live in, as their lives see it. */
export interface AgentHost extends LifeHost<Agent> {
  readonly home: AgentHome;
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
  /** One for all agents: each has its own life, and there are many. */
  static readonly #hooks: LifeHooks<Agent> = {
    start: (agent) => agent.onStart(),
    ready: (agent) => (agent.onReady === Agent.prototype.onReady ? undefined : () => agent.onReady()),
    stop: (agent, reason) => agent.onStop(reason),
  };

  readonly #life: AgentLife<Agent> = new AgentLife<Agent>(this, Agent.#hooks);

  /** @internal What containers do with an agent isn't among its members, so that its methods may have any name. */
  static lifeOf(agent: Agent): AgentLife<Agent> {
    if (typeof agent === "object" && agent !== null && #life in agent) return agent.#life;
    throw new ColloquyError("INVALID_ARGUMENT", `${describeType(agent)} is no Agent of this copy of the package`);
  }

  /** @internal True for an agent of this copy of the package. */
  static isAgent(value: object): value is Agent {
    return #life in value;
  }

  /** The container it lives in. @throws ColloquyError `INVALID_ARGUMENT` before it is spawned. */
  get container(): AgentHome {
    return (this.#life.host as AgentHost).home;
  }

  /** Its number in the container, or the id that it was spawned with. */
  get id(): string {
    return this.#life.seat.id;
  }

  /** The name that it was spawned with. */
  get name(): string | undefined {
    return this.#life.seat.name;
  }

  /** `tcp://host:port/id`: where any container finds it. */
  get address(): string {
    return this.#life.address;
  }

  /**
   * Ends the agent, as `"normal"`: its tasks are aborted and awaited, `onStop` runs, its address is free. Once; later calls await the same.
   * A permanent one is restarted: `container.terminate` ends it for good.
   */
  async stop(): Promise<void> {
    if (this.#life.isAttached) await this.#life.host.end(this, { reason: "normal" });
  }

  /** `Greeter('tcp://127.0.0.1:5555/0')`. */
  override toString(): string {
    return `${ownName(this.constructor)}('${this.#life.isAttached ? this.address : "not spawned"}')`;
  }

  /** Runs when the agent has its address, before anybody can call it. What it throws is a failed start. */
  protected onStart(): void | Promise<void> {}

  /**
   * Runs in the background once the agent can be called and the container's `readyWhen` has resolved: the others are there then. Nobody
   * waits for it but the agent's end. What it throws is a failure as that of a task.
   */
  protected onReady(): void | Promise<void> {}

  /**
   * Runs once when the agent ends, after its tasks have ended: `"normal"` by `stop()`, `"shutdown"` by `container.terminate`, a supervisor or
   * the end of the container, `"error"` by a failure. What it throws makes the end an `"error"`, and so does one that takes longer than
   * `Limits.closeGraceMs` or the `graceMs` of the shutdown: nobody waits for it then.
   */
  protected onStop(_reason: EndReason): void | Promise<void> {}

  /**
   * Runs `work` in the background for as long as the agent lives. Its signal aborts when the agent ends, and its container waits for
   * it. What it throws before that goes to the container's `onTaskFailure`, and ends a supervised agent with `"error"`.
   */
  protected task(work: (signal: AbortSignal) => Promise<unknown>): void {
    this.#life.run(work);
  }

  /**
   * Ends the agent, as `"error"`, in the background: a supervised one is restarted, unless it is temporary. The error goes to the container's
   * `onTaskFailure`. Without effect once the agent is ending.
   */
  protected fail(error: unknown): void {
    this.#life.fail(error);
  }
}
