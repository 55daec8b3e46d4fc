import { ColloquyError, timerMs, warn, messageOf } from "@colloquy/core";
import { CredentialsFailure } from "./authentication.ts";
import { pause } from "./backoff.ts";
import type { Connection } from "./connection.ts";
import type { ReconnectPolicy } from "./reconnect-options.ts";

/** Another attempt would end in the same way. */
const FINAL: ReadonlySet<string> = new Set(["INVALID_ARGUMENT", "PROTOCOL_ERROR", "UNAUTHENTICATED", "UNSUPPORTED"]);

/** Told of what becomes of the connections. */
export interface SuccessionListener {
  /** The one that took calls is lost, or its peer is closing: then without an error. */
  onLeft(error: ColloquyError | undefined): void;
  /** There is one again. */
  onOpen(connection: Connection): void;
  /** None will follow. `over` resolves when the last one has ended. */
  onGivenUp(over: Promise<unknown>, error: ColloquyError): void;
}

/** Connections to one address, of which one follows another: the one that there is, and the attempts to open the next. */
export class Succession {
  /** The one that takes calls. */
  current: Connection | undefined;
  /** How often a lost one was followed by another. */
  reopenedCount = 0;
  /** Why the latest attempt has failed; undefined while there is a connection. */
  failure: unknown;
  /** None will follow. */
  ended = false;
  /** The current one, or the one before. */
  #latest!: Connection;
  #openedAt = 0;
  /** Those whose peers are closing: calls under way finish there. */
  readonly #leaving = new Set<Connection>();
  #attempts: AbortController | undefined;
  readonly #address: string;
  readonly #policy: ReconnectPolicy;
  readonly #open: (signal: AbortSignal) => Promise<Connection>;
  readonly #listener: SuccessionListener;

  /** `open` makes one attempt. */
  constructor(
    address: string,
    policy: ReconnectPolicy,
    open: (signal: AbortSignal) => Promise<Connection>,
    listener: SuccessionListener,
  ) {
    this.#address = address;
    this.#policy = policy;
    this.#open = open;
    this.#listener = listener;
  }

  get latest(): Connection {
    return this.#latest;
  }

  /** A peer that is closing, and waits for something itself: it takes what its own calls may need. */
  get asking(): Connection | undefined {
    for (const leaving of this.#leaving) if (leaving.stats().running > 0) return leaving;
    return undefined;
  }

  /** Those that haven't ended. */
  get living(): Connection[] {
    return [...this.#leaving, ...(this.current === undefined ? [] : [this.current])];
  }

  /** Takes the first one. */
  start(connection: Connection): void {
    this.#adopt(connection);
    // A goodbye may have come before.
    if (!connection.usable) this.leave(connection, undefined);
  }

  /** `connection` takes no calls any more: it is lost, or its peer is closing. */
  leave(connection: Connection, error: ColloquyError | undefined): void {
    if (this.current !== connection) return;
    this.current = undefined;
    this.#leaving.add(connection);
    if (this.ended) return;
    // One that is lost as soon as it is there is no reason to begin anew.
    const { backoff } = this.#policy;
    if (performance.now() - this.#openedAt >= backoff.boundMs) backoff.reset();
    this.#listener.onLeft(error);
    // A listener may have ended it.
    if (!this.ended) void this.#reopen();
  }

  /** None will follow. Returns those that there are. */
  end(): Connection[] {
    this.ended = true;
    this.#attempts?.abort();
    return this.living;
  }

  #adopt(connection: Connection): void {
    this.current = connection;
    this.#latest = connection;
    this.#openedAt = performance.now();
    this.failure = undefined;
    connection.onClose((error) => {
      this.leave(connection, error);
      this.#leaving.delete(connection);
    });
  }

  /** Waits for the end of one that takes no calls. */
  #see(connection: Connection): void {
    this.#leaving.add(connection);
    connection.onClose(() => this.#leaving.delete(connection));
  }

  async #reopen(): Promise<void> {
    const { backoff, giveUpAfterMs } = this.#policy;
    const { signal } = (this.#attempts = new AbortController());
    this.failure = undefined;
    const timer = giveUpAfterMs === Infinity ? undefined : setTimeout(() => this.#outOfTime(), timerMs(giveUpAfterMs));
    try {
      while (!signal.aborted) {
        await pause(backoff.next(), [signal]);
        if (signal.aborted) return;
        const connection = await this.#attempt(signal);
        if (connection !== undefined) return this.#succeed(connection);
      }
    } finally {
      clearTimeout(timer);
    }
  }

  /** Undefined where that has failed. */
  async #attempt(signal: AbortSignal): Promise<Connection | undefined> {
    try {
      const connection = await this.#open(signal);
      if (connection.usable && !signal.aborted) return connection;
      if (signal.aborted) connection.destroy();
      // One whose peer is closing already may have something to ask.
      else this.#see(connection);
      this.failure = new ColloquyError("UNAVAILABLE", `${this.#address} has ended the connection at once`);
    } catch (error) {
      this.#fail(error);
    }
    return undefined;
  }

  #fail(error: unknown): void {
    if (this.ended) return;
    const before = this.failure;
    this.failure = error;
    // A function of this side may do better next time; the server's refusal stands.
    if (error instanceof CredentialsFailure) {
      if (!(before instanceof CredentialsFailure)) warn(error.message, error.cause);
    } else if (error instanceof ColloquyError && FINAL.has(error.code)) this.#giveUp(error);
  }

  #succeed(connection: Connection): void {
    this.#attempts = undefined;
    this.reopenedCount++;
    this.#adopt(connection);
    this.#listener.onOpen(connection);
  }

  #outOfTime(): void {
    const { giveUpAfterMs } = this.#policy;
    this.#giveUp(this.failure ?? new Error(`none within ${giveUpAfterMs} ms (giveUpAfterMs)`));
  }

  #giveUp(cause: unknown): void {
    if (this.ended) return;
    const reason = `no connection to ${this.#address} any more: ${messageOf(cause)}`;
    const over = Promise.all(this.end().map(({ closed }) => closed));
    this.#listener.onGivenUp(over, new ColloquyError("UNAVAILABLE", reason, { cause }));
  }
}
