import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import {
  COMPARED_COST,
  CONTAINER_COST,
  ENTRY_COST,
  FIRST_INDEX_COST,
  INDEX_COST,
  JSON_ELEMENT_COST,
  LARGE_INDEX_COST,
  NEW_KEY_COST,
  NUMBER_COST,
  SCALAR_COST,
  SLOW_STEP_COST,
  STEP_COST,
  TABLE_ENTRY_COST,
  TEXT_COST,
  bytesCost,
} from "../src/decoded-cost.ts";
import { LIMITS_BEFORE_HELLO, beyondLimits, limitsBeforeHello } from "../src/early-limits.ts";
import { checkJson } from "../src/json-check.ts";
import { JsonCodec } from "../src/json-codec.ts";
import { DEFAULT_LIMITS, MAX_FRAME_BYTES, resolveLimits, timerMs } from "../src/limits.ts";
import type { Limits } from "../src/limits.ts";
import { checkMsgPack } from "../src/msgpack-check.ts";
import { MsgPackCodec } from "../src/msgpack-codec.ts";
import type { SerializerFactory } from "../src/serializers.ts";
import { asBuffer } from "../src/utf8.ts";
import { bytes, decodeMessage, encodeMessage, thrownBy } from "./support.ts";

class Box {
  readonly content: unknown;
  constructor(content: unknown) {
    this.content = content;
  }
}
const box: SerializerFactory<Box> = () => [Box, (value) => value.content, (content) => new Box(content)];

function limited(Class: typeof JsonCodec | typeof MsgPackCodec, limits: Partial<Limits>): JsonCodec | MsgPackCodec {
  const codec = new Class([box]);
  codec.limits = { ...DEFAULT_LIMITS, ...limits };
  return codec;
}

function arrays(depth: number): unknown {
  let value: unknown = [];
  for (let level = 1; level < depth; level++) value = [value];
  return value;
}

function maps(depth: number): unknown {
  let value: unknown = {};
  for (let level = 1; level < depth; level++) value = { a: value };
  return value;
}

/** An extended value is two levels. */
function boxes(depth: number): unknown {
  let value: unknown = depth % 2 === 1 ? [] : 0;
  for (let level = depth % 2; level < depth; level += 2) value = new Box(value);
  return value;
}

describe.each([
  ["JSON", JsonCodec],
  ["MsgPack", MsgPackCodec],
] as const)("the depth limit of %s", (_name, Class) => {
  for (const [what, nest] of [
    ["arrays", arrays],
    ["maps", maps],
    ["extended values", boxes],
  ] as const) {
    it.each([3, 4, 7, 8, 64])(`takes %i levels of ${what} and refuses one more, both ways`, (limit) => {
      const free = limited(Class, { maxDepth: 1000 });
      const strict = limited(Class, { maxDepth: limit });
      for (const depth of [limit - 1, limit]) {
        const value = nest(depth);
        expect(strict.decode(strict.encode(value))).toStrictEqual(value);
        const payload = encodeMessage(strict, 0, 0, value);
        expect(decodeMessage(strict, payload)).toMatchObject({ content: value, error: undefined });
      }
      const deeper = nest(limit + 1);
      expect(thrownBy(() => strict.encode(deeper)).message).toContain("maxDepth");
      expect(thrownBy(() => strict.decode(free.encode(deeper))).message).toContain("maxDepth");
      expect(thrownBy(() => encodeMessage(strict, 0, 0, deeper)).message).toContain("maxDepth");
      expect(decodeMessage(strict, encodeMessage(free, 0, 7, deeper))).toMatchObject({
        id: 7,
        error: { code: "SERIALIZATION_ERROR" },
      });
    });
  }

  it("refuses a cycle", () => {
    const cycle: unknown[] = [];
    cycle.push({ a: cycle });
    expect(thrownBy(() => new Class().encode(cycle)).message).toContain("cyclic");
  });

  it("doesn't count brackets in texts", () => {
    const strict = limited(Class, { maxDepth: 2 });
    const value = [['[[[[[[{{{{{\\"[[[[[[', '"', "\\", '\\"[[[[[[['.repeat(10)]];
    expect(strict.decode(strict.encode(value))).toStrictEqual(value);
  });
});

