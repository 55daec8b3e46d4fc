import { Decoder, encode as oracleEncode } from "@msgpack/msgpack";
import * as fc from "fast-check";
import { Packr } from "msgpackr";
import { describe, expect, it } from "vitest";
import { JsonCodec } from "../../src/json-codec.ts";
import { MsgPackCodec } from "../../src/msgpack-codec.ts";
import { bytes, decodeMessage, encodeMessage, expectSame, hex } from "../support.ts";
import { anyStyle, anyWidth, choices, key, value } from "./styles.ts";

const json = new JsonCodec();
const msgpack = new MsgPackCodec();
const oracle = new Decoder();
const packr = new Packr({ useRecords: false, variableMapSize: true, mapsAsObjects: true, int64AsType: "number" });
const runs = { numRuns: 500 };

/** So many copies that the message is checked before it is decoded. */
function large(given: unknown): unknown[] {
  const copies = Math.ceil(140_000 / msgpack.encode(given).length);
  return Array.from<unknown>({ length: copies }).fill(given);
}

describe.each([
  ["JSON", json],
  ["MsgPack", msgpack],
])("%s", (_name, codec) => {
  it("gives back what it was given, alone and in a message", () => {
    fc.assert(
      fc.property(value, fc.nat(2 ** 32 - 1), (given, id) => {
        expectSame(codec.decode(codec.encode(given)), given);
        const payload = encodeMessage(codec, 1, id, given);
        expectSame(decodeMessage(codec, payload), { type: 1, id, content: given, error: undefined });
      }),
      runs,
    );
  });

  it("gives back large values, which are checked first", () => {
    fc.assert(
      fc.property(value, (given) => {
        const many = large(given);
        const encoded = codec.encode(many);
        expect(encoded.length).toBeGreaterThan(65_536);
        expectSame(codec.decode(encoded), many);
      }),
      { numRuns: 60 },
    );
  });

  it("gives back maps of one list of keys, and of many", () => {
    const maps = fc
      .tuple(
        fc.uniqueArray(key, { minLength: 1, maxLength: 8 }),
        fc.array(fc.nat(2 ** 20), { minLength: 1, maxLength: 9 }),
      )
      .map(([keys, numbers]) =>
        Array.from({ length: 3000 }, (_, row) =>
          Object.fromEntries(keys.map((name, column) => [name, numbers[(row + column) % numbers.length]])),
        ),
      );
    fc.assert(
      fc.property(maps, (given) => expectSame(codec.decode(codec.encode(given)), given)),
      { numRuns: 20 },
    );
  });
});

describe("JSON against the engine", () => {
  it("reads texts of any style as JSON.parse does", () => {
    fc.assert(
      fc.property(value, choices, (given, choose) => {
        const text = anyStyle(given, choose);
        expectSame(JSON.parse(text), given);
        expectSame(json.decode(Buffer.from(text)), given);
      }),
      runs,
    );
  });

  it("writes the text of JSON.stringify, but for -0", () => {
    fc.assert(
      fc.property(value, (given) => {
        const text = Buffer.from(json.encode(given)).toString();
        expectSame(JSON.parse(text), given);
        expect(text.replaceAll(/(?<=[[:,]|^)-0\.0(?=[\],}]|$)/g, "0")).toBe(JSON.stringify(given));
      }),
      runs,
    );
  });

  it("refuses what JSON.parse refuses, and nothing else", () => {
    const damaged = fc
      .tuple(value, choices, fc.nat(), fc.constantFrom(...'[]{}",:\\0-.eu \n\u0001x'.split("")))
      .map(([given, choose, at, char]) => {
        const text = anyStyle([given], choose);
        const place = at % text.length;
        return text.slice(0, place) + char + text.slice(place + 1);
      });
    fc.assert(
      fc.property(damaged, (text) => {
        // A lone surrogate that is no escape isn't UTF-8 either way.
        fc.pre((text as unknown as { isWellFormed(): boolean }).isWellFormed() && !/__/.test(text));
        expect(outcome(() => json.decode(Buffer.from(text)))).toStrictEqual(outcome(() => JSON.parse(text)));
      }),
      { numRuns: 2000 },
    );
  });
});

/** The value as text, or that there is none. */
function outcome(read: () => unknown): string {
  try {
    return JSON.stringify(read());
  } catch {
    return "refused";
  }
}

describe("MsgPack against other implementations", () => {
  it("is read in encodings of any width, as others read them", () => {
    const withBytes = fc.tuple(value, fc.uint8Array({ maxLength: 300 }));
    fc.assert(
      fc.property(withBytes, choices, (given, choose) => {
        const encoded = anyWidth(given, choose);
        expectSame(msgpack.decode(encoded), given);
        // Of a Buffer it would return Buffers.
        expectSame(oracle.decode(new Uint8Array(encoded)), given);
        expectSame(decodeMessage(msgpack, Buffer.concat([bytes("930007"), encoded])).content, given);
      }),
      runs,
    );
  });

  it("is read in encodings of any width where it is large", () => {
    fc.assert(
      fc.property(value, choices, (given, choose) => {
        const many = large(given);
        expectSame(msgpack.decode(anyWidth(many, choose)), many);
      }),
      { numRuns: 40 },
    );
  });

  // They write -0 as 0.
  const withoutMinusZero = value.filter((given) => !hex(msgpack.encode(given)).includes("cb8000000000000000"));

  it("crosses from and to each of them", () => {
    fc.assert(
      fc.property(withoutMinusZero, (given) => {
        expectSame(msgpack.decode(oracleEncode(given)), given);
        expectSame(msgpack.decode(packr.pack(given)), given);
        expectSame(oracle.decode(msgpack.encode(given)), given);
        expectSame(packr.unpack(msgpack.encode(given)), given);
      }),
      runs,
    );
  });

  it("crosses from and to each of them where it is large", () => {
    fc.assert(
      fc.property(withoutMinusZero, (given) => {
        const many = large(given);
        expectSame(msgpack.decode(oracleEncode(many)), many);
        expectSame(oracle.decode(msgpack.encode(many)), many);
        expectSame(msgpack.decode(packr.pack(many)), many);
      }),
      { numRuns: 40 },
    );
  });
});
