import { FIRST_INDEX_COST, INDEX_COST, LARGE_INDEX_COST, TABLE_ENTRY_COST } from "./decoded-cost.ts";

const ZERO = 0x30;
const NINE = 0x39;
/** Engines keep small whole numbers among the keys in an array as long as its gaps are at most this wide. */
const WIDEST_GAP = 1024;
const LONGEST_INDEX = 10;
const FIRST_LARGE_INDEX = 2 ** 31;

/**
 * What a key that is an index, such as `"1022"`, costs beyond the key itself: the engine makes an array up to it, and half as much
 * again, or a table. `highest` is the highest index of the map so far, -1 for none; one below it may be in a table.
 */
export function indexKeyCost(index: number, highest: number): number {
  const gap = index - highest;
  const placeCost = gap <= 0 || gap > WIDEST_GAP ? TABLE_ENTRY_COST : gap * INDEX_COST;
  return (highest < 0 ? FIRST_INDEX_COST : 0) + placeCost + (index < FIRST_LARGE_INDEX ? 0 : LARGE_INDEX_COST);
}

/** The index that a key is, or -1. */
export function indexOfKey(key: string): number {
  const first = key.charCodeAt(0);
  if (!(first >= ZERO && first <= NINE) || key.length > LONGEST_INDEX) return -1;
  const index = Number(key);
  return Number.isInteger(index) ? index : -1;
}

/** The same for the bytes of a key. */
export function indexOfKeyBytes(bytes: Uint8Array, start: number, end: number): number {
  if (end === start || end - start > LONGEST_INDEX) return -1;
  let index = 0;
  for (let position = start; position < end; position++) {
    const digit = bytes[position]!;
    if (digit < ZERO || digit > NINE) return -1;
    index = index * 10 + digit - ZERO;
  }
  return index;
}
