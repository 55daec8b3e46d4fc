import { channel } from "node:diagnostics_channel";
import type { Channel } from "node:diagnostics_channel";
import { ColloquyError, ProtocolError } from "@colloquy/core";
import type { Limits } from "@colloquy/core";
import type { CallerConnection } from "./context.ts";

/** Published on `colloquy:connection:open`, `colloquy:connection:hello` and `colloquy:connection:close`. */
export interface ConnectionMessage {
  /** A `Connection`. */
  readonly connection: CallerConnection;
}

/** Published on `colloquy:connection:hello`. */
export interface HelloMessage extends ConnectionMessage {
  /** The other side knows no hello: aiomas, mosaik, and the like. */
  readonly isPlain: boolean;
}

/** Published on `colloquy:connection:close` and `colloquy:protocol-error`. */
export interface CloseMessage extends ConnectionMessage {
  /** Why; undefined where it was closed in order. */
  readonly error: ColloquyError | undefined;
}

/**
 * Published on `tracing:colloquy:call:*` for the calls of this side, and on `tracing:colloquy:request:*` for those that it carries out: the
 * same object at `start`, at `error` where it has failed, and at `asyncEnd`.
 */
export interface CallMessage extends ConnectionMessage {
  readonly path: string;
  /** No answer is wanted. */
  readonly isNotification: boolean;
  /** What it has failed with. */
  error?: unknown;
}

/** Published on `colloquy:stream:start` and `colloquy:stream:end`, for the streams of this side. */
export interface StreamMessage extends ConnectionMessage {
  /** Of the call that has returned it. */
  readonly path: string;
  /** Items that have left so far. */
  itemCount: number;
  /** What has ended it early: of its producer, or why its reader has left. */
  error?: unknown;
}

/** Published on `colloquy:refusal`. */
export interface RefusalMessage extends ConnectionMessage {
  /** Name of the limit, as in `Limits`. */
  readonly limit: string;
  readonly error: ColloquyError;
}

/** Published on `colloquy:connection:turned-away`. */
export interface TurnedAwayMessage {
  /** Of the server. */
  readonly address: string;
  /** Name of the limit, as in `Limits`. */
  readonly limit: string;
  readonly error: ColloquyError;
}

const opened = channel("colloquy:connection:open");
const greeted = channel("colloquy:connection:hello");
const closed = channel("colloquy:connection:close");
const turnedAway = channel("colloquy:connection:turned-away");
const protocolError = channel("colloquy:protocol-error");
const refusal = channel("colloquy:refusal");
const streamStart = channel("colloquy:stream:start");
const streamEnd = channel("colloquy:stream:end");

/** A connection is open, and nothing has been sent. */
export function tellOpened(connection: CallerConnection): void {
  if (opened.hasSubscribers) opened.publish({ connection } satisfies ConnectionMessage);
}

/** It is known what the other side speaks. */
export function tellGreeted(connection: CallerConnection, isPlain: boolean): void {
  if (greeted.hasSubscribers) greeted.publish({ connection, isPlain } satisfies HelloMessage);
}

/** A connection has ended. */
export function tellClosed(connection: CallerConnection, error: ColloquyError | undefined): void {
  if (refusal.hasSubscribers) tellRefusal(connection, error);
  if (protocolError.hasSubscribers && error instanceof ProtocolError)
    protocolError.publish({ connection, error } satisfies CloseMessage);
  if (closed.hasSubscribers) closed.publish({ connection, error } satisfies CloseMessage);
}

/** Tells of what was refused, where a limit of this side is the reason. */
export function tellRefusal(connection: CallerConnection, error: unknown): void {
  if (!refusal.hasSubscribers || !(error instanceof ColloquyError)) return;
  // The method of this side has run, and has met a limit elsewhere.
  if (error.limit === undefined || error.executed === "yes") return;
  refusal.publish({ connection, limit: error.limit, error } satisfies RefusalMessage);
}

/** The other side is read more slowly. */
export function tellSlowed(connection: CallerConnection, { maxOverheadPerSecond }: Limits): void {
  if (!refusal.hasSubscribers) return;
  const reason = `more than ${maxOverheadPerSecond} messages a second that run no handler (maxOverheadPerSecond)`;
  tellRefusal(connection, new ColloquyError("RESOURCE_EXHAUSTED", reason, { limit: "maxOverheadPerSecond" }));
}

/** A server at `address` has turned a client away. */
export function tellTurnedAway(address: string, error: ColloquyError): void {
  if (!turnedAway.hasSubscribers) return;
  turnedAway.publish({ address, limit: error.limit!, error } satisfies TurnedAwayMessage);
}

/** Told of how a call has ended. */
export interface CallWatcher {
  /**
   * Nobody has to await the call: it is on a received function, and a notification to a subscriber who has left is no unhandled
   * rejection.
   */
  readonly mayBeLost: boolean;
  onResult(): void;
  /** `error` makes the error of the call. */
  onFailure(error: () => Error): void;
}

/** What is told of one kind of calls. */
export class CallHooks {
  readonly #start: Channel;
  readonly #error: Channel;
  readonly #end: Channel;

  constructor(name: string) {
    this.#start = channel(`tracing:${name}:start`);
    this.#error = channel(`tracing:${name}:error`);
    this.#end = channel(`tracing:${name}:asyncEnd`);
  }

  /** Asked for each call before anything is made for its sake. */
  get areWanted(): boolean {
    return this.#start.hasSubscribers || this.#end.hasSubscribers || this.#error.hasSubscribers;
  }

  start(connection: CallerConnection, path: string, isNotification = false): CallMessage {
    const message: CallMessage = { connection, path, isNotification };
    this.#start.publish(message);
    return message;
  }

  /** Tells of the start of a call of this side. Returns what tells of its end. */
  watch(connection: CallerConnection, path: string, onLost: (() => void) | undefined): CallWatcher {
    const message = this.start(connection, path);
    return {
      mayBeLost: onLost !== undefined,
      onResult: () => this.end(message),
      onFailure: (error) => {
        onLost?.();
        this.fail(message, error());
      },
    };
  }

  fail(message: CallMessage, error: unknown): void {
    message.error = error;
    this.#error.publish(message);
    this.#end.publish(message);
  }

  end(message: CallMessage): void {
    this.#end.publish(message);
  }
}

/** Calls of this side. */
export const callHooks: CallHooks = new CallHooks("colloquy:call");
/** Calls that this side carries out. */
export const requestHooks: CallHooks = new CallHooks("colloquy:request");

/** A stream of this side is read. Undefined where nobody listens. */
export function tellStream(connection: CallerConnection, path: string): StreamMessage | undefined {
  if (!streamStart.hasSubscribers && !streamEnd.hasSubscribers) return undefined;
  const message: StreamMessage = { connection, path, itemCount: 0 };
  streamStart.publish(message);
  return message;
}

/** It is read no more. */
export function tellStreamEnd(message: StreamMessage, itemCount: number, error: unknown): void {
  message.itemCount = itemCount;
  if (error !== undefined) message.error = error;
  streamEnd.publish(message);
}