describe("the limit of the decoded cost", () => {
  const exact = (Class: typeof JsonCodec | typeof MsgPackCodec, given: Uint8Array, cost: number): void => {
    for (const more of [0, 1])
      expect(() => limited(Class, { maxDecodedCost: cost + more }).decode(given)).not.toThrow();
    for (const wide of [cost * 2]) expect(() => limited(Class, { maxDecodedCost: wide }).decode(given)).not.toThrow();
    expect(thrownBy(() => limited(Class, { maxDecodedCost: cost - 1 }).decode(given)).message).toContain(
      "maxDecodedCost",
    );
  };

  it.each([
    ["90", 64],
    ["93 010203", 64 + 3 * 8],
    ["a3 616263", 24 + 3],
    ["81 a161 01", 64 + 8 + (1 + 96 + 5)],
    ["82 a161 90 a162 a0", 64 + 2 * 8 + (2 + 2 * 96 + 4 * 5) + 64 + 24],
    ["92 81 a161 01 81 a161 01", 3 * 64 + 4 * 8 + (1 + 96 + 5)],
    ["c4 03 010203", 208 + 3],
    ["81 a130 01", 64 + 8 + (1 + 96 + 5) + 160 + 12],
    ["82 a132 01 a131 01", 64 + 2 * 8 + (2 + 2 * 96 + 4 * 5) + 160 + 3 * 12 + 48],
    ["81 aa 32313437343833363438 01", 64 + 8 + (10 + 96 + 5) + 160 + 48 + 96],
    ["81 aa 32313437343833363437 01", 64 + 8 + (10 + 96 + 5) + 160 + 48],
    ["92 cb 3ff8000000000000 05", 64 + 2 * 8 + 16],
    ["dc 0010 90909090909090909090909090909090", 64 + 16 * (8 + 64)],
  ])("is exact for the MsgPack %s: %i", (given, cost) => {
    exact(MsgPackCodec, bytes(given), cost);
  });

  it.each([
    ["[]", 2 + 64],
    ["[1,2,3]", 7 + 64 + 2 * 24],
    ['"abc"', 5 + 24 + 3],
    ['{"a":1}', 7 + 64 + (1 + 96 + 5)],
    ['[{"a":1},{"a":1}]', 17 + 3 * 64 + 24 + (1 + 96 + 5)],
    ['{"2":1,"1":1}', 13 + 64 + 24 + (2 + 2 * 96 + 4 * 5) + 160 + 3 * 12 + 48],
    ['[[],{},"\\"",[]]', 15 + 4 * 64 + 3 * 24 + 24 + 2],
  ])("is exact for the JSON %s: %i", (given, cost) => {
    exact(JsonCodec, Buffer.from(given), cost);
  });

  it("is counted as its page says", () => {
    const page = readFileSync(new URL("../../../docs/limits.md", import.meta.url), "utf8").split("## Decoded cost")[1]!;
    const rows = [...page.matchAll(/^\| ([^|]+?) +\| (\d+) +\|$/gm)].map(([, what, cost]) => [what, Number(cost)]);
    expect(Object.fromEntries(rows)).toStrictEqual({
      "an array or a map": CONTAINER_COST,
      "an element or an entry of MsgPack": SCALAR_COST,
      "an element or an entry of JSON": JSON_ELEMENT_COST,
      "a text, and its length": TEXT_COST,
      "a number of MsgPack that takes 4 bytes or more": NUMBER_COST,
      "up to 64 bytes as a value, and their length": bytesCost(0),
      "more bytes as a value, and their length": bytesCost(65) - 65,
      "an entry of a map of a shape": ENTRY_COST,
      "a byte of JSON": checkJson(Buffer.from("1"), 0, 1, 1, 10),
      "a key of a list that is new, and its length": NEW_KEY_COST,
      "an entry of a large map": TABLE_ENTRY_COST,
      "the first key of a map that is a whole number": FIRST_INDEX_COST,
      "a number that such a key leaves out": INDEX_COST,
      "such a key of 2,147,483,648 or more": LARGE_INDEX_COST,
      "a step to a number in a Map or Set": STEP_COST,
      "a step to a bigint, or to a key that was there": SLOW_STEP_COST,
      "a character of a long text in a Map or Set": COMPARED_COST,
    });
  });

  describe("by default lets pass", () => {
    const readings = (index: number): unknown => ({ at: 1_790_000_000 + index, power: 312.5 + index / 7, isOn: true });
    const ordinary: readonly (readonly [string, (index: number) => unknown])[] = [
      [
        "records",
        (index) => ({ id: index, name: `meter-${index}`, value: 230 + (index % 100) / 7, isActive: index % 3 > 0 }),
      ],
      ["records in records", (index) => ({ meter: { id: index, site: "north" }, readings: [1, 2, 3].map(readings) })],
      [
        "wide records",
        (index) => Object.fromEntries(WIDE.map((key, column) => [key, column % 9 === 0 ? `${index}` : index / 3])),
      ],
      ["points", (index) => ({ x: index / 3, y: index / 7 })],
      ["coordinates", (index) => [8.213_88 + index / 1e5, 53.143_89 + index / 1e5]],
      ["numbers", (index) => Math.sin(index) * 400],
      ["integers", (index) => 100 + (index % 60_000)],
      ["words", (index) => `word-${index % 5000}`],
      ["texts", (index) => `The feeder carries ${index} W; its reserve is 12.5 % of the load.`],
      ["texts of other scripts", (index) => `${index}日本語のテキスト、長い。`],
      ["values by name", (index) => ({ [`meter-${index}-of-the-north`]: index / 3 })],
      ["dates by text", (index) => ({ from: "2026-01-01T00:00:00.000Z", to: "2026-01-02T00:00:00.000Z", id: index })],
    ];
    const WIDE = Array.from({ length: 60 }, (_, column) => `column_${column}`);

    it.each(ordinary)("16 MiB of %s", (_what, make) => {
      for (const codec of [new JsonCodec(), new MsgPackCodec()]) {
        const items = Array.from({ length: 4000 }, (_, index) => make(index));
        const sample = asBuffer(codec.encode(items));
        const check = codec instanceof JsonCodec ? checkJson : checkMsgPack;
        const cost = check(sample, 0, sample.length, 64, Infinity);
        expect(cost / sample.length).toBeLessThan(DEFAULT_LIMITS.maxDecodedCost / DEFAULT_LIMITS.maxMessageBytes);
      }
    });
  });

  it("fails one message and not the next", () => {
    const codec = limited(MsgPackCodec, { maxDecodedCost: 100 });
    expect(decodeMessage(codec, bytes("93 00 01 9f 000000000000000000000000000000"))).toMatchObject({
      id: 1,
      error: { code: "SERIALIZATION_ERROR" },
    });
    expect(decodeMessage(codec, bytes("93 00 02 94 00000000"))).toMatchObject({ id: 2, error: undefined });
  });
});

