import type { Measurement, Timing } from "./measure.ts";
import type { Payload } from "./payload.ts";

/**
 * One RPC system under test. A peer is one file in `peers/` and one line in `peers/table.ts`.
 *
 * `server` and `client` run in two processes that share nothing but the address. Both sides use what a careful user of
 * that system would: its recommended codec and transport, without switching its checks off.
 */
export interface Peer {
  readonly name: string;
  /** Versions of the packages that do the work, by package name; empty for what needs none. */
  readonly versions: Readonly<Record<string, string>>;
  /** Names of the workloads that it can't do, and is left out of. */
  readonly lacks?: readonly string[];
  /** Why the peer can't run on this machine; undefined when it can. */
  available?(): Promise<string | undefined>;
  /** Listens on a free port of 127.0.0.1 and answers `add`, `echo` and `callback`. */
  server(): Promise<PeerServer>;
  /** Connects; rejects when nobody listens there. Each client has a connection of its own. */
  client(address: string): Promise<PeerClient>;
}

/** The serving side of a peer. */
export interface PeerServer {
  /** Whatever the peer's own `client` understands. */
  readonly address: string;
  /** Stops listening and drops what is connected. */
  close(): Promise<void>;
}

/** The calling side of a peer, over one connection. Calls may overlap without limit. */
export interface PeerClient {
  /** The sum of `a` and `b`, computed by the server. */
  add(a: number, b: number): Promise<number>;
  /** What the server decoded, encoded again by it. */
  echo(payload: Payload): Promise<Payload>;
  /** The server calls `bump(n)` in this client over the same connection and answers with `afterCallback` of its result. */
  callback(n: number): Promise<number>;
  /** Measures in place of the harness, where calls are made by a program that isn't this one. */
  measure?(workload: MeasuredWorkload, timing: Timing): Promise<Measurement>;
  close(): Promise<void>;
}

/** What a client that measures itself has to know of a workload. */
export interface MeasuredWorkload {
  readonly name: string;
  readonly kind: string;
  readonly inFlight: number;
}

/** What runs in the client when the server calls back. */
export function bump(n: number): number {
  return n + 1;
}

/** What the server makes of the client's answer, so that a callback that never happened shows in the result. */
export function afterCallback(bumped: number): number {
  return bumped * 2;
}
