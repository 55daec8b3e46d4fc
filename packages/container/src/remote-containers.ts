import { ColloquyError } from "@colloquy/core";
import { withoutChain } from "@colloquy/rpc";
import type { Connection } from "@colloquy/rpc";
import type { OpenOptions } from "./agent.ts";
import { waitLimit } from "./wait-limit.ts";
import type { WaitLimit } from "./wait-limit.ts";

export type OpenConnection = (address: string, options: OpenOptions) => Promise<Connection>;

/** How long one of several waits for an attempt. */
interface Patience {
  readonly signal: AbortSignal | undefined;
  /** Milliseconds; Infinity where the attempt itself ends in time. */
  readonly limitMs: number;
}

/** An attempt that several may wait for; it is given up when nobody waits any more. */
class Attempt {
  readonly connection: Promise<Connection>;
  readonly #address: string;
  readonly #abort = new AbortController();
  #waiterCount = 0;

  constructor(address: string, open: (signal: AbortSignal) => Promise<Connection>) {
    this.#address = address;
    this.connection = open(this.#abort.signal);
  }

  /** True once it was given up: nobody can join any more. */
  get abandoned(): boolean {
    return this.#abort.signal.aborted;
  }

  abandon(): void {
    this.#abort.abort();
  }

  /** Waits for the attempt, as long as the patience lasts. */
  async join(patience: Patience): Promise<Connection> {
    this.#waiterCount++;
    const { reached, end } = this.#limit(patience);
    try {
      return await Promise.race([this.connection, reached]);
    } finally {
      end();
      if (--this.#waiterCount === 0) this.abandon();
    }
  }

  #limit({ signal, limitMs }: Patience): WaitLimit {
    return waitLimit({
      timeout: limitMs,
      signal,
      expired: () => new ColloquyError("UNAVAILABLE", `no connection to ${this.#address} in time`),
      cancelled: () =>
        new ColloquyError("CANCELLED", `connecting to ${this.#address} was cancelled`, { cause: signal?.reason }),
    });
  }
}

/**
 * The connections of one container to others: one for each address, however many agents talk over it. Concurrent attempts are
 * one attempt; a failed one leaves nothing behind; a lost connection is opened again by the next call.
 */
export class RemoteContainers {
  readonly #open: OpenConnection;
  readonly #connections = new Map<string, Connection>();
  /** Those of one try only, and those that go on trying: who wants one try doesn't wait for the others. */
  readonly #single = new Map<string, Attempt>();
  readonly #patient = new Map<string, Attempt>();
  readonly #running = new Set<Attempt>();
  #closed = false;

  constructor(open: OpenConnection) {
    this.#open = open;
  }

  get connections(): Connection[] {
    return [...this.#connections.values()];
  }

  /** The connection to an address, where calls can leave now. */
  present(address: string): Connection | undefined {
    const connection = this.#connections.get(address);
    return connection?.usable === true ? connection : undefined;
  }

  /** The connection to an address. Rejects as `connect` of rpc does, and with `UNAVAILABLE` once this is closed. */
  async get(address: string, { timeout = 0, signal }: OpenOptions = {}): Promise<Connection> {
    if (typeof timeout !== "number" || !(timeout >= 0)) {
      throw new ColloquyError(
        "INVALID_ARGUMENT",
        `timeout is ${String(timeout)}; it takes milliseconds, 0 or Infinity`,
      );
    }
    const attempts = timeout === 0 ? this.#single : this.#patient;
    const start = performance.now();
    for (;;) {
      if (this.#closed) throw closedError();
      const existing = this.#connections.get(address);
      if (existing?.usable === true) return existing;
      const left = timeout === 0 ? 0 : Math.max(timeout - (performance.now() - start), 1);
      const known = attempts.get(address);
      const shared = known?.abandoned === true ? undefined : known;
      const limitMs = shared === undefined || timeout === 0 ? Infinity : left;
      try {
        return await (shared ?? this.#start(address, timeout === 0 ? 0 : left, attempts)).join({ signal, limitMs });
      } catch (error) {
        if (this.#closed) throw closedError();
        // Somebody else's attempt may have had less time than this one has.
        if (shared === undefined || signal?.aborted === true || !(timeout - (performance.now() - start) > 0))
          throw error;
      }
    }
  }

  async close(graceMs: number): Promise<void> {
    this.#closed = true;
    const running = [...this.#running];
    for (const attempt of running) attempt.abandon();
    await Promise.allSettled(running.map(({ connection }) => connection));
    await Promise.all(this.connections.map((connection) => connection.close({ graceMs })));
  }

  #start(address: string, timeout: number, attempts: Map<string, Attempt>): Attempt {
    const attempt = new Attempt(address, async (signal) =>
      this.#keep(address, await withoutChain(() => this.#open(address, { timeout, signal }))),
    );
    attempts.set(address, attempt);
    this.#running.add(attempt);
    const end = (): void => {
      this.#running.delete(attempt);
      if (attempts.get(address) === attempt) attempts.delete(address);
    };
    attempt.connection.then(end, end);
    return attempt;
  }

  /** The connection that is kept: an attempt of the other kind may have been faster. */
  #keep(address: string, opened: Connection): Connection {
    const existing = this.#connections.get(address);
    if (this.#closed || existing?.usable === true) {
      opened.destroy();
      if (existing !== undefined) return existing;
      throw closedError();
    }
    this.#connections.set(address, opened);
    opened.onClose(() => {
      if (this.#connections.get(address) === opened) this.#connections.delete(address);
    });
    return opened;
  }
}

function closedError(): ColloquyError {
  return new ColloquyError("UNAVAILABLE", "this container was shut down");
}
