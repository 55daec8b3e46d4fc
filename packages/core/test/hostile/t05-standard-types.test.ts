import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Codec } from "../../src/codec.ts";
import { SerializationError } from "../../src/errors.ts";
import { JsonCodec } from "../../src/json-codec.ts";
import { DEFAULT_LIMITS } from "../../src/limits.ts";
import { MsgPackCodec } from "../../src/msgpack-codec.ts";
import { StandardTypes } from "../../src/standard-types.ts";
import { builtins, decodeMessage, encodeMessage, greeted, thrownBy } from "../support.ts";

const IDS = [-1, -4, -5, -6, -7, -8, -9, -10, -11, -12];

/** Extended values as a hostile peer writes them. */
class Sent {
  readonly id: number;
  readonly data: unknown;
  constructor(id: number, data: unknown) {
    this.id = id;
    this.data = data;
  }
}

const shortFields = { name: "E", message: "m" };
const longDigits = "1".repeat(5000);

/** Data that no value of the type has. */
const MALFORMED: readonly (readonly [id: number, data: unknown])[] = [
  ...[1.5, 8.64e15 + 2, -8.64e15 - 2, "2020-01-01", [], {}, true, [0]].map((data) => [-4, data] as const),
  ...[null, 0, "ab", {}, [1], [1, 2, 3], { length: 2 }].map((data) => [-5, data] as const),
  ...[null, 0, "ab", {}, true].map((data) => [-6, data] as const),
  ...[
    null,
    1,
    "",
    "-",
    "-0",
    "00",
    "01",
    "1.5",
    "0x10",
    " 1",
    "1 ",
    "1e3",
    "1n",
    "١",
    longDigits,
    `-${longDigits}`,
    ["1"],
  ].map((data) => [-7, data] as const),
  ...[
    null,
    "text",
    [],
    {},
    { name: "E" },
    { message: "m" },
    { name: 1, message: "m" },
    { name: "E", message: null },
    { ...shortFields, fields: "x" },
    { ...shortFields, fields: [1] },
    { ...shortFields, fields: 5 },
  ].map((data) => [-8, data] as const),
  ...[null, 1, "", "a", "/a", "//a", "http://", "http://[::1", {}, [], `http://a/${"x".repeat(65_536)}`].map(
    (data) => [-9, data] as const,
  ),
  ...[
    null,
    "",
    [],
    ["Float64Array"],
    ["Array", ""],
    ["constructor", ""],
    ["__proto__x", ""],
    ["Buffer", ""],
    ["SharedArrayBuffer", ""],
    ["TypedArray", ""],
    [0, ""],
    [null, null],
    [["Uint8Array"], ""],
  ].map((data) => [-10, data] as const),
  ...[-11, -12].flatMap((id) => [null, -1, 0, 1.5, {}, [], [1], true, "a!", "QQ"].map((data) => [id, data] as const)),
];

