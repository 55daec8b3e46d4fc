import { DEFAULT_LIMITS, type Limits } from "@colloquy/core";
import { Connection, type ConnectionStats, type ReconnectingConnection } from "@colloquy/rpc";
import type { Ledger } from "./ledger.ts";
import type { Plan } from "./plan.ts";

/** More than the protocol's own messages take, which may pass the limit of what is queued. */
const OWN_BYTES = 1024;
/** Pings that are sent where no more calls are: one of a quiet peer, one of a side that closes. */
const PING_COUNT = 2;
/** Answers that wait for each handler that may run: refusals, too. */
const REFUSALS_PER_SLOT = 8;
/** More of the protocol's own messages than a run can have waiting: they wait beyond the limit. */
const OWN_COUNT = 100;
/** Of the workload. */
export const LARGEST_MESSAGE_BYTES = 8192;
export const LARGEST_VALUE_BYTES = 40_000;

type Counter = keyof ConnectionStats;

/** What only grows. */
const SUMS: ReadonlySet<string> = new Set<Counter>([
  "sentMessages",
  "sentBytes",
  "receivedMessages",
  "receivedBytes",
  "lateAnswers",
  "failedFunctionCalls",
  "failedNotifications",
]);
/** What is 0 where nothing is under way; pings may be. */
const UNDER_WAY: readonly Counter[] = ["running", "heldBytes", "runningNotifications", "runningNamedCalls"];
/** What one side counts, and the other one as well. */
const PAIRS: readonly (readonly [Counter, Counter])[] = [
  ["exportedReferences", "importedReferences"],
  ["exportedSignals", "importedSignals"],
];

interface Watched {
  readonly connection: Connection;
  /** Names of the two roots: on both sides, so that they find each other. */
  readonly own: string;
  isOpen: boolean;
}

/** Holds the connections of a run to their limits, as long as they live and at their end. */
export class Watch {
  readonly #all: Watched[] = [];
  readonly #known = new Set<Connection>();
  readonly #ledger: Ledger;
  readonly #limits: Limits;
  /** One message passes the limit of what is queued, or one piece of a large value. */
  readonly #mostBytes: number;

  constructor(ledger: Ledger, { limits, hasLargeValues }: Plan) {
    this.#ledger = ledger;
    this.#limits = { ...DEFAULT_LIMITS, ...limits };
    this.#mostBytes = this.#limits.maxQueuedBytes + LARGEST_MESSAGE_BYTES + OWN_BYTES;
    if (hasLargeValues) this.#mostBytes += LARGEST_VALUE_BYTES;
  }

  /** `own`: the name of this side's root. Once is enough. */
  add(connection: Connection | ReconnectingConnection, own: string): void {
    if (connection instanceof Connection) return this.#enter(connection, own);
    const enterCurrent = (): void => {
      if (connection.connection !== undefined) this.#enter(connection.connection, own);
    };
    enterCurrent();
    connection.onReconnect(enterCurrent);
  }

  /** To be called behind everything that happens. */
  check(): void {
    for (const watched of this.#all) if (watched.isOpen) this.#hold(watched.connection);
  }

  /** When nothing is under way: what one side has handed out is what the other holds. */
  checkRest(): void {
    const open = this.#all.filter(({ isOpen }) => isOpen);
    const met = new Set<string>();
    for (const { own, connection } of open) {
      const peer = connection.root;
      if (met.has(`${own} ${peer}`)) continue;
      met.add(`${own} ${peer}`);
      // Between two processes there may be several.
      const near = open.filter((one) => one.own === own && one.connection.root === peer);
      const far = open.filter((one) => one.own === peer && one.connection.root === own);
      if (near.length === far.length) this.#compare(near, far);
    }
    for (const { own, connection } of open)
      this.#nothingLeft(`at rest a connection of ${own} has`, connection, UNDER_WAY);
  }

  #compare(near: readonly Watched[], far: readonly Watched[]): void {
    for (const [exported, imported] of PAIRS) {
      // What is over the limit of the receiver is refused behind the sender's count.
      if (exported === "exportedSignals" && this.#limits.maxReferenceCount < DEFAULT_LIMITS.maxReferenceCount) continue;
      const [out, held] = [sumOf(near, exported), sumOf(far, imported)];
      if (out === held) continue;
      const [{ own }, { own: peer }] = [near[0]!, far[0]!];
      this.#ledger.break(`${own} counts ${out} ${exported}, and ${peer} ${held} ${imported}`);
    }
  }

  /** When all are closed: nothing of them is left. */
  checkEnd(): void {
    for (const { connection, own, isOpen } of this.#all) {
      if (isOpen) this.#ledger.break(`a connection of ${own} was closed and isn't told so`);
      this.#nothingLeft(`a connection of ${own} has ended and kept`, connection, countersOf(connection.stats()));
    }
  }

  #nothingLeft(text: string, connection: Connection, names: readonly Counter[]): void {
    const stats = connection.stats();
    const left = names.filter((name) => stats[name] !== 0).map((name) => `${stats[name]} ${name}`);
    if (left.length > 0) this.#ledger.break(`${text} ${left.join(", ")}`);
  }

  #enter(connection: Connection, own: string): void {
    if (this.#known.has(connection)) return;
    this.#known.add(connection);
    const watched = { connection, own, isOpen: true };
    this.#all.push(watched);
    connection.onClose((error) => {
      watched.isOpen = false;
      this.#ledger.closed(connection);
      if (error?.code === "PROTOCOL_ERROR") this.#ledger.break(`a connection of ${own} has ended: ${error.message}`);
    });
  }

  #hold(connection: Connection): void {
    const stats = connection.stats();
    const { pending, running, waiting, queuedBytes, exportedReferences, importedReferences } = stats;
    const { heldBytes, runningNotifications, runningNamedCalls, exportedStreams } = stats;
    const limits = this.#limits;
    this.#most("pending", pending, limits.maxPendingCount + PING_COUNT);
    this.#most("running", running, limits.maxRunningCount);
    this.#most("waiting", waiting, limits.maxPendingCount + REFUSALS_PER_SLOT * limits.maxRunningCount + OWN_COUNT);
    this.#most("exportedReferences", exportedReferences, limits.maxReferenceCount);
    this.#most("importedReferences", importedReferences, 2 * limits.maxReferenceCount);
    this.#most("queuedBytes", queuedBytes, this.#mostBytes);
    this.#most("runningNotifications", runningNotifications, limits.maxRunningCount);
    this.#most("runningNamedCalls", runningNamedCalls, limits.maxRunningCount);
    this.#most("exportedStreams", exportedStreams, limits.maxStreamCount);
    const handlers = running + runningNotifications;
    // One is taken whatever it holds.
    if (handlers !== 1) this.#most("heldBytes", heldBytes, handlers === 0 ? 0 : limits.maxHeldBytes);
    if (running > 0 && heldBytes <= 0) this.#ledger.break(`${running} calls run and hold ${heldBytes} bytes`);
  }

  #most(name: string, count: number, most: number): void {
    if (count > most) this.#ledger.break(`${name} of a connection is ${count}, of at most ${most}`);
  }
}

/** All but the sums, also those that are added. */
export function countersOf<S extends object>(stats: S): (keyof S & string)[] {
  return (Object.keys(stats) as (keyof S & string)[]).filter((name) => !SUMS.has(name));
}

function sumOf(all: readonly Watched[], name: Counter): number {
  return all.reduce((sum, { connection }) => sum + connection.stats()[name], 0);
}
