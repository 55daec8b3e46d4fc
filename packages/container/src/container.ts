import { randomUUID } from "node:crypto";
import { ColloquyError, DEFAULT_LIMITS, JsonCodec, quoted } from "@colloquy/core";
import type { CodecOption, Limits, SerializerFactory, TlsOptions } from "@colloquy/core";
import { RemoteNode, connect, expose, serve, service, serviceProxy } from "@colloquy/rpc";
import type { Connection, Dialect, Remote, Server } from "@colloquy/rpc";
import { parseAgentAddress } from "./address.ts";
import type { Agent, AgentHome, OpenOptions, SpawnOptions, TaskFailureListener } from "./agent.ts";
import { AgentCaller } from "./agent-caller.ts";
import { AgentTable } from "./agent-table.ts";
import type { Clock } from "./clock.ts";
import { dateSerializer } from "./date-serializer.ts";
import { RemoteContainers } from "./remote-containers.ts";
import { SystemClock } from "./system-clock.ts";

export interface ContainerOptions {
  /** Default: `JsonCodec`. `"auto"`: what each client speaks; this container's own connections then speak JSON. */
  readonly codec?: CodecOption | undefined;
  /** Types beyond dates, which have the id 0; the same on all containers, in the same order. */
  readonly extraSerializers?: Iterable<SerializerFactory> | undefined;
  /** Default: a `SystemClock` of this container, which ends with it. */
  readonly clock?: Clock | undefined;
  /** Certificates for both directions. */
  readonly tls?: TlsOptions | undefined;
  /** Host name for addresses, where that of the listening socket isn't what others reach. */
  readonly advertise?: string | undefined;
  readonly limits?: Partial<Limits> | undefined;
  /** Default: `"auto"`. */
  readonly dialect?: Dialect | undefined;
  /** Takes what a task of an agent throws. Default: a warning of the process. */
  readonly onTaskFailure?: TaskFailureListener | undefined;
}

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
  readonly #server: Server;
  readonly #remotes: RemoteContainers;
  readonly #onTaskFailure: TaskFailureListener;
  readonly #end: AbortController;
  readonly #callers = new Map<string, AgentCaller>();
  readonly #stopping = new Map<Agent, Promise<void>>();
  #shutdown: Promise<void> | undefined;

  private constructor(setup: ContainerSetup) {
    this.#clock = setup.clock;
    this.#agents = setup.agents;
    this.#server = setup.server;
    this.#remotes = setup.remotes;
    this.#end = setup.end;
    this.#onTaskFailure = setup.onTaskFailure;
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

  /** All connections, those that others have opened and those to others. */
  get connections(): readonly Connection[] {
    return [...this.#server.connections, ...this.#remotes.connections];
  }

  /**
   * Gives an agent its address and starts it; resolves with the agent when its `onStart` has run and it can be called.
   *
   * Rejects with what `onStart` or a factory throws (then there is no such agent), and `INVALID_ARGUMENT` for an agent that
   * was spawned before or an id that is taken.
   */
  async spawn<A extends Agent>(agent: A | (() => A | Promise<A>), options: SpawnOptions = {}): Promise<A> {
    const made = typeof agent === "function" ? await agent() : agent;
    if (this.#shutdown !== undefined) throw new ColloquyError("UNAVAILABLE", `container ${this.address} was shut down`);
    const id = this.#agents.claimId(options.id);
    made.attach({
      container: this,
      id,
      address: `${this.address}/${id}`,
      onTaskFailure: this.#onTaskFailure,
      stop: () => this.#stop(made),
    });
    this.#agents.reserve(id);
    try {
      await made.begin();
    } catch (error) {
      made.cancelTasks();
      this.#agents.remove(id);
      throw error;
    }
    this.#agents.add(id, made);
    return made;
  }

  /**
   * A proxy of the agent at an address, in any container. Its calls open the connection again where it was lost.
   *
   * `timeout` and `signal` are those of connecting: how long to try while nobody listens there.
   *
   * Rejects with `NOT_FOUND` where the container has no such agent, `UNAVAILABLE`, `CANCELLED`, `INVALID_ARGUMENT`.
   */
  async connect<A extends object>(url: string, options: OpenOptions = {}): Promise<Remote<A>> {
    const { base, id } = parseAgentAddress(url);
    const caller = this.#callerOf(base);
    await caller.open(options);
    const name = await caller.call(new RemoteNode(caller, "validate_aid", undefined, false), [id], undefined);
    if (name === null) throw new ColloquyError("NOT_FOUND", `there is no agent ${quoted(id)} at ${base}`);
    return serviceProxy(new RemoteNode(caller, `agents/${id}`, undefined, false)) as Remote<A>;
  }

  /**
   * Ends everything: no new calls, running ones finish within `graceMs` (`Limits.closeGraceMs`), agents stop, connections close.
   * Once; later calls await the same. Rejects with what agents' `onStop` threw, after all is closed.
   */
  async shutdown(options: { readonly graceMs?: number } = {}): Promise<void> {
    this.#shutdown ??= this.#close(options.graceMs ?? DEFAULT_LIMITS.closeGraceMs);
    await this.#shutdown;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.shutdown();
  }

  #callerOf(base: string): AgentCaller {
    let caller = this.#callers.get(base);
    if (caller === undefined) {
      caller = new AgentCaller(base, this.#remotes);
      this.#callers.set(base, caller);
    }
    return caller;
  }

  /** Ends one agent, once. */
  async #stop(agent: Agent, graceMs: number = DEFAULT_LIMITS.closeGraceMs): Promise<void> {
    let stopping = this.#stopping.get(agent);
    if (stopping === undefined) {
      this.#agents.remove(agent.id);
      stopping = agent.end(graceMs).finally(() => this.#stopping.delete(agent));
      this.#stopping.set(agent, stopping);
    }
    await stopping;
  }

  async #close(graceMs: number): Promise<void> {
    const agents = this.#agents.all();
    for (const agent of agents) agent.cancelTasks();
    this.#end.abort(new ColloquyError("CANCELLED", `container ${this.address} was shut down`));
    // Handlers finish before the agents they belong to end.
    await this.#server.close({ graceMs });
    const ends = await Promise.allSettled([...agents.map((agent) => this.#stop(agent, graceMs)), ...this.#stopping.values()]);
    await this.#remotes.close(graceMs);
    const errors = ends.filter((end) => end.status === "rejected").map((end) => end.reason as unknown);
    if (errors.length === 1) throw errors[0];
    if (errors.length > 1) throw new AggregateError(errors, "several agents failed to stop");
  }
}

interface ContainerSetup {
  readonly clock: Clock;
  readonly agents: AgentTable;
  readonly server: Server;
  readonly remotes: RemoteContainers;
  readonly onTaskFailure: TaskFailureListener;
  readonly end: AbortController;
}

async function setUp(address: string, options: ContainerOptions): Promise<ContainerSetup> {
  const end = new AbortController();
  const agents = new AgentTable();
  const root = service({ validate_aid: expose((id: unknown) => className(agents, id)), agents });
  const rootName = randomUUID();
  const extraSerializers = [dateSerializer, ...(options.extraSerializers ?? [])];
  const { codec = JsonCodec, tls, limits, dialect } = options;
  const common = { extraSerializers, tls, limits, dialect, rootName };
  const server = await serve(address, root, { ...common, codec, advertise: options.advertise });
  const remotes = new RemoteContainers((base, open) =>
    connect(base, { ...common, codec: codec === "auto" ? JsonCodec : codec, service: root, ...open }),
  );
  const clock = options.clock ?? new SystemClock({ signal: end.signal });
  return { clock, agents, server, remotes, end, onTaskFailure: options.onTaskFailure ?? warn };
}

/** What aiomas asks first: the class name of an agent, or null where there is none. */
function className(agents: AgentTable, id: unknown): string | null {
  const agent = typeof id === "string" ? agents.lookup(id) : undefined;
  return agent === undefined ? null : agent.constructor.name;
}

function warn(error: unknown): void {
  process.emitWarning(error instanceof Error ? error : String(error));
}
