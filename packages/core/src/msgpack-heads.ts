import { CONTAINER_COST, NUMBER_COST, SCALAR_COST, TEXT_COST, bytesCost } from "./decoded-cost.ts";

const SCALAR = 0;
export const TEXT = 1;
export const BINARY = 2;
export const SHAPE = 3;
/** Extension types and the unused 0xc1. */
const REFUSED = 4;
export const ARRAY = 5;
export const MAP = 6;

/** What each first byte is. */
export const KINDS: Uint8Array = new Uint8Array(256);
/** The length or count in it, or how many bytes a scalar has behind it. */
const SIZES = new Uint8Array(256);
/** How many bytes the length or count takes that stands behind it. */
export const LENGTH_BYTES: Uint8Array = new Uint8Array(256);

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

/** How many bytes a scalar, a short text or an empty array or map has with its head; 0 for others. */
export const STEPS: Uint8Array = new Uint8Array(256);
/** What these cost, and arrays and maps without what is in them. */
export const COSTS: Uint8Array = new Uint8Array(256);

for (let head = 0; head < 256; head++) {
  const [kind, size] = [KINDS[head]!, SIZES[head]!];
  if (LENGTH_BYTES[head] === 0 && (kind === SCALAR || kind === TEXT)) {
    STEPS[head] = 1 + size;
    COSTS[head] = scalarCost(kind, size);
  } else if (kind >= ARRAY) {
    COSTS[head] = CONTAINER_COST + (LENGTH_BYTES[head] === 0 ? size * SCALAR_COST : 0);
    // What is empty has no level in it to go to.
    if (LENGTH_BYTES[head] === 0 && size === 0) STEPS[head] = 1;
  }
}

/** One that is its own head. */
export function isSmallInteger(head: number): boolean {
  return head < 0x80 || head >= 0xe0;
}

/** The length or count of what starts with this head, or how many bytes a scalar has behind it. */
export function sizeAt(bytes: Buffer, position: number, head: number): number {
  const lengthBytes = LENGTH_BYTES[head]!;
  return lengthBytes === 0 ? SIZES[head]! : unsigned(bytes, position + 1, lengthBytes);
}

/** An unsigned integer of 1, 2 or 4 bytes. */
function unsigned(bytes: Buffer, start: number, size: number): number {
  let value = bytes[start]!;
  for (let index = 1; index < size; index++) value = (value << 8) | bytes[start + index]!;
  return value >>> 0;
}

export function scalarCost(kind: number, size: number): number {
  if (kind === TEXT) return TEXT_COST + size;
  if (kind === BINARY) return bytesCost(size);
  return size >= 4 ? NUMBER_COST : 0;
}
