import { ColloquyError, estimateBytes, isMap } from "@colloquy/core";

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
}

/**
 * What the latest requests of a peer have led to, for calls on results that the peer hasn't got yet: a value, or a promise where the
 * method has not ended. What is forgotten is no loss but of time: the peer waits for the result then.
 */
export class RecentResults {
  /** A request has results of others among its arguments. */
  wanted = false;
  /** Both are made when the first one is kept. */
  #ids: (number | undefined)[] | undefined;
  #results = NOTHING;
  #keepsAll = false;

  /** Whether this one may be addressed. Most aren't worth it before the peer has addressed any. */
  isWorthKeeping(result: unknown): boolean {
    if (typeof result === "function" || !this.#keepsAll) return mayBeCalled(result);
    return estimateBytes(result, LARGEST_KEPT_BYTES) <= LARGEST_KEPT_BYTES;
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
      throw new ColloquyError(
        "RESULT_NOT_KEPT",
        `the result of request ${id} isn't kept: await it, and use what has come`,
      );
    return this.#results[this.#slotOf(id)];
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

/** True for functions and services, and what else is no plain value. */
export function mayBeCalled(result: unknown): boolean {
  return typeof result === "function" || (typeof result === "object" && result !== null && !isPlain(result));
}

function isPlain(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === Array.prototype;
}

/** `value` where results that were referred to stand in their places; arrays, maps, Maps and Sets are changed in place. */
export async function replaceResults(
  value: unknown,
  resultOf: (reference: ResultReference) => unknown,
): Promise<unknown> {
  if (value instanceof ResultReference) return resultOf(value);
  if (Array.isArray(value)) {
    for (let index = 0; index < value.length; index++) value[index] = await replaceResults(value[index], resultOf);
  } else if (value instanceof Map) {
    for (const [key, item] of value) value.set(key, await replaceResults(item, resultOf));
  } else if (value instanceof Set) {
    const items = [...value];
    value.clear();
    for (const item of items) value.add(await replaceResults(item, resultOf));
  } else if (isMap(value) && isPlain(value)) {
    const map = value as Record<string, unknown>;
    for (const key of Object.keys(map)) map[key] = await replaceResults(map[key], resultOf);
  }
  return value;
}
