import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { CONTAINER_COST, JSON_ELEMENT_COST, TEXT_COST } from "../src/decoded-cost.ts";
import { checkJson, mayBeCostly, mayBeDeep, mayHaveMeaning } from "../src/json-check.ts";
import { JsonCodec } from "../src/json-codec.ts";
import { expectSame, thrownBy } from "./support.ts";

const SHORT = 48;

interface Told {
  depth: number;
  cost: number;
  isBalanced: boolean;
}

/** What the keys of maps cost, list by list. */
class NaiveLists {
  readonly #known = new Set<string>();
  readonly #keys: string[][] = [];
  readonly #highest: number[] = [];

  open(depth: number): void {
    this.#keys[depth] = [];
    this.#highest[depth] = -1;
  }

  add(depth: number, key: string): number {
    (this.#keys[depth] ??= []).push(key);
    const [before, index] = [this.#highest[depth] ?? -1, /^\d{1,10}$/.test(key) ? Number(key) : -1];
    if (index < 0) return 0;
    this.#highest[depth] = Math.max(index, before);
    const isInArray = index > before && index - before <= 1024;
    return (before < 0 ? 160 : 0) + (isInArray ? 12 * (index - before) : 48) + (index < 2 ** 31 ? 0 : 96);
  }

  close(depth: number): number {
    const keys = this.#keys[depth]!;
    const list = keys.map((key) => `${key}\n`).join("");
    const isTable = keys.length > 127;
    if (this.#known.has(list)) return isTable ? 48 * keys.length : 0;
    this.#known.add(list);
    return keys.join("").length + 96 * keys.length + 5 * Math.min(keys.length, 64) ** 2;
  }
}

/** The oracle: text by text, in the simplest way. */
function naive(given: string): Told {
  const told: Told = { depth: 0, cost: given.length, isBalanced: true };
  const lists = new NaiveLists();
  let depth = 0;
  for (let at = 0; at < given.length; at++) {
    const char = given[at]!;
    if (char === "[" || char === "{") {
      depth++;
      told.depth = Math.max(told.depth, depth);
      told.cost += CONTAINER_COST;
      lists.open(depth);
    } else if (char === "]" || char === "}") {
      if (depth === 0) return { ...told, isBalanced: false };
      if (char === "}") told.cost += lists.close(depth);
      depth--;
    } else if (char === ",") told.cost += JSON_ELEMENT_COST;
    else if (char === '"') {
      const text = /^(?:\\[^]|[^"\\])*\\?/.exec(given.slice(at + 1))![0];
      at += text.length + 1;
      told.cost += /^[\0- ]*:/.test(given.slice(at + 1)) ? lists.add(depth, text) : TEXT_COST + text.length;
    }
  }
  return { ...told, isBalanced: depth === 0 };
}

function check(given: string, maxDepth = Infinity, maxCost = Infinity): number {
  const bytes = Buffer.from(given, "latin1");
  return checkJson(bytes, 0, bytes.length, maxDepth, maxCost);
}

function expectAgreement(given: string, before = "", behind = ""): void {
  const { depth, cost, isBalanced } = naive(given);
  const bytes = Buffer.from(before + given + behind, "latin1");
  const run = (maxDepth: number, maxCost: number): number =>
    checkJson(bytes, before.length, before.length + given.length, maxDepth, maxCost);
  if (isBalanced) expect(run(depth, cost)).toBe(cost);
  else expect(thrownBy(() => run(depth, cost)).message).toContain("not JSON");
  if (depth > 0) expect(thrownBy(() => run(depth - 1, Infinity)).message).toContain("(maxDepth)");
  if (cost > given.length) expect(thrownBy(() => run(Infinity, cost - 1)).message).toContain("(maxDecodedCost)");
}

describe("checkJson", () => {
  const piece = fc.oneof(
    fc.constantFrom('"', '"', "\\", "[", "{", "]", "}", ",", ":", " ", "\n", "u", "0", "x", "é", "\\u005f", '\\"'),
    fc.constantFrom('"a":', '"b":', '"":', '"1022":', '"7":', '"12" :', '"99999":', '"4294967294":', '"01":'),
    fc.constantFrom('{"a":1,"b":2}', '{"a":1,"b":2}', '{"b":1,"a":2}', '{"a":{"a":1},"b":{}}', '{"ab":1}', "{}", '"a"'),
    fc.constantFrom("\\u", "\\\\u", '"\\', '\\\\"', '\\\\\\"'),
    fc.integer({ min: 40, max: 60 }).map((length) => "x".repeat(length)),
    fc.integer({ min: 40, max: 60 }).map((length) => `"${"y".repeat(length)}"`),
  );
  const soup = fc.array(piece, { maxLength: 30 }).map((pieces) => pieces.join(""));

  it("tells depth and cost as the oracle does, of whatever bytes", () => {
    fc.assert(
      fc.property(soup, (given) => expectAgreement(given)),
      { numRuns: 5000 },
    );
  });

  it("tells them of arrays and maps that are whole", () => {
    const item = fc.oneof(
      piece,
      fc.jsonValue({ maxDepth: 4 }).map((value) => JSON.stringify(value)),
    );
    const whole = fc.array(item, { maxLength: 20 }).map((items) => `[${items.join(",")}]`);
    fc.assert(
      fc.property(whole, (given) => expectAgreement(given)),
      { numRuns: 3000 },
    );
  });

  it("tells them of what takes several calls", () => {
    const wide = `{${Array.from({ length: 400 }, (_, index) => `"k${index}":${index}`).join(",")}}`;
    fc.assert(
      fc.property(soup, (given) => expectAgreement(`[${wide},${`${given},`.repeat(40)}"${"x".repeat(600)}",${wide}]`)),
      { numRuns: 300 },
    );
  });

  it("takes nothing for a part of the payload that stands before or behind it", () => {
    const other = fc.constantFrom(
      "",
      '"',
      "\\",
      '\\"',
      "u0041",
      '__proto__":',
      "[[[[",
      ',,"x',
      "\\u0041",
      "x".repeat(80),
    );
    fc.assert(
      fc.property(soup, other, other, (given, before, behind) => expectAgreement(`[${given}]`, before, behind)),
      { numRuns: 2000 },
    );
  });

  it("finds the end of a text of any length, whatever stands at the end and is escaped there", () => {
    for (const last of ["", "\\\\", '\\"', "\\n", "\\u0041", '\\\\\\"', "\\\\\\\\"]) {
      for (let length = SHORT - 16; length <= SHORT + 16; length++) {
        for (const middle of ["", '\\"', "y".repeat(SHORT)]) {
          const given = `{"a":["${"x".repeat(length)}${middle}${last}",{"b":[["\\"]"]]}],"then":1}`;
          JSON.parse(given);
          expectAgreement(given);
        }
      }
    }
  });

  it("counts the keys of a list once, and each list that is new", () => {
    const cost = (...maps: string[]): number => check(`[${maps.join(",")}]`);
    const more = (first: string, second: string): number => cost(first, second) - cost(first) - second.length - 1;
    const known = CONTAINER_COST + JSON_ELEMENT_COST;
    expect(more('{"a":1}', '{"a":2}')).toBe(known);
    expect(more('{"a":1}', '{"b":2}')).toBe(known + 1 + 96 + 5);
    expect(more('{"a":1,"b":2}', '{"a":1,"b":2}')).toBe(known + JSON_ELEMENT_COST);
    expect(more('{"a":1,"b":2}', '{"b":1,"a":2}')).toBe(known + JSON_ELEMENT_COST + 2 + 2 * 96 + 4 * 5);
    expect(more('{"ab":1}', '{"a":1,"b":1}')).toBe(known + JSON_ELEMENT_COST + 2 + 2 * 96 + 4 * 5);
  });

  it("takes lists beyond the first 4,096 for new ones", () => {
    const maps = (count: number): string => Array.from({ length: count }, (_, index) => `{"k${index}":1}`).join(",");
    const twice = (count: number): number => check(`[${maps(count)},${maps(count)}]`) - 2 * check(`[${maps(count)}]`);
    const perMap = (twice(6000) - twice(4000)) / 2000;
    expect(perMap).toBeGreaterThan(-20);
    expect(twice(4000) / 4000).toBeLessThan(-90);
  });

  it("refuses what has more brackets at one end, before it is parsed", () => {
    for (const given of ["[", '{"a":1', "]", "}", "[]]", "{}}", '["a"', '"]",[', "}".repeat(5000) + ":".repeat(5000)])
      expect(thrownBy(() => check(given)).message).toBe("not JSON: its brackets don't fit");
  });
});

describe("a look at a small text", () => {
  it("finds that it may be deep where it is", () => {
    const nested = (depth: number): string => `${"[{".repeat(depth / 2)}${"}]".repeat(depth / 2)}`;
    for (const limit of [2, 8, 64]) {
      expect(mayBeDeep(nested(limit), limit)).toBe(false);
      expect(mayBeDeep(nested(limit + 2), limit)).toBe(true);
      expect(mayBeDeep(`[${"[],".repeat(limit)}1]`, limit)).toBe(true);
      expect(mayBeDeep(`[${"{},".repeat(limit - 1)}1]`, limit)).toBe(false);
    }
  });

  it("finds keys with a meaning, however they are written", () => {
    for (const key of ["__proto__", "__type__", 'constructor":{"prototype', "\\u005f_proto__", "\\u0063onstructor"])
      for (const rest of ["", "x".repeat(200)]) expect(mayHaveMeaning(`{"${key}":1,"a":"${rest}"}`)).toBe(true);
    for (const key of ["_", "_a_", "constructor", "then", "toJSON", "\\n", "proto", "\\\\"])
      for (const rest of ["", "x".repeat(200)]) expect(mayHaveMeaning(`{"${key}":1,"a":"${rest}"}`)).toBe(false);
  });

  it("is enough where no byte can cost too much", () => {
    for (const unit of ["[]", '{"1023":0}', '{"a":{}}', '""', '"a"', "1", '{"a":1,"b":2}', '{"9999999999":0}']) {
      const given = `[${`${unit},`.repeat(500)}${unit}]`;
      expect(mayBeCostly(given.length, check(given))).toBe(true);
    }
  });
});

describe("keys with a meaning, as JsonCodec reads them", () => {
  class Point {
    readonly x: unknown;
    constructor(x: unknown) {
      this.x = x;
    }
  }
  const codec = new JsonCodec([() => [Point, ({ x }) => x, (x) => new Point(x)]]);

  function outcome(given: string): unknown {
    try {
      return { value: codec.decode(Buffer.from(given)) };
    } catch (error) {
      return { message: (error as Error).message };
    }
  }

  const escaped = (char: string): string => `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`;
  const spellings: readonly ((char: string) => string)[] = [
    (char) => JSON.stringify(char).slice(1, -1),
    escaped,
    (char) => escaped(char).replace(/[a-f]/g, (digit) => digit.toUpperCase()),
  ];
  /** A text in JSON; `choices` say how each of its characters is written. */
  function spelled(text: string, choices: readonly number[]): string {
    const chars = [...Array(text.length).keys()].map((at) => spellings[choices[at % choices.length]!]!(text[at]!));
    return `"${chars.join("")}"`;
  }

  const key = fc.oneof(
    fc.constantFrom("__proto__", "__type__", "constructor", "prototype", "then", "toJSON", "__", "a", "b", "1022"),
    fc.string({ maxLength: 4 }),
    fc.integer({ min: SHORT - 6, max: SHORT + 6 }).map((length) => "k".repeat(length)),
    fc.integer({ min: SHORT - 6, max: SHORT + 6 }).map((length) => `__proto__${"k".repeat(length - 9)}`),
  );
  const choices = fc.oneof(
    fc.constant([0]),
    fc.array(fc.nat(2), { minLength: 1, maxLength: 60 }),
    // One escape somewhere.
    fc.nat(55).map((at) => Array.from({ length: 60 }, (_, index) => Number(index === at))),
  );
  /** `[a text as it is written here and there, the same with every character escaped]` */
  type Pair = [string, string];
  const text = fc.tuple(key, choices).map(([name, how]): Pair => [spelled(name, how), spelled(name, [1])]);
  const join = (pairs: readonly Pair[], separator: string): Pair => [
    pairs.map(([here]) => here).join(separator),
    pairs.map(([, there]) => there).join(separator),
  ];
  const { tree } = fc.letrec<{ tree: Pair }>((tie) => ({
    tree: fc.oneof(
      { depthSize: "small", withCrossShrink: true },
      text,
      fc.constantFrom<Pair>(["1", "1"], ["null", "null"], ["[0,5]", "[0,5]"], ["[9,5]", "[9,5]"]),
      fc.array(tie("tree"), { maxLength: 3 }).map((items): Pair => {
        const [here, there] = join(items, ", ");
        return [`[${here}]`, `[${there}]`];
      }),
      fc.array(fc.tuple(text, tie("tree")), { maxLength: 4 }).map((entries): Pair => {
        const [here, there] = join(
          entries.map((entry) => join(entry, ":")),
          ",",
        );
        return [`{${here}}`, `{${there}}`];
      }),
    ),
  }));

  it("are the same however they are written", () => {
    let refused = 0;
    fc.assert(
      fc.property(tree, ([here, there]) => {
        const wanted = outcome(there) as { message?: string };
        if (wanted.message !== undefined) refused++;
        expectSame(outcome(here), wanted);
      }),
      { numRuns: 5000 },
    );
    expect(refused).toBeGreaterThan(100);
  });

  it.each(["__proto__", "\\u005f_proto__", "__prot\\u006f__", "__proto_\\u005F"])(
    "are found behind and before long texts: %s",
    (written) => {
      for (const long of ["x".repeat(500), '\\"'.repeat(300), "\\\\".repeat(300), "[".repeat(500), "é".repeat(40)]) {
        for (const given of [
          `["${long}",{"${written}":1}]`,
          `[{"${written}":1},"${long}"]`,
          `{"${long}":{"${written}":1}}`,
        ])
          expect(outcome(given)).toMatchObject({ message: expect.stringContaining('the key "__proto__"') });
        expect(outcome(`["${long}${written}"]`)).toMatchObject({ value: [expect.any(String)] });
      }
    },
  );
});
