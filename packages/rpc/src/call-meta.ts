import { ColloquyError, isMap } from "@colloquy/core";

/** What a request tells of its call beside path and arguments, `docs/protocol.md` section 2. */
export interface CallMeta {
  /** Milliseconds that the caller waits yet. */
  readonly deadline?: number | undefined;
  /** Calls that this one is made for, one within another. */
  readonly hops?: number | undefined;
  /** Metadata, not checked yet. */
  readonly data?: unknown;
  /** A W3C `traceparent`. */
  readonly trace?: unknown;
}

const NOTHING: CallMeta = {};

/** What is malformed is left out. */
export function readMeta(meta: unknown): CallMeta {
  if (!isMap(meta)) return NOTHING;
  const { deadline, hops, data, trace } = meta;
  return {
    deadline: typeof deadline === "number" && deadline >= 0 ? deadline : undefined,
    hops: typeof hops === "number" && Number.isSafeInteger(hops) && hops > 0 ? hops : undefined,
    data,
    trace,
  };
}

/** What a call fails with that is the last of too many, one within another: they may go round in a ring. */
export function tooManyHops(maxHopCount: number): ColloquyError {
  const reason = `a call within more than ${maxHopCount} others (maxHopCount)`;
  return new ColloquyError("RESOURCE_EXHAUSTED", reason, { executed: "no" });
}
