import { CLOSE_OPTIONS, ColloquyError, checkOptions, forCallersOf, quoted } from "@colloquy/core";
import { RemoteNode, serviceProxy, totalsOf } from "@colloquy/rpc";
import type { Connection, Remote } from "@colloquy/rpc";
import { parseAgentAddress } from "./address.ts";
import type { Agent, AgentChild, AgentHome, MonitorListener, OpenOptions } from "./agent.ts";
import { AgentCallers } from "./agent-callers.ts";
import { AgentLives, throwEnds } from "./agent-lives.ts";
import type { AgentTable } from "./agent-table.ts";
import type { ChildSpec } from "./child-spec.ts";
import type { Clock } from "./clock.ts";
import type { ContainerServer } from "./container-server.ts";
import { setUp } from "./container-setup.ts";
import type { ContainerOptions, ContainerSetup } from "./container-setup.ts";
import type { ContainerStats } from "./container-stats.ts";
import type { DrivenClock } from "./driven-clock.ts";
import type { Mailboxes } from "./mailbox.ts";
import { Monitors } from "./monitors.ts";
import { OPTION_KINDS } from "./option-kinds.ts";
import type { RemoteContainers } from "./remote-containers.ts";
import { Grace } from "./settled-within.ts";
import type { ChildOptions, SpawnOptions } from "./spawn-options.ts";
import type { Watchers } from "./watchers.ts";

/**
 * Hosts agents under one address, and connects them to those of other containers.
 *
 * ```ts
 * await using container = await Container.create("tcp://127.0.0.1:5555", { codec: MsgPackCodec });
 * const greeter = await container.spawn(new Greeter());
 * const proxy = await container.connect<Greeter>(greeter.address);
 * ```
 */
export class Container implements AgentHome, AsyncDisposable {
  readonly #clock: Clock;
  readonly #agents: AgentTable;
  readonly #server: ContainerServer;
  readonly #remotes: RemoteContainers;
  readonly #lives: AgentLives;
  readonly #monitors: Monitors;
  readonly #watchers: Watchers;
  readonly #coordinated: DrivenClock | undefined;
  readonly #mailboxes: Mailboxes;
  readonly #end: AbortController;
  readonly #graceMs: number;
  readonly #callers: AgentCallers;
  #shutdown: Promise<void> | undefined;

  private constructor(setup: ContainerSetup) {
    this.#clock = setup.clock;
    this.#agents = setup.agents;
    this.#server = setup.server;
    this.#remotes = setup.remotes;
    this.#callers = new AgentCallers(setup.remotes);
    this.#end = setup.end;
    this.#graceMs = setup.graceMs;
    this.#watchers = setup.watchers;
    this.#monitors = new Monitors(this.address, setup.agents, setup.remotes);
    this.#lives = new AgentLives({ home: this, ...setup });
    this.#coordinated = setup.coordinated;
    this.#mailboxes = setup.mailboxes;
  }

  /** @internal The clock as a coordinator of this process drives it, where it may. */
  static drivenClockOf(container: Container): DrivenClock | undefined {
    return container.#coordinated;
  }

  /**
   * Listens on an address, `tcp://host:port`, `ipc://[/path]` or `local://name`.
   *
   * Rejects with `INVALID_ARGUMENT` or `UNAVAILABLE`.
   */
  static async create(address: string, options: ContainerOptions = {}): Promise<Container> {
    return new Container(await setUp(address, options));
  }

  /** Where other containers connect to, with the port that the system chose. */
  get address(): string {
    return this.#server.address;
  }

  get clock(): Clock {
    return this.#clock;
  }

  /** The agents that live here. */
  get agents(): readonly Agent[] {
    return this.#agents.all();
  }

