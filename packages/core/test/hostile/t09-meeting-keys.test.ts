import { describe, expect, it } from "vitest";
import { JsonCodec, MsgPackCodec, StructuredCloneCodec } from "../../src/index.ts";
import { mayHaveLongKey } from "../../src/json-check.ts";
import { greeted, meetingBigInts, meetingDoubles, meetingIntegers, thrownBy } from "../support.ts";

const LONG = 16_384;
const TOO_COSTLY = { code: "SERIALIZATION_ERROR", limit: "maxDecodedCost" };
const TOO_LONG = { code: "SERIALIZATION_ERROR", message: expect.stringContaining("the limit is 16383") };

function textsOf(count: number): string[] {
  return Array.from({ length: count }, (_, index) => String(index).padStart(LONG, "x"));
}

function mapOf(keys: readonly unknown[]): Map<unknown, unknown> {
  return new Map(keys.map((key) => [key, null]));
}

describe.each<[string, new () => JsonCodec | MsgPackCodec | StructuredCloneCodec]>([
  ["JSON", JsonCodec],
  ["MsgPack", MsgPackCodec],
  ["structured clones", StructuredCloneCodec],
])("T9: keys that meet in the engine's tables, in %s", (_name, Codec) => {
  it.each([
    ["integers", meetingIntegers(5000)],
    ["doubles", meetingDoubles(5000)],
    ["bigints", meetingBigInts(2000)],
    ["long texts", textsOf(200)],
  ])("%s are refused in Sets and Maps", (_what, keys) => {
    const codec = greeted(new Codec());
    const [set, map] = [codec.encode(new Set<unknown>(keys)), codec.encode(mapOf(keys))];
    expect(thrownBy(() => codec.decode(set))).toMatchObject(TOO_COSTLY);
    expect(thrownBy(() => codec.decode(map))).toMatchObject(TOO_COSTLY);
  });

  it.each([
    ["ids", (index: number) => index],
    ["times", (index: number) => 1_732_770_000_000 + index],
    ["texts", (index: number) => `user-${index}`],
  ])("500,000 %s pass", { timeout: 60_000 }, (_what, make) => {
    const codec = greeted(new Codec());
    const keys = Array.from({ length: 500_000 }, (_, index) => make(index));
    expect((codec.decode(codec.encode(new Set<unknown>(keys))) as Set<unknown>).size).toBe(500_000);
    expect((codec.decode(codec.encode(mapOf(keys))) as Map<unknown, unknown>).size).toBe(500_000);
  });

  it("a handful of long texts passes", () => {
    const codec = greeted(new Codec());
    const set = new Set(textsOf(20));
    expect(codec.decode(codec.encode(set))).toStrictEqual(set);
    expect(codec.decode(codec.encode(mapOf(textsOf(20))))).toStrictEqual(mapOf(textsOf(20)));
  });

  it("keys of maps have up to 16,383 characters, however many bytes", () => {
    const codec = greeted(new Codec());
    for (const char of ["x", "é", "€", '"', "\\", "\n"]) {
      const value = { [char.repeat(LONG - 1)]: 1 };
      expect(codec.decode(codec.encode(value))).toStrictEqual(value);
      expect(thrownBy(() => codec.encode({ [char.repeat(LONG)]: 1 }))).toMatchObject(TOO_LONG);
    }
  });
});

describe("T9: keys of maps that are too long", () => {
  const head = Buffer.from("81da4000", "hex");

  it("are refused in MsgPack and structured clones", () => {
    const map = Buffer.concat([head, Buffer.alloc(LONG, "x"), Buffer.of(1)]);
    expect(thrownBy(() => new MsgPackCodec().decode(map))).toMatchObject(TOO_LONG);
    const clone = Buffer.concat([Buffer.of(0xc1), map]);
    expect(thrownBy(() => new StructuredCloneCodec().decode(clone))).toMatchObject(TOO_LONG);
  });

  const key = "x".repeat(LONG);
  it.each([
    ["by itself", `{"${key}":1}`],
    ["with a space behind", `{"${key}" \n:1}`],
    ["of escapes", `{"${String.raw`\u0078`.repeat(LONG)}":1}`],
    ["with quotes in it", `{"${String.raw`\"`.repeat(LONG)}":1}`],
    ["that ends with a backslash", `{"${key}${String.raw`\\`}":1}`],
    ["behind numbers", `[[${"1,".repeat(20_000)}1],{"a":{"${key}":1}}]`],
    ["behind a text", `["${"y".repeat(40_000)}",{"${key}":1}]`],
    ["behind a text with quotes", `["${String.raw`\"\\`.repeat(9_000)}",{"${key}":1}]`],
    ["in a large message", `[${'"a",'.repeat(50_000)}{"${key}":1}]`],
  ])("are refused in JSON: one %s", (_what, text) => {
    expect(thrownBy(() => new JsonCodec().decode(Buffer.from(text)))).toMatchObject(TOO_LONG);
  });

  it("are none where a text looks like one", () => {
    const value = { a: `${key}":1`, b: `${key}\\":` };
    expect(new JsonCodec().decode(Buffer.from(JSON.stringify(value)))).toStrictEqual(value);
  });

  it.each([
    ["long texts", JSON.stringify([key, { a: `${key}: "1"` }, `:${key}`])],
    [
      "records, and numbers behind",
      JSON.stringify([Array.from({ length: 300 }, (_, id) => ({ id, name: "a" })), Array(20_000).fill(1)]),
    ],
    ["numbers", JSON.stringify(Array.from({ length: 20_000 }, (_, index) => index))],
    ["records", JSON.stringify(Array.from({ length: 2000 }, (_, id) => ({ id, name: 'a "name"' })))],
  ])("aren't looked for in JSON of %s", (_what, text) => {
    const bytes = Buffer.from(`:"${text}":`);
    expect(mayHaveLongKey(bytes, 2, bytes.length - 2)).toBe(false);
    expect(new JsonCodec().decode(Buffer.from(text))).toStrictEqual(JSON.parse(text));
  });
});
