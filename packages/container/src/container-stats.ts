import type { ConnectionTotals } from "@colloquy/rpc";

/** Counters of one container, with those of its connections in sums. Both ends count of a connection to itself. */
export interface ContainerStats extends ConnectionTotals {
  /** Agents that can be called. */
  readonly agents: number;
  /** Agents that start, stop, or are being restarted: their ids are taken. */
  readonly absentAgents: number;
  /** Monitors that this container and its agents have set up. */
  readonly monitors: number;
  /** Monitors of other containers for agents of this one. */
  readonly watchers: number;
  /** Calls that wait for their turn in mailboxes of agents. */
  readonly waitingCalls: number;
  /** What waits on the clock: sleeps, ticks and callbacks. Undefined where the clock is one's own and doesn't count. */
  readonly timers: number | undefined;
}
