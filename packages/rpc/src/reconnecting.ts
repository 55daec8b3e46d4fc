import { CLOSE_OPTIONS, ColloquyError, checkOptions, timerMs, toError } from "@colloquy/core";
import type { Limits } from "@colloquy/core";
import { pause } from "./backoff.ts";
import { CloseListeners } from "./close-listeners.ts";
import type { CloseListener } from "./close-listeners.ts";
import type { Connection } from "./connection.ts";
import type { ConnectionOwner, ConnectionStats } from "./connection-setup.ts";
import type { CallerConnection } from "./context.ts";
import { guard } from "./guard.ts";
import { RemoteNode, serviceProxy } from "./proxy.ts";
import type { CallOptions } from "./proxy.ts";
import type { ReconnectPolicy } from "./reconnect-options.ts";
import { SilentFailures } from "./silent-failures.ts";
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

/** Another attempt would end in the same way. */
const FINAL: ReadonlySet<string> = new Set(["INVALID_ARGUMENT", "PROTOCOL_ERROR", "UNAUTHENTICATED", "UNSUPPORTED"]);

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
  readonly #open: OpenConnection;
  readonly #policy: ReconnectPolicy;
  readonly #waiting: WaitingCalls;
  readonly #silent = new SilentFailures(this, undefined);
  readonly #closeListeners = new CloseListeners();
  readonly #disconnectListeners = new Set<CloseListener>();
  readonly #reconnectListeners = new Set<() => void>();
  /** The one that takes calls. */
  #connection: Connection | undefined;
  /** The one before, where there is none. */
  #latest!: Connection;
  #root: string | undefined;
  #openedAt = 0;
  #reconnects = 0;
  /** Those whose peers are closing: calls under way finish there. */
  readonly #leaving = new Set<Connection>();
  #attempts: AbortController | undefined;
  #closed = false;
  /** Calls that listeners make now go before those that have waited. */
  #telling = false;

  /** @internal */
  constructor(address: string, policy: ReconnectPolicy, limits: Limits, open: OpenConnection) {
    this.remoteAddress = address;
    this.#policy = policy;
    this.#waiting = new WaitingCalls(limits);
    this.#open = open;
    this.remote = serviceProxy(new RemoteNode(this, "", undefined, false)) as Remote<T>;
  }

  /** Resolves when no connection will follow any more: after `close()` with undefined, with an error where reconnecting was given up. */
  get closed(): Promise<ColloquyError | undefined> {
    return this.#closeListeners.closed;
  }

  /** False once it is closed, or given up. Calls may have to wait: `connected`. */
  get usable(): boolean {
    return !this.#closed;
  }

  /** Whether calls can leave now. */
  get connected(): boolean {
    return this.#connection?.usable === true;
  }

  /** The connection that calls take now; undefined while there is none. */
  get connection(): Connection | undefined {
    return this.#connection;
  }

  /** Name of the other side's root, where it serves the same one on all its connections. */
  get root(): string | undefined {
    return this.#root;
  }

  /** As of the latest connection. */
  get identity(): unknown {
    return this.#latest.identity;
  }

  /**
   * Shows new credentials to the other side, as `Connection.reauthenticate` does, over the connection that there is. The next one shows those
   * that `connect` was given: a function gives new ones each time. Rejects with `UNAVAILABLE` where there is none.
   */
  async reauthenticate(credentials: unknown): Promise<void> {
    if (this.#connection === undefined)
      throw new ColloquyError("UNAVAILABLE", `there is no connection to ${this.remoteAddress} now`);
    await this.#connection.reauthenticate(credentials);
  }

  /** Milliseconds of the latest ping's way there and back on the latest connection; undefined before the first. */
  get roundTripMs(): number | undefined {
    return this.#latest.roundTripMs;
  }

  /** Calls `listener` once when no connection will follow any more. Returns a function that takes it back. */
  onClose(listener: CloseListener): () => void {
    this.#closeListeners.add(listener);
    return () => this.#closeListeners.delete(listener);
  }

  /**
   * Calls `listener` each time that a connection is lost, with the reason, or that the other side is closing, with undefined. Returns a
   * function that takes it back.
   */
  onDisconnect(listener: CloseListener): () => void {
    this.#disconnectListeners.add(listener);
    return () => void this.#disconnectListeners.delete(listener);
  }

  /**
   * Calls `listener` each time that there is a connection again: the time to hand out callbacks anew. The calls that it makes at once
   * leave before those that have waited. Returns a function that takes it back.
   */
  onReconnect(listener: () => void): () => void {
    this.#reconnectListeners.add(listener);
    return () => void this.#reconnectListeners.delete(listener);
  }

  /** Resolves with the milliseconds of a round trip. Rejects as calls do, and with `UNAVAILABLE` while there is no connection. */
  async ping(): Promise<number> {
    if (!this.connected) throw this.#unavailable();
    return this.#connection!.ping();
  }

  /** As that of `Connection`, for calls that wait, too. */
  async flushed(): Promise<void> {
    await this.#waiting.passed();
    await this.#latest.flushed();
  }

  stats(): ReconnectingStats {
    const stats = this.#latest.stats();
    return {
      ...stats,
      failedNotifications: stats.failedNotifications + this.#silent.notifications,
      reconnects: this.#reconnects,
      waitingForConnection: this.#waiting.size,
    };
  }

  /**
   * Makes no more attempts, fails what waits for a connection with `UNAVAILABLE`, and closes the connection as `Connection.close` does.
   * Rejects for wrong options alone.
   */
  async close(options: { readonly graceMs?: number } = {}): Promise<void> {
    checkOptions("close", options, CLOSE_OPTIONS);
    if (this.#closed) return void (await this.closed);
    const connections = this.#end(
      new ColloquyError("UNAVAILABLE", `the connection to ${this.remoteAddress} was closed`),
    );
    await Promise.all(connections.map((connection) => connection.close(options)));
    this.#closeListeners.tell(undefined);
  }

  /** Closes at once: calls under way fail with `CONNECTION_LOST`. */
  destroy(error?: ColloquyError): void {
    if (this.#closed) return;
    const reason = error ?? new ColloquyError("UNAVAILABLE", `the connection to ${this.remoteAddress} was closed`);
    for (const connection of this.#end(reason)) connection.destroy(error);
    setImmediate(() => this.#closeListeners.tell(error));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  /** @internal Takes the first connection. Rejects as `opening` does. */
  async start(opening: Promise<Connection<T>>): Promise<void> {
    try {
      this.#adopt(await opening);
    } catch (error) {
      this.#end(this.#unavailable(error));
      throw error;
    }
    if (this.#connection !== undefined) this.#waiting.sendAll(this.#connection);
  }

  /** @internal */
  call(node: RemoteNode, args: unknown[], options: CallOptions | undefined): Promise<unknown> {
    const connection = this.#ready;
    if (connection !== undefined) return connection.call(node, args, options);
    if (!this.#closed && (options?.whileAway ?? this.#policy.whileAway) === "wait")
      return this.#waiting.call(node, args, options);
    return failed(this.#unavailable());
  }

  /** @internal */
  notify(node: RemoteNode, args: unknown[]): void {
    const connection = this.#ready;
    if (connection !== undefined) return connection.notify(node, args);
    const onFailure = (error: unknown): void => this.#silent.onNotification(node.path, error);
    const whileAway = node.options?.whileAway ?? this.#policy.whileAway;
    if (!this.#closed && whileAway === "wait") this.#waiting.notify(node, args, onFailure);
    else onFailure(this.#unavailable());
  }

  /** @internal */
  onGoAway(connection: Connection): void {
    this.#leave(connection, undefined);
  }

  /** Where a call can leave in this turn. */
  get #ready(): Connection | undefined {
    const connection = this.#connection;
    if (connection !== undefined && connection.usable && (this.#telling || this.#waiting.size === 0)) return connection;
    // A peer that is closing takes what its own calls may need: while they wait it would, too.
    if (connection === undefined) for (const leaving of this.#leaving) if (leaving.stats().running > 0) return leaving;
    return undefined;
  }

  #adopt(connection: Connection): void {
    this.#connection = connection;
    this.#latest = connection;
    this.#root = connection.root;
    this.#openedAt = performance.now();
    connection.onClose((error) => {
      this.#leave(connection, error);
      this.#leaving.delete(connection);
    });
    // A goodbye may have come before.
    if (!connection.usable) this.#leave(connection, undefined);
  }

  #leave(connection: Connection, error: ColloquyError | undefined): void {
    if (this.#connection !== connection) return;
    this.#connection = undefined;
    this.#leaving.add(connection);
    if (this.#closed) return;
    // One that is lost as soon as it is there is no reason to begin anew.
    const { backoff } = this.#policy;
    if (performance.now() - this.#openedAt >= backoff.boundMs) backoff.reset();
    for (const listener of this.#disconnectListeners) guard("a listener of onDisconnect", () => listener(error));
    // A listener may have closed it.
    if (!this.#closed) void this.#reconnect();
  }

  async #reconnect(): Promise<void> {
    const { backoff, giveUpAfterMs } = this.#policy;
    const attempts = (this.#attempts = new AbortController());
    let last: unknown = new Error(`none within ${giveUpAfterMs} ms (giveUpAfterMs)`);
    const giveUp = (): void => this.#giveUp(last);
    const timer = giveUpAfterMs === Infinity ? undefined : setTimeout(giveUp, timerMs(giveUpAfterMs));
    try {
      while (!this.#closed) {
        await pause(backoff.next(), [attempts.signal]);
        if (attempts.signal.aborted) return;
        try {
          return this.#onOpen(await this.#open(this, attempts.signal));
        } catch (error) {
          last = error;
          if (error instanceof ColloquyError && FINAL.has(error.code)) return this.#giveUp(error);
        }
      }
    } finally {
      clearTimeout(timer);
    }
  }

  #onOpen(connection: Connection): void {
    if (this.#closed) return connection.destroy();
    this.#attempts = undefined;
    this.#reconnects++;
    this.#adopt(connection);
    if (this.#connection === undefined) return;
    this.#telling = true;
    for (const listener of this.#reconnectListeners) guard("a listener of onReconnect", listener);
    this.#telling = false;
    this.#waiting.sendAll(connection);
  }

  #giveUp(cause: unknown): void {
    if (this.#closed) return;
    const error = this.#unavailable(cause);
    const connections = this.#end(error);
    void Promise.all(connections.map(({ closed }) => closed)).then(() => this.#closeListeners.tell(error));
  }

  /** No connection will follow. Returns those that there are. */
  #end(error: ColloquyError): Connection[] {
    this.#closed = true;
    this.#attempts?.abort();
    this.#waiting.failAll(error);
    return [...this.#leaving, ...(this.#connection === undefined ? [] : [this.#connection])];
  }

  #unavailable(cause?: unknown): ColloquyError {
    const where = `connection to ${this.remoteAddress}`;
    if (cause !== undefined)
      return new ColloquyError("UNAVAILABLE", `no ${where} any more: ${toError(cause).message}`, { cause });
    return new ColloquyError("UNAVAILABLE", `the ${where} is ${this.#closed ? "closed" : "lost, and not yet back"}`);
  }
}
