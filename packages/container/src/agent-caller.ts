import { ColloquyError } from "@colloquy/core";
import { Answer, SilentFailures, optionsAfter, takePromises } from "@colloquy/rpc";
import type { CallOptions, Caller, Connection, RemoteNode } from "@colloquy/rpc";
import type { OpenOptions } from "./agent.ts";
import type { RemoteContainers } from "./remote-containers.ts";
import { waitLimit } from "./wait-limit.ts";
import type { WaitLimit } from "./wait-limit.ts";

/** Sends the calls of agents' proxies over the connection that there is, or a new one. */
export class AgentCaller implements Caller {
  readonly remoteAddress: string;
  readonly #containers: RemoteContainers;
  #connection: Connection | undefined;
  #root: string | undefined;
  readonly #failures = new SilentFailures(this, undefined);
  #opening: Promise<Connection> | undefined;
  /** Calls that wait for a connection; later ones queue up behind them, so that the order is kept. */
  #waitingCount = 0;

  constructor(address: string, containers: RemoteContainers) {
    this.remoteAddress = address;
    this.#containers = containers;
  }

  /** The root of the container, once it was connected to. */
  get root(): string | undefined {
    return this.#root;
  }

  call(node: RemoteNode, args: unknown[], options: CallOptions | undefined): Promise<unknown> {
    const connection = this.#ready;
    if (connection !== undefined) return connection.call(node, args, options);
    takePromises(args, options);
    // A stream can be read without being awaited then, too.
    return new Answer((resolve) => resolve(this.#callLater(node, args, options)));
  }

  notify(node: RemoteNode, args: unknown[]): void {
    const connection = this.#ready;
    if (connection !== undefined) connection.notify(node, args);
    else {
      takePromises(args, node.options);
      const sent = this.#whenOpen(undefined, (opened) => opened.notify(node, args));
      void sent.catch((error: unknown) => this.#failures.onNotification(node.path, error));
    }
  }

  /** The connection, where a call can leave in this turn. */
  get #ready(): Connection | undefined {
    const connection = this.#connection;
    return connection?.usable === true && this.#waitingCount === 0 ? connection : undefined;
  }

  /** Connects, where there is no connection. */
  async open(options: OpenOptions = {}): Promise<Connection> {
    const connection = await this.#containers.get(this.remoteAddress, options);
    this.#connection = connection;
    this.#root = connection.root;
    return connection;
  }

  /** The time and the signal of a call count from now on, not from when there is a connection. */
  async #callLater(node: RemoteNode, args: unknown[], options: CallOptions | undefined): Promise<unknown> {
    const limit = limitOf(node, options);
    try {
      const start = performance.now();
      const result = await this.#whenOpen(limit, (connection) => ({
        promise: connection.call(node, args, optionsAfter(performance.now() - start, options)),
      }));
      return await result.promise;
    } finally {
      limit?.end();
    }
  }

  /** Calls `send` in the turn in which the connection is there, in the order of these calls. */
  async #whenOpen<T>(limit: WaitLimit | undefined, send: (connection: Connection) => T): Promise<T> {
    this.#waitingCount++;
    try {
      this.#opening ??= this.open().finally(() => (this.#opening = undefined));
      // All wait in the same way: one turn of the microtask queue more or less would change their order.
      const connection = await Promise.race(limit === undefined ? [this.#opening] : [this.#opening, limit.reached]);
      return send(connection);
    } finally {
      this.#waitingCount--;
    }
  }
}

function limitOf(node: RemoteNode, options: CallOptions | undefined): WaitLimit | undefined {
  const { timeout = Infinity, signal } = options ?? {};
  if (timeout === Infinity && signal === undefined) return undefined;
  return waitLimit({
    timeout,
    signal,
    expired: () => new ColloquyError("DEADLINE_EXCEEDED", `no connection for ${node.toString()} within ${timeout} ms`),
    cancelled: () =>
      new ColloquyError("CANCELLED", `the call to ${node.toString()} was cancelled`, { cause: signal?.reason }),
  });
}
