// Keys that meet in the tables of V8.

const WORD = 0xffff_ffff_ffff_ffffn;

/** The factor that takes back this odd one. */
function inverse(factor: bigint): bigint {
  let found = factor;
  for (let bits = 3; bits < 64; bits *= 2) found = (found * (2n - factor * found)) & WORD;
  return found;
}

const BY_65 = inverse(65n);
const BY_21 = inverse(21n);
const BY_SHIFTED = inverse((1n << 18n) - 1n);

/** What gives this where it is combined with itself, shifted to the right. */
function unshifted(value: bigint, bits: bigint): bigint {
  let found = value;
  for (let done = bits; done < 64n; done += bits) found = value ^ (found >> bits);
  return found;
}

/** The 64 bits that V8 makes this of, before it takes the last 30 as the hash. */
function bitsOf(mixed: bigint): bigint {
  let bits = unshifted(mixed, 22n);
  bits = (bits * BY_65) & WORD;
  bits = unshifted(bits, 11n);
  bits = (bits * BY_21) & WORD;
  bits = unshifted(bits, 31n);
  return ((bits + 1n) * BY_SHIFTED) & WORD;
}

/** Numbers that have one hash. */
export const MEETING_NUMBERS: readonly number[] = meetingNumbers(8000);

function meetingNumbers(count: number): number[] {
  const bits = new BigUint64Array(1);
  const double = new Float64Array(bits.buffer);
  const found: number[] = [];
  for (let upper = 1n; found.length < count; upper++) {
    bits[0] = bitsOf(upper << 30n);
    const [number] = double;
    if (Number.isFinite(number) && !Number.isInteger(number)) found.push(number!);
  }
  return found;
}

/** Texts that have one hash: it is their length. */
export function meetingTexts(count: number, length = 16_384): string[] {
  return Array.from({ length: count }, (_, index) => String(index).padStart(length, "x"));
}
