import { KIND } from "./clone-kinds.ts";
import { CONTAINER_COST, SCALAR_COST, TEXT_COST } from "./decoded-cost.ts";
import { passOver } from "./msgpack-check.ts";
import type { Extension } from "./msgpack-check.ts";
import { BINARY, KINDS, LENGTH_BYTES, STEPS, TEXT, sizeAt } from "./msgpack-heads.ts";
import { NDARRAY_COST } from "./standard-arrays.ts";
import { BYTES_COST } from "./standard-bytes.ts";
import { ERROR_COST } from "./standard-errors.ts";
import { BIGINT_COST, COLLECTION_COST, DATE_COST, HASHED_ENTRY_COST, URL_COST } from "./standard-values.ts";

/** Errors and instances are a level to the pass, and so is what they are made of: to the decoder these are one. */
const LEVELS = 2;

/**
 * Bounds memory and declared counts of one value in a structured clone before anything is made of it, as `checkMsgPack` does for
 * MsgPack. Returns what it costs without what the decoder counts as it makes it: the kinds that MsgPack has no form of. How deep it
 * may be exactly, and what is no clone, is left to the decoder.
 *
 * @throws SerializationError
 */
export function checkClone(bytes: Buffer, start: number, end: number, maxDepth: number, maxCost: number): number {
  const kinds = new CloneKinds();
  return passOver(bytes, start, end, LEVELS * maxDepth, maxCost, kinds) - kinds.left;
}

const PAIR_COST = CONTAINER_COST + 2 * SCALAR_COST;

class CloneKinds implements Extension {
  cost = 0;
  count = -1;
  /** What is left to the decoder to count. */
  left = 0;
  #bytes: Buffer = Buffer.alloc(0);
  #end = 0;

  pass(bytes: Buffer, position: number, end: number): number {
    this.#bytes = bytes;
    this.#end = end;
    this.cost = 0;
    this.count = -1;
    if (position >= end) return -1;
    return this.#kind(bytes[position]!, position + 1);
  }

  #kind(kind: number, start: number): number {
    switch (kind) {
      case KIND.reference:
        return this.#parts(start, 1, 0);
      case KIND.undefined:
      case KIND.hole:
        return start;
      case KIND.extended:
        this.count = 1;
        // As the pair `[id, data]` that it is in MsgPack.
        this.cost = PAIR_COST;
        return this.#parts(start, 1, 0);
      case KIND.date:
        return this.#parts(start, 1, DATE_COST);
      case KIND.map:
        return this.#collection(start, 2);
      case KIND.set:
        return this.#collection(start, 1);
      case KIND.bigint:
        return this.#parts(start, 1, BIGINT_COST);
      case KIND.error:
        this.count = 1;
        return this.#parts(start, 3, ERROR_COST);
      case KIND.url:
        return this.#parts(start, 1, URL_COST);
      case KIND.typedArray:
        return this.#parts(start + 1, 1, BYTES_COST);
      case KIND.buffer:
      case KIND.view:
        return this.#parts(start, 1, BYTES_COST);
      case KIND.ndarray:
        return this.#ndArray(start);
      default:
        return -1;
    }
  }

  /** So many numbers, texts or bytes. `cost` is what the decoder counts. Returns where they end, or -1. */
  #parts(start: number, count: number, cost: number): number {
    this.cost += cost;
    this.left += cost;
    let position = start;
    for (let index = 0; index < count; index++) {
      if (position >= this.#end) return -1;
      position = this.#part(position);
      if (position < 0) return -1;
    }
    return position;
  }

  #part(position: number): number {
    const head = this.#bytes[position]!;
    const kind = KINDS[head]!;
    if (kind === TEXT || kind === BINARY) {
      const size = sizeAt(this.#bytes, position, head);
      this.cost += kind === TEXT ? TEXT_COST + size : size;
      return position + 1 + LENGTH_BYTES[head]! + size;
    }
    const step = STEPS[head]!;
    return step === 0 ? -1 : position + step;
  }

  /** Of so many values an entry. */
  #collection(start: number, valueCount: number): number {
    const size = this.#number(start);
    if (!(size >= 0 && size * valueCount <= this.#end - start)) return -1;
    this.count = size * valueCount;
    return this.#parts(start, 1, COLLECTION_COST + size * HASHED_ENTRY_COST);
  }

  #ndArray(start: number): number {
    const afterTexts = this.#parts(start, 2, NDARRAY_COST);
    if (afterTexts < 0) return -1;
    const size = this.#number(afterTexts);
    if (!(size >= 0 && size <= this.#end - afterTexts)) return -1;
    return this.#parts(afterTexts, 2 + size, size * SCALAR_COST);
  }

  /** The whole number that starts here; -1 where none does. */
  #number(position: number): number {
    const bytes = this.#bytes;
    const head = bytes[position]!;
    if (position >= this.#end) return -1;
    if (head < 0x80) return head;
    const size = STEPS[head]! - 1;
    if (head < 0xcb || head > 0xd3 || position + size >= this.#end) return -1;
    const value = size === 8 ? wideNumber(bytes, position + 1, head) : narrowNumber(bytes, position + 1, size, head);
    return Number.isInteger(value) ? value : -1;
  }
}

function narrowNumber(bytes: Buffer, start: number, size: number, head: number): number {
  return head >= 0xd0 ? bytes.readIntBE(start, size) : bytes.readUIntBE(start, size);
}

function wideNumber(bytes: Buffer, start: number, head: number): number {
  if (head === 0xcb) return bytes.readDoubleBE(start);
  return Number(head === 0xcf ? bytes.readBigUInt64BE(start) : bytes.readBigInt64BE(start));
}
