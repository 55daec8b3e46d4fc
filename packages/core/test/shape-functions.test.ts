import { beforeEach, describe, expect, it, vi } from "vitest";
import { ShapeFunctions, shapeFunctions } from "../src/shape-functions.ts";

const reader = { read: () => 1, within: (error: unknown) => error };

/** Milliseconds that pass with each look at the time. */
let step = 10;

beforeEach(() => {
  step = 10;
  let now = 1e6;
  vi.spyOn(performance, "now").mockImplementation(() => (now += step));
});

describe("compiled functions of shapes", () => {
  it("are made once for the same keys, and not the same for keys that look alike when they are joined", () => {
    const functions = new ShapeFunctions(100);
    expect(functions.takeReader(["a", "b"])).toBe(functions.takeReader(["a", "b"]));
    const lists = [["a,b"], ["a", "b"], ['a","b'], ["b", "a"], ["a", "b", ""], ["\ud800"], ["\ud801"]];
    const read = lists.map((keys) => Object.keys(functions.takeReader(keys)!.run(reader, 0)));
    expect(read).toStrictEqual(lists);
    expect(functions.count).toBe(lists.length);
  });

  it("read or write: each is made for itself", () => {
    const functions = new ShapeFunctions(100);
    const written: unknown[] = [];
    functions.takeWriter(["a"])!.run({ write: (value) => written.push(value), within: (error) => error }, { a: 5 }, 0);
    expect([written, functions.count]).toStrictEqual([[5], 1]);
    expect(functions.takeReader(["a"])!.run(reader, 0)).toStrictEqual({ a: 1 });
    expect(functions.count).toBe(2);
  });

  it("are none for more where all are in use, and what is in use stays", () => {
    const functions = new ShapeFunctions(3);
    const [a, b, c] = ["a", "b", "c"].map((key) => functions.takeReader([key])!);
    expect(functions.takeReader(["d"])).toBeUndefined();
    expect(functions.takeWriter(["a"])).toBeUndefined();
    expect(functions.takeReader(["b"])).toBe(b);
    functions.giveBack(b!);
    expect([functions.count, functions.usedCount]).toStrictEqual([3, 3]);
    expect(functions.takeReader(["d"])).toBeUndefined();
    functions.giveBack(b!);
    expect([functions.count, functions.usedCount]).toStrictEqual([3, 2]);
    expect(functions.takeReader(["d"])!.run(reader, 0)).toStrictEqual({ d: 1 });
    expect(functions.takeReader(["b"])).toBeUndefined();
    expect([functions.takeReader(["a"]), functions.takeReader(["c"])]).toStrictEqual([a, c]);
  });

  it("are kept when nobody uses them, and replaced from the oldest on", () => {
    const functions = new ShapeFunctions(3);
    const [a, b, c] = ["a", "b", "c"].map((key) => functions.takeReader([key])!);
    for (const compiled of [c!, a!, b!]) functions.giveBack(compiled);
    expect(functions.takeReader(["c"])).toBe(c);
    functions.giveBack(c!);
    // a is the oldest now.
    functions.giveBack(functions.takeReader(["d"])!);
    expect([functions.takeReader(["b"]), functions.takeReader(["c"])]).toStrictEqual([b, c]);
    expect(functions.takeReader(["a"])).not.toBe(a);
    expect(functions.count).toBe(3);
  });

  it("are 8 in 10 milliseconds, and those that are there don't count", () => {
    const functions = new ShapeFunctions(100);
    step = 0;
    const [first] = Array.from({ length: 8 }, (_, index) => functions.takeReader([`k${index}`])!);
    expect(functions.takeReader(["k8"])).toBeUndefined();
    expect(functions.takeReader(["k0"])).toBe(first);
    expect(functions.count).toBe(8);
    step = 10;
    expect(functions.takeReader(["k8"])!.run(reader, 0)).toStrictEqual({ k8: 1 });
  });

  it("are 1,024 in a process", () => {
    const taken = Array.from({ length: 1024 }, (_, index) => shapeFunctions.takeReader([`k${index}`])!);
    expect(shapeFunctions.takeReader(["another"])).toBeUndefined();
    for (const compiled of taken) shapeFunctions.giveBack(compiled);
    expect([shapeFunctions.count, shapeFunctions.usedCount]).toStrictEqual([1024, 0]);
  });
});
