import { createRequire } from "node:module";
import { describe, expect, it } from "vitest";
import { MsgPackCodec } from "../../src/msgpack-codec.ts";
import { StandardTypes } from "../../src/standard-types.ts";
import { bytes, decodeMessage, expectSame, hex, thrownBy } from "../support.ts";
import { section } from "./page.ts";

interface Case {
  readonly msgpack: readonly string[];
  readonly bignum?: string;
  readonly number?: number;
  readonly binary?: string;
}

const require = createRequire(import.meta.url);
const suite = require("msgpack-test-suite") as Readonly<Record<string, readonly Case[]>>;
const page = section("MsgPack");
const codec = new MsgPackCodec();

/** Cases with their encodings as plain hex. */
const cases = Object.entries(suite).flatMap(([file, list]) =>
  list.map((given) => ({
    file: file.replace(/\.yaml$/, ""),
    value: valueOf(given),
    encodings: given.msgpack.map((text) => text.replaceAll("-", "")),
  })),
);

function valueOf(named: Case): unknown {
  if (named.binary !== undefined) return new Uint8Array(bytes(named.binary.replaceAll("-", "")));
  if (named.number === undefined && named.bignum !== undefined) return BigInt(named.bignum);
  const [, value] = Object.entries(named).find(([key]) => key !== "msgpack")!;
  return value;
}

const refusedFiles = [...page.matchAll(/^\| `([\w.-]+)` +\| refused +\|/gm)].map(([, file]) => file!);
const readCases = cases.filter(({ file }) => !refusedFiles.includes(file));
const isFloat = (encoding: string): boolean => /^c[ab]/.test(encoding);

describe("msgpack-test-suite", () => {
  it("is there, as the page says", () => {
    const count = cases.flatMap(({ encodings }) => encodings).length;
    expect(page).toContain(`${cases.length} values in ${count} encodings`);
    expect(refusedFiles).toStrictEqual(["50.timestamp", "60.ext"]);
    for (const [, file] of page.matchAll(/^\| `([\w.-]+)`/gm)) expect(suite).toHaveProperty([`${file}.yaml`]);
  });

  it.each(readCases)("$file: $value is read from each of $encodings", ({ value, encodings }) => {
    for (const encoding of encodings) {
      expectSame(codec.decode(bytes(encoding)), value);
      expectSame(decodeMessage(codec, bytes(`930007${encoding}`)).content, value);
    }
  });

  it.each(cases.filter(({ file }) => refusedFiles.includes(file)))("$file: $encodings are refused", ({ encodings }) => {
    for (const encoding of encodings) {
      const error = thrownBy(() => codec.decode(bytes(encoding)));
      expect(error).toMatchObject({ code: "SERIALIZATION_ERROR" });
      expect(error.message).toContain("extension types are not part of the protocol");
      expect(decodeMessage(codec, bytes(`930007${encoding}`))).toMatchObject({ id: 7, error: { place: [] } });
    }
  });

  it.each(readCases.filter(({ value }) => typeof value !== "bigint"))(
    "$file: $value is written in its shortest form",
    ({ value, encodings }) => {
      const written = hex(codec.encode(value));
      expect(encodings).toContain(written);
      // Numbers that are whole are integers, others are float64.
      const isNumber = typeof value === "number";
      const candidates = isNumber ? encodings.filter((it) => isFloat(it) !== Number.isInteger(value)) : encodings;
      const wanted = isNumber && !Number.isInteger(value) ? candidates.filter((it) => it.startsWith("cb")) : candidates;
      expect(written).toHaveLength(Math.min(...wanted.map((encoding) => encoding.length)));
    },
  );

  it.each(readCases.filter(({ value }) => typeof value === "bigint"))(
    "$file: the bigint $value is written as text to a peer that said hello, and not to others",
    ({ value }) => {
      expect(thrownBy(() => codec.encode(value)).message).toContain("bigint");
      const greeted = new MsgPackCodec();
      const types = new StandardTypes(greeted, "standard");
      types.expected = true;
      greeted.setBuiltins(types);
      const written = greeted.encode(value);
      const digits = Buffer.from(String(value));
      expect(hex(written)).toBe(`81a85f5f747970655f5f92f9${(0xa0 + digits.length).toString(16)}${hex(digits)}`);
      expect(greeted.decode(written)).toBe(value);
    },
  );
});

describe("MsgPack beyond the suite", () => {
  it.each([
    ["nil", "c0"],
    ["false", "c2"],
    ["an integer", "01"],
    ["an integer of 16 bits", "cd 0100"],
    ["a negative one", "ff"],
    ["float64", "cb 3ff0000000000000"],
    ["bytes", "c4 01 61"],
    ["an array", "91 01"],
    ["a map", "81 a161 01"],
    ["an extension", "d4 05 00"],
  ])("keys that are no strings are refused: %s", (_what, key) => {
    for (const map of [`81 ${key} 01`, `82 a161 01 ${key} 01`, `91 de 0001 ${key} 01`]) {
      expect(thrownBy(() => codec.decode(bytes(map))).message).toMatch(/^a key of a map is no string/);
    }
  });

  it("has each of its refusals on the page", () => {
    const rows = [...page.split("Not in the suite")[1]!.matchAll(/^\| ([^`|]+?) +\| (refused|written)/gm)];
    expect(rows.map(([, name]) => name)).toStrictEqual([
      "keys",
      "0xc1",
      "bytes behind",
      "UTF-8",
      "lone surrogates",
      "-0",
    ]);
    expect(thrownBy(() => codec.decode(bytes("c1"))).message).toContain("0xc1");
    expect(thrownBy(() => codec.decode(bytes("c0 c0"))).message).toBe("1 bytes after the end of the value");
    expect(thrownBy(() => codec.decode(bytes("a1 ff"))).message).toBe("text is not UTF-8");
    expect(thrownBy(() => codec.encode("\ud800")).message).toContain("lone surrogate");
    expect(hex(codec.encode(-0))).toBe("cb8000000000000000");
  });
});
