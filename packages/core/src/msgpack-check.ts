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
import { KeyLists } from "./key-lists.ts";
import { TYPE_KEY, tooDeep } from "./lower-lift.ts";
import { SHAPE_EXTENSION } from "./msgpack-writing.ts";

/** Maps that are made key by key are tables from about this many keys on. */
const LONGEST_SHARED_LIST = 16;

/** What one byte costs at most, but for keys that are indices: two of them are bytes of no length. */
const MOST_COST_OF_BYTE = 128;
/** No decoder gets deeper with the stack that engines have. */
const DEEPEST = 10_000;

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
  const keys = new KeyLists(bytes, LONGEST_SHARED_LIST);
  const deepest = Math.min(maxDepth, DEEPEST);
  /** What the outer arrays and maps still declare: of maps the complement, which is negative. */
  const outer = new Int32Array(deepest + 1);
  let [depth, owed] = [0, 0];
  /** Elements, keys and values of the innermost one that haven't come. */
  let left = 1;
  let isMap = false;
  let position = start;
  let cost = 0;
  while (cost <= maxCost) {
    if (left === 0) {
      if (depth === 0) return cost;
      if (isMap) cost += keys.close(depth);
      const rest = outer[--depth]!;
      isMap = rest < 0;
      left = isMap ? ~rest : rest;
      owed -= left;
      continue;
    }
    if (!isMap) {
      const last = Math.min(position + left, end);
      for (; position < last && isSmallInteger(bytes[position]!); position++) left--;
      if (left === 0) continue;
    }
    const isKey = isMap && (left & 1) === 0;
    left--;
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
    if (isKey && kind === TEXT) cost += keys.add(depth, position, next) - typeKeyCost(bytes, position, next, left);
    else if (isKey || kind === REFUSED || (kind === SHAPE && bytes[position] !== SHAPE_EXTENSION)) return cost;
    else if (kind < ARRAY) cost += kind === SHAPE ? shapeCost(left) : scalarCost(kind, size);
    else {
      if (depth >= deepest) throw tooDeep();
      outer[depth++] = isMap ? ~left : left;
      owed += left;
      isMap = kind === MAP;
      left = isMap ? 2 * size : size;
      if (owed + left > end - next) throw overdrawn(owed + left, isMap, end - next);
      if (isMap) keys.open(depth);
      cost += CONTAINER_COST + size * SCALAR_COST;
    }
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

function scalarCost(kind: number, size: number): number {
  if (kind === TEXT) return TEXT_COST + size;
  if (kind === BINARY) return bytesCost(size);
  return size >= 4 ? NUMBER_COST : 0;
}

/** What a map of a shape costs beyond the array that it is written as: `count` values are to come. */
function shapeCost(count: number): number {
  return count * ENTRY_COST - (count + 1) * SCALAR_COST;
}

/** The key of an extended value gives back what was counted for its map, which isn't made: `left` values are to come. */
function typeKeyCost(bytes: Buffer, start: number, end: number, left: number): number {
  if (left !== 1 || end - start !== TYPE_KEY.length) return 0;
  for (let index = 0; index < TYPE_KEY.length; index++)
    if (bytes[start + index] !== TYPE_KEY.charCodeAt(index)) return 0;
  return CONTAINER_COST + SCALAR_COST;
}

function overdrawn(count: number, isMap: boolean, left: number): SerializationError {
  const what = isMap ? "keys and values" : "elements";
  return new SerializationError(`MsgPack declares ${count} ${what}, ${left} bytes are left`);
}
