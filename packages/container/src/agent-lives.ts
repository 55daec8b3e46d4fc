import { ColloquyError, describeType, guard, quoted } from "@colloquy/core";
import { setGate } from "@colloquy/rpc";
import { Agent } from "./agent.ts";
import type { AgentChild, AgentHome, AgentHost, TaskFailureListener } from "./agent.ts";
import type { AgentSeat, AgentTable } from "./agent-table.ts";
import type { ChildSpec } from "./child-spec.ts";
import { isRestarted } from "./endings.ts";
import type { Ending } from "./endings.ts";
import type { MailboxMode, Mailboxes } from "./mailbox.ts";
import { Grace, settledWithin, throwRejected } from "./settled-within.ts";
import { checkChildOptions, checkSpawnOptions } from "./spawn-options.ts";
import type { ChildOptions, SpawnOptions } from "./spawn-options.ts";
import { SupervisedAgent } from "./supervised-agent.ts";
import { supervise } from "./supervise.ts";
import type { Supervisor } from "./supervisor.ts";

/** Told that an agent isn't restarted any more; `error` says why, `agent` has ended. */
export type GiveUpListener = (error: unknown, agent: Agent) => void;

export interface LivesSetup {
  readonly home: AgentHome;
  readonly agents: AgentTable;
  readonly mailboxes: Mailboxes;
  readonly graceMs: number;
  readonly onTaskFailure: TaskFailureListener;
  readonly onGiveUp: GiveUpListener;
  readonly readyWhen: Promise<unknown> | undefined;
  /** What the waits before restarts are drawn with. */
  readonly random: () => number;
}

/** How the agents of one container begin and end. */
export class AgentLives implements AgentHost {
  readonly home: AgentHome;
  readonly #agents: AgentTable;
  readonly #setup: LivesSetup;
  /** Of the end of the container: all have to end in it. */
  #lastGrace: Grace | undefined;
  readonly #starting = new Set<Promise<unknown>>();
  readonly #stopping = new Set<Promise<void>>();
  readonly #supervisors = new Set<Supervisor>();
  /** Where agents under a supervisor are: who terminates them. */
  readonly #supervised = new Map<AgentSeat, () => Promise<void>>();
  #frozen = false;
  #childCount = 0;

  constructor(setup: LivesSetup) {
    this.home = setup.home;
    this.#agents = setup.agents;
    this.#setup = setup;
  }

  get address(): string {
    return this.home.address;
  }

