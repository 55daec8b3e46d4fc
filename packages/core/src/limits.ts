import { ColloquyError } from "./errors.ts";
import { checkOptions } from "./options.ts";
import type { OptionKind, OptionKinds } from "./options.ts";

/** Limits of one connection. All are on by default; `docs/limits.md` lists them. */
export interface Limits {
  /** Payload bytes of one message, received or sent. */
  readonly maxMessageBytes: number;
  /**
   * Bytes of the large binary values that travel beside messages, for all messages of one direction that the receiver has not decoded.
   * Compressed ones count with both of their sizes.
   */
  readonly maxSegmentBytes: number;
  /** What one received message may cost in memory while and once it is decoded, by the estimate in `docs/limits.md`. */
  readonly maxDecodedCost: number;
  /** Nesting of arrays and maps in one message, the message itself not counted. */
  readonly maxDepth: number;
  /** UTF-8 bytes of a request's path. */
  readonly maxPathBytes: number;
  /** Parts of a request's path. */
  readonly maxPathPartCount: number;
  /** Positional arguments of a request. */
  readonly maxArgumentCount: number;
  /** Handlers of one connection that run at the same time; a request beyond is answered with `RESOURCE_EXHAUSTED`. */
  readonly maxRunningCount: number;
  /**
   * Decoded bytes, by the estimate in `docs/limits.md`, that running handlers of one connection hold; a request that comes while they
   * hold as much is answered with `RESOURCE_EXHAUSTED`.
   */
  readonly maxHeldBytes: number;
  /** Handlers that run on all connections of one server; they count until they have settled, also where their connection has ended. */
  readonly maxTotalRunningCount: number;
  /** Calls of this side that wait for an answer; one beyond rejects with `RESOURCE_EXHAUSTED`. */
  readonly maxPendingCount: number;
  /** Functions and services that this side has handed out on one connection. */
  readonly maxReferenceCount: number;
  /** Streams of this side that the other one reads at the same time; a read of one beyond fails with `RESOURCE_EXHAUSTED`. */
  readonly maxStreamCount: number;
  /** Calls that are made for one another, as far as they pass their context on; one beyond fails with `RESOURCE_EXHAUSTED`. */
  readonly maxHopCount: number;
  /** What a peer may send in a second that runs no handler: pings, cancels of nothing, what is refused. Beyond, it is read more slowly. */
  readonly maxOverheadPerSecond: number;
  /** Sockets that one server accepts at a time; it takes no more than four fifths of the descriptors that its process may have. */
  readonly maxConnectionCount: number;
  /** Output that waits in one connection; beyond, messages wait before they are encoded. */
  readonly maxQueuedBytes: number;
  /** Time from the accepted or opened connection to the end of hello; a server gives a TLS handshake half of it before. */
  readonly helloTimeoutMs: number;
  /** Time without a byte for a message that has begun to come. */
  readonly messageTimeoutMs: number;
  /** Time for which queued output may not move before the connection is given up. */
  readonly writeStallMs: number;
  /** Time for which `close()` lets running and pending calls finish. */
  readonly closeGraceMs: number;
  /** Time without a byte from the peer after which this side sends a ping; Infinity: none. */
  readonly pingIntervalMs: number;
  /** Time without a byte after a ping until the connection is given up; Infinity: never. */
  readonly pingTimeoutMs: number;
}

const MEBIBYTE = 1_048_576;

/** The limits that hold where nothing else is said. */
export const DEFAULT_LIMITS: Limits = Object.freeze({
  maxMessageBytes: 16 * MEBIBYTE,
  maxSegmentBytes: 512 * MEBIBYTE,
  maxDecodedCost: 128 * MEBIBYTE,
  maxDepth: 64,
  maxPathBytes: 256,
  maxPathPartCount: 16,
  maxArgumentCount: 255,
  maxRunningCount: 1024,
  maxHeldBytes: 256 * MEBIBYTE,
  maxTotalRunningCount: 10_000,
  maxPendingCount: 65_536,
  maxReferenceCount: 10_000,
  maxStreamCount: 256,
  maxHopCount: 32,
  maxOverheadPerSecond: 1000,
  maxConnectionCount: Infinity,
  maxQueuedBytes: 16 * MEBIBYTE,
  helloTimeoutMs: 10_000,
  messageTimeoutMs: 30_000,
  writeStallMs: 10_000,
  closeGraceMs: 10_000,
  pingIntervalMs: 30_000,
  pingTimeoutMs: 20_000,
});

