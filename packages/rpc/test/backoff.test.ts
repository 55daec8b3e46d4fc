import { describe, expect, test } from "vitest";
import { Backoff, pause } from "../src/backoff.ts";

describe("a back-off", () => {
  test("draws each wait between 0 and a bound that grows by the factor up to the longest", () => {
    const drawn = [0, 0.5, 1];
    for (const value of drawn) {
      const backoff = new Backoff({ minMs: 100, maxMs: 300, factor: 1.6 }, () => value);
      const waits = Array.from({ length: 5 }, () => backoff.next());
      const expected = [100, 160, 256, 300, 300].map((bound) => bound * value);
      for (const [index, wait] of waits.entries()) expect(wait).toBeCloseTo(expected[index]!);
    }
  });

  test("begins with 100 ms, grows by 1.6, and ends at 30 s where nothing else is said", () => {
    const backoff = new Backoff({}, () => 1);
    const waits = Array.from({ length: 20 }, () => backoff.next());
    expect(waits[0]).toBe(100);
    expect(waits[1]).toBeCloseTo(160);
    expect(waits[12]).toBeCloseTo(100 * 1.6 ** 12);
    expect(waits[13]).toBe(30_000);
    expect(waits.at(-1)).toBe(30_000);
    backoff.reset();
    expect(backoff.next()).toBe(100);
  });

  test("draws from all of the range", () => {
    const waits = Array.from({ length: 1000 }, () => new Backoff().next());
    expect(Math.min(...waits)).toBeLessThan(10);
    expect(Math.max(...waits)).toBeGreaterThan(90);
    expect(Math.max(...waits)).toBeLessThan(100);
  });

  test.each([
    [{ minMs: -1 }, /minMs is -1; it takes milliseconds from 0 on/],
    [{ minMs: Number.NaN }, /minMs is NaN/],
    [{ minMs: 10, maxMs: 9 }, /maxMs is 9; it takes milliseconds from 10 on/],
    [{ maxMs: Infinity }, /maxMs is Infinity/],
    [{ factor: 0.99 }, /factor is 0.99; it takes a number from 1 on/],
    [{ factor: "2" as never }, /factor is 2/],
  ])("refuses %j", (options, message) => {
    expect(() => new Backoff(options)).toThrow(message);
  });

  test("takes bounds at their edges", () => {
    const backoff = new Backoff({ minMs: 0, maxMs: 0, factor: 1 }, () => 1);
    expect([backoff.next(), backoff.next()]).toEqual([0, 0]);
    const long = new Backoff({ minMs: 40_000 }, () => 1);
    expect([long.next(), long.next()]).toEqual([40_000, 40_000]);
  });
});

test("a pause ends at once on a signal that has aborted, or that aborts", async () => {
  const abort = new AbortController();
  const start = performance.now();
  const paused = pause(60_000, [abort.signal]);
  abort.abort();
  await paused;
  await pause(60_000, [abort.signal]);
  expect(performance.now() - start).toBeLessThan(5000);
});
