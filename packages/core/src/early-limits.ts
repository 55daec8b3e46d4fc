import { tooCostly } from "./decoded-cost.ts";
import { decodedSize } from "./decoded-size.ts";
import type { SerializationError } from "./errors.ts";
import type { Limits } from "./limits.ts";
import { tooDeep } from "./lower-lift.ts";

/** What holds for messages before hello is done, where the limits of the connection aren't smaller. */
export const LIMITS_BEFORE_HELLO: Pick<Limits, "maxMessageBytes" | "maxDecodedCost" | "maxDepth"> = Object.freeze({
  maxMessageBytes: 65_536,
  maxDecodedCost: 524_288,
  maxDepth: 16,
});

/** Hello takes as much, whatever the limits are: with sixty serializers, and credentials of some levels. */
const HELLO_COST = 16_384;
const HELLO_DEPTH = 8;

/** One object for all connections of the same limits. */
const beforeHello = new WeakMap<Limits, Limits>();

/** `limits` for the time before hello is done. */
export function limitsBeforeHello(limits: Limits): Limits {
  const known = beforeHello.get(limits);
  if (known !== undefined) return known;
  const smaller: Limits = Object.freeze({
    ...limits,
    maxMessageBytes: Math.min(limits.maxMessageBytes, LIMITS_BEFORE_HELLO.maxMessageBytes),
    maxDecodedCost: Math.max(Math.min(limits.maxDecodedCost, LIMITS_BEFORE_HELLO.maxDecodedCost), HELLO_COST),
    maxDepth: Math.max(Math.min(limits.maxDepth, LIMITS_BEFORE_HELLO.maxDepth), HELLO_DEPTH),
  });
  beforeHello.set(limits, smaller);
  return smaller;
}

/**
 * What a first message that is no hello fails with where it came through the room that there is for hello only. Its cost is that of its
 * value, as it is held: the bytes are gone.
 */
export function beyondLimits(content: unknown, limits: Limits): SerializationError | undefined {
  const { maxDepth, maxDecodedCost } = limits;
  if (maxDepth < HELLO_DEPTH && isDeeper(content, maxDepth)) return tooDeep();
  if (maxDecodedCost < HELLO_COST && decodedSize(content, maxDecodedCost + 1) > maxDecodedCost) return tooCostly();
  return undefined;
}

function isDeeper(value: unknown, depth: number): boolean {
  if (typeof value !== "object" || value === null) return false;
  const isArray = Array.isArray(value);
  if (!isArray && Object.getPrototypeOf(value) !== Object.prototype) return false;
  return depth < 1 || (isArray ? value : Object.values(value)).some((inner) => isDeeper(inner, depth - 1));
}
