import { Container, type ContainerStats } from "@colloquy/container";
import { JsonCodec, MsgPackCodec, type Random } from "@colloquy/core";
import { sleepFor } from "./party.ts";
import type { RemoteRoot } from "./remotes.ts";
import type { SignalWatch } from "./signal-watch.ts";
import type { SimulatedNetwork } from "./simulated-network.ts";
import { countersOf, type Watch } from "./watch.ts";
import { pick } from "./weather.ts";
import { Worker, type AgentSetting, type Seat } from "./worker.ts";

/** What the containers of a run share. */
export interface AgentPlace extends AgentSetting {
  readonly network: SimulatedNetwork;
  readonly watch: Watch;
  readonly signals: SignalWatch;
  readonly lasting: AbortSignal;
  readonly seats: Seat[];
  readonly known: Known[];
  readonly monitors: Monitor[];
  /** Who has handed out a function that is held. */
  readonly givers: Map<object, Known>;
}

/** An agent that a container has connected to. */
export interface Known {
  readonly home: Home;
  readonly remote: RemoteRoot;
  readonly seat: Seat;
}

export interface Monitor {
  readonly home: Home;
  readonly seat: Seat;
  readonly takeBack: () => void;
  state: "open" | "told" | "taken back";
}

/** One process with a container. */
export class Home {
  readonly name: string;
  readonly number: number;
  readonly container: Container;
  /** It is shut down, or its process has crashed. */
  isLeaving = false;

  constructor(name: string, number: number, container: Container) {
    this.name = name;
    this.number = number;
    this.container = container;
  }

  get root(): string {
    return rootOf(this.name, this.number);
  }
}

const AMPLE_GRACE_MS = 10_000;
const NONE_MS = 1;

/** The processes with the address of one container: one follows another. */
export class Site {
  readonly name: string;
  home: Home | undefined;
  readonly #place: AgentPlace;
  #number = 0;
  #endings: Promise<void>[] = [];
  /** All that there were. */
  readonly #homes: Home[] = [];

  constructor(name: string, place: AgentPlace) {
    this.name = name;
    this.#place = place;
  }

  get address(): string {
    return `local://${this.name}`;
  }

  async start(): Promise<void> {
    const { network, plan, ledger } = this.#place;
    const number = ++this.#number;
    const container = await Container.create(this.address, {
      network,
      codec: plan.isJson ? JsonCodec : MsgPackCodec,
      limits: plan.limits,
      rootName: rootOf(this.name, number),
      onTaskFailure: (error) => {
        if (!isPlanned(error)) ledger.break(`a task has failed: ${String(error)}`);
      },
      onGiveUp: () => {},
    });
    this.home = new Home(this.name, number, container);
    this.#homes.push(this.home);
  }

