/**
 * The tests of rpc run twice: with connections in process, and over TCP. What runs once, in the first run, stands here; no other test
 * may depend on what carries its connections. `vitest.config.ts` reads this.
 */
export const RUNS_ONCE = {
  /** Files whose tests make no connection. */
  withoutConnection: [
    "abort-listeners.test.ts",
    "backoff.test.ts",
    "close-listeners.test.ts",
    "parameters.test.ts",
    "path.test.ts",
    "router.test.ts",
    "succession.test.ts",
    "types-budget.test.ts",
  ],
  /** Files whose tests all need a socket or a process of their own. */
  ownSockets: ["faults.test.ts", "hostile/t24-slow-handshake.test.ts", "imports.test.ts", "segments.test.ts"],
  /** Single tests that do so, by the beginning of their names. */
  ownSocket: [
    "that was answered in time doesn't fail because this process was busy",
    "as a frozen process is noticed within interval + timeout + 1 s",
    "takes no living peer for dead, in this process or in another",
    "isn't missed by a process that was busy while the answers came",
    "because its process was killed rejects 1,000 calls in flight within a second",
    "a process with a client that reconnects keeps nothing of lost connections, and ends once it is closed",
  ],
  /** Tests that count what waits in this process. */
  inProcess: [
    "is RESOURCE_EXHAUSTED, and names the limit; without a connection it is CONNECTION_LOST",
    "says no where its request waited for room and never left",
    "are not defined early: a slow reader gets everything right over local",
  ],
} as const;