  /** All connections, those that others have opened and those to others. Of one to itself a container has both ends. */
  get connections(): readonly Connection[] {
    return [...this.#server.connections, ...this.#remotes.connections];
  }

  /** Counters of this container, as they are now. */
  stats(): ContainerStats {
    const agents = this.#agents.all().length;
    return {
      ...totalsOf(this.connections),
      agents,
      absentAgents: this.#agents.seatCount - agents,
      monitors: this.#monitors.size,
      watchers: this.#watchers.size,
      waitingCalls: this.#mailboxes.waitingCount,
      timers: this.#clock.timerCount,
    };
  }

  /**
   * Gives an agent its address and starts it; resolves with the agent when its `onStart` has run and it can be called. With `restart` it is
   * supervised: a factory makes it anew, at the same address, when it has ended.
   *
   * Rejects with what `onStart` or a factory throws (then there is no such agent), and `INVALID_ARGUMENT` for an agent that
   * was spawned before, an id or a name that is taken, options that aren't there.
   */
  async spawn<A extends Agent>(agent: A | (() => A | Promise<A>), options: SpawnOptions = {}): Promise<A> {
    return this.#lives.spawn(agent, options);
  }

  /**
   * An agent of this container as a child for `supervise`. It keeps its id and its name when it is restarted.
   *
   * @throws ColloquyError `INVALID_ARGUMENT`
   */
  child<A extends Agent>(factory: () => A | Promise<A>, options: ChildOptions = {}): ChildSpec<AgentChild<A>> {
    return this.#lives.child(factory, options);
  }

  /**
   * Ends an agent of this container, by its id or its name, as `"shutdown"`: it isn't restarted. Rejects with what its `onStop` throws, with
   * `DEADLINE_EXCEEDED` where that takes too long, and with `NOT_FOUND`.
   */
  async terminate(target: string | Agent): Promise<void> {
    await this.#lives.terminate(target);
  }

  /**
   * Calls `listener` once when an agent, of any container, is gone: with `"normal"`, `"shutdown"` or `"error"` as it has ended, or with
   * `"unreachable"` where there is none, or where the connection to its container was lost. It is about the agent that is there now: a
   * restarted one is another. Returns a function that takes the monitor back; `shutdown` does so, too.
   *
   * `target`: the agent's proxy, as `connect` makes it or as it came in a call; its address; an `Agent` of this process.
   *
   * @throws ColloquyError `INVALID_ARGUMENT`, and `UNAVAILABLE` after `shutdown`.
   */
  monitor(target: object | string, listener: MonitorListener): () => void {
    return this.#monitors.monitor(target, listener);
  }

  /**
   * A proxy of the agent at an address, in any container. Its calls open the connection again where it was lost.
   *
   * `timeout` and `signal` are those of connecting: how long to try while nobody listens there.
   *
   * Rejects with `NOT_FOUND` where the container has no such agent, `UNAVAILABLE`, `CANCELLED`, `INVALID_ARGUMENT`.
   */
  async connect<A extends object>(url: string, options: OpenOptions = {}): Promise<Remote<A>> {
    checkOptions("container.connect", options, OPTION_KINDS.connect);
    const { base, id } = parseAgentAddress(url);
    const caller = this.#callers.of(base);
    try {
      await caller.open(options);
    } catch (error) {
      throw forCallersOf(Container.prototype.connect, error);
    }
    const { signal } = options;
    const question = new RemoteNode(caller, "validate_aid", undefined, false);
    const name = await caller.call(question, [id], signal === undefined ? undefined : { signal });
    if (name === null) throw new ColloquyError("NOT_FOUND", `there is no agent ${quoted(id)} at ${base}`);
    return serviceProxy(new RemoteNode(caller, `agents/${id}`, undefined, false)) as Remote<A>;
  }

  /**
   * Ends everything: no new calls, running ones finish, agents stop, connections close. All of it has `graceMs` milliseconds
   * (`Limits.closeGraceMs`); where calls have taken them, `onStop` of agents gets a fifth more, and 100 ms at the least.
   * Once; later calls await the same. Rejects with what agents' `onStop` threw, after all is closed, and with `DEADLINE_EXCEEDED` where one
   * of them took too long.
   */
  async shutdown(options: { readonly graceMs?: number } = {}): Promise<void> {
    checkOptions("shutdown", options, CLOSE_OPTIONS);
    this.#shutdown ??= this.#close(options.graceMs ?? this.#graceMs);
    await this.#shutdown;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.shutdown();
  }

  async #close(graceMs: number): Promise<void> {
    this.#monitors.close();
    this.#watchers.shutDown();
    const grace = new Grace(graceMs);
    this.#lives.freeze(grace);
    // Handlers finish before the agents they belong to end.
    await this.#server.close({ graceMs });
    this.#end.abort(new ColloquyError("CANCELLED", `container ${this.address} was shut down`));
    const ends = await this.#lives.close();
    await this.#remotes.close(grace.lastMs);
    await this.#lives.startsSettled();
    throwEnds(ends);
  }
}
