import { ColloquyError } from "@colloquy/core";
import type { Connection } from "@colloquy/rpc";
import type { OpenOptions } from "./agent.ts";

export type OpenConnection = (address: string, options: OpenOptions) => Promise<Connection>;

/** An attempt that several may wait for; it is given up when nobody waits any more. */
class Attempt {
  readonly connection: Promise<Connection>;
  readonly #abort = new AbortController();
  #waiterCount = 0;

  constructor(open: OpenConnection, address: string, timeout: number | undefined) {
    this.connection = open(address, { timeout, signal: this.#abort.signal });
  }

  /** Waits for the attempt, until `signal` aborts. */
  async join(signal: AbortSignal | undefined): Promise<Connection> {
    this.#waiterCount++;
    let leave: (() => void) | undefined;
    try {
      if (signal === undefined) return await this.connection;
      const left = new Promise<never>((_resolve, reject) => {
        leave = () => reject(new ColloquyError("CANCELLED", "connecting was cancelled", { cause: signal.reason }));
        if (signal.aborted) leave();
        signal.addEventListener("abort", leave, { once: true });
      });
      return await Promise.race([this.connection, left]);
    } finally {
      if (leave !== undefined) signal?.removeEventListener("abort", leave);
      if (--this.#waiterCount === 0) this.#abort.abort();
    }
  }
}

/**
 * The connections of one container to others: one for each address, however many agents talk over it. Concurrent attempts are
 * one attempt; a failed one leaves nothing behind; a lost connection is opened again by the next call.
 */
export class RemoteContainers {
  readonly #open: OpenConnection;
  readonly #connections = new Map<string, Connection>();
  readonly #attempts = new Map<string, Attempt>();
  #closed = false;

  constructor(open: OpenConnection) {
    this.#open = open;
  }

  get connections(): Connection[] {
    return [...this.#connections.values()];
  }

  /** The connection to an address. Rejects as `connect` of rpc does, and with `UNAVAILABLE` once this is closed. */
  async get(address: string, { timeout = 0, signal }: OpenOptions = {}): Promise<Connection> {
    const start = performance.now();
    for (;;) {
      if (this.#closed) throw new ColloquyError("UNAVAILABLE", "this container was shut down");
      const existing = this.#connections.get(address);
      if (existing?.usable === true) return existing;
      const shared = this.#attempts.get(address);
      const left = timeout - (performance.now() - start);
      try {
        return await (shared ?? this.#start(address, Math.max(left, 0))).join(signal);
      } catch (error) {
        // Somebody else's attempt may have had less time than this one has.
        if (shared === undefined || signal?.aborted === true || !(timeout - (performance.now() - start) > 0)) throw error;
      }
    }
  }

  async close(graceMs: number): Promise<void> {
    this.#closed = true;
    await Promise.allSettled([...this.#attempts.values()].map((attempt) => attempt.connection));
    await Promise.all(this.connections.map((connection) => connection.close({ graceMs })));
  }

  #start(address: string, timeout: number): Attempt {
    const attempt = new Attempt(this.#open, address, timeout);
    this.#attempts.set(address, attempt);
    attempt.connection.then(
      (connection) => {
        this.#attempts.delete(address);
        this.#connections.set(address, connection);
        connection.onClose(() => {
          if (this.#connections.get(address) === connection) this.#connections.delete(address);
        });
      },
      () => this.#attempts.delete(address),
    );
    return attempt;
  }
}
