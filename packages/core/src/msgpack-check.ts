import {
  CONTAINER_COST,
  ENTRY_COST,
  NUMBER_COST,
  SCALAR_COST,
  TEXT_COST,
  bytesCost,
  tooCostly,
} from "./decoded-cost.ts";
import { SerializationError } from "./errors.ts";
import { KeyLists, NO_KEYS, hashKey } from "./key-lists.ts";
import { TYPE_KEY, tooDeep } from "./lower-lift.ts";
import { SHAPE_EXTENSION } from "./msgpack-writing.ts";

/** Maps that are made key by key are tables from about this many keys on. */
const LONGEST_SHARED_LIST = 16;

/** What one byte costs at most, but for keys that are indices: two of them are bytes of no length. */
const MOST_COST_OF_BYTE = 128;
/** No decoder gets deeper with the stack that engines have. */
const DEEPEST = 10_000;
/** Of one call. */
const BYTES_AT_ONCE = 512;

const SCALAR = 0;
const TEXT = 1;
const BINARY = 2;
const SHAPE = 3;
/** Extension types and the unused 0xc1. */
const REFUSED = 4;
const ARRAY = 5;
const MAP = 6;

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

/** How many bytes a scalar or a short text has with its head; 0 for others. */
const STEPS = new Uint8Array(256);
/** What these cost, and arrays and maps without what is in them. */
const COSTS = new Uint8Array(256);

for (let head = 0; head < 256; head++) {
  const [kind, size] = [KINDS[head]!, SIZES[head]!];
  if (LENGTH_BYTES[head] === 0 && (kind === SCALAR || kind === TEXT)) {
    STEPS[head] = 1 + size;
    COSTS[head] = scalarCost(kind, size);
  } else if (kind >= ARRAY) COSTS[head] = CONTAINER_COST + (LENGTH_BYTES[head] === 0 ? size * SCALAR_COST : 0);
}

/** True where MsgPack of so many bytes may cost more than `maxCost`. Keys that are indices are left to the decoder. */
export function mayBeCostly(byteCount: number, maxCost: number): boolean {
  return byteCount * MOST_COST_OF_BYTE > maxCost;
}

/**
 * Bounds depth, memory and declared counts of one value in MsgPack before anything is made of it, in one pass over its heads
 * without recursion. Returns what it costs. A value that isn't MsgPack, or has keys that are no strings, is left to the decoder
 * from there on: it says where.
 *
 * @throws SerializationError
 */
export function checkMsgPack(bytes: Buffer, start: number, end: number, maxDepth: number, maxCost: number): number {
  const pass = new MsgPackPass(bytes, start, end, maxDepth, maxCost);
  while (!pass.isOver) pass.goOn();
  return pass.cost;
}

class MsgPackPass {
  cost = 0;
  isOver = false;
  readonly #bytes: Buffer;
  readonly #end: number;
  readonly #maxCost: number;
  readonly #deepest: number;
  readonly #keys: KeyLists;
  /** What the outer arrays and maps still declare: of maps the complement, which is negative. */
  readonly #outer: Int32Array;
  #position: number;
  #depth = 0;
  /** The sum of that. */
  #owed = 0;
  /** Elements, keys and values of the innermost one that haven't come. */
  #left = 1;
  #isMap = false;
  /** What was passed over last costs. */
  #more = 0;

  constructor(bytes: Buffer, start: number, end: number, maxDepth: number, maxCost: number) {
    this.#bytes = bytes;
    this.#position = start;
    this.#end = end;
    this.#maxCost = maxCost;
    this.#deepest = Math.min(maxDepth, DEEPEST);
    this.#outer = new Int32Array(this.#deepest + 1);
    this.#keys = new KeyLists(bytes, LONGEST_SHARED_LIST);
  }

