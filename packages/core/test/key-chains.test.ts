import { describe, expect, it } from "vitest";
import { CostBudget, STEP_COST } from "../src/decoded-cost.ts";
import { setAll, setOf } from "../src/key-chains.ts";
import { bigIntHash, numberHash } from "../src/number-hash.ts";
import { meetingBigInts, meetingDoubles, meetingIntegers, thrownBy } from "./support.ts";

/** What a Set of these costs beyond its entries. */
function costOf(values: readonly unknown[]): number {
  let spent = 0;
  expect(setOf(values, { spend: (cost) => (spent += cost) }).size).toBe(new Set(values).size);
  return spent;
}

function milliseconds(values: readonly unknown[]): number {
  const runs = Array.from({ length: 3 }, () => {
    const start = performance.now();
    expect(new Set(values).size).toBe(values.length);
    return performance.now() - start;
  });
  return Math.min(...runs);
}

describe("the hash of numbers", () => {
  it.each([
    ["integers", meetingIntegers(4000), Array.from({ length: 4000 }, (_, index) => 7 * index)],
    ["doubles", meetingDoubles(4000), Array.from({ length: 4000 }, (_, index) => 0.7 * index)],
    ["bigints", meetingBigInts(4000), Array.from({ length: 4000 }, (_, index) => BigInt(7 * index))],
  ])("is that of the engine: %s that should meet take much longer", (_what, meeting, others) => {
    expect(milliseconds(meeting)).toBeGreaterThan(5 * milliseconds(others));
  });

  it("is the same for numbers that are the same key", () => {
    expect(numberHash(-0)).toBe(numberHash(0));
    expect(numberHash(Number.NaN)).toBe(0x3fff_ffff);
    expect(bigIntHash(0n)).toBe(0);
    expect(bigIntHash(-5n)).toBe(bigIntHash(5n));
  });
});

describe("keys that meet", () => {
  it.each([
    ["integers", meetingIntegers(1000), 1],
    ["doubles", meetingDoubles(1000), 1],
    ["bigints", meetingBigInts(1000), 8],
  ])("cost what they take: %s", (_what, values, factor) => {
    // Key after key a step more, from the tenth on.
    const steps = (991 * 992) / 2;
    expect(costOf(values)).toBe(steps * STEP_COST * factor);
  });

  it("are refused as soon as they cost too much, whatever follows", () => {
    const values = [...meetingIntegers(5000), ...Array.from({ length: 100_000 }, (_, index) => index / 2)];
    let count = 0;
    const budget = new CostBudget(1_000_000);
    const spend = (cost: number): void => {
      count++;
      budget.spend(cost);
    };
    expect(thrownBy(() => setOf(values, { spend }))).toMatchObject({ limit: "maxDecodedCost" });
    expect(count).toBeLessThan(400);
  });

  it("are found where they meet in a small table, and not in the last one", () => {
    const small = meetingIntegers(1000, 512);
    const values = [...small, ...Array.from({ length: 100_000 }, (_, index) => -index - 1)];
    expect(costOf(values)).toBeGreaterThan(100_000);
  });

  it("cost each time that they come, and so does a text among them", () => {
    const values = meetingDoubles(500);
    const once = costOf(values);
    const steps = 1000 * (500 - 8);
    expect(costOf([...values, ...Array<number>(1000).fill(values[0]!)])).toBe(once + steps * STEP_COST);
    expect(costOf([...values, ...Array<string>(1001).fill("a")])).toBeGreaterThan(once + steps * STEP_COST);
  });

  it("cost the same in a Map", () => {
    const keys = meetingDoubles(1000);
    let spent = 0;
    const map = new Map<unknown, unknown>();
    setAll(
      map,
      keys.flatMap((key) => [key, "x"]),
      { spend: (cost) => (spent += cost) },
    );
    expect(map).toStrictEqual(new Map(keys.map((key) => [key, "x"])));
    expect(spent).toBe(costOf(keys));
  });

  it("cost nothing more where they are few", () => {
    expect(costOf(meetingIntegers(64))).toBe(0);
  });
});

describe("keys that nobody has chosen to meet", () => {
  const COUNT = 50_000;
  const given: readonly (readonly [string, (index: number) => unknown])[] = [
    ["numbers in a row", (index) => index],
    ["negative ones", (index) => -index],
    ["times", (index) => 1_732_770_000_000 + index],
    ["times in microseconds", (index) => 1_732_770_000_000_000 + index * 1000],
    ["tenths", (index) => index * 0.1],
    ["halves", (index) => index + 0.5],
    ["squares", (index) => index * index],
    ["pairs in a number", (index) => ((index >> 8) << 16) | (index & 0xff)],
    ["fractions", (index) => Math.sin(index)],
    ["bigints", (index) => BigInt(index)],
    ["ids of 64 bits", (index) => BigInt(1_732_770_000_000 + index) << 22n],
    ["texts", (index) => `user-${index}`],
    ["some that repeat", (index) => index % 1000],
    ...Array.from({ length: 24 }, (_, power) => [`times 2^${power}`, (index: number) => index * 2 ** power] as const),
    ...Array.from({ length: 20 }, (_, power) => [`over 2^${power}`, (index: number) => index / 2 ** power] as const),
  ];

  it.each(given)("cost next to nothing more: %s", (_what, make) => {
    expect(costOf(Array.from({ length: COUNT }, (_, index) => make(index)))).toBeLessThan(COUNT / 10);
  });
});

describe("long texts", () => {
  const texts = (count: number, length: number): string[] =>
    Array.from({ length: count }, (_, index) => String(index).padStart(length, "x"));

  it("cost their length for each one of that length before", () => {
    expect(costOf(texts(100, 16_383))).toBe(0);
    expect(costOf(texts(10, 16_384))).toBe(45 * 16_384);
    expect(costOf([...texts(10, 16_384), ...texts(3, 20_000)])).toBe(45 * 16_384 + 3 * 20_000);
    expect(costOf(Array.from({ length: 100 }, (_, index) => "x".repeat(16_384 + index)))).toBe(0);
  });
});
