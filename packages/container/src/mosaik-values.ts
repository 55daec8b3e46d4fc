import { describeType, formatPlace } from "@colloquy/core";
import type { PlaceStep } from "@colloquy/core";
import { shown, wrong } from "./mosaik-meta.ts";

const MAX_DEPTH = 100;

/**
 * Holds a value against what JSON carries: `what` says whose it is. Without it a service would cross as a path, which means nothing
 * to mosaik.
 *
 * @throws ColloquyError `INVALID_ARGUMENT` with the place of what JSON doesn't carry.
 */
export function checkJson(value: unknown, what: string, start: readonly PlaceStep[] = []): void {
  check(value, what, [...start]);
}

function check(value: unknown, what: string, place: PlaceStep[]): void {
  switch (typeof value) {
    case "string":
    case "boolean":
      return;
    case "number":
      if (Number.isFinite(value)) return;
      throw refusal(value, what, place);
    case "object":
      if (value === null) return;
      if (place.length > MAX_DEPTH) throw wrong(`${what} has more than ${MAX_DEPTH} levels`);
      if (Array.isArray(value)) return checkEach(value.entries(), what, place);
      if (!isPlain(value)) throw refusal(value, what, place);
      return checkEach(Object.entries(value), what, place);
    default:
      throw refusal(value, what, place);
  }
}

function checkEach(entries: Iterable<[string | number, unknown]>, what: string, place: PlaceStep[]): void {
  for (const [step, value] of entries) {
    place.push(step);
    check(value, what, place);
    place.pop();
  }
}

/** True for `{...}`, and for an object without a prototype. */
export function isPlain(value: unknown): value is Readonly<Record<string, unknown>> {
  if (typeof value !== "object" || value === null) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}

function refusal(value: unknown, what: string, place: readonly PlaceStep[]): Error {
  const where = place.length === 0 ? "" : ` at ${formatPlace(place)}`;
  const kind = typeof value === "object" || typeof value === "function" ? describeType(value) : shown(value);
  return wrong(`${what} has ${kind}${where}, which JSON doesn't carry: make it a number, a text, a list or a map`);
}

/**
 * Refuses what is no time of mosaik: an integer from 0 on.
 *
 * @throws ColloquyError `INVALID_ARGUMENT`.
 */
export function checkTime(time: unknown, what: string): asserts time is number {
  if (Number.isSafeInteger(time) && (time as number) >= 0) return;
  throw wrong(`${what} must be an integer from 0 on, not ${shown(time)}: times of mosaik are integers`);
}
