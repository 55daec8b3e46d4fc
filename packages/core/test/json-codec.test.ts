import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { SerializationError } from "../src/errors.ts";
import { JsonCodec } from "../src/json-codec.ts";
import { decodeMessage, encodeMessage, expectSame, thrownBy } from "./support.ts";

const codec = new JsonCodec();

function text(value: unknown): string {
  return Buffer.from(codec.encode(value)).toString("utf8");
}

function read(given: string): unknown {
  return codec.decode(Buffer.from(given));
}

describe("JsonCodec", () => {
  it.each([
    [["spam", 3.14], '["spam",3.14]'],
    [null, "null"],
    [true, "true"],
    [-1.5e300, "-1.5e+300"],
    ['ä\u2028\n"', '"ä\u2028\\n\\""'],
    [{ a: [], b: {} }, '{"a":[],"b":{}}'],
    [{ _: 1, _a: 2 }, '{"_":1,"_a":2}'],
    [{ __a: 1, __: [0] }, '{"__a":1,"__":[0]}'],
    [-0, "-0.0"],
    [[1, { a: -0 }], '[1,{"a":-0.0}]'],
    ["\ud800", '"\\ud800"'],
    [{ then: 1, constructor: 2, toString: 3 }, '{"then":1,"constructor":2,"toString":3}'],
  ])("writes %j as %s and reads it", (value, expected) => {
    expect(text(value)).toBe(expected);
    expect(read(expected)).toStrictEqual(value);
  });

  it("writes a message as an array of three", () => {
    expect(encodeMessage(codec, 0, 0, "ohai").toString()).toBe('[0,0,"ohai"]');
    expect(encodeMessage(codec, 2, 2 ** 32 - 1, -0).toString()).toBe("[2,4294967295,-0.0]");
  });

  it("writes texts of any width and length into a message", () => {
    for (const unit of ["a", "é", "日", "😀"]) {
      for (const count of [0, 1, 300, 341, 342, 1023, 1024, 1025, 70_000]) {
        const content = unit.repeat(count);
        expect(encodeMessage(codec, 1, 2, content).toString()).toBe(`[1,2,${JSON.stringify(content)}]`);
      }
    }
  });

  it.each([Number.NaN, Infinity, -Infinity])("refuses %d", (value) => {
    expect(thrownBy(() => codec.encode({ a: [value] })).message).toBe(`${value} has no form in JSON, at a[0]`);
  });

  it("refuses undefined with its place, also where it is a hole", () => {
    expect(thrownBy(() => codec.encode(undefined)).message).toBe("no serializer for undefined");
    expect(thrownBy(() => codec.encode([1, undefined])).message).toBe("no serializer for undefined, at [1]");
    expect(thrownBy(() => codec.encode([{ a: undefined }])).message).toBe("no serializer for undefined, at [0].a");
    // oxlint-disable-next-line no-sparse-arrays -- the hole is the point
    expect(thrownBy(() => codec.encode([1, , 2])).message).toBe("no serializer for undefined, at [1]");
  });

  it.each([
    [1n, "bigint"],
    [Symbol("x"), "symbol"],
    [() => 1, "function"],
    [new Date(0), "Date"],
    [new Map(), "Map"],
    [Object(1), "Number"],
    [Object("a"), "String"],
    [new (class Row extends Array {})(), "Row"],
  ])("refuses %s instead of changing it", (value, name) => {
    expect(thrownBy(() => codec.encode([value])).message).toBe(
      `no serializer for ${name}${typeof value === "object" ? "; see extraSerializers" : ""}, at [0]`,
    );
  });

  it.each([
    ["Uint8Array", new Uint8Array(1)],
    ["Buffer", Buffer.alloc(1)],
  ])("says of %s which codec carries it", (name, value) => {
    const error = thrownBy(() => codec.encode([value]));
    expect(error.message).toBe(`${name}: JSON has no bytes; MsgPackCodec carries them, at [0]`);
    expect(error.place).toEqual([0]);
  });

  it("takes bytes for which there is a serializer", () => {
    const own = new JsonCodec([
      () => [Uint8Array, (value) => [...value], (list) => Uint8Array.from(list as number[])] as const,
    ]);
    expect(own.decode(own.encode([Uint8Array.of(1, 2)]))).toStrictEqual([Uint8Array.of(1, 2)]);
  });

  it("doesn't call toJSON", () => {
    expect(text({ toJSON: 1 })).toBe('{"toJSON":1}');
    expect(thrownBy(() => codec.encode({ toJSON: () => 1 })).message).toBe("no serializer for function, at toJSON");
    const list = Object.assign([1], { toJSON: () => "changed" });
    expect(text(list)).toBe("[1]");
  });

  it("leaves symbols out that are keys, whatever they lead to", () => {
    expect(text({ a: 1, [Symbol("s")]: () => 1, b: { [Symbol.iterator]: 1 } })).toBe('{"a":1,"b":{}}');
  });

  it("reads text as Python writes it", () => {
    const given = '[1, 7, {"\\u00e4": "\\ud83d\\ude00", "b c": [1.0, -0.0, 1e3, null, true, false], "d": {}}]';
    expect(decodeMessage(codec, Buffer.from(given))).toStrictEqual({
      type: 1,
      id: 7,
      content: { ä: "😀", "b c": [1, -0, 1000, null, true, false], d: {} },
      error: undefined,
    });
    expect(decodeMessage(codec, Buffer.from('\n [ 0 , 0 ,\t"a" ] \r\n'))).toMatchObject({
      type: 0,
      id: 0,
      content: "a",
    });
  });

  it.each([
    "NaN",
    "[Infinity]",
    "[1,]",
    "{'a':1}",
    "01",
    '"a',
    "",
    " ",
    "[1] 2",
    "\ufeff[1]",
    '"\u0001"',
    "[1",
    '{"a"}',
    "undefined",
  ])("refuses %j, which is no JSON", (given) => {
    expect(thrownBy(() => read(given))).toBeInstanceOf(SerializationError);
  });

  it("refuses text that is not UTF-8", () => {
    expect(thrownBy(() => codec.decode(Buffer.from([0x22, 0xff, 0x22]))).message).toBe("text is not UTF-8");
    expect(thrownBy(() => codec.decode(Buffer.from([0x22, 0xed, 0xa0, 0x80, 0x22])))).toBeInstanceOf(
      SerializationError,
    );
    expect(read('"\ufffd"')).toBe("\ufffd");
  });

  it("refuses the key __proto__ both ways, however it is written", () => {
    for (const given of [
      '{"__proto__":{"a":1}}',
      '[{"x":{"__proto__":1}}]',
      '{"\\u005f_proto__":{}}',
      '{"_\\u005Fproto__":{}}',
      '{"\\u005f\\u005f\\u0070roto\\u005f\\u005f":{}}',
      '{"__prot\\u006f__":{}}',
    ]) {
      expect(thrownBy(() => read(given)).message).toContain('a map can\'t have the key "__proto__"');
    }
    const map = Object.defineProperty({}, "__proto__", { value: 1, enumerable: true });
    expect(thrownBy(() => codec.encode(map)).message).toContain("__proto__");
  });

  it("sees extended values, however their key is written", () => {
    class Point {
      readonly x: unknown;
      constructor(x: unknown) {
        this.x = x;
      }
    }
    const points = new JsonCodec([() => [Point, (p: Point) => p.x, (x) => new Point(x)]]);
    for (const key of [
      "__type__",
      "\\u005f_type__",
      "__\\u0074ype__",
      "_\\u005Ftype_\\u005F",
      "\\u005f\\u005ftype\\u005f\\u005f",
    ]) {
      expect(points.decode(Buffer.from(`[{"${key}":[0,5]}]`))).toStrictEqual([new Point(5)]);
    }
  });

  it("refuses a constructor with a prototype, however it is written", () => {
    for (const given of [
      '{"constructor":{"prototype":{"a":1}}}',
      '{"\\u0063onstructor":{"prototype":1}}',
      '{"constructor":{"\\u0070rototype":1}}',
      '[[{"constructo\\u0072":{"prototype":null}}]]',
    ]) {
      expect(thrownBy(() => read(given)).message).toContain('a map can\'t have a "constructor" with a "prototype"');
    }
  });

  it("takes a constructor without a prototype for an ordinary entry", () => {
    expectSame(read('{"constructor":{"name":"x"}}'), { constructor: { name: "x" } });
  });

  it("gives a message whose content is broken its header", () => {
    expect(decodeMessage(codec, Buffer.from("[0, 12, nonsense]"))).toMatchObject({
      type: 0,
      id: 12,
      error: { code: "SERIALIZATION_ERROR" },
    });
    expect(decodeMessage(codec, Buffer.from('[1,3,{"a":{"__proto__":1}}]'))).toMatchObject({
      type: 1,
      id: 3,
      content: undefined,
      error: { message: 'a map can\'t have the key "__proto__", at a.__proto__' },
    });
  });

  it.each([
    "",
    "[",
    "{}",
    "[0,1]",
    "[0,1,2,3]",
    "nonsense",
    "[4,0,1]",
    "[-1,0,1]",
    "[0.5,0,1]",
    '["0",0,1]',
    "[0,-1,1]",
    "[0,4294967296,1]",
    "[0,1.5,1]",
    '[0,"1",1]',
    "[0,null,1]",
    "[0,4294967296,x]",
    "[0,99999999999,x]",
  ])("takes %j for no message", (given) => {
    expect(thrownBy(() => decodeMessage(codec, Buffer.from(given)))).toMatchObject({ code: "PROTOCOL_ERROR" });
  });

  const key = fc.string({ unit: "binary" }).filter((name) => name !== "__proto__" && name !== "__type__");
  const value = fc.letrec((tie) => ({
    value: fc.oneof(
      { depthSize: "small", withCrossShrink: true },
      fc.constant(null),
      fc.boolean(),
      fc.double({ noNaN: true, noDefaultInfinity: true }),
      fc.integer(),
      fc.string({ unit: "binary" }),
      fc.array(tie("value")),
      fc.dictionary(fc.oneof(key, fc.constantFrom("then", "_", "__", "__a", "toJSON")), tie("value"), {
        noNullPrototype: true,
      }),
    ),
  })).value;

  it("reads what it writes, as a value and as a message", () => {
    fc.assert(
      fc.property(value, (given) => {
        expectSame(codec.decode(codec.encode(given)), given);
        expectSame(decodeMessage(codec, encodeMessage(codec, 0, 9, given)), {
          type: 0,
          id: 9,
          content: given,
          error: undefined,
        });
      }),
      { numRuns: 1000 },
    );
  });

  it("writes what JSON.stringify writes, but for -0", () => {
    const ordinary = value.filter((given) => !text(given).includes("-0.0"));
    fc.assert(
      fc.property(ordinary, (given) => expectSame(text(given), JSON.stringify(given))),
      { numRuns: 500 },
    );
  });

  it("gives a value or a SerializationError for any text", () => {
    const hostile = fc.oneof(
      fc.uint8Array({ maxLength: 100 }).map((data) => Buffer.from(data)),
      fc.tuple(value, fc.nat(), fc.nat(255)).map(([given, at, byte]) => {
        const encoded = Buffer.from(codec.encode(given));
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
      }),
      { numRuns: 2000 },
    );
  });
});
