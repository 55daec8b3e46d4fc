import type { Limits } from "@colloquy/rpc";

export const MEBIBYTE = 1_048_576;

/** A heap of 64 MiB can't hold what one connection may take by default: each limit is as much smaller. */
export const VICTIM_LIMITS: Limits = {
  maxMessageBytes: MEBIBYTE,
  maxSegmentBytes: 8 * MEBIBYTE,
  maxDecodedCost: 8 * MEBIBYTE,
  maxDepth: 64,
  maxPathBytes: 256,
  maxPathPartCount: 16,
  maxArgumentCount: 255,
  maxRunningCount: 256,
  maxTotalRunningCount: 1000,
  maxHeldBytes: 16 * MEBIBYTE,
  maxPendingCount: 1000,
  maxReferenceCount: 1000,
  maxStreamCount: 64,
  maxHopCount: 32,
  maxOverheadPerSecond: 1000,
  maxConnectionCount: 200,
  maxQueuedBytes: MEBIBYTE,
  helloTimeoutMs: 2000,
  messageTimeoutMs: 1000,
  writeStallMs: 1000,
  closeGraceMs: 1000,
  pingIntervalMs: 30_000,
  pingTimeoutMs: 20_000,
};

/** As long as a text may be in one message, with room for its head. */
export const MOST_TEXT: number = VICTIM_LIMITS.maxMessageBytes - 100;
/** One message while it is read and decoded. */
export const MESSAGE_BYTES: number = VICTIM_LIMITS.maxMessageBytes + VICTIM_LIMITS.maxDecodedCost;
/** Of the engine: twelve of its young generation, with the flag below, and what it takes to read, to write, and for its code. */
export const ENGINE_BYTES: number = 20 * MEBIBYTE;
/** What brotli looks back in, a half more while it grows, which the allocator keeps for each of four threads. */
export const UNPACKING_BYTES: number = 4 * 6 * MEBIBYTE;
/** A bomb unpacked as a whole is more than twice all of these. */
export const BOMB_BYTES: number = 256 * MEBIBYTE;
export const VICTIM_FLAGS: readonly string[] = ["--max-old-space-size=64", "--max-semi-space-size=4"];