const ABOVE_ZERO: OptionKind = {
  takes: "a number above 0",
  accepts: (value) => typeof value === "number" && value > 0,
};
const KINDS: OptionKinds = Object.fromEntries(Object.keys(DEFAULT_LIMITS).map((name) => [name, ABOVE_ZERO]));

/** Deeper values could use up the stack: they are read and written by recursion. */
const MAX_DEPTH = 1000;

/**
 * What fails a message over `limit`, the smaller of what its sender and its receiver have told; `own` is the sender's. `bytes` is its
 * length, where it is known. The text is the same on both sides: a result fails at its sender, and its caller reads of it.
 */
export function messageTooLarge(bytes: number | undefined, limit: number, own: number): ColloquyError {
  const size = bytes === undefined ? "message is" : `message of ${bytes} bytes is`;
  const side = limit < own ? "its receiver" : "its sender";
  const advice =
    "raise limits.maxMessageBytes there; typed arrays of 32 KiB and more don't count between peers that said hello";
  return new ColloquyError(
    "RESOURCE_EXHAUSTED",
    `${size} larger than the limit of ${limit} bytes of ${side} (maxMessageBytes): ${advice}`,
    { limit: "maxMessageBytes" },
  );
}

/** What a message fails with where `limit` of this side wait to be sent. */
export function tooMuchWaits(limit: number): ColloquyError {
  const reason = `${limit} messages wait to be sent already (maxPendingCount)`;
  return new ColloquyError("RESOURCE_EXHAUSTED", reason, { limit: "maxPendingCount" });
}

/** The longest time that a timer of the system takes; more would fire at once. */
const LONGEST_TIMER_MS = 0x7fff_ffff;

/** `milliseconds` for a timer, Infinity too. */
export function timerMs(milliseconds: number): number {
  return Math.min(milliseconds, LONGEST_TIMER_MS);
}

/** The largest length that a frame header can say: bit 31 marks extended frames. */
export const MAX_FRAME_BYTES = 0x7fff_ffff;

/**
 * The defaults with `changes` over them.
 *
 * @throws ColloquyError `INVALID_ARGUMENT` for what is no object, an unknown name or a value that is no positive number; `maxMessageBytes` is at most 2^31-1,
 * `maxDepth` at most 1,000.
 */
export function resolveLimits(changes: Partial<Limits> = {}): Limits {
  checkOptions("limits", changes, KINDS);
  const entries = Object.entries(changes).filter(([, value]) => (value as number | undefined) !== undefined);
  // One object for all connections that change nothing.
  if (entries.length === 0) return DEFAULT_LIMITS;
  const limits: Record<string, number> = { ...DEFAULT_LIMITS, ...Object.fromEntries(entries) };
  if (changes.maxMessageBytes !== undefined && changes.maxDecodedCost === undefined) {
    limits["maxDecodedCost"] = 8 * changes.maxMessageBytes;
  }
  if (changes.maxHeldBytes === undefined) {
    limits["maxHeldBytes"] = Math.max(DEFAULT_LIMITS.maxHeldBytes, 2 * limits["maxDecodedCost"]!);
  }
  if (limits["maxMessageBytes"]! > MAX_FRAME_BYTES)
    throw new ColloquyError("INVALID_ARGUMENT", `limit maxMessageBytes is over ${MAX_FRAME_BYTES}`);
  if (limits["maxDepth"]! > MAX_DEPTH) {
    const reason = `limit maxDepth is over ${MAX_DEPTH}; deeper values could use up the stack`;
    throw new ColloquyError("INVALID_ARGUMENT", reason);
  }
  return Object.freeze(limits) as unknown as Limits;
}
