import type { ColloquyError } from "@colloquy/core";
import type { CloseListener } from "./close-listeners.ts";
import type { Metadata } from "./metadata.ts";

/** The connection of a call, as its callee sees it: a `Connection`. */
export interface CallerConnection {
  readonly remoteAddress: string;
  /** What `authenticate` of this side has made of the caller's credentials; undefined where nobody had to show any. */
  readonly identity: unknown;
  /** The root service of the caller's side, a `Remote`. */
  readonly remote: object;
  readonly closed: Promise<ColloquyError | undefined>;
  onClose(listener: CloseListener): () => void;
  close(options?: { readonly graceMs?: number }): Promise<void>;
}

/** What calls inherit that are made for another one: `withOptions(remote.method, { context })`. */
export interface InheritedContext {
  /** Aborts when the caller gives the call up, when its deadline has come, and when the connection ends. */
  readonly signal: AbortSignal;
  /** Until when the caller waits, in milliseconds of `performance.now()`; undefined where it has no time limit. */
  readonly deadline: number | undefined;
  /** Calls that this one is made for, one within another: 0 for one that is made by itself. */
  readonly hops: number;
  /** W3C `traceparent` of the caller, where it has told one. */
  readonly trace?: string | undefined;
}

/** What a method exposed with `context: true` gets as its last argument. */
export interface CallContext extends InheritedContext {
  /** The connection the call came on. */
  readonly connection: CallerConnection;
  /** The path that was called; of a call on the result of another one where that stands. */
  readonly path: string;
  /** What the caller has told beside the arguments: frozen, and empty where that is nothing. Calls don't inherit it. */
  readonly metadata: Metadata;
  readonly trace: string | undefined;
}
