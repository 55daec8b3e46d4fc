import { NEW_KEY_COST, TABLE_ENTRY_COST } from "./decoded-cost.ts";
import { indexKeyCost, indexOfKeyBytes } from "./index-key-cost.ts";

/** Lists that are told from new ones; what comes beyond counts as new. */
const MAX_KNOWN_COUNT = 4096;
/** What is left of a hash is a place among four times as many. */
const PLACE_SHIFT = 18;
/** Engines make a list anew for each key that is added to it. */
const SQUARE_COST = 5;
const LONGEST_SQUARED = 64;
/** Hash of no keys. Of the process: nobody can make lists that look the same. */
export const NO_KEYS: number = Math.trunc(Math.random() * 0x4000_0000);
const FACTOR = 0x0100_0193 ^ (Math.trunc(Math.random() * 0x1_0000) << 1);

/** What is kept for each depth: of the keys so far their hash, their count, their bytes; the hash before. */
const HASH = 0;
const COUNT = 1;
const KEY_BYTES = 2;
const BEFORE = 3;
const FIELD_COUNT = 4;
const FIRST_DEPTH = 96;
/** Keys that start with a byte beyond are no indices. */
export const LAST_DIGIT = 0x39;

/** The hash of the keys that have `hash`, and of another one behind them. */
export function hashKey(hash: number, bytes: Uint8Array, start: number, end: number): number {
  let result = hash;
  for (let index = start; index < end; index++) result = Math.imul(result ^ bytes[index]!, FACTOR);
  return Math.imul(result ^ 0x100, FACTOR);
}

/**
 * What the keys of the maps in one large message cost. Maps that have the keys of an earlier one, in the same order, share with it
 * what the engine knows of them: they cost nothing more. Each other list of keys takes memory of its own, which grows with the
 * square of its length at first.
 */
export class KeyLists {
  readonly #bytes: Uint8Array;
  readonly #longestShared: number;
  /** The hashes of those that came, 0 where there is none. */
  readonly #known = new Int32Array(4 * MAX_KNOWN_COUNT);
  #knownCount = 0;
  #fields = new Int32Array(FIELD_COUNT * FIRST_DEPTH);
  /** By depth, the highest key that is an index; undefined where there was none yet. */
  #highest: number[] | undefined;

  /** A map of more than `longestShared` keys shares nothing. */
  constructor(bytes: Uint8Array, longestShared: number) {
    this.#bytes = bytes;
    this.#longestShared = longestShared;
  }

  /** A map starts at this depth. The keys that were read ahead have this hash, count, and sum of bytes. */
  open(depth: number, hash: number, count: number, keyBytes: number): void {
    const first = FIELD_COUNT * depth;
    if (first >= this.#fields.length) this.#deepen();
    const fields = this.#fields;
    fields[first + HASH] = hash;
    fields[first + COUNT] = count;
    fields[first + KEY_BYTES] = keyBytes;
    if (this.#highest !== undefined) this.#highest[depth] = -1;
  }

  /** Its next key is `bytes[start..end)`. Returns what it costs in any case: the gap before a key that is an index. */
  add(depth: number, start: number, end: number): number {
    const bytes = this.#bytes;
    const fields = this.#fields;
    const first = FIELD_COUNT * depth;
    fields[first + HASH] = hashKey(fields[first + HASH]!, bytes, start, end);
    fields[first + COUNT]!++;
    fields[first + KEY_BYTES]! += end - start;
    return start < end && bytes[start]! <= LAST_DIGIT ? this.#addIndex(depth, start, end) : 0;
  }

  /** Its end. Returns what the list of its keys costs. */
  close(depth: number): number {
    const fields = this.#fields;
    const first = FIELD_COUNT * depth;
    const hash = fields[first + HASH]!;
    const count = fields[first + COUNT]!;
    const isTable = count > this.#longestShared;
    if (hash === fields[first + BEFORE] || this.#isKnown(hash)) return isTable ? count * TABLE_ENTRY_COST : 0;
    fields[first + BEFORE] = hash;
    const squared = Math.min(count, this.#longestShared, LONGEST_SQUARED);
    return count * NEW_KEY_COST + fields[first + KEY_BYTES]! + SQUARE_COST * squared * squared;
  }

  #isKnown(hash: number): boolean {
    const known = this.#known;
    let place = hash >>> PLACE_SHIFT;
    for (let found = known[place]!; found !== 0; found = known[place]!) {
      if (found === hash) return true;
      place = (place + 1) % known.length;
    }
    if (this.#knownCount < MAX_KNOWN_COUNT) {
      known[place] = hash;
      this.#knownCount++;
    }
    return false;
  }

  #addIndex(depth: number, start: number, end: number): number {
    const key = indexOfKeyBytes(this.#bytes, start, end);
    this.#highest ??= [];
    const highest = this.#highest[depth] ?? -1;
    if (key < 0) return 0;
    this.#highest[depth] = Math.max(key, highest);
    return indexKeyCost(key, highest);
  }

  #deepen(): void {
    const fields = new Int32Array(2 * this.#fields.length);
    fields.set(this.#fields);
    this.#fields = fields;
  }
}
