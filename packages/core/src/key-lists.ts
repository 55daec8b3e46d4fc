import { indexKeyCost, indexOfKeyBytes } from "./index-key-cost.ts";

/** Lists that are told from new ones; what comes beyond counts as new. */
const MAX_KNOWN_COUNT = 4096;
/** A key of a list that is new, beyond its characters: the key, its place in the list, and what is made on the way. */
const NEW_KEY_COST = 96;
/** A key in a map that has a table of its own for its keys. */
const TABLE_ENTRY_COST = 48;
/** Engines make a list anew for each key that is added to it. */
const SQUARE_COST = 5;
const LONGEST_SQUARED = 64;
const FIRST_DEPTH = 128;
/** Of the process: nobody can make lists that look the same. */
const START = Math.trunc(Math.random() * 0x4000_0000);
const FACTOR = 0x0100_0193 ^ (Math.trunc(Math.random() * 0x1_0000) << 1);

/**
 * What the keys of the maps in one large message cost. Maps that have the keys of an earlier one, in the same order, share with it
 * what the engine knows of them: they cost nothing more. Each other list of keys takes memory of its own, which grows with the
 * square of its length at first.
 */
export class KeyLists {
  readonly #bytes: Uint8Array;
  readonly #longestShared: number;
  readonly #known = new Set<number>();
  /** By depth: of the keys that the map there has so far, and the hash of the list that the one before it had. */
  #hashes = new Int32Array(FIRST_DEPTH);
  #counts = new Int32Array(FIRST_DEPTH);
  #lengths = new Int32Array(FIRST_DEPTH);
  #highest = new Float64Array(FIRST_DEPTH);
  #before = new Int32Array(FIRST_DEPTH);

  /** A map of more than `longestShared` keys shares nothing. */
  constructor(bytes: Uint8Array, longestShared: number) {
    this.#bytes = bytes;
    this.#longestShared = longestShared;
  }

  /** A map starts at this depth. */
  open(depth: number): void {
    if (depth >= this.#hashes.length) this.#deepen();
    this.#hashes[depth] = START;
    this.#counts[depth] = 0;
    this.#lengths[depth] = 0;
    this.#highest[depth] = -1;
  }

  /** Its next key is `bytes[start..end)`. Returns what it costs in any case: the gap before a key that is an index. */
  add(depth: number, start: number, end: number): number {
    const bytes = this.#bytes;
    let hash = this.#hashes[depth]!;
    for (let index = start; index < end; index++) hash = Math.imul(hash ^ bytes[index]!, FACTOR);
    this.#hashes[depth] = Math.imul(hash ^ 0x100, FACTOR);
    this.#counts[depth]!++;
    this.#lengths[depth]! += end - start;
    const key = indexOfKeyBytes(bytes, start, end);
    const highest = this.#highest[depth]!;
    if (key <= highest) return 0;
    this.#highest[depth] = key;
    return indexKeyCost(key, highest);
  }

  /** Its end. Returns what the list of its keys costs. */
  close(depth: number): number {
    const count = this.#counts[depth]!;
    const isTable = count > this.#longestShared;
    if (this.#isKnown(this.#hashes[depth]!, depth)) return isTable ? count * TABLE_ENTRY_COST : 0;
    const squared = isTable ? this.#longestShared : count;
    return this.#lengths[depth]! + count * NEW_KEY_COST + SQUARE_COST * Math.min(squared, LONGEST_SQUARED) ** 2;
  }

  #isKnown(hash: number, depth: number): boolean {
    if (hash === this.#before[depth]) return true;
    this.#before[depth] = hash;
    if (this.#known.has(hash)) return true;
    if (this.#known.size < MAX_KNOWN_COUNT) this.#known.add(hash);
    return false;
  }

  #deepen(): void {
    const depth = 2 * this.#hashes.length;
    this.#hashes = longer(this.#hashes, new Int32Array(depth));
    this.#counts = longer(this.#counts, new Int32Array(depth));
    this.#lengths = longer(this.#lengths, new Int32Array(depth));
    this.#highest = longer(this.#highest, new Float64Array(depth));
    this.#before = longer(this.#before, new Int32Array(depth));
  }
}

function longer<T extends Int32Array | Float64Array>(from: T, to: T): T {
  to.set(from);
  return to;
}