  async spawn<A extends Agent>(agent: A | (() => A | Promise<A>), options: SpawnOptions): Promise<A> {
    checkSpawnOptions(agent, options);
    const { intensity, periodMs, backoff, restart, ...others } = options;
    if (restart === undefined) return this.#begin(agent, others.mailbox, () => this.#agents.claim(others, undefined));
    const factory = typeof agent === "function" ? agent : (): A => agent;
    const child = this.#newChild(factory, { ...others, restart });
    const { clock } = this.home;
    const supervisor = await supervise([child], { intensity, periodMs, backoff, clock, random: this.#setup.random });
    this.#supervisors.add(supervisor);
    if (this.#frozen) supervisor.freeze();
    const made = child.latest!;
    // One that isn't started any more needs no supervisor.
    child.onRelease = () => void supervisor.stop().catch(() => {});
    if (!child.isSeated) child.onRelease();
    void supervisor.ended.then(({ error }) => {
      this.#supervisors.delete(supervisor);
      if (error !== undefined && !this.#frozen) this.#tellGivenUp(error, child.latest!);
    });
    return made;
  }

  child<A extends Agent>(factory: () => A | Promise<A>, options: ChildOptions): ChildSpec<AgentChild<A>> {
    checkChildOptions(factory, options);
    return this.#newChild(factory, options);
  }

  async terminate(target: string | Agent): Promise<void> {
    const seat = this.#seatOf(target);
    const terminate = this.#supervised.get(seat);
    if (terminate !== undefined) return terminate();
    // One that is starting can't be called yet, and can be ended.
    const agent = typeof target === "string" ? seat.agent : target;
    if (agent !== undefined) await this.end(agent, { reason: "shutdown" });
  }

  async end(agent: Agent, ending: Ending, holds?: boolean): Promise<void> {
    const life = Agent.lifeOf(agent);
    const seat = life.seat as AgentSeat;
    const actual = this.#frozen ? { ...ending, final: true } : ending;
    this.#agents.leave(seat, agent);
    if (seat.restart === undefined) this.#agents.free(seat);
    else if (!(holds ?? isRestarted(seat.restart, life.ending ?? actual))) this.#release(seat);
    const stopping = life.end(this.#grace, actual);
    this.#stopping.add(stopping);
    try {
      await stopping;
    } finally {
      this.#stopping.delete(stopping);
    }
  }

  onTaskFailure(error: unknown, agent: Agent): void {
    guard(`onTaskFailure of ${String(agent)}`, () => this.#setup.onTaskFailure(error, agent));
  }

  /** Nothing starts any more, what ends isn't restarted, and tasks end. */
  freeze(grace: Grace): void {
    this.#frozen = true;
    this.#lastGrace = grace;
    for (const supervisor of this.#supervisors) supervisor.freeze();
    for (const agent of this.#agents.all()) Agent.lifeOf(agent).cancelTasks();
  }

  /** Ends all, once they are frozen. Resolves with how they have ended. */
  async close(): Promise<readonly PromiseSettledResult<unknown>[]> {
    const ends: PromiseSettledResult<unknown>[] = [];
    const note = async (end: Promise<void>): Promise<void> => void ends.push(...(await Promise.allSettled([end])));
    // Those that have begun before have a time of their own, which may be longer.
    const earlier = settledWithin([...this.#stopping].map(note), this.#grace.lastMs);
    await Promise.all(this.#agents.all().map((agent) => note(this.end(agent, { reason: "shutdown" }))));
    await earlier;
    return ends;
  }

  /** Waits for what was about to start when this was frozen. */
  async startsSettled(): Promise<void> {
    const ends = [...this.#supervisors].map(async (supervisor) => supervisor.stop());
    await settledWithin([...this.#starting, ...ends], this.#grace.lastMs);
  }

  get #grace(): Grace {
    return this.#lastGrace ?? new Grace(this.#setup.graceMs);
  }

  #newChild<A extends Agent>(factory: () => A | Promise<A>, options: ChildOptions): SupervisedAgent<A> {
    const { restart = "permanent", ...others } = options;
    const id = options.id ?? options.name ?? `agent-${++this.#childCount}`;
    return new SupervisedAgent(id, restart, {
      claim: (known) => this.#agents.claim({ ...others, id: known ?? others.id }, restart),
      begin: async (seatOf) => this.#begin(factory, options.mailbox, seatOf),
      adopt: (seat, terminate) => void this.#supervised.set(seat, terminate),
      end: async (agent, holds) => this.end(agent, { reason: "shutdown" }, holds),
      release: (seat) => this.#release(seat),
    });
  }

  /** Makes an agent and starts it. */
  async #begin<A extends Agent>(
    agent: A | (() => A | Promise<A>),
    mode: MailboxMode | undefined,
    seatOf: () => AgentSeat,
  ): Promise<A> {
    const made = typeof agent === "function" ? await agent() : agent;
    if (this.#frozen) throw new ColloquyError("UNAVAILABLE", `container ${this.address} was shut down`);
    const life = Agent.lifeOf(made);
    life.checkUnused();
    const mailbox = this.#setup.mailboxes.of(made, mode);
    const seat = seatOf();
    life.attach(this, seat, mailbox);
    if (mailbox !== undefined) setGate(made, mailbox);
    const starting = this.#start(seat, made);
    this.#starting.add(starting);
    try {
      await starting;
    } finally {
      this.#starting.delete(starting);
    }
    return made;
  }

  async #start(seat: AgentSeat, agent: Agent): Promise<void> {
    const life = Agent.lifeOf(agent);
    try {
      await life.start();
    } catch (error) {
      if (seat.restart === undefined) this.#agents.free(seat);
      throw error;
    }
    if (this.#frozen) await this.end(agent, { reason: "shutdown" });
    if (life.ending !== undefined) {
      const { ending } = life;
      await life.end(this.#grace, ending).catch(() => {});
      if (ending.error !== undefined) throw ending.error as Error;
      throw new ColloquyError("UNAVAILABLE", `${String(agent)} was stopped while it started`);
    }
    this.#agents.seat(seat, agent);
    life.ready(this.#setup.readyWhen);
  }

  #release(seat: AgentSeat): void {
    this.#supervised.delete(seat);
    this.#agents.free(seat);
  }

  #seatOf(target: string | Agent): AgentSeat {
    if (typeof target === "string") {
      const seat = this.#agents.seatOf(target);
      if (seat !== undefined && (seat.agent !== undefined || seat.restart !== undefined)) return seat;
      throw new ColloquyError("NOT_FOUND", `there is no agent ${quoted(target)} in ${this.address}`);
    }
    if (typeof target !== "object" || target === null || !Agent.isAgent(target)) {
      const reason = `terminate takes an id, a name or an Agent of this container, not ${describeType(target)}`;
      throw new ColloquyError("INVALID_ARGUMENT", reason);
    }
    const life = Agent.lifeOf(target);
    if (life.isAttached && life.host === this) return life.seat as AgentSeat;
    throw new ColloquyError("NOT_FOUND", `${String(target)} doesn't live in ${this.address}`);
  }

  #tellGivenUp(error: unknown, agent: Agent): void {
    guard(`onGiveUp of ${String(agent)}`, () => this.#setup.onGiveUp(error, agent));
  }
}

/** Throws what agents have failed to stop with. */
export function throwEnds(ends: readonly PromiseSettledResult<unknown>[]): void {
  throwRejected(ends, "several agents failed to stop");
}
