import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { CONTAINER_COST, ENTRY_COST, TEXT_COST } from "../src/decoded-cost.ts";
import { PLAIN_JSON, checkJson } from "../src/json-check.ts";
import { JsonCodec } from "../src/json-codec.ts";
import { expectSame, thrownBy } from "./support.ts";

const SHORT = 48;

interface Told {
  depth: number;
  cost: number;
  meaning: boolean;
}

/** The oracle: text by text, in the simplest way. */
function naive(given: string): Told {
  const told: Told = { depth: 0, cost: 0, meaning: false };
  const highest = new Map<number, number>();
  let depth = 0;
  for (let at = 0; at < given.length; at++) {
    const char = given[at]!;
    if (char === "[" || char === "{") {
      depth++;
      told.depth = Math.max(told.depth, depth);
      told.cost += CONTAINER_COST;
      highest.delete(depth);
    } else if (char === "]" || char === "}") depth--;
    else if (char === ",") told.cost += ENTRY_COST;
    else if (char === '"') {
      const inside = /^(?:\\[^]|[^"\\])*\\?/.exec(given.slice(at + 1))![0];
      told.cost += TEXT_COST + 1 + inside.length;
      if (/^__|^(?:constructor|then|toJSON)$/.test(inside) || /\\u/.test(inside.replaceAll("\\\\", "")))
        told.meaning = true;
      const [before, index] = [highest.get(depth) ?? -1, /^\d{1,5}$/.test(inside) ? Number(inside) : -1];
      at += inside.length + 1;
      if (index > before && /^[\0- ]*:/.test(given.slice(at + 1))) {
        highest.set(depth, index);
        if (index - before <= 1024) told.cost += (index - before) * 12;
      }
    }
  }
  return told;
}

/** Whether some text may be a key that has a meaning. */
function check(given: string, maxDepth = Infinity, maxCost = Infinity): boolean {
  const bytes = Buffer.from(given, "latin1");
  return checkJson(bytes, 0, bytes.length, maxDepth, maxCost) !== PLAIN_JSON;
}

/** The same between other bytes, as in the memory that sockets are read into. */
function checkWithin(given: string, before: string, behind: string): boolean {
  const bytes = Buffer.from(before + given + behind, "latin1");
  return checkJson(bytes, before.length, before.length + given.length, Infinity, Infinity) !== PLAIN_JSON;
}

function expectAgreement(given: string): void {
  const { depth, cost, meaning } = naive(given);
  expect(check(given, depth, cost)).toBe(meaning);
  if (depth > 0) expect(thrownBy(() => check(given, depth - 1)).message).toContain("(maxDepth)");
  if (cost > 0) expect(thrownBy(() => check(given, Infinity, cost - 1)).message).toContain("(maxDecodedCost)");
}

describe("checkJson", () => {
  const piece = fc.oneof(
    fc.constantFrom('"', '"', "\\", "[", "{", "]", "}", ",", ":", " ", "\n", "u", "0", "x", "é", "\\u005f", '\\"'),
    fc.constantFrom('"__proto__":', '"then":', '"constructor"', '"toJSON"', '"1022":', '"7":', '"12" :', '"99999":'),
    fc.constantFrom("\\u", "\\\\u", '"\\', '\\\\"', '\\\\\\"'),
    fc.integer({ min: 40, max: 60 }).map((length) => "x".repeat(length)),
    fc.integer({ min: 40, max: 60 }).map((length) => `"${"y".repeat(length)}"`),
  );
  const soup = fc.array(piece, { maxLength: 30 }).map((pieces) => pieces.join(""));

  it("tells depth, cost and keys with a meaning as the oracle does, of whatever bytes", () => {
    fc.assert(fc.property(soup, expectAgreement), { numRuns: 5000 });
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
      fc.property(soup, other, other, (given, before, behind) => {
        const whole = `[${given}]`;
        const { depth, cost, meaning } = naive(whole);
        const bytes = Buffer.from(before + whole + behind, "latin1");
        const [start, end] = [before.length, before.length + whole.length];
        expect(checkJson(bytes, start, end, depth, cost + 7)).toBe(meaning ? 7 : PLAIN_JSON);
        expect(thrownBy(() => checkJson(bytes, start, end, depth - 1, cost)).message).toContain("(maxDepth)");
        expect(thrownBy(() => checkJson(bytes, start, end, depth, cost - 1)).message).toContain("(maxDecodedCost)");
      }),
      { numRuns: 2000 },
    );
  });

  it("finds the end of a text of any length, whatever stands at the end and is escaped there", () => {
    for (const last of ["", "\\\\", '\\"', "\\n", "\\u0041", '\\\\\\"', "\\\\\\\\"]) {
      for (let length = SHORT - 16; length <= SHORT + 16; length++) {
        const given = `{"a":["${"x".repeat(length)}${last}",{"b":[["\\"]"]]}],"then":1}`;
        JSON.parse(given);
        expectAgreement(given);
      }
    }
  });

  it("finds an escape at any place of a text, and none where the backslash itself is escaped", () => {
    for (let length = 0; length <= 2 * SHORT + 8; length++) {
      const [before, behind] = ["x".repeat(length), "y".repeat(2 * SHORT)];
      for (const rest of ["", behind]) {
        expect(check(`["${before}\\u0041${rest}"]`)).toBe(true);
        expect(check(`["${before}\\\\u0041${rest}"]`)).toBe(false);
        expect(check(`["${before}\\n${rest}u"]`)).toBe(false);
        expect(check(`["${before}\\\\\\u0041${rest}"]`)).toBe(true);
      }
    }
  });

  it("finds keys with a meaning behind texts of any length, and between other bytes", () => {
    for (const key of ["__proto__", "__type__", "constructor", "then", "toJSON"]) {
      for (let length = 0; length <= SHORT + 8; length++) {
        for (const text of ["x".repeat(length), `${"x".repeat(length)}\\"`, `\\\\${"x".repeat(length)}`]) {
          expect(check(`["${text}",{"${key}":1}]`)).toBe(true);
          expect(check(`["${text}",{"_${key.slice(0, 1)}${text}":1}]`)).toBe(key.startsWith("_"));
        }
      }
      expect(checkWithin(`{"${key}":1}`, '"', '"')).toBe(true);
    }
    for (const key of [
      "_",
      "_proto__",
      "constructors",
      "construct",
      "the",
      "thenx",
      "toJSO",
      "toJSONx",
      "Then",
      " then",
    ])
      expect(check(`{"${key}":1}`)).toBe(false);
    expect(check('{"__":1}')).toBe(true);
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
