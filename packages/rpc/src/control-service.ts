import { ColloquyError } from "@colloquy/core";
import type { Endpoint } from "@colloquy/core";
import type { ControlActions } from "./control.ts";
import type { Dispatcher, OnDemandTables } from "./dispatcher.ts";
import type { Exports } from "./exports.ts";
import type { Greeting } from "./greeting.ts";

/** The connection that is asked. */
export interface ControlHost {
  stats(): object;
  onAbort(signal: number, fired: boolean, reason: unknown): void;
  onGoAway(): void;
}

/** What holds what the requests are about. */
export interface ControlTables extends OnDemandTables {
  receiveShape(id: unknown, keys: unknown): boolean;
  /** A reader of a stream has come. */
  interruptStreams(): void;
  /** Nobody gets the items that were pulled. */
  onUnsentResult(content: unknown): void;
}

/** What the `$` service of one connection does, once hello is done. */
export class ControlService implements ControlActions {
  readonly #endpoint: Endpoint;
  readonly #greeting: Greeting;
  readonly #dispatcher: Dispatcher;
  readonly #exports: Exports;
  readonly #tables: ControlTables;
  readonly #host: ControlHost;
  #goneAway = false;

  constructor(
    endpoint: Endpoint,
    greeting: Greeting,
    dispatcher: Dispatcher,
    exports: Exports,
    tables: ControlTables,
    host: ControlHost,
  ) {
    this.#endpoint = endpoint;
    this.#greeting = greeting;
    this.#dispatcher = dispatcher;
    this.#exports = exports;
    this.#tables = tables;
    this.#host = host;
  }

  cancel(id: number, isLate: boolean): void {
    if (!this.#endpoint.running.has(id)) this.#endpoint.reading.countOverhead();
    this.#dispatcher.cancel(id, isLate);
    this.#endpoint.withdrawAnswer(id);
  }

  release(id: number, count: number): void {
    if (!this.#exports.isOwed(id, count)) this.#endpoint.reading.countOverhead();
    const target = this.#exports.release(id, count);
    if (target === undefined) return;
    this.#tables.recentResults?.forget(target);
    this.#tables.streams.leave(id, target, new ColloquyError("CANCELLED", "the reader has left"));
  }

  reply(id: number, value: unknown): void {
    this.#endpoint.reply(id, value);
  }

  /** A peer that is closing takes what was sent before the answer: large values, which others overtake, go first. */
  pong(id: number): void {
    if (!this.#goneAway) return this.#endpoint.reply(id, null);
    void this.#endpoint.flushed().then(() => this.#endpoint.reply(id, null));
  }

  pull(id: number, stream: number, maxCount: number, maxBytes: number): void {
    this.#tables.streams.pull(stream, this.#exports.get(stream), maxCount, maxBytes).then(
      (pulled) => {
        if (this.#endpoint.ended) this.#tables.onUnsentResult(pulled);
        else this.#endpoint.reply(id, pulled);
      },
      (error: unknown) => {
        this.#endpoint.reading.countOverhead();
        this.#endpoint.fail(id, error);
      },
    );
    this.#tables.interruptStreams();
  }

  authenticate(id: number, credentials: unknown): void {
    this.#greeting.authenticate(credentials).then(
      () => this.#endpoint.reply(id, null),
      (error: unknown) => this.#endpoint.fail(id, error),
    );
  }

  shape(id: unknown, keys: unknown): boolean {
    return this.#tables.receiveShape(id, keys);
  }

  abort(signal: number, fired: boolean, reason: unknown): void {
    this.#host.onAbort(signal, fired, reason);
  }

  goAway(): void {
    if (this.#goneAway) return this.#endpoint.reading.countOverhead();
    this.#goneAway = true;
    this.#host.onGoAway();
  }

  stats(): object {
    return this.#host.stats();
  }
}
