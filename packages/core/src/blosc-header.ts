import { SerializationError } from "./errors.ts";

/** The first byte of a container: the version of its format. */
export const BLOSC_VERSION = 2;
export const BLOSC_HEADER_BYTES = 16;
/** Where each block starts, and how long each stream of a block is. */
export const BLOSC_NUMBER_BYTES = 4;
export const BYTE_SHUFFLED = 1;
export const COPIED = 2;
export const BIT_SHUFFLED = 4;
/** A block is one stream; without it, blocks of small elements have one for each byte of an element. */
export const UNSPLIT = 16;
export const COMPRESSOR_SHIFT = 5;

const RESERVED = 8;
/** More is one large stream that keeps others waiting. */
const LARGEST_BLOCK_BYTES = 16_777_216;
const LARGEST_SPLIT_ITEM_BYTES = 16;
const LEAST_SPLIT_ITEM_COUNT = 128;

/** What the first 16 bytes of a Blosc 1 container say. */
export interface BloscHeader {
  readonly flags: number;
  readonly itemBytes: number;
  /** Bytes of the value. */
  readonly byteLength: number;
  readonly blockBytes: number;
  readonly blockCount: number;
}

/**
 * Reads the header of the container `bytes[start..end)` and holds it against the bytes that are there. `maxBytes` bounds what it
 * holds: whoever has the header may allocate `byteLength`. `limit` is what the bound is called.
 *
 * @throws SerializationError
 */
export function readBloscHeader(
  bytes: Buffer,
  start: number,
  end: number,
  maxBytes: number,
  limit: string,
): BloscHeader {
  if (end - start < BLOSC_HEADER_BYTES) throw new SerializationError("Blosc container without a header");
  const [version, flags, itemBytes] = [bytes[start]!, bytes[start + 2]!, bytes[start + 3]!];
  if (version !== BLOSC_VERSION) throw new SerializationError(`Blosc container of version ${version}; it takes 2`);
  const bothFilters = BYTE_SHUFFLED | BIT_SHUFFLED;
  if ((flags & RESERVED) !== 0 || (flags & bothFilters) === bothFilters || itemBytes === 0)
    throw new SerializationError("Blosc container of an unknown form");
  const byteLength = readNumber(bytes, start + 4);
  const blockBytes = readNumber(bytes, start + 8);
  const containerBytes = readNumber(bytes, start + 12);
  if (containerBytes !== end - start)
    throw new SerializationError(`Blosc container of ${containerBytes} bytes in a place of ${end - start}`);
  if (byteLength > maxBytes)
    throw new SerializationError(`Blosc container that holds ${byteLength} bytes; the limit is ${maxBytes} (${limit})`);
  if ((flags & COPIED) !== 0) {
    if (byteLength !== containerBytes - BLOSC_HEADER_BYTES)
      throw new SerializationError(`Blosc container that holds ${byteLength} bytes as they are, in ${containerBytes}`);
    return { flags, itemBytes, byteLength, blockBytes: byteLength, blockCount: 1 };
  }
  if (blockBytes === 0 || blockBytes > byteLength || blockBytes > LARGEST_BLOCK_BYTES)
    throw new SerializationError(`Blosc container with blocks of ${blockBytes} bytes for ${byteLength}`);
  const blockCount = Math.ceil(byteLength / blockBytes);
  if (BLOSC_HEADER_BYTES + blockCount * BLOSC_NUMBER_BYTES > containerBytes)
    throw new SerializationError(`Blosc container of ${containerBytes} bytes with ${blockCount} blocks`);
  return { flags, itemBytes, byteLength, blockBytes, blockCount };
}

/** The streams of a block, which has `length` bytes: the last one may be shorter than the others and is one stream then. */
export function streamCountOf({ flags, itemBytes, blockBytes }: BloscHeader, length: number): number {
  const isSplit =
    (flags & UNSPLIT) === 0 &&
    length === blockBytes &&
    itemBytes <= LARGEST_SPLIT_ITEM_BYTES &&
    Math.floor(blockBytes / itemBytes) >= LEAST_SPLIT_ITEM_COUNT;
  return isSplit ? itemBytes : 1;
}

/** Writes a header at `position`. */
export function writeBloscHeader(
  target: Buffer,
  position: number,
  flags: number,
  itemBytes: number,
  byteLength: number,
  blockBytes: number,
  containerBytes: number,
): void {
  target[position] = BLOSC_VERSION;
  // Version of the compressor's format: each of them has had one so far.
  target[position + 1] = 1;
  target[position + 2] = flags;
  target[position + 3] = itemBytes;
  writeNumber(target, position + 4, byteLength);
  writeNumber(target, position + 8, blockBytes);
  writeNumber(target, position + 12, containerBytes);
}

function writeNumber(target: Buffer, position: number, value: number): void {
  target[position] = value;
  target[position + 1] = value >>> 8;
  target[position + 2] = value >>> 16;
  target[position + 3] = value >>> 24;
}

/** Where the bytes start that stand in the container `bytes[start..end)` as they are, or -1 where it is another one. */
export function copiedStart(bytes: Buffer, start: number, end: number): number {
  const first = start + BLOSC_HEADER_BYTES;
  const isCopied =
    first <= end &&
    bytes[start] === BLOSC_VERSION &&
    (bytes[start + 2]! & COPIED) !== 0 &&
    readNumber(bytes, start + 4) === end - first &&
    readNumber(bytes, start + 12) === end - start;
  return isCopied ? first : -1;
}

function readNumber(bytes: Buffer, at: number): number {
  return (bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24)) >>> 0;
}
