import { SerializationError } from "./errors.ts";

/** What decoded values cost, in bytes of memory, towards `Limits.maxDecodedCost`. */
export const CONTAINER_COST = 64;
export const ENTRY_COST = 32;
export const SCALAR_COST = 8;
export const TEXT_COST = 24;
/** An element or entry of JSON, with what the engine takes for it while it parses. */
export const JSON_ELEMENT_COST = 24;
/** A number that is no small integer, where it stands between values of other types. */
export const NUMBER_COST = 16;
/** A key of a list that is new, beyond its characters: the key, its place in the list, and what is made on the way. */
export const NEW_KEY_COST = 96;
/** An entry of a map that has a table of its own for its keys. */
export const TABLE_ENTRY_COST = 48;
/** The first key that is an index: an array or a table for such keys. */
export const FIRST_INDEX_COST = 160;
/** A place in that array. */
export const INDEX_COST = 12;
/** A key that is an index beyond what engines have as small integers. */
export const LARGE_INDEX_COST = 96;

/** A step through the keys that a number meets in a Map or Set, beyond those that are usual. */
export const STEP_COST = 16;
/** The same for bigints, which are compared in a call. */
export const SLOW_STEP_COST = 128;
/** A character of a long text in a Map or Set, and a text that it is compared with. */
export const COMPARED_COST = 1;

const SMALL_BYTES_COST = 208;
const BYTES_COST = 384;
/** Engines keep as many bytes with the object itself. */
const LARGEST_SMALL_BYTES = 64;

/** What a `Uint8Array` costs; from a length on its memory is outside of the heap. */
export function bytesCost(length: number): number {
  return length + (length <= LARGEST_SMALL_BYTES ? SMALL_BYTES_COST : BYTES_COST);
}

/** What one message may still cost. */
export class CostBudget {
  #left: number;

  constructor(cost: number) {
    this.#left = cost;
  }

  /** @throws SerializationError where it is used up. */
  spend(cost: number): void {
    this.#left -= cost;
    if (this.#left < 0) throw tooCostly();
  }
}

export function tooCostly(): SerializationError {
  return new SerializationError("message takes more memory than the limit allows (maxDecodedCost)", {
    limit: "maxDecodedCost",
  });
}
