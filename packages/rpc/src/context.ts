import type { ColloquyError } from "@colloquy/core";
import type { CloseListener } from "./close-listeners.ts";

/** The connection of a call, as its callee sees it: a `Connection`. */
export interface CallerConnection {
  readonly remoteAddress: string;
  /** The root service of the caller's side, a `Remote`. */
  readonly remote: object;
  readonly closed: Promise<ColloquyError | undefined>;
  onClose(listener: CloseListener): () => void;
  close(options?: { readonly graceMs?: number }): Promise<void>;
}

/** What a method exposed with `context: true` gets as its last argument. */
export interface CallContext {
  /** Aborts when the caller gives the call up, or when the connection ends. */
  readonly signal: AbortSignal;
  /** The connection the call came on. */
  readonly connection: CallerConnection;
  /** The path that was called. */
  readonly path: string;
}
