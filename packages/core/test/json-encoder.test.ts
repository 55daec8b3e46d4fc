import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ByteWriter } from "../src/byte-writer.ts";
import { JsonCodec } from "../src/json-codec.ts";
import { expectSame } from "./support.ts";

const SHORT = 64;
const codec = new JsonCodec();

function written(value: unknown): string {
  return Buffer.from(codec.encode(value)).toString();
}

/** Those for which it isn't what `JSON.stringify` writes, or isn't read as what it was. */
function changed(values: readonly unknown[]): unknown[] {
  return values.filter((value) => {
    const text = written(value);
    return text !== JSON.stringify(value) || !Object.is(codec.decode(Buffer.from(text)), value);
  });
}

describe("texts in JSON", () => {
  it("are what JSON.stringify writes, for each unit of UTF-16 alone", () => {
    expect(changed(Array.from({ length: 0x1_0000 }, (_, code) => String.fromCharCode(code)))).toStrictEqual([]);
  });

  it("are that for each ASCII character at each place, also in texts that are no longer short", () => {
    for (let length = 1; length <= SHORT + 2; length += length < 4 || length > SHORT - 4 ? 1 : 10) {
      for (let place = 0; place < length; place += place < 2 || place > length - 3 ? 1 : 7) {
        const texts = Array.from(
          { length: 128 },
          (_, code) => "x".repeat(place) + String.fromCharCode(code) + "y".repeat(length - place - 1),
        );
        expect(changed(texts)).toStrictEqual([]);
      }
    }
  });

  it.each([
    ["a pair of surrogates", "\ud83d\ude00"],
    ["a high one alone", "\ud83d"],
    ["a low one alone", "\ude00"],
    ["two in the wrong order", "\ude00\ud83d"],
    ["a high one before a quote", '\ud83d"'],
    ["a separator of lines", "\u2028\u2029"],
    ["the last of ASCII", "\u007f"],
    ["what looks like an escape", "\\u0041"],
  ])("are that with %s at the start, at the end, and around the length up to which they are short", (_what, unit) => {
    for (let length = 0; length <= SHORT + 4; length++) {
      const rest = "x".repeat(length);
      expect(changed([unit + rest, rest + unit, `${rest}${unit}${rest}`])).toStrictEqual([]);
    }
  });

  it("are that as keys, too", () => {
    const key = fc.string({ unit: "binary", maxLength: SHORT + 10 }).filter((name) => !name.startsWith("__"));
    fc.assert(
      fc.property(fc.dictionary(key, fc.integer(), { noNullPrototype: true }), (map) => {
        expect(written(map)).toBe(JSON.stringify(map));
        expectSame(codec.decode(codec.encode(map)), map);
      }),
      { numRuns: 1000 },
    );
  });
});

describe("numbers in JSON", () => {
  it("are what JSON.stringify writes, around each power of ten and of two", () => {
    const near = [...Array(22).keys()]
      .flatMap((power) => [10 ** power, 2 ** (power * 3), 5 * 10 ** power])
      .flatMap((middle) => [middle - 1, middle, middle + 1, middle + 0.5, 1 / middle]);
    const others = [999_999_998, 1e9, 1e9 + 1, 2 ** 53 - 1, 2 ** 53, 1e21, 1e-7, 5e-324, Number.MAX_VALUE, 0.1 + 0.2];
    const values = [...near, ...others].flatMap((value) => [value, -value]).filter((value) => !Object.is(value, -0));
    expect(values.length).toBeGreaterThan(600);
    expect(changed(values)).toStrictEqual([]);
  });

  it("are that for any", () => {
    const number = fc.oneof(fc.double({ noNaN: true, noDefaultInfinity: true }), fc.integer(), fc.maxSafeInteger());
    fc.assert(
      fc.property(
        number.filter((value) => !Object.is(value, -0)),
        (value) => {
          expect(changed([value])).toStrictEqual([]);
        },
      ),
      { numRuns: 3000 },
    );
  });

  it("keep the sign of zero", () => {
    for (const value of [-0, [0, -0], { a: -0, b: [0] }]) expectSame(codec.decode(codec.encode(value)), value);
  });
});

describe("values written where little memory is left", () => {
  const SLAB_BYTES = 65_536;

  it.each([
    ["a negative integer", -999_999_999],
    ["a large number", -1.234_567_890_123_456e-300],
    ["words", [true, false, null, -0]],
    ["a short text", "x".repeat(SHORT - 1)],
    ["a text with escapes", '\u0001"\\'.repeat(9)],
    ["a text of three bytes for each unit", "日".repeat(20)],
    ["a text of a thousand units", "é".repeat(1020)],
    ["a longer text", "日".repeat(2000)],
    ["a map", { a: [], "": {}, ab: { c: [[1]] } }],
  ])("are whole: %s", (_what, value) => {
    const text = `[1,4294967295,${JSON.stringify(value).replace(/(?<=,)0(?=])/, "-0.0")}]`;
    for (let left = 0; left <= text.length + 8; left += text.length > 200 && left > 40 ? 97 : 1) {
      const writer = new ByteWriter();
      const before = Buffer.alloc(SLAB_BYTES - left, 1);
      writer.append(before);
      codec.encodeMessage(writer, 1, 0xffff_ffff, value);
      const batch = writer.take();
      expect(batch.subarray(0, before.length).equals(before)).toBe(true);
      expect(batch.subarray(before.length).toString()).toBe(text);
    }
  });
});
