import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { float16Bits, readFloat16 } from "../src/float16.ts";

/** All finite halves from 0 up; their index is their bits. */
const HALVES: readonly number[] = Array.from({ length: 0x7c00 }, (_, bits) => readFloat16(bits));

/** The nearest half of all, the even one of two; beyond the largest it counts as if there were one more. */
function nearestBits(magnitude: number): number {
  const candidates = [...HALVES, 65_536];
  let best = 0;
  for (const [bits, value] of candidates.entries()) {
    const distance = Math.abs(value - magnitude);
    const least = Math.abs(candidates[best]! - magnitude);
    if (distance < least || (distance === least && bits % 2 === 0)) best = bits;
  }
  return best;
}

describe("float16", () => {
  it.each([
    [0x0000, 0],
    [0x8000, -0],
    [0x0001, 2 ** -24],
    [0x03ff, 1023 * 2 ** -24],
    [0x0400, 2 ** -14],
    [0x3555, 0.333251953125],
    [0x3c00, 1],
    [0xc000, -2],
    [0x7bff, 65_504],
    [0xfbff, -65_504],
    [0x7c00, Infinity],
    [0xfc00, -Infinity],
    [0x7e00, Number.NaN],
    [0x7c01, Number.NaN],
  ])("bits %i are %d", (bits, value) => {
    expect(readFloat16(bits)).toBe(value);
    expect(float16Bits(value)).toBe(Number.isNaN(value) ? 0x7e00 : bits);
  });

  it("has the bits of each of its values", () => {
    for (let bits = 0; bits < 0x1_0000; bits++) {
      const value = readFloat16(bits);
      if (!Number.isNaN(value)) expect(float16Bits(value)).toBe(bits);
    }
  });

  it("values rise with the bits", () => {
    for (let bits = 1; bits < HALVES.length; bits++) expect(HALVES[bits]).toBeGreaterThan(HALVES[bits - 1]!);
  });

  it.each([
    ["half way to the least is 0", 2 ** -25, 0x0000],
    ["more than half way to the least", 2 ** -25 + 2 ** -60, 0x0001],
    ["half way between two subnormals, to the even one", 3 * 2 ** -25, 0x0002],
    ["half way to the least normal", 2047 * 2 ** -25, 0x0400],
    ["half way to 2", 2 - 2 ** -11, 0x4000],
    ["just below half way to 2", 2 - 2 ** -11 - 2 ** -40, 0x3fff],
    ["where a float32 in between would be rounded twice", 1 + 2 ** -11 + 2 ** -30, 0x3c01],
    ["next to a power of two", 2 - 2 ** -52, 0x4000],
    ["next to the least normal", 2 ** -14 + 2 ** -66, 0x0400],
    ["just below what becomes infinite", 65_519.999, 0x7bff],
    ["half way to what would come next", 65_520, 0x7c00],
    ["the largest double", Number.MAX_VALUE, 0x7c00],
    ["the least double", Number.MIN_VALUE, 0x0000],
  ])("rounds: %s", (_what, value, bits) => {
    expect(float16Bits(value)).toBe(bits);
    expect(float16Bits(-value)).toBe(bits | 0x8000);
  });

  it("rounds as a search among all values does", () => {
    const value = fc.oneof(
      fc.double({ min: 0, max: 65_600, noNaN: true }),
      fc.double({ min: 0, max: 2 ** -13, noNaN: true }),
      // Half way between neighbours.
      fc.integer({ min: 0, max: 0x7bfe }).map((bits) => (HALVES[bits]! + HALVES[bits + 1]!) / 2),
    );
    fc.assert(
      fc.property(value, (magnitude) => {
        expect(float16Bits(magnitude)).toBe(nearestBits(magnitude));
      }),
      { numRuns: 300 },
    );
  });
});
