import { SerializationError } from "./errors.ts";
import { copyLiterals, copyMatch, endOfLength, sumOfLength } from "./match-copy.ts";

/** A control byte below starts literals; from it on, a match. */
const LEAST_MATCH_CONTROL = 32;
const LEAST_MATCH_LENGTH = 3;
/** In the three bits of a length: more bytes of it follow. */
const LONG = 7;
/** The largest distance in the 13 bits of a control byte and its next one; beyond, two more bytes have it. */
const LARGEST_NEAR_OFFSET = 8191;

/**
 * Decompresses the BloscLZ data `source[start..end)` into `target[from..to)`, which it fills to the last byte. Nothing outside of the
 * two ranges is read or written. BloscLZ is what python-blosc writes where nothing else is said.
 *
 * @throws SerializationError for data that is malformed, or holds fewer or more bytes.
 */
export function decompressBloscLz(
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
    let control = source[position++]!;
    // The first one has literals, whatever its upper bits say.
    if (position === start + 1) control &= LEAST_MATCH_CONTROL - 1;
    if (control < LEAST_MATCH_CONTROL) {
      const count = control + 1;
      if (count > end - position || count > to - filled) throw malformed();
      filled = copyLiterals(target, filled, source, position, count);
      position += count;
      continue;
    }
    let length = control >> 5;
    if (length === LONG) {
      const longer = endOfLength(source, position, end);
      if (longer < 0) throw malformed();
      length += sumOfLength(source, position, longer);
      position = longer;
    }
    length += LEAST_MATCH_LENGTH - 1;
    if (position >= end) throw malformed();
    const near = ((control & 31) << 8) | source[position++]!;
    let offset = near + 1;
    if (near === LARGEST_NEAR_OFFSET) {
      if (end - position < 2) throw malformed();
      offset = ((source[position]! << 8) | source[position + 1]!) + LARGEST_NEAR_OFFSET + 1;
      position += 2;
    }
    if (offset > filled - from || length > to - filled) throw malformed();
    filled = copyMatch(target, filled, offset, length);
  }
  if (filled !== to) throw malformed();
}

function malformed(): SerializationError {
  return new SerializationError("malformed BloscLZ data");
}