  /**
   * Passes over some more of it. Engines get better code for a function that is called again and again than for a loop that
   * they are in, and sooner.
   *
   * @throws SerializationError
   */
  goOn(): void {
    const bytes = this.#bytes;
    const end = this.#end;
    let position = this.#position;
    let left = this.#left;
    let isMap = this.#isMap;
    let cost = this.cost;
    const pause = Math.min(position + BYTES_AT_ONCE, end);
    while (cost <= this.#maxCost) {
      if (left === 0) {
        if (position > end) throw cutOff();
        if (this.#depth === 0) return this.#finish(cost);
        if (isMap) cost += this.#keys.close(this.#depth);
        const rest = this.#outer[--this.#depth]!;
        isMap = rest < 0;
        left = isMap ? ~rest : rest;
        this.#owed -= left;
        continue;
      }
      if (position >= pause) break;
      let head = bytes[position]!;
      if (!isMap && isSmallInteger(head)) {
        for (; left > 0 && position < pause && isSmallInteger(bytes[position]!); position++) left--;
        continue;
      }
      if (isMap && (left & 1) === 0) {
        position = this.#key(position, left--);
        if (position < 0) return this.#finish(cost);
        cost += this.#more;
        head = bytes[position]!;
      }
      left--;
      if (STEPS[head]! > 0) position += STEPS[head]!;
      else if (KINDS[head]! >= ARRAY) {
        const size = sizeAt(bytes, position, head);
        position += 1 + LENGTH_BYTES[head]!;
        if (LENGTH_BYTES[head]! > 0) cost += size * SCALAR_COST;
        this.#leave(position, left, isMap);
        isMap = KINDS[head] === MAP;
        left = isMap ? 2 * size : size;
        if (this.#owed + left > end - position) throw overdrawn(this.#owed + left, isMap, end - position);
        if (isMap) {
          left = this.#firstEntries(position, left);
          position = this.#position;
          cost += this.#more;
        }
      } else {
        position = this.#long(position, head, left);
        if (position < 0) return this.#finish(cost);
        cost += this.#more;
      }
      cost += COSTS[head]!;
    }
    if (cost > this.#maxCost) throw tooCostly();
    if (left > end - position) throw cutOff();
    this.#position = position;
    this.#left = left;
    this.#isMap = isMap;
    this.cost = cost;
  }

  /**
   * Passes over the entries of a new map, as long as their keys and values are short, in one go. Returns how many keys and values
   * are left.
   */
  #firstEntries(start: number, count: number): number {
    const bytes = this.#bytes;
    const end = this.#end;
    const most = start + BYTES_AT_ONCE;
    let left = count;
    let position = start;
    let hash = NO_KEYS;
    let cost = 0;
    let keyBytes = 0;
    while (left > 0 && position < most) {
      const head = bytes[position]!;
      const first = position + 1;
      const next = first + (head & 0x1f);
      if (head < 0xa0 || head > 0xbf || next >= end || (next > first && mayBeSpecial(bytes[first]!))) break;
      hash = hashKey(hash, bytes, first, next);
      keyBytes += next - first;
      const value = bytes[next]!;
      const step = STEPS[value]!;
      left--;
      position = next + step;
      if (step === 0) break;
      cost += COSTS[value]!;
      left--;
    }
    this.#keys.open(this.#depth, hash, (count - left + 1) >> 1, keyBytes);
    this.#position = position;
    this.#more = cost;
    return left;
  }

  /** For one that starts inside of an array or map of which `left` elements or keys and values are to come. */
  #leave(position: number, left: number, isMap: boolean): void {
    if (position > this.#end) throw cutOff();
    if (this.#depth >= this.#deepest) throw tooDeep();
    this.#outer[this.#depth++] = isMap ? ~left : left;
    this.#owed += left;
  }

  /** Passes over a key where `left` keys and values are to come. Returns where it ends, and -1 where it is no string. */
  #key(position: number, left: number): number {
    const bytes = this.#bytes;
    const head = bytes[position]!;
    const first = position + 1 + LENGTH_BYTES[head]!;
    const next = first + sizeAt(bytes, position, head);
    if (next >= this.#end) throw cutOff();
    if (KINDS[head] !== TEXT) return -1;
    this.#more = this.#keys.add(this.#depth, first, next) - typeKeyCost(bytes, first, next, left);
    return next;
  }

  /** Passes over a text or bytes with a length, or the head of a map of a shape. Returns where it ends, and -1 for anything else. */
  #long(position: number, head: number, left: number): number {
    const kind = KINDS[head]!;
    if (kind === SHAPE && this.#bytes[position + 1] === SHAPE_EXTENSION) {
      this.#more = shapeCost(left);
      return position + 3;
    }
    if (kind !== TEXT && kind !== BINARY) return -1;
    const size = sizeAt(this.#bytes, position, head);
    this.#more = scalarCost(kind, size);
    return position + 1 + LENGTH_BYTES[head]! + size;
  }

  #finish(cost: number): void {
    this.cost = cost;
    this.isOver = true;
  }
}

function cutOff(): SerializationError {
  return new SerializationError("MsgPack ends in the middle of a value");
}

/** One that is its own head. */
function isSmallInteger(head: number): boolean {
  return head < 0x80 || head >= 0xe0;
}

/** True where a key with this first byte may be an index or `__type__`. */
function mayBeSpecial(first: number): boolean {
  return first <= 0x39 || first === 0x5f;
}

/** The length or count of what starts with this head, or how many bytes a scalar has behind it. */
function sizeAt(bytes: Buffer, position: number, head: number): number {
  const lengthBytes = LENGTH_BYTES[head]!;
  return lengthBytes === 0 ? SIZES[head]! : unsigned(bytes, position + 1, lengthBytes);
}

/** An unsigned integer of 1, 2 or 4 bytes. */
function unsigned(bytes: Buffer, start: number, size: number): number {
  let value = bytes[start]!;
  for (let index = 1; index < size; index++) value = (value << 8) | bytes[start + index]!;
  return value >>> 0;
}

function scalarCost(kind: number, size: number): number {
  if (kind === TEXT) return TEXT_COST + size;
  if (kind === BINARY) return bytesCost(size);
  return size >= 4 ? NUMBER_COST : 0;
}

/** What a map of a shape costs beyond the array that it is written as: `count` values are to come. */
function shapeCost(count: number): number {
  return count * ENTRY_COST - (count + 1) * SCALAR_COST;
}

/** The key of an extended value gives back what was counted for its map, which isn't made: `left` keys and values are to come. */
function typeKeyCost(bytes: Buffer, start: number, end: number, left: number): number {
  if (left !== 2 || end - start !== TYPE_KEY.length) return 0;
  for (let index = 0; index < TYPE_KEY.length; index++)
    if (bytes[start + index] !== TYPE_KEY.charCodeAt(index)) return 0;
  return CONTAINER_COST + SCALAR_COST;
}

function overdrawn(count: number, isMap: boolean, left: number): SerializationError {
  const what = isMap ? "keys and values" : "elements";
  return new SerializationError(`MsgPack declares ${count} ${what}, ${left} bytes are left`);
}
