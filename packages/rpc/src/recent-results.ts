import { estimateBytes, refusal, SerializationError } from "@colloquy/core";
import { isService, isStreamValue } from "./members.ts";
import { plainCopy } from "./plain-copy.ts";
import { nodeOf } from "./proxy.ts";
import { mayHaveResult, misplaced } from "./result-places.ts";

/** Results that are kept of services and functions, and of calls under way. */
const FEW = 64;
/** Of all, once the peer has addressed one. */
const MANY = 1024;
const LARGEST_KEPT_BYTES = 4096;
/** Values of one message that are looked at, where serializers take some of them. */
const MOST_LOOKED_AT = 65_536;
/** Of most connections; never written. */
const NOTHING: unknown[] = [];

/**
 * What the latest requests of a peer have led to, for calls on results that the peer hasn't got yet: a value, or a promise where the
 * method has not ended. What is forgotten is no loss but of time: the peer waits for the result then.
 */
export class RecentResults {
  /** The message that is being decoded has results in it: of others, or values that they have become. */
  #isFound = false;
  /** How many of others. */
  #count = 0;
  readonly #looking = { left: MOST_LOOKED_AT };
  /** How many the requests have that have some: one may be handled later than it is decoded. */
  #wanted: WeakMap<object, number> | undefined;
  /** Both are made when the first one is kept. */
  #ids: (number | undefined)[] | undefined;
  #results = NOTHING;
  #keepsAll = false;

  keep(id: number, result: unknown): void {
    this.#ids ??= this.#makeRoom(FEW);
    const slot = id & (this.#ids.length - 1);
    this.#ids[slot] = id;
    this.#results[slot] = result;
  }

  /** A call has ended with a result, which is kept where it may be addressed. Most aren't worth it before the peer has addressed any. */
  settle(id: number, result: unknown): void {
    if (mayBeCalled(result)) return this.keep(id, result);
    const kept = this.#keepsAll && isSmall(result) ? plainCopy(result) : undefined;
    if (kept === undefined) this.leave(id);
    else this.keep(id, kept[0]);
  }

  /** A call has ended without a result that may be addressed. */
  leave(id: number): void {
    const slot = this.#slotOf(id);
    if (slot >= 0) this.#drop(slot);
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

  /** A result is in the message that is being decoded: of another request where that isn't its value. */
  onFound(isReference: boolean): void {
    this.#isFound = true;
    if (isReference) this.#count++;
  }

  /** @throws SerializationError for data with a result in it, of which something else is made before that is there. */
  checkData(data: unknown): void {
    if (this.#count > 0 && mayHaveResult(data, this.#looking)) throw misplaced();
  }

  /** A message has been decoded. Returns why it is refused. */
  begin(isAnswer: boolean, content: unknown): SerializationError | undefined {
    if (!this.#isFound) return undefined;
    const count = this.#count;
    this.#isFound = false;
    this.#count = 0;
    this.#looking.left = MOST_LOOKED_AT;
    if (isAnswer) return new SerializationError("the result of a request, which is for arguments only");
    if (count > 0 && typeof content === "object" && content !== null)
      (this.#wanted ??= new WeakMap<object, number>()).set(content, count);
    return undefined;
  }

  /** How many results of others a request has in it. */
  wantedBy(request: object): number {
    return this.#wanted?.get(request) ?? 0;
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

function isSmall(result: unknown): boolean {
  return estimateBytes(result, LARGEST_KEPT_BYTES) <= LARGEST_KEPT_BYTES;
}

function isPlain(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === Array.prototype;
}
