import { COMPARED_COST, SLOW_STEP_COST, STEP_COST } from "./decoded-cost.ts";
import { bigIntHash, numberHash } from "./number-hash.ts";
import type { DecodingBudget } from "./serializers.ts";

/** Longer texts have a hash of their length alone. */
export const LONGEST_HASHED_TEXT = 16_383;
/** In fewer entries no chain is long. */
const FEW = 64;
const ENTRIES_OF_BUCKET = 2;
/** Steps through a chain that keys take which nobody has chosen. */
const USUAL_STEPS = 8;
/** Of keys whose hash has a seed. */
const UNKNOWN = -1;
/** As a chain gets by chance, once in a million tables. */
const LONGEST_USUAL = 16;

/** A set of these values. @throws SerializationError where the budget is used up. */
export function setOf(values: readonly unknown[], budget: DecodingBudget): Set<unknown> {
  // From all values at once it is made faster.
  if (!mayMeet(values, 1)) return new Set(values);
  const set = new Set<unknown>();
  addAll(set, values, budget);
  return set;
}

/** Adds all values to a set. @throws SerializationError where the budget is used up. */
export function addAll(set: Set<unknown>, values: readonly unknown[], budget: DecodingBudget): void {
  const chains = mayMeet(values, 1) ? new KeyChains(values.length, budget) : undefined;
  for (let index = 0; index < values.length; index++) {
    chains?.meet(values[index], set.size);
    set.add(values[index]);
  }
}

/** Adds keys and values, which come by turns, to a map. @throws SerializationError where the budget is used up. */
export function setAll(map: Map<unknown, unknown>, entries: readonly unknown[], budget: DecodingBudget): void {
  const chains = mayMeet(entries, 2) ? new KeyChains(entries.length / 2, budget) : undefined;
  for (let index = 0; index < entries.length; index += 2) {
    chains?.meet(entries[index], map.size);
    map.set(entries[index], entries[index + 1]);
  }
}

/**
 * True where the keys may meet one another more than by chance: each `step`th value is one. To look at each key while it is added takes
 * longer.
 */
function mayMeet(values: readonly unknown[], step: 1 | 2): boolean {
  const count = values.length / step;
  const hashes = new Int32Array(count > FEW ? count : 0);
  let hasNumbers = false;
  for (let index = 0; index < count; index++) {
    const key = values[step * index];
    if (typeof key === "string" && key.length > LONGEST_HASHED_TEXT) return true;
    if (count <= FEW) continue;
    const hash = hashOf(key);
    hashes[index] = hash;
    if (hash !== UNKNOWN) hasNumbers = true;
  }
  return hasNumbers && hasLongChain(hashes);
}

/** In any of the tables that the engine makes, one after the other, each when the one before is full. */
function hasLongChain(hashes: Int32Array): boolean {
  let buckets = FEW / ENTRIES_OF_BUCKET;
  while (buckets * ENTRIES_OF_BUCKET < hashes.length) buckets *= 2;
  const chains = new Uint8Array(buckets);
  for (let count = hashes.length; count > FEW; count = buckets * ENTRIES_OF_BUCKET) {
    for (let index = 0; index < count; index++) {
      const hash = hashes[index]!;
      if (hash !== UNKNOWN && ++chains[hash & (buckets - 1)]! > LONGEST_USUAL) return true;
    }
    buckets /= 2;
    chains.fill(0, 0, buckets);
  }
  return false;
}

function hashOf(key: unknown): number {
  if (typeof key === "number") return numberHash(key);
  return typeof key === "bigint" ? bigIntHash(key) : UNKNOWN;
}

/**
 * What the keys of a Map or Set cost where they meet in the engine's table, while it is filled. V8's table has a chain of entries for
 * each bucket, and the hash of numbers has no seed: whoever chooses them can have them all in one chain, which is walked for each
 * new key. This counts the same chains. Where an engine has another hash it counts what isn't there, and little of that.
 */
class KeyChains {
  readonly #budget: DecodingBudget;
  /** Of the keys in the table, in order. */
  readonly #hashes: Int32Array | undefined;
  /** Lengths of the chains. */
  #chains = new Uint16Array(FEW / ENTRIES_OF_BUCKET);
  #longest = 0;
  #size = 0;
  /** Of the key that was met last. */
  #hash = UNKNOWN;
  /** How many long texts there were, by their length. */
  #longTexts: Map<number, number> | undefined;

  /** For a table of at most `count` keys. */
  constructor(count: number, budget: DecodingBudget) {
    this.#budget = budget;
    this.#hashes = count > FEW ? new Int32Array(count) : undefined;
  }

  /**
   * A key is about to be added to the table, which has `size` of them.
   *
   * @throws SerializationError where the budget is used up.
   */
  meet(key: unknown, size: number): void {
    if (typeof key === "string" && key.length > LONGEST_HASHED_TEXT) this.#meetLongText(key.length);
    if (this.#hashes === undefined) return;
    this.#keep(this.#hashes, size);
    this.#hash = hashOf(key);
    if (this.#hash === UNKNOWN) return;
    this.#spend(
      this.#chains[this.#hash & (this.#chains.length - 1)]!,
      typeof key === "bigint" ? SLOW_STEP_COST : STEP_COST,
    );
  }

  /** The key that was met last is in the table now. */
  #keep(hashes: Int32Array, size: number): void {
    // It was there before: where its chain isn't known it may be the longest.
    if (size <= this.#size) return this.#spend(this.#hash === UNKNOWN ? this.#longest : 0, SLOW_STEP_COST);
    hashes[this.#size] = this.#hash;
    this.#size = size;
    if (size > this.#chains.length * ENTRIES_OF_BUCKET) this.#grow(hashes);
    else if (this.#hash !== UNKNOWN) this.#count(this.#hash);
  }

  #spend(steps: number, stepCost: number): void {
    if (steps > USUAL_STEPS) this.#budget.spend((steps - USUAL_STEPS) * stepCost);
  }

  #count(hash: number): void {
    const length = ++this.#chains[hash & (this.#chains.length - 1)]!;
    if (length > this.#longest) this.#longest = length;
  }

  /** The engine makes a table of twice the size. */
  #grow(hashes: Int32Array): void {
    this.#chains = new Uint16Array(2 * this.#chains.length);
    this.#longest = 0;
    for (let index = 0; index < this.#size; index++) if (hashes[index] !== UNKNOWN) this.#count(hashes[index]!);
  }

  /** It is compared with all those of its length. */
  #meetLongText(length: number): void {
    this.#longTexts ??= new Map();
    const before = this.#longTexts.get(length) ?? 0;
    this.#longTexts.set(length, before + 1);
    this.#budget.spend(before * length * COMPARED_COST);
  }
}
