import { randomUUID } from "node:crypto";
import { ColloquyError, JsonCodec, factoriesOf, quoted, resolveLimits, warn } from "@colloquy/core";
import type { CodecOption, ErrorPolicy, Limits, SerializerFactory, TlsOptions } from "@colloquy/core";
import { RemoteNode, connect, expose, service, serviceProxy } from "@colloquy/rpc";
import type {
  Authenticate,
  Connection,
  Credentials,
  Dialect,
  Interceptors,
  MethodFailureListener,
  Remote,
} from "@colloquy/rpc";
import { parseAgentAddress } from "./address.ts";
import { Agent, settledWithin } from "./agent.ts";
import type { AgentHome, OpenOptions, SpawnOptions, TaskFailureListener } from "./agent.ts";
import { AgentCaller } from "./agent-caller.ts";
import { AgentTable } from "./agent-table.ts";
import type { Clock } from "./clock.ts";
import { ContainerServer } from "./container-server.ts";
import { dateSerializer } from "./date-serializer.ts";
import { Mailboxes } from "./mailbox.ts";
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
  /** Told of what an exposed method of an agent has thrown, with its path. The caller gets what `errors` lets out. */
  readonly onMethodFailure?: MethodFailureListener | undefined;
  /** What leaves with errors, and the classes of those that come: as with `serve` and `connect`. */
  readonly errors?: ErrorPolicy | undefined;
  /** Functions around the calls of all connections: those of other containers, and those to them. */
  readonly interceptors?: Interceptors | undefined;
  /** Says who another container is that connects to this one: as in `serve`. */
  readonly authenticate?: Authenticate | undefined;
  /** What this container shows to those that it connects to: as in `connect`. */
  readonly credentials?: Credentials;
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
  readonly #mailboxes: Mailboxes;
  readonly #server: ContainerServer;
  readonly #remotes: RemoteContainers;
  readonly #onTaskFailure: TaskFailureListener;
  readonly #end: AbortController;
  readonly #graceMs: number;
  readonly #callers = new Map<string, AgentCaller>();
  /** How many `connect` calls wait for each. */
  readonly #connecting = new Map<AgentCaller, number>();
  readonly #starting = new Set<Promise<unknown>>();
  readonly #stopping = new Set<Promise<void>>();
  #shutdown: Promise<void> | undefined;

  private constructor(setup: ContainerSetup) {
    this.#clock = setup.clock;
    this.#agents = setup.agents;
    this.#mailboxes = setup.mailboxes;
    this.#server = setup.server;
    this.#remotes = setup.remotes;
    this.#end = setup.end;
    this.#graceMs = setup.graceMs;
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

  /** All connections, those that others have opened and those to others. Of one to itself a container has both ends. */
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
    const life = Agent.lifeOf(made);
    const mailbox = this.#mailboxes.of(made, options.mailbox);
    const id = this.#agents.claimId(options.id);
    life.attach({
      mailbox,
      container: this,
      id,
      address: `${this.address}/${id}`,
      onTaskFailure: this.#onTaskFailure,
      stop: () => this.#stop(made, this.#graceMs),
    });
    this.#agents.reserve(id, made);
    const starting = this.#start(id, made);
    this.#starting.add(starting);
    try {
      await starting;
    } finally {
      this.#starting.delete(starting);
    }
    return made;
  }

  async #start(id: string, agent: Agent): Promise<void> {
    try {
      await Agent.lifeOf(agent).start();
    } catch (error) {
      this.#agents.remove(id, agent);
      throw error;
    }
    if (this.#shutdown !== undefined) await this.#stop(agent, this.#graceMs);
    if (Agent.lifeOf(agent).ended)
      throw new ColloquyError("UNAVAILABLE", `${String(agent)} was stopped while it started`);
    this.#agents.add(id, agent);
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
    this.#connecting.set(caller, (this.#connecting.get(caller) ?? 0) + 1);
    try {
      await caller.open(options);
    } finally {
      this.#leaveCaller(base, caller);
    }
    const { signal } = options;
    const question = new RemoteNode(caller, "validate_aid", undefined, false);
    const name = await caller.call(question, [id], signal === undefined ? undefined : { signal });
    if (name === null) throw new ColloquyError("NOT_FOUND", `there is no agent ${quoted(id)} at ${base}`);
    return serviceProxy(new RemoteNode(caller, `agents/${id}`, undefined, false)) as Remote<A>;
  }

  /**
   * Ends everything: no new calls, running ones finish within `graceMs` (`Limits.closeGraceMs`), agents stop, connections close.
   * Once; later calls await the same. Rejects with what agents' `onStop` threw, after all is closed.
   */
  async shutdown(options: { readonly graceMs?: number } = {}): Promise<void> {
    this.#shutdown ??= this.#close(options.graceMs ?? this.#graceMs);
    await this.#shutdown;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.shutdown();
  }

  /** Nobody has a proxy of a container that was never reached, and that nobody else is connecting to. */
  #leaveCaller(base: string, caller: AgentCaller): void {
    const left = (this.#connecting.get(caller) ?? 1) - 1;
    if (left > 0) this.#connecting.set(caller, left);
    else {
      this.#connecting.delete(caller);
      if (caller.connection === undefined) this.#callers.delete(base);
    }
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
  async #stop(agent: Agent, graceMs: number): Promise<void> {
    this.#agents.remove(agent.id, agent);
    const stopping = Agent.lifeOf(agent).end(graceMs);
    this.#stopping.add(stopping);
    try {
      await stopping;
    } finally {
      this.#stopping.delete(stopping);
    }
  }

  async #close(graceMs: number): Promise<void> {
    const underWay = [...this.#stopping];
    const agents = this.#agents.all();
    for (const agent of agents) Agent.lifeOf(agent).cancelTasks();
    // Handlers finish before the agents they belong to end.
    await this.#server.close({ graceMs });
    this.#end.abort(new ColloquyError("CANCELLED", `container ${this.address} was shut down`));
    const ends = await Promise.allSettled([...underWay, ...agents.map(async (agent) => this.#stop(agent, graceMs))]);
    await this.#remotes.close(graceMs);
    await settledWithin([...this.#starting], graceMs);
    const errors = [...new Set(ends.filter((end) => end.status === "rejected").map((end) => end.reason as unknown))];
    if (errors.length === 1) throw errors[0];
    if (errors.length > 1) throw new AggregateError(errors, "several agents failed to stop");
  }
}

interface ContainerSetup {
  readonly clock: Clock;
  readonly agents: AgentTable;
  readonly mailboxes: Mailboxes;
  readonly server: ContainerServer;
  readonly remotes: RemoteContainers;
  readonly onTaskFailure: TaskFailureListener;
  readonly end: AbortController;
  readonly graceMs: number;
}

async function setUp(address: string, options: ContainerOptions): Promise<ContainerSetup> {
  const end = new AbortController();
  const agents = new AgentTable();
  const rootName = randomUUID();
  const mailboxes = new Mailboxes(rootName);
  const validate = expose((id: unknown) => className(agents, id));
  const root = service({ validate_aid: validate, agents, mailboxes: mailboxes.service });
  const extraSerializers = [dateSerializer, ...factoriesOf(options.extraSerializers)];
  const { codec = JsonCodec, tls, limits, dialect, onMethodFailure, interceptors, errors } = options;
  const ownCodec = codec === "auto" ? JsonCodec : codec;
  const common = { extraSerializers, tls, limits, dialect, rootName, onMethodFailure, interceptors, errors };
  const { authenticate, credentials, advertise } = options;
  const server = await ContainerServer.listen(address, root, { ...common, codec, advertise, authenticate });
  const remotes = new RemoteContainers((base, open) =>
    connect(base, {
      ...common,
      codec: ownCodec,
      service: root,
      credentials,
      network: server.networkTo(base),
      ...open,
    }),
  );
  const clock = options.clock ?? new SystemClock({ signal: end.signal });
  const graceMs = resolveLimits(limits).closeGraceMs;
  return {
    clock,
    agents,
    mailboxes,
    server,
    remotes,
    end,
    graceMs,
    onTaskFailure: options.onTaskFailure ?? warnOfTask,
  };
}

/** What aiomas asks first: the class name of an agent, or null where there is none. */
function className(agents: AgentTable, id: unknown): string | null {
  const agent = typeof id === "string" ? agents.lookup(id) : undefined;
  return agent === undefined ? null : agent.constructor.name;
}

function warnOfTask(error: unknown, agent: Agent): void {
  warn(`a task of ${String(agent)} failed`, error);
}
