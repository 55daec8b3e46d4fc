import { describe, expect, test } from "vitest";
import { verdictsOf } from "../stress/src/attacks/main.ts";
import type { Cell } from "../stress/src/attacks/cells.ts";
import { shown } from "../stress/src/faults/row.ts";
import type { Look } from "../stress/src/soak/look.ts";
import { growthsOf, leftovers } from "../stress/src/soak/soak.ts";
import type { Sample } from "../stress/src/soak/soak.ts";

const MEBIBYTE = 1_048_576;

describe("What judges attacks", () => {
  const cell: Cell = {
    row: "T1",
    name: "made up",
    role: "server",
    tls: false,
    rounds: 1,
    ends: "ended",
    calls: 1000,
    p99Before: 2,
    p99Under: 19,
    grownBytes: 42 * MEBIBYTE,
    budgetBytes: 21 * MEBIBYTE,
    wrong: [],
  };

  test("takes twice the percentile and 15 ms, and twice the memory", () => {
    expect(verdictsOf(cell, false)).toEqual([]);
  });

  test.each<[string, Partial<Cell>, string]>([
    ["slower calls", { p99Under: 19.1 }, "honest calls are slow"],
    ["more memory", { grownBytes: 42 * MEBIBYTE + 1 }, "too much memory"],
    ["what is wrong", { wrong: ["a round has ended", "a round has ended"] }, "a round has ended"],
  ])("finds %s", (_what, change, verdict) => {
    expect(verdictsOf({ ...cell, ...change }, false)).toEqual([verdict]);
  });

  test("looks only at what is wrong where each has a tenth of a second", () => {
    expect(verdictsOf({ ...cell, p99Under: 100, grownBytes: 1e9, wrong: ["wrong"] }, true)).toEqual(["wrong"]);
  });
});

describe("What judges faults", () => {
  test.each([
    [true, [], true],
    [false, [], false],
    [true, ["a call has not settled"], false],
  ])("within its bar %s and with %j it is good: %s", (isWithin, wrong, isGood) => {
    expect(shown("3 ms", isWithin, wrong)).toMatchObject({ isGood });
  });
});

describe("What judges a soak", () => {
  const rest: Look = {
    heapBytes: 10_000_000,
    externalBytes: 2_000_000,
    residentBytes: 80_000_000,
    handles: 5,
    descriptors: 24,
    connections: 2,
    entries: 0,
    found: "nothing",
  };
  const HOURS = 1;
  const COUNT = 40;

  /** Samples of an hour, in which the client's `measure` grows by `growth` behind the middle. */
  function samplesOf(measure: Exclude<keyof Look, "found">, growth: number, count = COUNT): Sample[] {
    return Array.from({ length: count }, (_, index) => {
      const hours = (HOURS * index) / (count - 1);
      const noise = index % 2 === 0 ? 0.01 : -0.01;
      const grown = growth * (Math.max(hours - HOURS / 2, 0) / (HOURS / 2) + noise);
      return { hours, sides: { client: { ...rest, [measure]: rest[measure] + grown }, server: rest } };
    });
  }

  const BOUNDS: readonly (readonly [Exclude<keyof Look, "found">, number, string])[] = [
    ["heapBytes", 1_000_000, "client: heap, kB"],
    ["externalBytes", 500_000, "client: buffers, kB"],
    ["residentBytes", 16_000_000, "client: resident, kB"],
    ["handles", 3, "client: handles"],
    ["descriptors", 3, "client: descriptors"],
    ["connections", 3, "client: connections"],
    ["entries", 3, "client: entries of tables"],
  ];

  test.each(BOUNDS)("finds that %s rise by more than %d", (measure, growth, name) => {
    const growing = growthsOf("client", samplesOf(measure, growth * 1.3)).filter(({ verdict }) => verdict !== "ok");
    expect(growing).toMatchObject([{ name, verdict: "grows" }]);
    expect(growthsOf("client", samplesOf(measure, growth * 0.9)).every(({ verdict }) => verdict === "ok")).toBe(true);
  });

  test("says nothing of too few looks", () => {
    const verdicts = growthsOf("client", samplesOf("handles", 100, 8)).map(({ verdict }) => verdict);
    expect(new Set(verdicts)).toEqual(new Set(["too few looks"]));
  });

  test("finds what is left in tables", () => {
    expect(leftovers({ hours: 1, sides: { client: rest, server: rest } })).toEqual([]);
    const left = { ...rest, entries: 2, found: "pending 2" };
    expect(leftovers({ hours: 1, sides: { client: rest, server: left } })).toEqual([
      "the tables of the server have 2 entries at rest (pending 2)",
    ]);
    expect(leftovers(undefined)).toEqual(["no sample was taken"]);
  });
});
