import { decode as oracleDecode, encode as oracleEncode } from "@msgpack/msgpack";
import * as fc from "fast-check";
import { Packr, Unpackr } from "msgpackr";
import { describe, expect, it } from "vitest";
import { SerializationError } from "../src/errors.ts";
import { MsgPackCodec } from "../src/msgpack-codec.ts";
import { bytes, decodeMessage, encodeMessage, expectSame, hex, thrownBy } from "./support.ts";

const codec = new MsgPackCodec();

function repeated(head: string, item: string, count: number): string {
  return head.replaceAll(" ", "") + item.repeat(count);
}

describe("MsgPackCodec", () => {
  it.each([
    [0, "00"],
    [1, "01"],
    [127, "7f"],
    [128, "cc 80"],
    [255, "cc ff"],
    [256, "cd 0100"],
    [65_535, "cd ffff"],
    [65_536, "ce 00010000"],
    [2 ** 31 - 1, "ce 7fffffff"],
    [2 ** 31, "ce 80000000"],
    [2 ** 32 - 1, "ce ffffffff"],
    [2 ** 32, "cf 0000000100000000"],
    [2 ** 32 + 1, "cf 0000000100000001"],
    [Number.MAX_SAFE_INTEGER, "cf 001fffffffffffff"],
    [-1, "ff"],
    [-32, "e0"],
    [-33, "d0 df"],
    [-128, "d0 80"],
    [-129, "d1 ff7f"],
    [-32_768, "d1 8000"],
    [-32_769, "d2 ffff7fff"],
    [-(2 ** 31), "d2 80000000"],
    [-(2 ** 31) - 1, "d3 ffffffff7fffffff"],
    [-(2 ** 32), "d3 ffffffff00000000"],
    [-(2 ** 32) - 1, "d3 fffffffeffffffff"],
    [Number.MIN_SAFE_INTEGER, "d3 ffe0000000000001"],
    [0.5, "cb 3fe0000000000000"],
    [-0, "cb 8000000000000000"],
    [Number.NaN, "cb 7ff8000000000000"],
    [Infinity, "cb 7ff0000000000000"],
    [-Infinity, "cb fff0000000000000"],
    [1e300, "cb 7e37e43c8800759c"],
    [2 ** 53, "cb 4340000000000000"],
    [Number.MIN_VALUE, "cb 0000000000000001"],
    [null, "c0"],
    [false, "c2"],
    [true, "c3"],
    ["", "a0"],
    ["a", "a1 61"],
    ["äöü", "a6 c3a4c3b6c3bc"],
    ["😀", "a4 f09f9880"],
    ["\u0000", "a1 00"],
    ["\ufffd", "a3 efbfbd"],
    ["\ufeffa", "a4 efbbbf61"],
    [[], "90"],
    [{}, "80"],
    [{ a: [1, { b: null }] }, "81 a161 92 01 81 a162 c0"],
  ])("writes %j as %s and reads it", (value, expected) => {
    expect(hex(codec.encode(value))).toBe(expected.replaceAll(" ", ""));
    expect(codec.decode(bytes(expected))).toStrictEqual(value);
  });

  it.each([
    ["ca 3f000000", 0.5],
    ["ca 7f800000", Infinity],
    ["cc 01", 1],
    ["cd 0001", 1],
    ["ce 00000001", 1],
    ["cf 0000000000000001", 1],
    ["d0 01", 1],
    ["d1 0001", 1],
    ["d2 00000001", 1],
    ["d3 0000000000000001", 1],
    ["d9 01 61", "a"],
    ["da 0001 61", "a"],
    ["db 00000001 61", "a"],
    ["dc 0001 c0", [null]],
    ["dd 00000001 c0", [null]],
    ["de 0001 a161 c0", { a: null }],
    ["df 00000001 d90161 c0", { a: null }],
    ["df 00000001 da000161 c0", { a: null }],
    ["c5 0001 61", new Uint8Array([0x61])],
    ["c6 00000001 61", new Uint8Array([0x61])],
  ])("reads %s, which is longer than it must be, as %j", (given, value) => {
    expect(codec.decode(bytes(given))).toStrictEqual(value);
  });

  it.each([
    ["cf 0020000000000000", 2n ** 53n],
    ["cf ffffffffffffffff", 2n ** 64n - 1n],
    ["d3 ffe0000000000000", -(2n ** 53n)],
    ["d3 8000000000000000", -(2n ** 63n)],
    ["d3 7fffffffffffffff", 2n ** 63n - 1n],
  ])("reads %s, which no number holds, as a bigint", (given, value) => {
    expect(codec.decode(bytes(given))).toBe(value);
  });

  it.each([
    [0, "a0"],
    [15, "af"],
    [16, "b0"],
    [31, "bf"],
    [32, "d9 20"],
    [47, "d9 2f"],
    [48, "d9 30"],
    [255, "d9 ff"],
    [256, "da 0100"],
    [65_535, "da ffff"],
    [65_536, "db 00010000"],
  ])("writes a text of %i bytes with the head %s", (length, head) => {
    for (const text of ["x".repeat(length), "é".repeat(length >> 1) + "x".repeat(length & 1)]) {
      const encoded = hex(codec.encode(text));
      expect(encoded).toBe(head.replaceAll(" ", "") + hex(Buffer.from(text)));
      expect(codec.decode(bytes(encoded))).toBe(text);
    }
  });

  it.each([
    [0, "c4 00"],
    [15, "c4 0f"],
    [31, "c4 1f"],
    [255, "c4 ff"],
    [256, "c5 0100"],
    [65_535, "c5 ffff"],
    [65_536, "c6 00010000"],
  ])("writes %i bytes with the head %s", (length, head) => {
    const data = new Uint8Array(length).fill(7);
    const expected = repeated(head, "07", length);
    expect(hex(codec.encode(data))).toBe(expected);
    expect(hex(codec.encode(Buffer.from(data)))).toBe(expected);
    const decoded = codec.decode(bytes(expected)) as Uint8Array;
    expect(Object.getPrototypeOf(decoded)).toBe(Uint8Array.prototype);
    expect(decoded).toStrictEqual(data);
  });

  it.each([
    [15, "9f"],
    [16, "dc 0010"],
    [31, "dc 001f"],
    [32, "dc 0020"],
    [255, "dc 00ff"],
    [65_535, "dc ffff"],
    [65_536, "dd 00010000"],
  ])("writes an array of %i elements with the head %s", (length, head) => {
    const array = Array.from({ length }, () => 1);
    const expected = repeated(head, "01", length);
    expect(hex(codec.encode(array))).toBe(expected);
    expect(codec.decode(bytes(expected))).toStrictEqual(array);
  });

  it.each([
    [15, "8f"],
    [16, "de 0010"],
    [65_535, "de ffff"],
    [65_536, "df 00010000"],
  ])("writes a map of %i entries with the head %s", (length, head) => {
    const keys = Array.from({ length }, (_, index) => `k${index.toString(16).padStart(6, "0")}`);
    const map = Object.fromEntries(keys.map((key) => [key, 1]));
    const expected = head.replaceAll(" ", "") + keys.map((key) => `a7${hex(Buffer.from(key))}01`).join("");
    expect(hex(codec.encode(map))).toBe(expected);
    expect(codec.decode(bytes(expected))).toStrictEqual(map);
  });

  it.each([
    "c7 01 05 00",
    "c8 0001 05 00",
    "c9 00000001 05 00",
    "d4 05 00",
    "d5 05 0000",
    "d6 ff 00000000",
    "d7 05 00",
    "d8 05 00",
    "c1",
  ])("refuses the extension type %s", (given) => {
    expect(thrownBy(() => codec.decode(bytes(given)))).toMatchObject({ code: "SERIALIZATION_ERROR" });
    expect(thrownBy(() => codec.decode(bytes(`92 01 ${given}`)))).toMatchObject({ place: [1] });
  });

  it("refuses a value that is cut at any byte", () => {
    const whole = codec.encode([
      { name: "x".repeat(40), list: [1, 300, 70_000, 2 ** 40, -5, -200, -40_000, -(2 ** 40), 0.5] },
      new Uint8Array(300),
      "y".repeat(300),
      Array.from({ length: 20 }, () => null),
    ]);
    expect(codec.decode(whole)).toBeDefined();
    for (let end = 0; end < whole.length; end++) {
      expect(thrownBy(() => codec.decode(whole.subarray(0, end)))).toBeInstanceOf(SerializationError);
    }
  });

  it("refuses bytes after the end of the value", () => {
    expect(thrownBy(() => codec.decode(bytes("01 02"))).message).toBe("1 bytes after the end of the value");
    expect(decodeMessage(codec, bytes("93 00 07 01 02"))).toMatchObject({
      type: 0,
      id: 7,
      error: { code: "SERIALIZATION_ERROR" },
    });
  });

  it("never reads behind the end of its payload", () => {
    const chunk = bytes("93 01 05 a3 616263 78");
    const message = { type: 0, id: 0, content: undefined, error: undefined };
    codec.decodeMessage(chunk, 0, 6, message);
    expect(message).toMatchObject({ type: 1, id: 5, error: { code: "SERIALIZATION_ERROR" } });
  });

  it.each([
    "a1 ff",
    "a2 c328",
    "a3 eda080",
    "a4 f0288cbc",
    "a1 80",
    "b3 6161616161616161616161616161616161616180",
    "81 a1 ff c0",
  ])("refuses text that is not UTF-8: %s", (given) => {
    expect(thrownBy(() => codec.decode(bytes(given)))).toBeInstanceOf(SerializationError);
  });

  it.each(["\ud800", "a\udc00", "\udc00\ud800", `${"x".repeat(100)}\ud83d`])(
    "refuses to write the lone surrogate in %j",
    (text) => {
      expect(thrownBy(() => codec.encode(text)).message).toContain("lone surrogate");
      expect(thrownBy(() => codec.encode([{ [text]: 1 }])).message).toContain("lone surrogate");
      expect(thrownBy(() => codec.encode([{ a: text }]))).toMatchObject({ place: [0, "a"] });
    },
  );

  it("refuses keys that are no strings, and says which map has one", () => {
    const error = thrownBy(() => codec.decode(bytes("91 82 a161 01 05 02")));
    expect(error.message).toBe("a key of a map is no string, at [0]");
  });

  it.each([
    [undefined, "no serializer for undefined"],
    [1n, "no serializer for bigint"],
    [Symbol("x"), "no serializer for symbol"],
    [() => 1, "no serializer for function"],
    [new Date(0), "no serializer for Date; see extraSerializers"],
    [new Map(), "no serializer for Map; see extraSerializers"],
    [new Float64Array(1), "no serializer for Float64Array; see extraSerializers"],
    [new ArrayBuffer(1), "no serializer for ArrayBuffer; see extraSerializers"],
    [Object(1), "no serializer for Number; see extraSerializers"],
    [new (class Sub extends Uint8Array {})(1), "no serializer for Sub; see extraSerializers"],
    [new (class Row extends Array {})(), "no serializer for Row; see extraSerializers"],
    [Object.create({}), "no serializer for object of an unnamed class; see extraSerializers"],
    [new (class {})(), "no serializer for object of an unnamed class; see extraSerializers"],
  ])("refuses %s, naming type and place", (value, reason) => {
    expect(thrownBy(() => codec.encode(value)).message).toBe(reason);
    expect(thrownBy(() => codec.encode([0, { "b c": value }])).message).toBe(`${reason}, at [1]["b c"]`);
  });

  it("refuses holes in arrays", () => {
    // oxlint-disable-next-line no-sparse-arrays -- the hole is the point
    expect(thrownBy(() => codec.encode([1, , 2])).message).toBe("no serializer for undefined, at [1]");
  });

  it("leaves symbols out that are keys, whatever they lead to", () => {
    const value = { a: 1, [Symbol("s")]: () => 1, b: { [Symbol.iterator]: 1 } };
    expect(hex(codec.encode(value))).toBe("82a16101a16280");
  });

  it("takes maps without a prototype", () => {
    expect(hex(codec.encode(Object.assign(Object.create(null), { a: 1 })))).toBe("81a16101");
  });

  it("gives decoded bytes memory of their own", () => {
    const source = bytes("c4 03 010203");
    const decoded = codec.decode(source) as Uint8Array;
    source.fill(0);
    expect([...decoded]).toStrictEqual([1, 2, 3]);
    expect(decoded.byteOffset).toBe(0);
    expect(decoded.buffer.byteLength).toBe(3);
  });

  it("hands out encoded bytes that the next call doesn't touch", () => {
    const first = codec.encode("first");
    codec.encode("other");
    expect(hex(first)).toBe("a56669727374");
  });

  it("writes a message as an array of three", () => {
    expect(hex(encodeMessage(codec, 0, 300, "ohai"))).toBe("9300cd012ca46f686169");
    expect(hex(encodeMessage(codec, 1, 2 ** 32 - 1, null))).toBe("9301ceffffffffc0");
  });
});

