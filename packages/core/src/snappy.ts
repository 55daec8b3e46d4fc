import { SerializationError } from "./errors.ts";
import { copyLiterals, copyMatch } from "./match-copy.ts";

const LARGEST_VARINT_BYTES = 5;
/** Literals of up to this length have it in their tag; a larger number says how many bytes follow with the length. */
const LARGEST_SHORT_LENGTH = 60;

/**
 * Decompresses the raw Snappy data `source[start..end)` into `target[from..to)`, which it fills to the last byte. Nothing outside of
 * the two ranges is read or written.
 *
 * The format is that of https://github.com/google/snappy/blob/main/format_description.txt.
 *
 * @throws SerializationError for data that is malformed, or holds fewer or more bytes.
 */
export function decompressSnappy(
  source: Uint8Array,
  start: number,
  end: number,
  target: Uint8Array,
  from: number,
  to: number,
): void {
  let position = skipLength(source, start, end, to - from);
  let filled = from;
  while (position < end) {
    const tag = source[position++]!;
    const kind = tag & 3;
    if (kind === 0) {
      let count = (tag >> 2) + 1;
      if (count > LARGEST_SHORT_LENGTH) {
        const size = count - LARGEST_SHORT_LENGTH;
        count = readNumber(source, position, end, size) + 1;
        position += size;
      }
      if (count > end - position || count > to - filled) throw malformed();
      filled = copyLiterals(target, filled, source, position, count);
      position += count;
      continue;
    }
    const size = kind === 3 ? 4 : kind;
    let offset = readNumber(source, position, end, size);
    position += size;
    let length = (tag >> 2) + 1;
    if (kind === 1) {
      offset |= (tag >> 5) << 8;
      length = ((tag >> 2) & 7) + 4;
    }
    if (offset === 0 || offset > filled - from || length > to - filled) throw malformed();
    filled = copyMatch(target, filled, offset, length);
  }
  if (filled !== to) throw malformed();
}

/** The data starts with its length, seven bits in each byte. */
function skipLength(source: Uint8Array, start: number, end: number, length: number): number {
  let [position, value, unit] = [start, 0, 1];
  for (; ; position++, unit *= 128) {
    if (position >= end || position - start >= LARGEST_VARINT_BYTES) throw malformed();
    value += (source[position]! & 127) * unit;
    if (source[position]! < 128) break;
  }
  if (value !== length) throw malformed();
  return position + 1;
}

function readNumber(source: Uint8Array, position: number, end: number, size: number): number {
  if (size > end - position) throw malformed();
  let value = 0;
  for (let index = size - 1; index >= 0; index--) value = value * 256 + source[position + index]!;
  return value;
}

function malformed(): SerializationError {
  return new SerializationError("malformed Snappy data");
}
