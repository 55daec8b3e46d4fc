/** Less isn't worth keeping. */
const LEAST_BYTES = 32_768;
/** What a process keeps at most. */
const MOST_BYTES = 4_194_304;

/**
 * Memory of payloads that have been handled, for those that come next. Left to the engine it would make it collect all of its heap for
 * each few mebibytes that come, however few values are made of them.
 */
const spare: Buffer[] = [];
let spareBytes = 0;

/**
 * Memory of `least` to `most` bytes, and if it can be had for `wanted`; undefined where there is none. Its content is anything. It is the
 * smallest that has room for all that is wanted, else the largest.
 */
export function takeSpare(least: number, most: number, wanted: number): Buffer | undefined {
  if (least < LEAST_BYTES) return undefined;
  let best = -1;
  let bestLength = 0;
  for (let index = 0; index < spare.length; index++) {
    const { length } = spare[index]!;
    if (length < least || length > most) continue;
    const isBetter = bestLength < wanted ? length > bestLength : length >= wanted && length < bestLength;
    if (!isBetter) continue;
    best = index;
    bestLength = length;
  }
  if (best < 0) return undefined;
  spareBytes -= bestLength;
  return spare.splice(best, 1)[0];
}

/** Nobody uses this memory any more. What was kept for longest makes room for it. */
export function keepSpare(bytes: Buffer): void {
  const { length } = bytes;
  if (length < LEAST_BYTES || length > MOST_BYTES) return;
  spare.push(bytes);
  spareBytes += length;
  while (spareBytes > MOST_BYTES) spareBytes -= spare.shift()!.length;
}