describe("resolveLimits", () => {
  it("gives the defaults, frozen, and changes over them", () => {
    expect(resolveLimits()).toStrictEqual(DEFAULT_LIMITS);
    expect(Object.isFrozen(resolveLimits())).toBe(true);
    expect(resolveLimits({ maxDepth: 3 })).toStrictEqual({ ...DEFAULT_LIMITS, maxDepth: 3 });
    const unset = { maxDepth: undefined, maxQueuedBytes: undefined } as unknown as Partial<Limits>;
    expect(resolveLimits(unset)).toBe(DEFAULT_LIMITS);
  });

  it("lets the decoded cost follow the message size", () => {
    expect(resolveLimits({ maxMessageBytes: 1000 }).maxDecodedCost).toBe(8000);
    expect(resolveLimits({ maxMessageBytes: 1000, maxDecodedCost: 9 }).maxDecodedCost).toBe(9);
  });

  it("refuses unknown names and values that are no positive numbers", () => {
    expect(() => resolveLimits({ maxDepht: 3 } as Partial<Limits>)).toThrow(
      'unknown option "maxDepht" of limits; did you mean "maxDepth"?',
    );
    for (const value of [0, -1, Number.NaN, "5", null]) {
      expect(() => resolveLimits({ maxDepth: value as number })).toThrow(/option maxDepth of limits is/);
    }
    expect(resolveLimits({ maxMessageBytes: MAX_FRAME_BYTES }).maxMessageBytes).toBe(2 ** 31 - 1);
    expect(() => resolveLimits({ maxMessageBytes: MAX_FRAME_BYTES + 1 })).toThrow(/maxMessageBytes/);
    for (const wrong of [{ maxDepht: 3 }, { maxDepth: 0 }, { maxMessageBytes: MAX_FRAME_BYTES + 1 }]) {
      expect(thrownBy(() => resolveLimits(wrong))).toMatchObject({ name: "ColloquyError", code: "INVALID_ARGUMENT" });
    }
  });

  it.each([null, "x", 5, [], () => 5])("takes no %o", (wrong) => {
    const text = expect.stringContaining("limits takes a plain object of options, not ");
    expect(thrownBy(() => resolveLimits(wrong as never))).toMatchObject({ code: "INVALID_ARGUMENT", message: text });
  });

  it("takes at most 1,000 levels", () => {
    expect(resolveLimits({ maxDepth: 1000 }).maxDepth).toBe(1000);
    for (const maxDepth of [1001, Infinity])
      expect(thrownBy(() => resolveLimits({ maxDepth }))).toMatchObject({
        code: "INVALID_ARGUMENT",
        message: "limit maxDepth is over 1000; deeper values could use up the stack",
      });
  });

  it("are smaller before hello, where they aren't small already", () => {
    expect(limitsBeforeHello(DEFAULT_LIMITS)).toStrictEqual({ ...DEFAULT_LIMITS, ...LIMITS_BEFORE_HELLO });
    const small = resolveLimits({ maxMessageBytes: 1000, maxDecodedCost: 16_385, maxDepth: 9 });
    expect(limitsBeforeHello(small)).toStrictEqual(small);
  });

  it("have room for hello, and what comes instead of it is measured anew", () => {
    const small = resolveLimits({ maxDecodedCost: 700, maxDepth: 3 });
    expect(limitsBeforeHello(small)).toStrictEqual({
      ...small,
      maxMessageBytes: 65_536,
      maxDecodedCost: 16_384,
      maxDepth: 8,
    });
    const request = (arg: unknown): unknown => ["echo", [arg], {}];
    expect(beyondLimits(request([1]), small)).toBeUndefined();
    expect(beyondLimits(request([[1]]), small)).toMatchObject({ limit: "maxDepth" });
    expect(beyondLimits(request({ a: { b: 1 } }), small)).toMatchObject({ limit: "maxDepth" });
    expect(beyondLimits(request("x".repeat(200)), small)).toBeUndefined();
    expect(beyondLimits(request("x".repeat(700)), small)).toMatchObject({ limit: "maxDecodedCost" });
    expect(beyondLimits(request([[["x".repeat(700)]]]), resolveLimits({}))).toBeUndefined();
  });

  it("takes Infinity for times, and timers take what comes of it", () => {
    expect(resolveLimits({ writeStallMs: Infinity }).writeStallMs).toBe(Infinity);
    expect(timerMs(Infinity)).toBe(2 ** 31 - 1);
    expect(timerMs(5)).toBe(5);
  });
});
