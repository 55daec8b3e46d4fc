import { CLOSE_OPTIONS, ColloquyError, checkOptions } from "@colloquy/core";
import type { Limits } from "@colloquy/core";
import { CloseListeners } from "./close-listeners.ts";
import type { CloseListener } from "./close-listeners.ts";
import type { Connection } from "./connection.ts";
import type { ConnectionOwner } from "./connection-setup.ts";
import type { ConnectionStats } from "./connection-stats.ts";
import type { CallerConnection } from "./context.ts";
import { Listeners } from "./listeners.ts";
import { RemoteNode, serviceProxy } from "./proxy.ts";
import { takePromises } from "./pending-arguments.ts";
import type { CallOptions, WhileAway } from "./proxy.ts";
import type { ReconnectPolicy } from "./reconnect-options.ts";
import { SilentFailures } from "./silent-failures.ts";
import { Succession } from "./succession.ts";
import type { SuccessionListener } from "./succession.ts";
import type { Remote } from "./types.ts";
import { WaitingCalls, failed } from "./waiting-calls.ts";

/** Counters of the latest connection, and of what is around it. */
export interface ReconnectingStats extends ConnectionStats {
  /** How often a lost connection was followed by another. */
  readonly reconnects: number;
  /** Calls and notifications that wait for a connection. */
  readonly waitingForConnection: number;
}

/** Opens one connection, in one attempt, that leaves its calls to `owner`. */
export type OpenConnection = (owner: ConnectionOwner, signal: AbortSignal) => Promise<Connection>;

/**
 * A connection that is opened again where it is lost, or where the other side is closing. Proxies that a path alone leads to, the root
 * and what hangs below it, go on to work. References end with the connection that they came on: calls on them fail with
 * `REFERENCE_RELEASED`. Calls that were under way fail as they do on a `Connection`; none is sent again unless it asks for retries.
 */
