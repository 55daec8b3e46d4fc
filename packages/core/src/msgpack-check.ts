import { CONTAINER_COST, NUMBER_COST, SCALAR_COST, TEXT_COST, bytesCost, tooCostly } from "./decoded-cost.ts";
import { SerializationError } from "./errors.ts";
import { KeyLists } from "./key-lists.ts";
import { tooDeep } from "./lower-lift.ts";
import { SHAPE_EXTENSION } from "./msgpack-writing.ts";

/** Maps that are made key by key are tables from about this many keys on. */
const LONGEST_SHARED_LIST = 16;

const SCALAR = 0;
const TEXT = 1;
const BINARY = 2;
const SHAPE = 3;
const ARRAY = 4;
const MAP = 5;
/** Extension types and the unused 0xc1. */
const REFUSED = 6;

/** What each first byte is. */
const KINDS = new Uint8Array(256);
/** The length or count in it, or how many bytes a scalar has behind it. */
const SIZES = new Uint8Array(256);
/** How many bytes the length or count takes that stands behind it. */
const LENGTH_BYTES = new Uint8Array(256);

function describe(first: number, last: number, kind: number, sizes: Uint8Array, size: (index: number) => number): void {
  for (let head = first; head <= last; head++) {
    KINDS[head] = kind;
    sizes[head] = size(head - first);
  }
}

describe(0x80, 0x8f, MAP, SIZES, (index) => index);
describe(0x90, 0x9f, ARRAY, SIZES, (index) => index);
describe(0xa0, 0xbf, TEXT, SIZES, (index) => index);
describe(0xc1, 0xc1, REFUSED, SIZES, () => 0);
describe(0xc4, 0xc6, BINARY, LENGTH_BYTES, (index) => 1 << index);
describe(0xc7, 0xc9, REFUSED, SIZES, () => 0);
describe(0xca, 0xcb, SCALAR, SIZES, (index) => 4 << index);
describe(0xcc, 0xcf, SCALAR, SIZES, (index) => 1 << index);
describe(0xd0, 0xd3, SCALAR, SIZES, (index) => 1 << index);
describe(0xd4, 0xd4, SHAPE, SIZES, () => 2);
describe(0xd5, 0xd8, REFUSED, SIZES, () => 0);
describe(0xd9, 0xdb, TEXT, LENGTH_BYTES, (index) => 1 << index);
describe(0xdc, 0xdd, ARRAY, LENGTH_BYTES, (index) => 2 << index);
describe(0xde, 0xdf, MAP, LENGTH_BYTES, (index) => 2 << index);

/**
 * Bounds depth, memory and declared counts of one value in MsgPack before anything is made of it, in one pass over its heads
 * without recursion. Returns what it costs. A value that isn't MsgPack, or has keys that are no strings, is left to the decoder
 * from there on: it says where.
 *
 * @throws SerializationError
 */
export function checkMsgPack(bytes: Buffer, start: number, end: number, maxDepth: number, maxCost: number): number {
  const containers = new Containers(bytes, maxDepth);
  let position = start;
  let cost = 0;
  while (cost <= maxCost) {
    if (containers.left === 0) {
      if (containers.depth === 0) return cost;
      cost += containers.leave();
      continue;
    }
    const isKey = containers.isMap && (containers.left & 1) === 0;
    if (!containers.isMap && isSmallInteger(bytes[position]!)) {
      const first = position;
      const last = Math.min(first + containers.left, end);
      while (position < last && isSmallInteger(bytes[position]!)) position++;
      containers.left -= position - first;
      continue;
    }
    containers.left--;
    const head = bytes[position++]!;
    const kind = KINDS[head]!;
    let size = SIZES[head]!;
    const lengthBytes = LENGTH_BYTES[head]!;
    if (lengthBytes > 0) {
      size = unsigned(bytes, position, lengthBytes);
      position += lengthBytes;
    }
    const next = kind < ARRAY ? position + size : position;
    if (next > end) throw new SerializationError("MsgPack ends in the middle of a value");
    if (kind === TEXT) cost += isKey ? containers.addKey(position, next) : TEXT_COST + size;
    else if (isKey || kind === REFUSED || (kind === SHAPE && bytes[position] !== SHAPE_EXTENSION)) return cost;
    else if (kind === SCALAR) cost += size >= 4 ? NUMBER_COST : 0;
    else if (kind === BINARY) cost += bytesCost(size);
    else if (kind !== SHAPE) cost += containers.enter(size, kind === MAP, end - next);
    position = next;
  }
  throw tooCostly();
}

/** One that is its own head. */
function isSmallInteger(head: number): boolean {
  return head < 0x80 || head >= 0xe0;
}

/** An unsigned integer of 1, 2 or 4 bytes. */
function unsigned(bytes: Buffer, start: number, size: number): number {
  let value = bytes[start]!;
  for (let index = 1; index < size; index++) value = (value << 8) | bytes[start + index]!;
  return value >>> 0;
}

/** The arrays and maps that aren't complete. */
class Containers {
  /** Elements, keys and values of the innermost one that haven't come. */
  left = 1;
  isMap = false;
  depth = 0;
  readonly #maxDepth: number;
  readonly #keys: KeyLists;
  readonly #outerLeft: number[] = [];
  readonly #outerIsMap: boolean[] = [];
  /** The sum of what the outer ones still declare. */
  #owed = 0;

  constructor(bytes: Buffer, maxDepth: number) {
    this.#maxDepth = maxDepth;
    this.#keys = new KeyLists(bytes, LONGEST_SHARED_LIST);
  }

  /** Returns what one costs that has `count` elements or entries. */
  enter(count: number, isMap: boolean, bytesLeft: number): number {
    if (this.depth >= this.#maxDepth) throw tooDeep();
    const size = isMap ? 2 * count : count;
    this.#owed += this.left;
    if (this.#owed + size > bytesLeft) {
      const what = isMap ? "keys and values" : "elements";
      throw new SerializationError(`MsgPack declares ${this.#owed + size} ${what}, ${bytesLeft} bytes are left`);
    }
    this.#outerLeft[this.depth] = this.left;
    this.#outerIsMap[this.depth] = this.isMap;
    this.left = size;
    this.isMap = isMap;
    this.depth++;
    if (isMap) this.#keys.open(this.depth);
    return CONTAINER_COST + count * SCALAR_COST;
  }

  /** Leaves the innermost one. Returns what the list of its keys costs. */
  leave(): number {
    const cost = this.isMap ? this.#keys.close(this.depth) : 0;
    this.depth--;
    this.left = this.#outerLeft[this.depth]!;
    this.isMap = this.#outerIsMap[this.depth]!;
    this.#owed -= this.left;
    return cost;
  }

  /** The next key of the innermost one. Returns what it costs in any case. */
  addKey(start: number, end: number): number {
    return this.#keys.add(this.depth, start, end);
  }
}
