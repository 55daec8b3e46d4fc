import { CONTAINER_COST, ENTRY_COST, SCALAR_COST, tooCostly } from "./decoded-cost.ts";
import { SerializationError } from "./errors.ts";
import { KeyLists, LAST_DIGIT, NO_KEYS, hashKey } from "./key-lists.ts";
import { TYPE_KEY, tooDeep } from "./lower-lift.ts";
import {
  ARRAY,
  BINARY,
  COSTS,
  KINDS,
  LENGTH_BYTES,
  MAP,
  SHAPE,
  STEPS,
  TEXT,
  isSmallInteger,
  scalarCost,
  sizeAt,
} from "./msgpack-heads.ts";
import { SHAPE_EXTENSION } from "./msgpack-writing.ts";

/** Maps that are made key by key are tables from about this many keys on. */
const LONGEST_SHARED_LIST = 16;

/** What one byte costs at most, but for keys that are indices: two of them are bytes of no length. */
export const MOST_COST_OF_BYTE = 128;
/** No decoder gets deeper with the stack that engines have. */
const DEEPEST = 10_000;
/** In front of what a format has beyond MsgPack. */
const UNUSED = 0xc1;
/** Of one call. */
const BYTES_AT_ONCE = 512;

/** True where MsgPack of so many bytes may cost more than `maxCost`. Keys that are indices are left to the decoder. */
export function mayBeCostly(byteCount: number, maxCost: number): boolean {
  return byteCount * MOST_COST_OF_BYTE > maxCost;
}

/**
 * Bounds depth, memory and declared counts of one value in MsgPack before anything is made of it, in one pass over its heads
 * without recursion. Returns what it costs. An empty array or map is no level here; the decoder counts it. A value that isn't MsgPack, or has keys that are no strings, is left to the decoder
 * from there on: it says where.
 *
 * @throws SerializationError
 */
export function checkMsgPack(bytes: Buffer, start: number, end: number, maxDepth: number, maxCost: number): number {
  return passOver(bytes, start, end, maxDepth, maxCost, undefined);
}

/** What a format has beyond MsgPack: values behind the byte that MsgPack doesn't use. */
export interface Extension {
  /** What the value that was passed over last costs. */
  readonly cost: number;
  /** How many values are in it; -1 where it is none that has any. */
  readonly count: number;
  /** Passes over one that starts here, as far as these. Returns where that ends, and -1 where the decoder refuses it. */
  pass(bytes: Buffer, position: number, end: number): number;
}

/** The same for a format that has more than MsgPack. */
export function passOver(
  bytes: Buffer,
  start: number,
  end: number,
  maxDepth: number,
  maxCost: number,
  extension: Extension | undefined,
): number {
  const pass = new MsgPackPass(bytes, start, end, maxDepth, maxCost, extension);
  while (!pass.isOver) pass.goOn();
  return pass.cost;
}

class MsgPackPass {
  /** Engines forget the code for objects of a class when none is left. */
  static readonly kept: object = new MsgPackPass(Buffer.alloc(0), 0, 0, 1, 0, undefined);
  cost = 0;
  isOver = false;
  readonly #bytes: Buffer;
  readonly #end: number;
  readonly #maxCost: number;
  readonly #deepest: number;
  readonly #keys: KeyLists;
  readonly #extension: Extension | undefined;
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
  /** How many values follow in it where it is of the extension, or -1. */
  #count = -1;

  constructor(
    bytes: Buffer,
    start: number,
    end: number,
    maxDepth: number,
    maxCost: number,
    extension: Extension | undefined,
  ) {
    this.#bytes = bytes;
    this.#position = start;
    this.#end = end;
    this.#maxCost = maxCost;
    this.#extension = extension;
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
        const isMapInside = KINDS[head] === MAP;
        left = this.#enter(position, left, isMap, isMapInside ? 2 * size : size, isMapInside);
        isMap = isMapInside;
        if (isMap) {
          left = this.#firstEntries(position, left);
          position = this.#position;
          cost += this.#more;
        }
      } else {
        position = this.#long(position, head, left);
        if (position < 0) return this.#finish(cost);
        cost += this.#more;
        if (head === UNUSED && this.#count >= 0) {
          left = this.#enter(position, left, isMap, this.#count, false);
          isMap = false;
        }
      }
      cost += COSTS[head]!;
    }
    this.#pause(position, left, isMap, cost);
  }

  #pause(position: number, left: number, isMap: boolean, cost: number): void {
    if (cost > this.#maxCost) throw tooCostly();
    if (left > this.#end - position) throw cutOff();
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

  /**
   * For one of so many elements, or keys and values, that starts inside of an array or map of which `left` are to come. Returns that
   * count.
   */
  #enter(position: number, left: number, isMap: boolean, count: number, isMapInside: boolean): number {
    if (position > this.#end) throw cutOff();
    if (this.#depth >= this.#deepest) throw tooDeep();
    this.#outer[this.#depth++] = isMap ? ~left : left;
    this.#owed += left;
    const bytesLeft = this.#end - position;
    if (this.#owed + count > bytesLeft) throw overdrawn(this.#owed + count, isMapInside, bytesLeft);
    return count;
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

  /** Passes over a text or bytes with a length, or the head of a map of a shape or of a value of the extension. Returns where it ends, and -1 for anything else. */
  #long(position: number, head: number, left: number): number {
    const kind = KINDS[head]!;
    if (head === UNUSED) return this.#extended(position);
    if (kind === SHAPE && this.#bytes[position + 1] === SHAPE_EXTENSION) {
      this.#more = shapeCost(left);
      return position + 3;
    }
    if (kind !== TEXT && kind !== BINARY) return -1;
    const size = sizeAt(this.#bytes, position, head);
    this.#more = scalarCost(kind, size);
    return position + 1 + LENGTH_BYTES[head]! + size;
  }

  /** Passes over a value of the extension as far as the values in it. Returns where that ends, or -1. */
  #extended(start: number): number {
    const extension = this.#extension;
    if (extension === undefined) return -1;
    const position = extension.pass(this.#bytes, start + 1, this.#end);
    this.#more = extension.cost;
    this.#count = extension.count;
    return position;
  }

  #finish(cost: number): void {
    this.cost = cost;
    this.isOver = true;
  }
}

function cutOff(): SerializationError {
  return new SerializationError("MsgPack ends in the middle of a value");
}

/** True where a key with this first byte may be an index or `__type__`. */
function mayBeSpecial(first: number): boolean {
  return first <= LAST_DIGIT || first === TYPE_KEY.charCodeAt(0);
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
