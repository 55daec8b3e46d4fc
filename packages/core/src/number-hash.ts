const HASH_BITS = 0x3fff_ffff;
/** Engines give it the largest of their small integers. */
const HASH_OF_NAN = 0x3fff_ffff;

const double = new Float64Array(1);
const wide = new BigUint64Array(double.buffer);
const words = new Uint32Array(double.buffer);
const LOW = new Uint8Array(Uint32Array.of(1).buffer)[0] === 1 ? 0 : 1;
const HIGH = 1 - LOW;

/** The hash that V8 gives a number in a Map or Set: it has no seed. */
export function numberHash(value: number): number {
  const integer = value | 0;
  if (integer === value) return integerHash(integer);
  double[0] = value;
  return Number.isNaN(value) ? HASH_OF_NAN : wideHash(words[HIGH]!, words[LOW]!);
}

/** The same of a bigint: of its last 64 bits, without the sign. */
export function bigIntHash(value: bigint): number {
  if (value === 0n) return 0;
  wide[0] = value < 0n ? -value : value;
  return wideHash(words[HIGH]!, words[LOW]!);
}

function integerHash(integer: number): number {
  let hash = (~integer + (integer << 15)) | 0;
  hash ^= hash >>> 12;
  hash = (hash + (hash << 2)) | 0;
  hash ^= hash >>> 4;
  hash = Math.imul(hash, 2057);
  return (hash ^ (hash >>> 16)) & HASH_BITS;
}

/** Of 64 bits, in two halves. */
function wideHash(upper: number, lower: number): number {
  let low = (~lower + (lower << 18)) | 0;
  let high = (~upper + ((upper << 18) | (lower >>> 14)) + carry(~lower, lower << 18)) | 0;
  low ^= (high << 1) | (low >>> 31);
  high ^= high >>> 31;
  high = (Math.imul(high, 21) + Math.floor(((low >>> 0) * 21) / 0x1_0000_0000)) | 0;
  low = Math.imul(low, 21);
  low ^= (high << 21) | (low >>> 11);
  high ^= high >>> 11;
  high = (high + ((high << 6) | (low >>> 26)) + carry(low, low << 6)) | 0;
  low = (low + (low << 6)) | 0;
  return (low ^ ((high << 10) | (low >>> 22))) & HASH_BITS;
}

/** Of the sum of two times 32 bits. */
function carry(one: number, other: number): number {
  return (one >>> 0) + (other >>> 0) > 0xffff_ffff ? 1 : 0;
}
