import { JsonCodec, MsgPackCodec } from "@colloquy/core";
import { connect, serve } from "@colloquy/rpc";
import type { ConnectOptions, Connection, ReconnectingConnection, Server } from "@colloquy/rpc";
import { Party, sleepFor, type Setting } from "./party.ts";
import type { RemoteRoot } from "./remotes.ts";
import type { SignalWatch } from "./signal-watch.ts";
import type { SimulatedNetwork } from "./simulated-network.ts";
import type { Watch } from "./watch.ts";
import { between } from "./weather.ts";

const SERVER = "s";
const ADDRESS = `local://${SERVER}`;
const LONGEST_PAUSE_MS = 200;

/** What the processes of a run share. */
export interface Place extends Setting {
  readonly network: SimulatedNetwork;
  readonly watch: Watch;
  readonly signals: SignalWatch;
  /** Of a program that never gives up: many calls share it. */
  readonly lasting: AbortSignal;
  /** No more faults come, and no new connections. */
  isOver: boolean;
}

function optionsOf({ plan, network }: Place): object {
  return { network, codec: plan.isJson ? JsonCodec : MsgPackCodec, limits: plan.limits };
}

/** The process that listens: one follows another. */
export class ServerProcess {
  party!: Party;
  connections: Connection[] = [];
  readonly #place: Place;
  #server: Server | undefined;
  #number = 0;
  #closings: Promise<void>[] = [];
  /** A new one is on its way. */
  #isAway = false;

  constructor(place: Place) {
    this.#place = place;
  }

  async start(): Promise<void> {
    const { watch } = this.#place;
    this.#isAway = true;
    const party = new Party(`${SERVER}${++this.#number}`, this.#place);
    const connections: Connection[] = [];
    this.party = party;
    this.connections = connections;
    this.#server = await serve(ADDRESS, party.root, {
      ...optionsOf(this.#place),
      rootName: party.name,
      onConnection: (connection) => {
        connections.push(connection);
        watch.add(connection, party.name);
        connection.onClose(() => connections.splice(connections.indexOf(connection), 1));
      },
      // Who is gone before hello is done is the client's business.
      onError: () => {},
    });
    this.#isAway = false;
  }

  /** Closes, and has another one follow at once. */
  async close(graceMs: number): Promise<void> {
    if (this.#isAway) return;
    const server = this.#server!;
    this.#closings.push(server.close({ graceMs }));
    await this.start();
  }

  async crash(isSilent: boolean, afterMs: number): Promise<void> {
    const { network, time } = this.#place;
    if (this.#isAway) return;
    this.#isAway = true;
    network.forget(SERVER);
    for (const link of network.links) if (link.to === SERVER && !link.far.isOver) link.crash("far", isSilent);
    this.connections = [];
    const done = this.#place.ledger.busy();
    await sleepFor(time, afterMs);
    await this.start();
    done();
  }

  async end(): Promise<void> {
    await this.#server!.close();
    await Promise.all(this.#closings);
  }
}

/** A second connection of a process to the same server, with the same root. */
interface Twin {
  readonly connection: Connection;
  readonly party: Party;
}

/** A process that connects, and does so again when its connection has ended. */
export class ClientProcess {
  readonly name: string;
  party: Party;
  current: Connection | ReconnectingConnection | undefined;
  /** Lives beside the current one, and may outlive it. */
  twin: Twin | undefined;
  readonly #place: Place;
  #number = 0;
  #closings: Promise<void>[] = [];
  #connecting: Promise<void> | undefined;
  #doubling: Promise<void> | undefined;

  constructor(name: string, place: Place) {
    this.name = name;
    this.#place = place;
    this.party = new Party(`${name}.0`, place);
  }

  get remote(): RemoteRoot | undefined {
    return this.current?.remote as RemoteRoot | undefined;
  }

  /** The connection that calls leave on, where there is just one. */
  get fixed(): object | undefined {
    return this.#place.plan.reconnects ? undefined : this.current;
  }

  /** Calls wait for a connection. */
  get isAway(): boolean {
    return this.#place.plan.reconnects && (this.current as ReconnectingConnection | undefined)?.connected !== true;
  }

  start(): Promise<void> {
    return (this.#connecting ??= this.#connect());
  }

  /** Connects once more, unless there are two or none. */
  double(): void {
    if (this.current !== undefined && this.twin === undefined) this.#doubling ??= this.#double();
  }

  closeTwin(graceMs: number): void {
    if (this.twin?.connection.usable === true) this.#closings.push(this.twin.connection.close({ graceMs }));
  }

  close(graceMs: number): void {
    const { current } = this;
    // An attempt that is given up is no end in order.
    if (current?.usable !== true || this.isAway) return;
    this.#closings.push(current.close({ graceMs }));
    this.#leave(current);
  }

  destroy(): void {
    this.current?.destroy();
  }

  crash(isSilent: boolean): void {
    const { current, twin } = this;
    const names = new Set([this.party.name, twin?.party.name]);
    for (const link of this.#place.network.links)
      if (names.has(link.from) && !link.near.isOver) link.crash("near", isSilent);
    twin?.connection.destroy();
    if (current === undefined) return;
    current.destroy();
    this.#leave(current);
  }

  async end(): Promise<void> {
    await Promise.all([this.#connecting, this.#doubling]);
    await Promise.all([this.current?.close(), this.twin?.connection.close()]);
    await Promise.all(this.#closings);
  }

  async #connect(): Promise<void> {
    const { plan, watch, ledger, time, random } = this.#place;
    for (let attempt = 0; this.current === undefined && !(this.#place.isOver && attempt > 0); attempt++) {
      this.party = new Party(`${this.name}.${++this.#number}`, this.#place);
      try {
        this.current = plan.reconnects ? await this.#open(true) : await this.#open(false);
      } catch (error) {
        if ((error as { code?: unknown }).code === "PROTOCOL_ERROR") ledger.break(`connecting: ${String(error)}`);
        await sleepFor(time, between(random, 0, LONGEST_PAUSE_MS));
      }
    }
    this.#connecting = undefined;
    const { current } = this;
    if (current === undefined) return;
    watch.add(current, this.party.name);
    current.onClose(() => this.#leave(current));
  }

  async #open(isLasting: boolean): Promise<Connection | ReconnectingConnection> {
    if (!isLasting) return connect(ADDRESS, this.#options);
    return connect(ADDRESS, { ...this.#options, reconnect: { minMs: 5, maxMs: 100 } });
  }

  get #options(): ConnectOptions {
    const { name, root } = this.party;
    return { ...optionsOf(this.#place), service: root, rootName: name, localName: name, timeout: 2000 };
  }

  async #double(): Promise<void> {
    const { party } = this;
    const { watch, ledger } = this.#place;
    try {
      const connection = await connect(ADDRESS, this.#options);
      this.twin = { connection, party };
      watch.add(connection, party.name);
      connection.onClose(() => (this.twin = undefined));
    } catch (error) {
      if ((error as { code?: unknown }).code === "PROTOCOL_ERROR") ledger.break(`connecting twice: ${String(error)}`);
    }
    this.#doubling = undefined;
  }

  #leave(connection: object): void {
    if (this.current !== connection) return;
    this.current = undefined;
    if (!this.#place.isOver) void this.start();
  }
}
