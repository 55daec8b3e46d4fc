import { isMap, refusal } from "@colloquy/core";
import type { ColloquyError } from "@colloquy/core";

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
  /** Slots of mailboxes that wait for the call, not checked yet. */
  readonly chain?: unknown;
}

const MAX_SLOT_LENGTH = 64;

const NOTHING: CallMeta = {};

/** What is malformed is left out. */
export function readMeta(meta: unknown): CallMeta {
  if (!isMap(meta)) return NOTHING;
  const { deadline, hops, data, trace, chain } = meta;
  return {
    deadline: typeof deadline === "number" && deadline >= 0 ? deadline : undefined,
    hops: typeof hops === "number" && Number.isSafeInteger(hops) && hops > 0 ? hops : undefined,
    data,
    trace,
    chain,
  };
}

/**
 * The slots of a chain that has come with a call; undefined for what is malformed.
 *
 * @throws ColloquyError `RESOURCE_EXHAUSTED` for more than `maxCount`.
 */
export function chainOf(chain: unknown, maxCount: number): readonly string[] | undefined {
  if (!Array.isArray(chain) || chain.length === 0) return undefined;
  if (chain.length > maxCount) throw tooManyHops(maxCount);
  return chain.every(isSlot) ? chain : undefined;
}

/** True for what may name a slot of a mailbox. */
export function isSlot(value: unknown): value is string {
  return typeof value === "string" && value.length > 0 && value.length <= MAX_SLOT_LENGTH;
}

/** What a call fails with that is the last of too many, one within another: they may go round in a ring. */
export function tooManyHops(maxHopCount: number): ColloquyError {
  const reason = `a call within more than ${maxHopCount} others (maxHopCount)`;
  return refusal("RESOURCE_EXHAUSTED", reason, { limit: "maxHopCount" });
}
