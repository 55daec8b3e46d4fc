import { NEW_KEY_COST, TABLE_ENTRY_COST } from "./decoded-cost.ts";
import { indexKeyCost, indexOfKeyBytes } from "./index-key-cost.ts";

/** Lists that are told from new ones; what comes beyond counts as new. */
const MAX_KNOWN_COUNT = 4096;
/** Engines make a list anew for each key that is added to it. */
const SQUARE_COST = 5;
const LONGEST_SQUARED = 64;
/** Of the process: nobody can make lists that look the same. */
const START = Math.trunc(Math.random() * 0x4000_0000);
const FACTOR = 0x0100_0193 ^ (Math.trunc(Math.random() * 0x1_0000) << 1);

/** What is kept for each depth: of the keys so far their hash, their count, what they cost where they are new; the hash before. */
const HASH = 0;
const COUNT = 1;
const NEW_COST = 2;
const BEFORE = 3;
const FIELD_COUNT = 4;
const FIRST_DEPTH = 96;
const LAST_DIGIT = 0x39;

/**
 * What the keys of the maps in one large message cost. Maps that have the keys of an earlier one, in the same order, share with it
 * what the engine knows of them: they cost nothing more. Each other list of keys takes memory of its own, which grows with the
 * square of its length at first.
 */
export class KeyLists {
  readonly #bytes: Uint8Array;
  readonly #longestShared: number;
  readonly #known = new Set<number>();
  #fields = new Int32Array(FIELD_COUNT * FIRST_DEPTH);
  /** By depth, the highest key that is an index; undefined where there was none yet. */
  #highest: number[] | undefined;

  /** A map of more than `longestShared` keys shares nothing. */
  constructor(bytes: Uint8Array, longestShared: number) {
    this.#bytes = bytes;
    this.#longestShared = longestShared;
  }

  /** A map starts at this depth. */
  open(depth: number): void {
    const first = FIELD_COUNT * depth;
    if (first >= this.#fields.length) this.#deepen();
    const fields = this.#fields;
    fields[first + HASH] = START;
    fields[first + COUNT] = 0;
    fields[first + NEW_COST] = 0;
    if (this.#highest !== undefined) this.#highest[depth] = -1;
  }

  /** Its next key is `bytes[start..end)`. Returns what it costs in any case: the gap before a key that is an index. */
  add(depth: number, start: number, end: number): number {
    const [bytes, fields] = [this.#bytes, this.#fields];
    const first = FIELD_COUNT * depth;
    let hash = fields[first + HASH]!;
    for (let index = start; index < end; index++) hash = Math.imul(hash ^ bytes[index]!, FACTOR);
    fields[first + HASH] = Math.imul(hash ^ 0x100, FACTOR);
    fields[first + COUNT]!++;
    fields[first + NEW_COST]! += NEW_KEY_COST + end - start;
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
    return fields[first + NEW_COST]! + SQUARE_COST * squared * squared;
  }

  #isKnown(hash: number): boolean {
    if (this.#known.has(hash)) return true;
    if (this.#known.size < MAX_KNOWN_COUNT) this.#known.add(hash);
    return false;
  }

  #addIndex(depth: number, start: number, end: number): number {
    const key = indexOfKeyBytes(this.#bytes, start, end);
    this.#highest ??= [];
    const highest = this.#highest[depth] ?? -1;
    if (key <= highest) return 0;
    this.#highest[depth] = key;
    return indexKeyCost(key, highest);
  }

  #deepen(): void {
    const fields = new Int32Array(2 * this.#fields.length);
    fields.set(this.#fields);
    this.#fields = fields;
  }
}