describe("MsgPackCodec against other implementations", () => {
  const packr = new Packr({ useRecords: false, variableMapSize: true });
  const unpackr = new Unpackr({ useRecords: false, mapsAsObjects: true, int64AsType: "number" });

  const key = fc.string({ unit: "grapheme" }).filter((text) => text !== "__proto__" && text !== "__type__");
  const leaf = fc.oneof(
    fc.constant(null),
    fc.boolean(),
    fc.integer(),
    fc.maxSafeInteger(),
    fc.double({ noNaN: true }),
    fc.string({ unit: "grapheme" }),
    fc.string({ unit: "grapheme", minLength: 30, maxLength: 60 }),
    fc.uint8Array(),
  );
  const { value } = fc.letrec((tie) => ({
    value: fc.oneof({ depthSize: "small", withCrossShrink: true }, leaf, tie("array"), tie("map")),
    array: fc.array(tie("value"), { maxLength: 20 }),
    map: fc.dictionary(key, tie("value"), { maxKeys: 20, noNullPrototype: true }),
  }));

  it("reads what it writes", () => {
    fc.assert(
      fc.property(value, (given) => expectSame(codec.decode(codec.encode(given)), given)),
      { numRuns: 500 },
    );
  });

  // Both write -0 as 0.
  const withoutMinusZero = value.filter((given) => !hex(codec.encode(given)).includes("cb8000000000000000"));

  it("reads what @msgpack/msgpack writes, and the other way round", () => {
    fc.assert(
      fc.property(withoutMinusZero, (given) => {
        expectSame(codec.decode(oracleEncode(given)), given);
        // The oracle makes slices of what it is given, and of its kind.
        expectSame(oracleDecode(Uint8Array.from(codec.encode(given))), given);
      }),
      { numRuns: 500 },
    );
  });

  it("writes the same bytes as @msgpack/msgpack but for -0", () => {
    fc.assert(
      fc.property(withoutMinusZero, (given) => expectSame(hex(codec.encode(given)), hex(oracleEncode(given)))),
      {
        numRuns: 500,
      },
    );
  });

  it("reads what msgpackr writes, and the other way round", () => {
    fc.assert(
      fc.property(withoutMinusZero, (given) => {
        expectSame(codec.decode(packr.pack(given)), given);
        expectSame(plainBytes(unpackr.unpack(codec.encode(given))), given);
      }),
      { numRuns: 500 },
    );
  });

  it("gives a value or a SerializationError for any bytes, as a value and as a message", () => {
    const hostile = fc.oneof(
      fc.uint8Array({ maxLength: 200 }),
      fc.tuple(value, fc.nat(), fc.nat(255)).map(([given, at, byte]) => {
        const encoded = codec.encode(given);
        encoded[at % encoded.length] = byte;
        return encoded;
      }),
    );
    fc.assert(
      fc.property(hostile, (given) => {
        try {
          codec.decode(given);
        } catch (error) {
          expect(error).toBeInstanceOf(SerializationError);
        }
        const message = decodeMessage(codec, Buffer.concat([bytes("93 00 01"), given]));
        expect(message).toMatchObject({ type: 0, id: 1 });
      }),
      { numRuns: 2000 },
    );
  });
});

/** msgpackr returns Buffers, and objects that have them. */
function plainBytes(given: unknown): unknown {
  if (given instanceof Uint8Array) return new Uint8Array(given);
  if (Array.isArray(given)) return given.map((item) => plainBytes(item));
  if (typeof given !== "object" || given === null) return given;
  return Object.fromEntries(Object.entries(given).map(([name, item]) => [name, plainBytes(item)]));
}