  /** Shuts down, and has another one follow. */
  async restart(): Promise<void> {
    const { home } = this;
    if (home === undefined) return;
    const done = this.#place.ledger.busy();
    this.#leave(home, AMPLE_GRACE_MS);
    await Promise.all(this.#endings);
    await this.start();
    done();
  }

  async crash(isSilent: boolean, afterMs: number): Promise<void> {
    const { home } = this;
    const { network, time, ledger } = this.#place;
    if (home === undefined) return;
    const done = ledger.busy();
    network.forget(this.name);
    for (const link of network.links) {
      if (link.from === this.name && !link.near.isOver) link.crash("near", isSilent);
      if (link.to === this.name && !link.far.isOver) link.crash("far", isSilent);
    }
    // What is left of it is to end, too.
    this.#leave(home, NONE_MS);
    await sleepFor(time, afterMs);
    await Promise.all(this.#endings);
    await this.start();
    done();
  }

  /** Has the connections watched that are new. */
  see(): void {
    for (const { container, root } of this.#homes)
      for (const connection of container.connections) this.#place.watch.add(connection, root);
  }

  async end(): Promise<void> {
    if (this.home !== undefined) this.#leave(this.home, AMPLE_GRACE_MS);
    await Promise.all(this.#endings);
  }

  /** One that hasn't told yet that its agent has ended. */
  get lateMonitor(): Monitor | undefined {
    const { home } = this;
    return this.#place.monitors.find((one) => one.state === "open" && one.home === home && isOver(one.seat));
  }

  /** When nothing is under way. */
  checkRest(): void {
    const { ledger, monitors, seats } = this.#place;
    const { home } = this;
    if (home === undefined) return;
    const { agents, absentAgents, waitingCalls, monitors: count } = home.container.stats();
    const living = seats.filter((seat) => seat.home === home && seat.worker !== undefined).length;
    const open = monitors.filter((one) => one.home === home && one.state === "open").length;
    if (agents !== living || absentAgents > 0 || waitingCalls > 0 || count !== open)
      ledger.break(
        `${home.root} has ${agents} agents of ${living}, ${absentAgents} absent ones, ${waitingCalls} calls that wait, ` +
          `${count} monitors of ${open}`,
      );
    this.#checkMonitors(home);
  }

  /** Who has ended was told of, and who lives is watched. */
  #checkMonitors(home: Home): void {
    const { ledger, monitors, plan } = this.#place;
    const open = monitors.filter(({ state }) => state === "open");
    const late = this.lateMonitor;
    if (late !== undefined) ledger.break(`a monitor doesn't tell that the agent ${late.seat.number} has ended`);
    const watched = open.filter((one) => one.seat.home === home && one.home !== home).length;
    const { watchers } = home.container.stats();
    // The other side may not have learnt yet that it is alone; a number may be that of an agent of the container before.
    const isExact = plan.faultCount === 0 && home.number === 1;
    if (watchers < watched || (isExact && watchers > watched))
      ledger.break(`${home.root} has ${watchers} watchers, of ${watched}`);
  }

  /** When all are shut down. */
  checkEnd(): void {
    for (const { container, root } of this.#homes) {
      const stats = container.stats();
      const left = countersOf<ContainerStats>(stats).filter((name) => stats[name] !== 0);
      if (left.length > 0)
        this.#place.ledger.break(
          `${root} is shut down and has ${left.map((name) => `${stats[name]} ${name}`).join(", ")}`,
        );
    }
  }

  #leave(home: Home, graceMs: number): void {
    home.isLeaving = true;
    this.home = undefined;
    for (const monitor of this.#place.monitors)
      if (monitor.home === home && monitor.state === "open") monitor.state = "taken back";
    this.#endings.push(home.container.shutdown({ graceMs }).catch((error: unknown) => this.#check(error, graceMs)));
  }

  #check(error: unknown, graceMs: number): void {
    const { plan, ledger } = this.#place;
    const errors = error instanceof AggregateError ? (error.errors as unknown[]) : [error];
    const isLate =
      plan.faultCount > 0 && errors.every((one) => (one as { code?: unknown }).code === "DEADLINE_EXCEEDED");
    if (graceMs === AMPLE_GRACE_MS && !isLate) ledger.break(`a shutdown has failed: ${String(error)}`);
  }
}

/** One of the homes that there are. */
export function homeOf(random: Random, sites: readonly Site[]): Home | undefined {
  return pick(random, sites).home;
}

/** Makes agents for a seat, and enters which one lives. */
export function workersOf(place: AgentPlace, seat: Seat, failsToStart: boolean): () => Worker {
  return () => new Worker(seat, place, failsToStart);
}

export function isPlanned(error: unknown): boolean {
  return error instanceof Error && error.message.startsWith("planned");
}

function isOver({ isRestarted, isNumbered, ends, home }: Seat): boolean {
  return !isRestarted && !isNumbered && (ends.size > 0 || home.isLeaving);
}

function rootOf(name: string, number: number): string {
  return `${name}${number}`;
}
