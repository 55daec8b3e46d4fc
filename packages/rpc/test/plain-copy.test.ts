import { describe, expect, test } from "vitest";
import { plainCopy } from "../src/plain-copy.ts";
import { RecentResults } from "../src/recent-results.ts";
import { Service, expose, service } from "../src/index.ts";

class Desk extends Service {
  @expose name() {
    return "desk";
  }
}

class Hidden {
  readonly #bytes = new Uint8Array(1_000_000);
  get length() {
    return this.#bytes.length;
  }
}

const LONE = "lone \ud800 surrogate";

describe("plainCopy", () => {
  test.each<[unknown]>([
    [undefined],
    [null],
    [true],
    [-0],
    [Number.NaN],
    [2n ** 64n - 1n],
    [-(2n ** 64n) + 1n],
    ["short"],
    ["\u0000 a text that is longer than the shortest, \u{1f600}"],
    [LONE],
    [new Date(5)],
    [[1, [undefined, "x"], { a: { b: null, 1: 2 } }]],
    [new Uint8Array([1, 2, 3])],
  ])("of %o is the same value", (value) => {
    expect(plainCopy(value)).toStrictEqual([value]);
  });

  test("has holes where the array has some", () => {
    const holed = [1];
    holed[2] = 3;
    expect(Object.keys(plainCopy(holed)![0] as object)).toStrictEqual(["0", "2"]);
  });

  test("shares nothing that can change, and no memory", () => {
    const list = [1];
    const large = new Uint8Array(100_000);
    const value = { list, date: new Date(0), view: large.subarray(5, 9), buffer: Buffer.from(large.buffer, 8, 2) };
    const [copy] = plainCopy(value) as [typeof value];
    list.push(2);
    value.date.setTime(1);
    expect([copy.list, copy.date.getTime()]).toStrictEqual([[1], 0]);
    expect([copy.view.buffer.byteLength, copy.buffer.buffer.byteLength]).toStrictEqual([4, 2]);
    expect(copy.buffer).toBeInstanceOf(Buffer);
  });

  test.each<[string, () => unknown]>([
    ["an instance of another class", () => new Hidden()],
    ["an error", () => new Error("x".repeat(1_000_000))],
    ["a URL", () => new URL(`http://x/${"a".repeat(60_000)}`)],
    ["a Map", () => new Map()],
    ["a Set", () => new Set()],
    ["a bigint of more than 64 bits", () => 2n ** 64n],
    ["a service", () => new Desk()],
    ["a map of services", () => service({})],
    ["a function", () => () => 1],
    ["a symbol", () => Symbol("s")],
    ["a stream", () => ({ async *[Symbol.asyncIterator]() {} })],
    ["an array of another class", () => new (class extends Array {})()],
    ["bytes of another class", () => new (class extends Uint8Array {})(1)],
    ["a date of another class", () => new (class extends Date {})()],
    ["a map with a prototype as a key", () => JSON.parse('{"__proto__": 1}') as unknown],
    ["what can't be looked at", () => Object.defineProperty({}, "a", { enumerable: true, get: () => expect.fail() })],
  ])("of %s is none, nor of what it is in", (_what, make) => {
    expect(plainCopy(make())).toBe(undefined);
    expect(plainCopy([{ deep: make() }])).toBe(undefined);
  });
});

describe("Results that are kept for calls on them", () => {
  const kept = (value: unknown): boolean => {
    const results = new RecentResults();
    // The first that is addressed.
    expect(() => results.get(0)).toThrow();
    results.settle(1, value);
    return results.size === 1;
  };

  test.each<[unknown, boolean]>([
    [new Hidden(), false],
    [new Error("short"), false],
    [[new URL("http://x/")], false],
    [{ desk: new Desk() }, false],
    [new Desk(), true],
    [{ a: 1 }, true],
    [undefined, true],
    ["x".repeat(4087), true],
    ["x".repeat(4088), false],
    [new Uint8Array(1_000_000).subarray(0, 4087), true],
    [new Uint8Array(4088), false],
  ])("%#: services, functions and plain values of 4,096 bytes at most", (value, isKept) => {
    expect(kept(value)).toBe(isKept);
  });

  test("are what they were when they were sent", () => {
    const results = new RecentResults();
    expect(() => results.get(0)).toThrow();
    const value = { list: [1] };
    results.settle(1, value);
    value.list.push(2);
    expect(results.get(1)).toStrictEqual({ list: [1] });
    results.leave(1);
    expect(results.size).toBe(0);
  });
});
