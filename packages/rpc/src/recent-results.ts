import { estimateBytes, refusal, SerializationError } from "@colloquy/core";
import { ignore } from "./guard.ts";
import { isService, isStreamValue } from "./members.ts";
import { nodeOf } from "./proxy.ts";

/** Results that are kept of services and functions, and of calls under way. */
const FEW = 64;
/** Of all, once the peer has addressed one. */
const MANY = 1024;
const LARGEST_KEPT_BYTES = 4096;
/** Of most connections; never written. */
const NOTHING: unknown[] = [];

/** The result of an earlier request, in the arguments of a later one. */
export class ResultReference {
  readonly id: number;
  readonly rest: string;

  constructor(id: number, rest: string) {
    this.id = id;
    this.rest = rest;
  }

  /** The same for the same result. */
  get key(): string {
    return `${this.id}/${this.rest}`;
  }
}

/**
 * What the latest requests of a peer have led to, for calls on results that the peer hasn't got yet: a value, or a promise where the
 * method has not ended. What is forgotten is no loss but of time: the peer waits for the result then.
 */
export class RecentResults {
  /** The message that is being decoded has results of others in it. */
  found = false;
  /** The request that has come last has them among its arguments. */
  wanted = false;
  /** Both are made when the first one is kept. */
  #ids: (number | undefined)[] | undefined;
  #results = NOTHING;
  #keepsAll = false;

  /** Whether this one may be addressed. Most aren't worth it before the peer has addressed any. */
  isWorthKeeping(result: unknown): boolean {
    if (mayBeCalled(result)) return true;
    return this.#keepsAll && estimateBytes(result, LARGEST_KEPT_BYTES) <= LARGEST_KEPT_BYTES;
  }

  keep(id: number, result: unknown): void {
    this.#ids ??= this.#makeRoom(FEW);
    const slot = id & (this.#ids.length - 1);
    this.#ids[slot] = id;
    this.#results[slot] = result;
  }

  /** A call under way has ended: `settled` says whether with a result that is kept. */
  settle(id: number, result: unknown, isKept: boolean): void {
    const slot = this.#slotOf(id);
    if (isKept) this.keep(id, result);
    else if (slot >= 0) this.#drop(slot);
  }

  /** The peer has got `result`, and has let go of it. */
  forget(result: object): void {
    for (let slot = this.#results.indexOf(result); slot >= 0; slot = this.#results.indexOf(result)) this.#drop(slot);
  }

  /** @throws ColloquyError `RESULT_NOT_KEPT` */
  get(id: number): unknown {
    const slot = this.#slotOf(id);
    if (!this.#keepsAll) this.#keepAll();
    if (slot < 0)
      throw refusal("RESULT_NOT_KEPT", `the result of request ${id} isn't kept: await it, and use what has come`);
    return this.#results[this.#slotOf(id)];
  }

  /** A message has been decoded. Returns why it is refused. */
  begin(isAnswer: boolean): SerializationError | undefined {
    const { found } = this;
    this.found = false;
    this.wanted = found && !isAnswer;
    return found && isAnswer
      ? new SerializationError("the result of a request, which is for arguments only")
      : undefined;
  }

  /** How many are kept. */
  get size(): number {
    return this.#ids?.reduce<number>((count, id) => (id === undefined ? count : count + 1), 0) ?? 0;
  }

  clear(): void {
    this.#ids = undefined;
    this.#results = NOTHING;
  }

  #makeRoom(count: number): (number | undefined)[] {
    this.#results = Array.from<undefined>({ length: count }).fill(undefined);
    return Array.from<undefined>({ length: count }).fill(undefined);
  }

  #slotOf(id: number): number {
    if (this.#ids === undefined) return -1;
    const slot = id & (this.#ids.length - 1);
    return this.#ids[slot] === id ? slot : -1;
  }

  #drop(slot: number): void {
    this.#ids![slot] = undefined;
    this.#results[slot] = undefined;
  }

  #keepAll(): void {
    const [ids, results] = [this.#ids ?? [], this.#results];
    this.#keepsAll = true;
    this.#ids = this.#makeRoom(MANY);
    for (const [slot, id] of ids.entries()) if (id !== undefined) this.keep(id, results[slot]);
  }
}

/** True for functions, services and streams, of this side or of another one. */
export function mayBeCalled(result: unknown): boolean {
  if (typeof result === "function") return true;
  if (typeof result !== "object" || result === null || isPlain(result)) return false;
  return isService(result) || isStreamValue(result) || nodeOf(result) !== undefined;
}

function isPlain(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === Array.prototype;
}

/** A place in a value where a result is to stand. */
interface Place {
  readonly reference: ResultReference;
  put(result: unknown): void;
}

/**
 * Puts results in the places where they are referred to; arrays, maps, Maps and Sets are changed in place. All are looked up at once, each
 * one once, up to the first that `resultOf` throws for; what has no references in it is looked at without waiting.
 */
export async function replaceResults(
  value: object,
  resultOf: (reference: ResultReference) => Promise<unknown>,
): Promise<void> {
  const places: Place[] = [];
  findPlaces(value, places, new Set());
  const promises = new Map<string, Promise<unknown>>();
  for (const { reference } of places) {
    const { key } = reference;
    if (promises.has(key)) continue;
    const promise = resultOf(reference);
    // A later one may throw.
    promise.catch(ignore);
    promises.set(key, promise);
  }
  const results = await Promise.all(promises.values());
  const byKey = new Map([...promises.keys()].map((key, index) => [key, results[index]]));
  for (const { reference, put } of places) put(byKey.get(reference.key));
}

/** Each object once: there may be cycles, and what is shared. */
function findPlaces(value: unknown, places: Place[], seen: Set<object>): void {
  if (typeof value !== "object" || value === null || seen.has(value)) return;
  if (Array.isArray(value)) {
    seen.add(value);
    for (let index = 0; index < value.length; index++)
      lookAt(value[index], (result) => (value[index] = result), places, seen);
  } else if (value instanceof Map) {
    seen.add(value);
    for (const [key, item] of value) lookAt(item, (result) => value.set(key, result), places, seen);
  } else if (value instanceof Set) {
    seen.add(value);
    for (const item of value) lookAt(item, (result) => value.delete(item) && value.add(result), places, seen);
  } else if (isPlain(value)) {
    seen.add(value);
    const map = value as Record<string, unknown>;
    for (const key of Object.keys(map)) lookAt(map[key], (result) => (map[key] = result), places, seen);
  }
}

function lookAt(item: unknown, put: (result: unknown) => void, places: Place[], seen: Set<object>): void {
  if (item instanceof ResultReference) places.push({ reference: item, put });
  else findPlaces(item, places, seen);
}
