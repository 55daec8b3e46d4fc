import { DEFAULT_LIMITS, type Limits } from "@colloquy/core";
import { Connection, type ReconnectingConnection } from "@colloquy/rpc";
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

interface Watched {
  readonly connection: Connection;
  /** Names of the two roots: on both sides, so that they find each other. */
  readonly own: string;
  isOpen: boolean;
}

/** Holds the connections of a run to their limits, as long as they live and at their end. */
export class Watch {
  readonly #all: Watched[] = [];
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

  /** `own`: the name of this side's root. */
  add(connection: Connection | ReconnectingConnection, own: string): void {
    if (connection instanceof Connection) return this.#enter(connection, own);
    const enterCurrent = (): void => {
      const { connection: current } = connection;
      if (current !== undefined && !this.#all.some((watched) => watched.connection === current))
        this.#enter(current, own);
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
    for (const near of open) {
      const peer = near.connection.root;
      const twins = open.filter(({ connection, own }) => own === near.own && connection.root === peer);
      const others = open.filter(({ connection, own }) => own === peer && connection.root === near.own);
      if (twins.length !== 1 || others.length !== 1) continue;
      const { exportedReferences } = near.connection.stats();
      const { importedReferences } = others[0]!.connection.stats();
      if (exportedReferences !== importedReferences)
        this.#ledger.break(
          `${near.own} has handed out ${exportedReferences} references, and ${peer} holds ${importedReferences}`,
        );
    }
  }

  /** When all are closed: nothing of them is left. */
  checkEnd(): void {
    for (const { connection, own, isOpen } of this.#all) {
      if (isOpen) this.#ledger.break(`a connection of ${own} was closed and isn't told so`);
      const { pending, running, waiting, queuedBytes, exportedReferences, importedReferences } = connection.stats();
      const left = { pending, running, waiting, queuedBytes, exportedReferences, importedReferences };
      if (Object.values(left).some((count) => count !== 0))
        this.#ledger.break(`a connection of ${own} has ended and kept ${JSON.stringify(left)}`);
    }
  }

  #enter(connection: Connection, own: string): void {
    const watched = { connection, own, isOpen: true };
    this.#all.push(watched);
    connection.onClose((error) => {
      watched.isOpen = false;
      this.#ledger.closed(connection);
      if (error?.code === "PROTOCOL_ERROR") this.#ledger.break(`a connection of ${own} has ended: ${error.message}`);
    });
  }

  #hold(connection: Connection): void {
    const { pending, running, waiting, queuedBytes, exportedReferences, importedReferences } = connection.stats();
    const limits = this.#limits;
    this.#most("pending", pending, limits.maxPendingCount + PING_COUNT);
    this.#most("running", running, limits.maxRunningCount);
    this.#most("waiting", waiting, limits.maxPendingCount + REFUSALS_PER_SLOT * limits.maxRunningCount + OWN_COUNT);
    this.#most("exportedReferences", exportedReferences, limits.maxReferenceCount);
    this.#most("importedReferences", importedReferences, 2 * limits.maxReferenceCount);
    this.#most("queuedBytes", queuedBytes, this.#mostBytes);
  }

  #most(name: string, count: number, most: number): void {
    if (count > most) this.#ledger.break(`${name} of a connection is ${count}, of at most ${most}`);
  }
}