export class ReconnectingConnection<T extends object = object>
  implements AsyncDisposable, CallerConnection, ConnectionOwner
{
  readonly remoteAddress: string;
  /** The root service of the other side, over whatever connection there is. */
  readonly remote: Remote<T>;
  readonly #whileAway: WhileAway;
  readonly #connections: Succession;
  readonly #waiting: WaitingCalls;
  readonly #silent = new SilentFailures(this, undefined);
  readonly #closeListeners = new CloseListeners();
  readonly #disconnectListeners = new Listeners<[ColloquyError | undefined]>("onDisconnect");
  readonly #reconnectListeners = new Listeners<[]>("onReconnect");
  /** Calls that listeners make now go before those that have waited. */
  #telling = false;

  /** @internal */
  constructor(address: string, policy: ReconnectPolicy, limits: Limits, open: OpenConnection) {
    this.remoteAddress = address;
    this.#whileAway = policy.whileAway;
    this.#connections = new Succession(address, policy, (signal) => open(this, signal), this.#listener());
    this.#waiting = new WaitingCalls(limits, () => this.#connections.failure);
    this.remote = serviceProxy(new RemoteNode(this, "", undefined, false)) as Remote<T>;
  }

  /** Resolves when no connection will follow any more: after `close()` with undefined, with an error where reconnecting was given up. */
  get closed(): Promise<ColloquyError | undefined> {
    return this.#closeListeners.closed;
  }

  /** False once it is closed, or given up. Calls may have to wait: `connected`. */
  get usable(): boolean {
    return !this.#connections.ended;
  }

  /** Whether calls can leave now. */
  get connected(): boolean {
    return this.connection?.usable === true;
  }

  /** The connection that calls take now; undefined while there is none. */
  get connection(): Connection | undefined {
    return this.#connections.current;
  }

  /** Why the latest attempt to open a connection has failed; undefined while there is one. */
  get failure(): unknown {
    return this.#connections.failure;
  }

  /** Name of the other side's root, where it serves the same one on all its connections. */
  get root(): string | undefined {
    return this.#connections.latest.root;
  }

  /** As of the latest connection. */
  get identity(): unknown {
    return this.#connections.latest.identity;
  }

  /**
   * Shows new credentials to the other side, as `Connection.reauthenticate` does, over the connection that there is. The next one shows those
   * that `connect` was given: a function gives new ones each time. Rejects with `UNAVAILABLE` where there is none.
   */
  async reauthenticate(credentials: unknown): Promise<void> {
    if (this.connection === undefined)
      throw new ColloquyError("UNAVAILABLE", `there is no connection to ${this.remoteAddress} now`);
    await this.connection.reauthenticate(credentials);
  }

  /** Milliseconds of the latest ping's way there and back on the latest connection; undefined before the first. */
  get roundTripMs(): number | undefined {
    return this.#connections.latest.roundTripMs;
  }

  /**
   * Calls `listener` once when no connection will follow any more. Returns a function that takes it back. This one and the two below: a
   * function that was given twice is told once each time, until it is taken back twice.
   */
  onClose(listener: CloseListener): () => void {
    return this.#closeListeners.add(listener);
  }

  /**
   * Calls `listener` each time that a connection is lost, with the reason, or that the other side is closing, with undefined. Returns a
   * function that takes it back.
   */
  onDisconnect(listener: CloseListener): () => void {
    return this.#disconnectListeners.add(listener);
  }

  /**
   * Calls `listener` each time that there is a connection again: the time to hand out callbacks anew. The calls that it makes at once
   * leave before those that have waited. Returns a function that takes it back.
   */
  onReconnect(listener: () => void): () => void {
    return this.#reconnectListeners.add(listener);
  }

  /** Resolves with the milliseconds of a round trip. Rejects as calls do, and with `UNAVAILABLE` while there is no connection. */
  async ping(): Promise<number> {
    if (!this.connected) throw this.#unavailable();
    return this.connection!.ping();
  }

  /** As that of `Connection`, for calls that wait, too. */
  async flushed(): Promise<void> {
    await this.#waiting.passed();
    await this.#connections.latest.flushed();
  }

  stats(): ReconnectingStats {
    const stats = this.#connections.latest.stats();
    return {
      ...stats,
      failedNotifications: stats.failedNotifications + this.#silent.notifications,
      reconnects: this.#connections.reopenedCount,
      waitingForConnection: this.#waiting.size,
    };
  }

  /**
   * Makes no more attempts, fails what waits for a connection with `UNAVAILABLE`, and closes the connection as `Connection.close` does.
   * Rejects for wrong options alone.
   */
  async close(options: { readonly graceMs?: number } = {}): Promise<void> {
    checkOptions("close", options, CLOSE_OPTIONS);
    const isFirst = !this.#connections.ended;
    const living = this.#end(this.#wasClosed());
    await Promise.all(living.map((connection) => connection.close(options)));
    if (isFirst) this.#closeListeners.tell(undefined);
    await this.closed;
  }

  /** Closes at once, also where it is closing already: calls under way fail with `CONNECTION_LOST`. */
  destroy(error?: ColloquyError): void {
    const isFirst = !this.#connections.ended;
    for (const connection of this.#end(error ?? this.#wasClosed())) connection.destroy(error);
    if (isFirst) setImmediate(() => this.#closeListeners.tell(error));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  /** @internal Takes the first connection. Rejects as `opening` does. */
  async start(opening: Promise<Connection<T>>): Promise<void> {
    try {
      this.#connections.start(await opening);
    } catch (error) {
      this.#end(this.#wasClosed());
      throw error;
    }
    if (this.connection !== undefined) this.#waiting.sendAll(this.connection);
  }

  /** @internal */
  call(node: RemoteNode, args: unknown[], options: CallOptions | undefined): Promise<unknown> {
    const connection = this.#ready;
    if (connection !== undefined) return connection.call(node, args, options);
    return this.#waits(options) ? this.#waiting.call(node, args, options) : failed(this.#unavailable(), args, options);
  }

  /** @internal */
  notify(node: RemoteNode, args: unknown[]): void {
    const connection = this.#ready;
    if (connection !== undefined) return connection.notify(node, args);
    const onFailure = (error: unknown): void => this.#silent.onNotification(node.path, error);
    if (this.#waits(node.options)) return this.#waiting.notify(node, args, onFailure);
    takePromises(args, node.options);
    onFailure(this.#unavailable());
  }

  /** @internal */
  onGoAway(connection: Connection): void {
    this.#connections.leave(connection, undefined);
  }

  #listener(): SuccessionListener {
    return {
      onLeft: (error) => this.#disconnectListeners.tell(error),
      onOpen: (connection) => {
        this.#telling = true;
        this.#reconnectListeners.tell();
        this.#telling = false;
        this.#waiting.sendAll(connection);
      },
      onGivenUp: (over, error) => {
        this.#waiting.failAll(error);
        void over.then(() => this.#closeListeners.tell(error));
      },
    };
  }

  /** Where a call can leave in this turn. */
  get #ready(): Connection | undefined {
    const { connection } = this;
    if (connection !== undefined && connection.usable && (this.#telling || this.#waiting.size === 0)) return connection;
    // While it waits its peer would, too.
    return connection === undefined ? this.#connections.asking : undefined;
  }

  #waits(options: CallOptions | undefined): boolean {
    return !this.#connections.ended && (options?.whileAway ?? this.#whileAway) === "wait";
  }

  /** No connection will follow. Returns those that there are. */
  #end(error: ColloquyError): Connection[] {
    const living = this.#connections.end();
    this.#waiting.failAll(error);
    return living;
  }

  #wasClosed(): ColloquyError {
    return new ColloquyError("UNAVAILABLE", `the connection to ${this.remoteAddress} was closed`);
  }

  #unavailable(): ColloquyError {
    const { ended, failure } = this.#connections;
    const reason = `the connection to ${this.remoteAddress} is ${ended ? "closed" : "lost, and not yet back"}`;
    return new ColloquyError("UNAVAILABLE", reason, failure === undefined ? {} : { cause: failure });
  }
}
