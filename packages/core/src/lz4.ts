import { SerializationError } from "./errors.ts";
import { copyLiterals, copyMatch, endOfLength, sumOfLength } from "./match-copy.ts";

const HASH_BITS = 12;
const HASH_FACTOR = -1_640_531_535;
const LEAST_MATCH_LENGTH = 4;
const LARGEST_OFFSET = 65_535;
/** The format wants the last bytes as literals: no match starts in the last 12, none reaches into the last 5. */
const NO_MATCH_START_BYTES = 12;
const LITERAL_END_BYTES = 5;
/** The longer nothing is found, the larger the steps: one more byte for each so many. */
const PATIENCE_BITS = 6;
/** In a token: more bytes of the length follow. */
const LONG = 15;

/** Where a sequence of four bytes stood last, by its hash: scratch memory, made new for each block. */
const places = new Int32Array(1 << HASH_BITS);

/**
 * Compresses `source` as one LZ4 block into `target[start..end)`. Returns how many bytes it takes, or 0 where there are too few.
 *
 * The format is that of https://github.com/lz4/lz4/blob/dev/doc/lz4_Block_format.md.
 */
export function compressLz4(source: Uint8Array, target: Uint8Array, start: number, end: number): number {
  const view = new DataView(source.buffer, source.byteOffset, source.byteLength);
  const lastStart = source.length - NO_MATCH_START_BYTES;
  const lastEnd = source.length - LITERAL_END_BYTES;
  let written = start;
  let literals = 0;
  let position = 0;
  let misses = 1 << PATIENCE_BITS;
  places.fill(-1);
  while (position <= lastStart) {
    const sequence = view.getInt32(position, true);
    const slot = hashOf(sequence);
    let place = places[slot]!;
    places[slot] = position;
    if (place < 0 || position - place > LARGEST_OFFSET || view.getInt32(place, true) !== sequence) {
      position += misses++ >> PATIENCE_BITS;
      continue;
    }
    while (position > literals && place > 0 && source[position - 1] === source[place - 1]) {
      position--;
      place--;
    }
    const matchEnd = endOfMatch(view, position + LEAST_MATCH_LENGTH, place + LEAST_MATCH_LENGTH, lastEnd);
    const length = matchEnd - position - LEAST_MATCH_LENGTH;
    if (written + largestSequence(position - literals, length) > end) return 0;
    const token = written;
    written = writeLiterals(target, written, source, literals, position);
    written = writeOffset(target, written, position - place);
    target[token]! |= Math.min(length, LONG);
    if (length >= LONG) written = writeLength(target, written, length - LONG);
    places[hashOf(view.getInt32(matchEnd - 2, true))] = matchEnd - 2;
    position = matchEnd;
    literals = matchEnd;
    misses = 1 << PATIENCE_BITS;
  }
  if (written + largestSequence(source.length - literals, 0) > end) return 0;
  return writeLiterals(target, written, source, literals, source.length) - start;
}

function hashOf(sequence: number): number {
  return Math.imul(sequence, HASH_FACTOR) >>> (32 - HASH_BITS);
}

/** Where two equal runs of bytes end, in terms of the first. */
function endOfMatch(view: DataView, first: number, second: number, end: number): number {
  let [position, place] = [first, second];
  for (; position + 4 <= end; position += 4, place += 4) {
    const difference = view.getInt32(position, true) ^ view.getInt32(place, true);
    // The lowest bit that differs tells how many bytes are equal.
    if (difference !== 0) return position + ((31 - Math.clz32(difference & -difference)) >> 3);
  }
  while (position < end && view.getUint8(position) === view.getUint8(place)) {
    position++;
    place++;
  }
  return position;
}

/** Bytes of a token, its lengths, its literals and its offset, at most. */
function largestSequence(literals: number, length: number): number {
  return literals + Math.floor((literals + length) / 255) + 5;
}

function writeLiterals(target: Uint8Array, position: number, source: Uint8Array, start: number, end: number): number {
  const length = end - start;
  target[position] = Math.min(length, LONG) << 4;
  const next = length < LONG ? position + 1 : writeLength(target, position + 1, length - LONG);
  return copyLiterals(target, next, source, start, length);
}

function writeOffset(target: Uint8Array, position: number, offset: number): number {
  target[position] = offset;
  target[position + 1] = offset >> 8;
  return position + 2;
}

function writeLength(target: Uint8Array, position: number, length: number): number {
  let [next, rest] = [position, length];
  for (; rest >= 255; rest -= 255) target[next++] = 255;
  target[next++] = rest;
  return next;
}

/**
 * Decompresses the LZ4 block `source[start..end)` into `target[from..to)`, which it fills to the last byte. Nothing outside of the two
 * ranges is read or written.
 *
 * @throws SerializationError for a block that is malformed, or holds fewer or more bytes.
 */
export function decompressLz4(
  source: Uint8Array,
  start: number,
  end: number,
  target: Uint8Array,
  from: number,
  to: number,
): void {
  let position = start;
  let filled = from;
  while (position < end) {
    const token = source[position++]!;
    let literals = token >> 4;
    if (literals === LONG) {
      const longer = endOfLength(source, position, end);
      if (longer < 0) throw malformed();
      literals += sumOfLength(source, position, longer);
      position = longer;
    }
    if (literals > end - position || literals > to - filled) throw malformed();
    filled = copyLiterals(target, filled, source, position, literals);
    position += literals;
    if (position === end) {
      if (filled !== to) throw malformed();
      return;
    }
    if (end - position < 2) throw malformed();
    const offset = source[position]! | (source[position + 1]! << 8);
    position += 2;
    let length = (token & LONG) + LEAST_MATCH_LENGTH;
    if (length === LONG + LEAST_MATCH_LENGTH) {
      const longer = endOfLength(source, position, end);
      if (longer < 0) throw malformed();
      length += sumOfLength(source, position, longer);
      position = longer;
    }
    if (offset === 0 || offset > filled - from || length > to - filled) throw malformed();
    filled = copyMatch(target, filled, offset, length);
  }
  throw malformed();
}

function malformed(): SerializationError {
  return new SerializationError("malformed LZ4 block");
}
