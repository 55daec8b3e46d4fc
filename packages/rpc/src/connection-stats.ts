import type { Endpoint, EndpointStats } from "@colloquy/core";
import type { SignalCounts } from "./signals.ts";

/** Counters of one connection. */
export interface ConnectionStats extends EndpointStats {
  /** Functions, services and streams of this side that the other side holds. */
  readonly exportedReferences: number;
  /** Functions, services and streams of the other side that this side holds. */
  readonly importedReferences: number;
  /** Streams of this side that the other side reads. */
  readonly exportedStreams: number;
  /** Streams of the other side that this side holds and has not read to the end. */
  readonly importedStreams: number;
  /** Decoded bytes, as `maxHeldBytes` counts them, that items of such streams hold which nobody has read yet. */
  readonly unreadBytes: number;
  /** Abort signals of this side that have crossed and may fire. */
  readonly exportedSignals: number;
  /** Abort signals of the other side that may fire. */
  readonly importedSignals: number;
  /** Results of this side, and promises of them, that are kept for calls on them. */
  readonly keptResults: number;
  /** Notifications of the other side whose methods run. */
  readonly runningNotifications: number;
  /** Calls of this side that run on methods of its own which the other side has named. */
  readonly runningNamedCalls: number;
  /** Failed calls on received functions: a subscriber has left, or has thrown. */
  readonly failedFunctionCalls: number;
  /** Notifications that could not be sent, or not be carried out. */
  readonly failedNotifications: number;
}

/** Counters of several connections: `connections` of them, with the sums of what each counts. Those that have ended don't count. */
export interface ConnectionTotals extends ConnectionStats {
  readonly connections: number;
}

/** What the part of a connection counts that takes what arrives. */
export interface IncomingCounts {
  readonly streams: number;
  readonly keptResults: number;
  readonly notifications: number;
  readonly namedCalls: number;
}

/** The counters of a connection, from what keeps them. */
export function statsOf(
  endpoint: Endpoint,
  exports: { readonly size: number },
  imports: { readonly size: number; readonly streamCount: number; readonly unread: { readonly held: number } },
  incoming: { readonly counts: IncomingCounts },
  binding: { readonly signalCounts: SignalCounts },
  silent: { readonly functionCalls: number; readonly notifications: number },
): ConnectionStats {
  const { streams, keptResults, notifications, namedCalls } = incoming.counts;
  const { own, theirs } = binding.signalCounts;
  const stats = endpoint.stats();
  // One by one: to spread them takes many times longer.
  return {
    sentMessages: stats.sentMessages,
    sentBytes: stats.sentBytes,
    receivedMessages: stats.receivedMessages,
    receivedBytes: stats.receivedBytes,
    pending: stats.pending,
    running: stats.running,
    heldBytes: stats.heldBytes,
    waiting: stats.waiting,
    queuedBytes: stats.queuedBytes,
    lateAnswers: stats.lateAnswers,
    exportedReferences: exports.size,
    importedReferences: imports.size,
    exportedStreams: streams,
    importedStreams: imports.streamCount,
    unreadBytes: imports.unread.held,
    exportedSignals: own,
    importedSignals: theirs,
    keptResults,
    runningNotifications: notifications,
    runningNamedCalls: namedCalls,
    failedFunctionCalls: silent.functionCalls,
    failedNotifications: silent.notifications,
  };
}

const ZERO: ConnectionStats = Object.freeze({
  sentMessages: 0,
  sentBytes: 0,
  receivedMessages: 0,
  receivedBytes: 0,
  pending: 0,
  running: 0,
  heldBytes: 0,
  waiting: 0,
  queuedBytes: 0,
  lateAnswers: 0,
  exportedReferences: 0,
  importedReferences: 0,
  exportedStreams: 0,
  importedStreams: 0,
  unreadBytes: 0,
  exportedSignals: 0,
  importedSignals: 0,
  keptResults: 0,
  runningNotifications: 0,
  runningNamedCalls: 0,
  failedFunctionCalls: 0,
  failedNotifications: 0,
});

/** The sums of the counters of several connections. */
export function totalsOf(all: Iterable<{ stats(): ConnectionStats }>): ConnectionTotals {
  const totals: Record<keyof ConnectionStats, number> = { ...ZERO };
  let connections = 0;
  for (const one of all) {
    connections++;
    const stats = one.stats();
    for (const name of Object.keys(ZERO) as (keyof ConnectionStats)[]) totals[name] += stats[name];
  }
  return { connections, ...totals };
}
