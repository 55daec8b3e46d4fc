import type { Connection } from "./connection.ts";

/** What a method exposed with `context: true` gets as its last argument. */
export interface CallContext {
  /** Aborts when the caller gives the call up, or when the connection ends. */
  readonly signal: AbortSignal;
  /** The connection the call came on. */
  readonly connection: Connection;
  /** The path that was called. */
  readonly path: string;
}
