const SIGN = 0x8000;
const INFINITY = 0x7c00;
const NAN = 0x7e00;
const LEAST_NORMAL = 2 ** -14;
/** Half way from the largest finite value to the one that would come next. */
const ROUNDS_TO_INFINITY = 65_520;
/** What a unit of the significand is worth, by exponent; that of subnormal values is the same as for exponent 1. */
const UNITS: readonly number[] = Array.from({ length: 31 }, (_, exponent) => 2 ** (Math.max(exponent, 1) - 25));

/** The value of the 16 bits of an IEEE 754 half. */
export function readFloat16(bits: number): number {
  const exponent = (bits >>> 10) & 0x1f;
  const significand = bits & 0x3ff;
  let magnitude: number;
  if (exponent === 0x1f) magnitude = significand === 0 ? Infinity : Number.NaN;
  else magnitude = (exponent === 0 ? significand : significand + 0x400) * UNITS[exponent]!;
  return (bits & SIGN) === 0 ? magnitude : -magnitude;
}

/** The values of many halves. */
export function readFloat16s(bits: Uint16Array): Float32Array<ArrayBuffer> {
  const values = new Float32Array(bits.length);
  for (let index = 0; index < bits.length; index++) values[index] = readFloat16(bits[index]!);
  return values;
}

/** The 16 bits of the half that is nearest to a value; of two that are as near, the even one. */
export function float16Bits(value: number): number {
  if (Number.isNaN(value)) return NAN;
  const sign = value < 0 || Object.is(value, -0) ? SIGN : 0;
  const magnitude = Math.abs(value);
  if (magnitude >= ROUNDS_TO_INFINITY) return sign | INFINITY;
  // Up to 0x400, which is the least normal value.
  if (magnitude < LEAST_NORMAL) return sign | roundHalfEven(magnitude / UNITS[0]!);
  // Where the logarithm is off, next to a power of two, both exponents lead to the same bits.
  const biased = Math.max(Math.floor(Math.log2(magnitude)) + 15, 1);
  // What is rounded up to 0x800 goes on to the next exponent by the addition.
  return sign | ((biased << 10) + roundHalfEven(magnitude / UNITS[biased]!) - 0x400);
}

/** For values from 0 to 2^11, whose fraction is exact. */
function roundHalfEven(value: number): number {
  const below = Math.floor(value);
  const fraction = value - below;
  return fraction > 0.5 || (fraction === 0.5 && below % 2 === 1) ? below + 1 : below;
}
