import { describe, expect, it } from "vitest";
import { JsonCodec } from "../src/json-codec.ts";
import { DEFAULT_LIMITS, MAX_FRAME_BYTES, resolveLimits, timerMs } from "../src/limits.ts";
import type { Limits } from "../src/limits.ts";
import { MsgPackCodec } from "../src/msgpack-codec.ts";
import type { SerializerFactory } from "../src/serializers.ts";
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
    ["81 a161 01", 64 + 32 + 1],
    ["82 a161 90 a162 a0", 64 + 2 * 32 + 2 + 64 + 24],
    ["c4 03 010203", 208 + 3],
    ["81 a130 01", 64 + 32 + 1 + 160 + 12],
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
    ['[[],{},"\\"",[]]', 15 + 4 * 64 + 3 * 24 + 24 + 2],
  ])("is exact for the JSON %s: %i", (given, cost) => {
    exact(JsonCodec, Buffer.from(given), cost);
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
  });

  it("lets the decoded cost follow the message size", () => {
    expect(resolveLimits({ maxMessageBytes: 1000 }).maxDecodedCost).toBe(8000);
    expect(resolveLimits({ maxMessageBytes: 1000, maxDecodedCost: 9 }).maxDecodedCost).toBe(9);
  });

  it("refuses unknown names and values that are no positive numbers", () => {
    expect(() => resolveLimits({ maxDepht: 3 } as Partial<Limits>)).toThrow(/unknown limit "maxDepht"/);
    for (const value of [0, -1, Number.NaN, "5", null]) {
      expect(() => resolveLimits({ maxDepth: value as number })).toThrow(/limit maxDepth is/);
    }
    expect(resolveLimits({ maxMessageBytes: MAX_FRAME_BYTES }).maxMessageBytes).toBe(2 ** 31 - 1);
    expect(() => resolveLimits({ maxMessageBytes: MAX_FRAME_BYTES + 1 })).toThrow(/maxMessageBytes/);
    for (const wrong of [{ maxDepht: 3 }, { maxDepth: 0 }, { maxMessageBytes: MAX_FRAME_BYTES + 1 }]) {
      expect(thrownBy(() => resolveLimits(wrong))).toMatchObject({ name: "ColloquyError", code: "INVALID_ARGUMENT" });
    }
  });

  it("takes Infinity for times, and timers take what comes of it", () => {
    expect(resolveLimits({ writeStallMs: Infinity }).writeStallMs).toBe(Infinity);
    expect(timerMs(Infinity)).toBe(2 ** 31 - 1);
    expect(timerMs(5)).toBe(5);
  });
});