describe.each([
  ["JSON", JsonCodec],
  ["MsgPack", MsgPackCodec],
])("T5: malformed built-in types in %s", (_name, Class) => {
  const sender = new Class();
  sender.setBuiltins(builtins((value) => (value instanceof Sent ? { typeId: value.id, data: value.data } : undefined)));
  const payloadOf = (value: unknown): Buffer => encodeMessage(sender, 0, 7, value);
  const receiver = (): Codec => greeted(new Class());

  it.each(MALFORMED)("%i %j fails its message", (id, data) => {
    for (const value of [new Sent(id, data), [{ deep: new Sent(id, data) }], new Sent(-5, [0, new Sent(id, data)])]) {
      const message = decodeMessage(receiver(), payloadOf(value));
      expect(message).toMatchObject({ type: 0, id: 7, content: undefined });
      expect(message.error).toBeInstanceOf(SerializationError);
    }
  });

  it("bytes that aren't a whole number of elements fail", () => {
    const codec = receiver();
    for (const [name, length] of [
      ["Int16Array", 3],
      ["Float32Array", 2],
      ["Float64Array", 12],
      ["BigInt64Array", 1],
    ] as const) {
      const bytes = codec.inlineBytes(new Uint8Array(length));
      const { error } = decodeMessage(codec, payloadOf(new Sent(-10, [name, bytes])));
      expect(error?.message).toContain(`${length} bytes for elements of`);
    }
  });

  it("numbers of segments that didn't come fail", () => {
    const codec = receiver();
    for (const index of [0, 1, -1, 0.5, 2 ** 31, Number.MAX_SAFE_INTEGER])
      for (const value of [new Sent(-11, index), new Sent(-12, index), new Sent(-10, ["Uint8Array", index])])
        expect(decodeMessage(codec, payloadOf(value)).error?.message).toContain("a segment that didn't come");
  });

  it("ids that aren't in use fail", () => {
    for (const id of [-2, -3, -14, -100, -(2 ** 31), -0.5, -1e300]) {
      const { error } = decodeMessage(receiver(), payloadOf(new Sent(id, null)));
      expect(error?.message).toMatch(/unknown built-in type|type id is no integer/);
    }
  });

  it("whatever data stands there, the message fails or has a value, and nothing else happens", () => {
    const data = fc.oneof(
      fc.jsonValue(),
      fc.array(fc.oneof(fc.integer(), fc.string(), fc.constantFrom("Uint8Array", "Float64Array", "", null))),
      fc.record({ name: fc.string(), message: fc.string(), cause: fc.jsonValue(), fields: fc.jsonValue() }),
    );
    const clean = (value: unknown): boolean => !/"__(?:type|proto)__"/.test(JSON.stringify(value));
    fc.assert(
      fc.property(fc.constantFrom(...IDS), data.filter(clean), (id, given) => {
        const message = decodeMessage(receiver(), payloadOf([new Sent(id, given)]));
        expect(message.id).toBe(7);
        if (message.error !== undefined) expect(message.error).toBeInstanceOf(SerializationError);
      }),
      { numRuns: 1000 },
    );
    expect(Object.keys(Object.prototype)).toStrictEqual([]);
  });

  it("T3: an error can't have a function as `then`, nor a `constructor` that leads to a prototype", () => {
    const codec = new Class();
    const types = new StandardTypes(codec, "standard");
    types.expected = true;
    codec.setBuiltins({
      ...builtins(() => undefined),
      decode: (id, data, budget) => (id === -2 ? () => 1 : types.decode(id, data, budget)),
    });
    const fn = new Sent(-2, "$/ref/1");
    const prototype = { prototype: { polluted: 1 } };
    for (const fields of [{ then: fn }, { toJSON: fn }, { constructor: prototype }]) {
      const payload = payloadOf(new Sent(-8, { ...shortFields, fields }));
      expect(decodeMessage(codec, payload).error).toBeInstanceOf(SerializationError);
    }
    const fine = decodeMessage(codec, payloadOf(new Sent(-8, { ...shortFields, fields: { call: fn, then: 1 } })));
    expect(fine.content).toMatchObject({ then: 1 });
    expect((fine.content as { call: () => number }).call()).toBe(1);
    const own = { ...shortFields, then: fn, stack: "there", extra: 1 };
    expect(decodeMessage(codec, payloadOf(new Sent(-8, own))).error).toBeInstanceOf(SerializationError);
  });

  it("T2: fields of an error reach neither its prototype nor its stack", () => {
    const fields = { name: "x", message: "x", stack: "x", cause: "x", toString: "x", hasOwnProperty: 1, code: 5 };
    const { content } = decodeMessage(receiver(), payloadOf(new Sent(-8, { ...shortFields, fields })));
    expect(content).toBeInstanceOf(Error);
    expect(Object.keys(content as object)).toStrictEqual(["code"]);
    expect(content).toMatchObject({ name: "E", message: "m", stack: "E: m" });
    expect(String(content)).toBe("E: m");
    expect("cause" in (content as object)).toBe(false);
    const code = decodeMessage(
      receiver(),
      payloadOf(new Sent(-8, { name: "ColloquyError", message: "m", fields: { code: "no code", executed: "yes" } })),
    );
    expect(Object.getPrototypeOf(code.content)).toBe(Error.prototype);
  });

  it("entries of Maps and Sets, texts of bytes and causes of errors count towards maxDecodedCost", () => {
    const codec = receiver();
    const of = (value: unknown, maxDecodedCost: number): SerializationError | undefined => {
      codec.limits = { ...DEFAULT_LIMITS, maxDecodedCost };
      return decodeMessage(codec, payloadOf(value)).error;
    };
    const numbers = Array.from({ length: 20_000 }, (_, index) => index);
    for (const id of [-5, -6]) {
      const [plain, limit] = [of(numbers, 700_000), of(new Sent(id, numbers), 700_000)];
      expect(plain).toBeUndefined();
      expect(limit?.message).toContain("(maxDecodedCost)");
      expect(of(new Sent(id, numbers), 2_500_000)).toBeUndefined();
    }
    const many = (id: number, data: unknown): Sent[] => Array.from({ length: 1000 }, () => new Sent(id, data));
    for (const [id, data] of [
      [-8, shortFields],
      [-9, "a:"],
      [-11, codec.inlineBytes(new Uint8Array())],
    ] as const) {
      expect(of(many(id, data), 400_000)?.message).toContain("(maxDecodedCost)");
      expect(of(many(id, data), 10_000_000)).toBeUndefined();
    }
  });

  it("undefined costs 64 less than a date of the same data", () => {
    const codec = receiver();
    const leastFor = (id: number): number => {
      const payload = payloadOf(Array.from({ length: 1000 }, () => new Sent(id, null)));
      let [low, high] = [0, 10_000_000];
      while (high - low > 1) {
        const middle = (low + high) >> 1;
        codec.limits = { ...DEFAULT_LIMITS, maxDecodedCost: middle };
        if (decodeMessage(codec, payload).error === undefined) high = middle;
        else low = middle;
      }
      return high;
    };
    expect(leastFor(-4) - leastFor(-1)).toBe(64_000);
  });

  it("deep nests end at maxDepth", () => {
    let value: unknown = new Sent(-6, []);
    for (let level = 0; level < 200; level++) value = new Sent(-6, [value]);
    sender.limits = { ...DEFAULT_LIMITS, maxDepth: 100_000 };
    const payload = payloadOf(value);
    sender.limits = DEFAULT_LIMITS;
    expect(decodeMessage(receiver(), payload).error?.message).toContain("(maxDepth)");
    expect(thrownBy(() => receiver().decode(payload)).message).toContain("(maxDepth)");
  });
});
