const LONG_COPY_LENGTH = 32;

/**
 * Repeats the `length` bytes that stand `offset` bytes before `position`, which they may reach into. Returns the position behind.
 * The caller has checked that they lie within `target`.
 */
export function copyMatch(target: Uint8Array, position: number, offset: number, length: number): number {
  const end = position + length;
  if (length < LONG_COPY_LENGTH) {
    for (let index = position; index < end; index++) target[index] = target[index - offset]!;
  } else if (offset >= length) target.copyWithin(position, position - offset, position - offset + length);
  else if (offset === 1) target.fill(target[position - 1]!, position, end);
  else {
    // What has been written is the pattern of what follows, twice as long with each step.
    const start = position - offset;
    for (let at = position; at < end;) {
      const count = Math.min(at - start, end - at);
      target.copyWithin(at, start, start + count);
      at += count;
    }
  }
  return end;
}

/** Copies bytes that stand in the input as they are. Returns the position behind. */
export function copyLiterals(
  target: Uint8Array,
  position: number,
  source: Uint8Array,
  start: number,
  length: number,
): number {
  if (length >= LONG_COPY_LENGTH) target.set(source.subarray(start, start + length), position);
  else for (let index = 0; index < length; index++) target[position + index] = source[start + index]!;
  return position + length;
}

/** Where a length ends whose bytes follow its token: with the first that isn't 255. -1: it goes on beyond `end`. */
export function endOfLength(source: Uint8Array, start: number, end: number): number {
  let position = start;
  while (position < end && source[position] === 255) position++;
  return position < end ? position + 1 : -1;
}

/** The length that ends at `end`. */
export function sumOfLength(source: Uint8Array, start: number, end: number): number {
  return (end - start - 1) * 255 + source[end - 1]!;
}
