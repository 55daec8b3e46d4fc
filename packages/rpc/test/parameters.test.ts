import { describe, expect, test } from "vitest";
import { REST, parameterNames } from "../src/parameters.ts";

class Methods {
  none(): void {}
  two(a: number, b: number): number {
    return a + b;
  }
  async later(x: number): Promise<number> {
    return x;
  }
  *items(start: number, end: number): Generator<number> {
    yield start + end;
  }
  async *stream(start: number): AsyncGenerator<number> {
    yield start;
  }
  "odd name"(q: number): number {
    return q;
  }
  ["computed"](w: number): number {
    return w;
  }
  get(key: string): string {
    return key;
  }
  async(a: number): number {
    return a;
  }
  function(b: number): number {
    return b;
  }
}

const CASES: [fn: (...args: any[]) => unknown, names: string[]][] = [
  [() => 0, []],
  [(a) => a, ["a"]],
  [(a, b) => a + b, ["a", "b"]],
  [async (a, b) => a + b, ["a", "b"]],
  [async (a) => a, ["a"]],
  [(a = 1, b = [1, 2], c = { x: ")" }) => a + b + c, ["a", "b", "c"]],
  [(a = "x,y)", b = `z,${a})`, c = 'q"') => a + b + c, ["a", "b", "c"]],
  [(a = (x: number, y: number) => x + y, b = 2) => [a, b], ["a", "b"]],
  [({ a, b }, c) => [a, b, c], ["", "c"]],
  [([a, b], c) => [a, b, c], ["", "c"]],
  [(...all) => all, [REST]],
  [(a, ...rest) => [a, rest], ["a", REST]],
  [
    function named(a, b) {
      return [a, b];
    },
    ["a", "b"],
  ],
  [
    function (a) {
      return a;
    },
    ["a"],
  ],
  [
    async function later(a) {
      return a;
    },
    ["a"],
  ],
  [
    function* items(a) {
      yield a;
    },
    ["a"],
  ],
  [($a, _b, ä) => [$a, _b, ä], ["$a", "_b", "ä"]],
  [Methods.prototype.none, []],
  [Methods.prototype.two, ["a", "b"]],
  [Methods.prototype.later, ["x"]],
  [Methods.prototype.items, ["start", "end"]],
  [Methods.prototype.stream, ["start"]],
  [Methods.prototype["odd name"], ["q"]],
  [Methods.prototype["computed"], ["w"]],
  [Methods.prototype.get, ["key"]],
  [Methods.prototype.async, ["a"]],
  [Methods.prototype.function, ["b"]],
  [Math.max, []],
  [Methods.prototype.two.bind(null), []],
];

/** Forms that a formatter or compiler would change. */
const SOURCES: [source: string, names: string[]][] = [
  ["(a/* one, */, b // two,\n, c) => 0", ["a", "b", "c"]],
  ["function /* x */ name /* ( */ (a) {}", ["a"]],
  ["async(a,b)=>0", ["a", "b"]],
  ["async a=>0", ["a"]],
  ["a=>a", ["a"]],
  ["function*gen(a){}", ["a"]],
  ["async function*gen(a){}", ["a"]],
  ["(a = 'http://example.com', b) => 0", ["a", "b"]],
  ["(a = \"/* \", b = ' */') => 0", ["a", "b"]],
  ["(a = /[,)]/, b) => 0", ["a", "b"]],
  ["(a,\n  b,\n) => 0", ["a", "b"]],
  ["(a, /* nothing */) => 0", ["a"]],
  ["(a // one, two)\n) => 0", ["a"]],
];

describe("parameterNames", () => {
  test.each(CASES.map(([fn, names]) => [fn.toString().replaceAll(/\s+/g, " ").slice(0, 60), fn, names] as const))(
    "of %s",
    (_source, fn, names) => {
      expect(parameterNames(fn)).toEqual(names);
    },
  );

  test.each(SOURCES)("of %j", (source, names) => {
    // oxlint-disable-next-line typescript/no-implied-eval -- sources that no formatter has touched
    const fn = new Function(`return (${source})`)() as () => unknown;
    expect(parameterNames(fn)).toEqual(names);
  });

  test("of a method written in the shortest form", () => {
    // oxlint-disable-next-line typescript/no-implied-eval -- as above
    const object = new Function("return {async*stream(a,b){}, *items(c){}, async later(d){}, plain(e){}}")();
    expect(parameterNames(object.stream)).toEqual(["a", "b"]);
    expect(parameterNames(object.items)).toEqual(["c"]);
    expect(parameterNames(object.later)).toEqual(["d"]);
    expect(parameterNames(object.plain)).toEqual(["e"]);
  });
});
