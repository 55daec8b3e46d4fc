import { createContext, runInContext } from "node:vm";
import { describe, expect, it } from "vitest";
import { JsonCodec } from "../src/json-codec.ts";
import { MsgPackCodec } from "../src/msgpack-codec.ts";
import type { SerializerFactory } from "../src/serializers.ts";
import { StandardTypes } from "../src/standard-types.ts";
import { StructuredCloneCodec } from "../src/structured-clone-codec.ts";
import { Stranger, builtins, bytes, expectSame, greeted, hex, thrownBy } from "./support.ts";

/** `{"__type__": [` in MsgPack. */
const TYPE = "81 a8 5f5f747970655f5f 92";

function ascii(text: string): string {
  return (0xa0 + text.length).toString(16) + hex(Buffer.from(text));
}

/** The value, its data in JSON, and the same in MsgPack behind the type id. */
const VECTORS: readonly [what: string, value: unknown, id: number, json: string, msgpack: string][] = [
  ["undefined", undefined, -1, "null", "c0"],
  ["a Date", new Date(1_700_000_000_000), -4, "1700000000000", "cf 0000018bcfe56800"],
  ["a Date before 1970", new Date(-1), -4, "-1", "ff"],
  ["the last Date", new Date(8.64e15), -4, "8640000000000000", "cf 001eb208c2dc0000"],
  [
    "a Map",
    new Map<unknown, unknown>([
      ["a", 1],
      [2, null],
    ]),
    -5,
    '["a",1,2,null]',
    "94 a161 01 02 c0",
  ],
  ["an empty Map", new Map(), -5, "[]", "90"],
  ["a Set", new Set([1, "a"]), -6, '[1,"a"]', "92 01 a161"],
  ["a BigInt", 18_446_744_073_709_551_616n, -7, '"18446744073709551616"', ascii("18446744073709551616")],
  ["a negative BigInt", -1n, -7, '"-1"', "a2 2d31"],
  ["0n", 0n, -7, '"0"', "a1 30"],
  [
    "an Error",
    new RangeError("no"),
    -8,
    '{"name":"RangeError","message":"no"}',
    `82 ${ascii("name")} ${ascii("RangeError")} ${ascii("message")} ${ascii("no")}`,
  ],
  ["a URL", new URL("http://a/b?c#d"), -9, '"http://a/b?c#d"', ascii("http://a/b?c#d")],
  ["an Int8Array", Int8Array.of(-1), -10, '["Int8Array","/w=="]', `92 ${ascii("Int8Array")} c401 ff`],
  [
    "a Uint8ClampedArray",
    Uint8ClampedArray.of(1),
    -10,
    '["Uint8ClampedArray","AQ=="]',
    `92 ${ascii("Uint8ClampedArray")} c401 01`,
  ],
  ["an Int16Array", Int16Array.of(-2), -10, '["Int16Array","/v8="]', `92 ${ascii("Int16Array")} c402 feff`],
  ["a Uint16Array", Uint16Array.of(1), -10, '["Uint16Array","AQA="]', `92 ${ascii("Uint16Array")} c402 0100`],
  ["an Int32Array", Int32Array.of(1), -10, '["Int32Array","AQAAAA=="]', `92 ${ascii("Int32Array")} c404 01000000`],
  ["a Uint32Array", Uint32Array.of(1), -10, '["Uint32Array","AQAAAA=="]', `92 ${ascii("Uint32Array")} c404 01000000`],
  [
    "a Float32Array",
    Float32Array.of(1.5),
    -10,
    '["Float32Array","AADAPw=="]',
    `92 ${ascii("Float32Array")} c404 0000c03f`,
  ],
  [
    "a Float64Array",
    Float64Array.of(1.5),
    -10,
    '["Float64Array","AAAAAAAA+D8="]',
    `92 ${ascii("Float64Array")} c408 000000000000f83f`,
  ],
  [
    "a BigInt64Array",
    BigInt64Array.of(-1n),
    -10,
    '["BigInt64Array","//////////8="]',
    `92 ${ascii("BigInt64Array")} c408 ffffffffffffffff`,
  ],
  [
    "a BigUint64Array",
    BigUint64Array.of(1n),
    -10,
    '["BigUint64Array","AQAAAAAAAAA="]',
    `92 ${ascii("BigUint64Array")} c408 0100000000000000`,
  ],
  [
    "a typed array without elements",
    new Float64Array(0),
    -10,
    '["Float64Array",""]',
    `92 ${ascii("Float64Array")} c400`,
  ],
  ["an ArrayBuffer", Uint8Array.of(1, 2).buffer, -11, '"AQI="', "c402 0102"],
  ["an empty ArrayBuffer", new ArrayBuffer(0), -11, '""', "c400"],
  ["a DataView", new DataView(Uint8Array.of(1, 2).buffer), -12, '"AQI="', "c402 0102"],
];

function typeId(id: number): string {
  return (0x100 + id).toString(16);
}

describe("the built-in types", () => {
  it.each(VECTORS)("carry %s in JSON, byte by byte", (_what, value, id, json) => {
    const codec = greeted(new JsonCodec());
    const text = `[{"__type__":[${id},${json}]}]`;
    expect(Buffer.from(codec.encode([value])).toString()).toBe(text);
    expectSame(codec.decode(Buffer.from(text)), [value]);
  });

  it.each(VECTORS)("carry %s in MsgPack, byte by byte", (_what, value, id, _json, msgpack) => {
    const codec = greeted(new MsgPackCodec());
    const whole = bytes(`91 ${TYPE} ${typeId(id)} ${msgpack}`);
    expect(hex(codec.encode([value]))).toBe(hex(whole));
    expectSame(codec.decode(whole), [value]);
  });

  it("carry an invalid Date", () => {
    const invalid = new Date(Number.NaN);
    const [json, msgpack] = [greeted(new JsonCodec()), greeted(new MsgPackCodec())];
    expect(Buffer.from(json.encode(invalid)).toString()).toBe('{"__type__":[-4,null]}');
    expect(hex(msgpack.encode(invalid))).toBe(hex(bytes(`${TYPE} fc c0`)));
    for (const codec of [json, msgpack]) expect(codec.decode(codec.encode(invalid))).toStrictEqual(invalid);
  });

  it("have bytes as MsgPack has them, and as a typed array in JSON", () => {
    const value = Uint8Array.of(1, 255);
    expect(hex(greeted(new MsgPackCodec()).encode(value))).toBe("c40201ff");
    const text = '{"__type__":[-10,["Uint8Array","Af8="]]}';
    const json = greeted(new JsonCodec());
    expect(Buffer.from(json.encode(value)).toString()).toBe(text);
    expectSame(json.decode(Buffer.from(text)), value);
    // As another implementation may write it in MsgPack.
    expectSame(greeted(new MsgPackCodec()).decode(bytes(`${TYPE} f6 92 ${ascii("Uint8Array")} c402 01ff`)), value);
  });
});

describe.each([
  ["JSON", JsonCodec],
  ["MsgPack", MsgPackCodec],
])("built-in types in %s", (_name, Codec) => {
  const make = (...factories: SerializerFactory[]): JsonCodec | MsgPackCodec => greeted(new Codec(factories));
  const crossed = (value: unknown, ...factories: SerializerFactory[]): unknown =>
    make(...factories).decode(make(...factories).encode(value));

  it("nest in one another, as keys too", () => {
    const key = new Date(5);
    const value = new Map<unknown, unknown>([
      [key, new Set([new Map([[1n, undefined]]), new URL("a:b")])],
      [new Map(), [{ deep: Float64Array.of(1, 2) }]],
      [undefined, new Error("x", { cause: new Map([["a", new Date(1)]]) })],
    ]);
    expectSame(crossed({ value }), { value });
  });

  it("keep the order of Maps and Sets, and values that occur more than once", () => {
    const shared = { a: 1 };
    const value = [
      new Map([
        [3, shared],
        [1, shared],
        [2, shared],
      ]),
      new Set(["z", "a", "m"]),
    ];
    const [map, set] = crossed(value) as [Map<number, object>, Set<string>];
    expect([...map.keys()]).toStrictEqual([3, 1, 2]);
    expect([...set]).toStrictEqual(["z", "a", "m"]);
    expect([...map.values()]).toStrictEqual([shared, shared, shared]);
  });

  it("are exact classes: one that extends them is refused, and takes a serializer of its own", () => {
    class Moment extends Date {}
    class Registry extends Map<unknown, unknown> {}
    class Tags extends Set {}
    class Link extends URL {}
    class Samples extends Float64Array {}
    class Raw extends Uint8Array {}
    class Memory extends ArrayBuffer {}
    class Frame extends DataView<ArrayBuffer> {}
    const values = [
      new Moment(0),
      new Registry(),
      new Tags(),
      new Link("a:b"),
      new Samples(new ArrayBuffer(8)),
      new Raw(new ArrayBuffer(1)),
      new Memory(1),
      new Frame(new ArrayBuffer(1)),
    ];
    for (const value of values)
      expect(thrownBy(() => crossed([value])).message).toBe(
        `no serializer for ${value.constructor.name}; see extraSerializers, at [0]`,
      );
    const registry: SerializerFactory<Registry> = () => [
      Registry,
      (value) => new Map(value),
      (map: Map<unknown, unknown>) => new Registry(map),
    ];
    expectSame(crossed([new Registry([[1, new Date(2)]])], registry), [new Registry([[1, new Date(2)]])]);
  });

  it("don't take what only has their prototype, nor memory that is another's", () => {
    const fakes = [Date, Map, Set, URL, Float64Array, ArrayBuffer, DataView].map((type) =>
      Object.create(type.prototype),
    );
    for (const fake of fakes) {
      const error = thrownBy(() => crossed({ fake }));
      expect(error).toMatchObject({ code: "SERIALIZATION_ERROR", place: ["fake"] });
      expect(error.message).toContain("can't be read");
    }
    const given = Float64Array.of(1);
    structuredClone(given, { transfer: [given.buffer] });
    expect(thrownBy(() => crossed([given])).message).toMatch(/^Float64Array can't be read: .*detached.*, at \[0\]$/);
    expect(thrownBy(() => crossed(new SharedArrayBuffer(1))).message).toBe(
      "no serializer for SharedArrayBuffer; see extraSerializers",
    );
  });

  it("are the ones of this realm", () => {
    const date: unknown = runInContext("new Date(0)", createContext());
    expect(thrownBy(() => crossed(date)).message).toBe("no serializer for Date; see extraSerializers");
  });

  it("give way to a serializer of the user's", () => {
    const date: SerializerFactory<Date> = () => [Date, (value) => value.toISOString(), (text) => new Date(text)];
    const text = make(date).encode([new Date(0)]);
    expect(Buffer.from(text).toString("latin1")).toContain("1970-01-01T00:00:00.000Z");
    expectSame(crossed(new Set([new Date(0)]), date), new Set([new Date(0)]));
  });

  it("come before the `Object` fallback, which takes the rest, in Maps too", () => {
    const rest: SerializerFactory<object> = () => [Object, (value) => value.constructor.name, (name) => ({ name })];
    const value = [new Map([[new Stranger(), new Set([new Stranger()])]]), /x/, new Date(0)];
    expectSame(crossed(value, rest), [
      new Map([[{ name: "Stranger" }, new Set([{ name: "Stranger" }])]]),
      { name: "RegExp" },
      new Date(0),
    ]);
  });

  it.each<[string, unknown, string]>([
    [
      "a text",
      new Map<unknown, unknown>([
        ["k", { p: 1 }],
        ["l m", { p: new Stranger() }],
      ]),
      'get("l m").p',
    ],
    ["a number", new Map([[7, [new Stranger()]]]), "get(7)[0]"],
    ["null, below another Map", new Map([["a", new Map([[null, new Stranger()]])]]), 'get("a").get(null)'],
    [
      "an object",
      new Map<object, unknown>([
        [{}, 1],
        [{}, new Stranger()],
      ]),
      "values()[1]",
    ],
    [
      "what can't be sent",
      new Map<unknown, number>([
        [1, 1],
        [[new Stranger()], 2],
      ]),
      "keys()[1][0]",
    ],
  ])("name a value in a Map by its key: %s", (_key, map, place) => {
    const codecs = [crossed, (value: unknown) => new StructuredCloneCodec().encode(value)];
    for (const write of codecs) {
      expect(thrownBy(() => write(map)).message).toBe(`no serializer for Stranger; see extraSerializers, at ${place}`);
      expect(thrownBy(() => write([1, { map }])).message).toBe(
        `no serializer for Stranger; see extraSerializers, at [1].map.${place}`,
      );
    }
  });

  it("refuse with the place what stands in them and can't be sent", () => {
    const value = { a: [new Map([["key", new Set([new Stranger()])]])] };
    expect(thrownBy(() => crossed(value))).toMatchObject({
      message: 'no serializer for Stranger; see extraSerializers, at a[0].get("key")[0]',
      place: ["a", 0, { get: "key" }, 0],
    });
    for (const unknown of [/x/, new WeakMap(), Promise.resolve(), Symbol.iterator, () => 1])
      expect(thrownBy(() => crossed([unknown])).message).toMatch(
        /^(?:no serializer for \w+(?:; see extraSerializers)?|a promise; await it first), at \[0\]$/,
      );
  });

  it("count as levels of depth, and end a cycle", () => {
    const map = new Map<unknown, unknown>();
    map.set("self", map);
    expect(thrownBy(() => crossed(map)).message).toContain("or cyclic");
    let nested: unknown = new Set();
    for (let level = 0; level < 20; level++) nested = new Set([nested]);
    expectSame(crossed(nested), nested);
  });

  it("bound BigInts to 4,096 digits, both ways and with either sign", () => {
    const largest = 10n ** 4096n - 1n;
    expectSame(crossed([largest, -largest]), [largest, -largest]);
    for (const value of [largest + 1n, -largest - 1n, 10n ** 1_000_000n])
      expect(thrownBy(() => crossed([value])).message).toBe("BigInt of more than 4096 digits, at [0]");
    const digits = "9".repeat(4097);
    for (const sign of ["", "-"]) {
      const data = { __type__: [-7, sign + digits] } as const;
      expect(thrownBy(() => make().decode(sent(data))).message).toContain("malformed data of a BigInt");
    }
  });

  it("bound URLs to 65,536 characters", () => {
    const start = "http://a/";
    const longest = new URL(start + "x".repeat(65_536 - start.length));
    expectSame(crossed(longest), longest);
    expect(thrownBy(() => crossed([new URL(`${longest.href}x`)])).message).toContain("the limit is 65536, at [0]");
    expect(crossed(new URL("http://ä.example/日本?ü"))).toStrictEqual(new URL("http://ä.example/日本?ü"));
  });

  it("carry views by their own part, from any memory, into memory of their own", () => {
    const memory = Uint8Array.from({ length: 64 }, (_, index) => index);
    const views = [
      new Float64Array(memory.buffer, 8, 2),
      new Int16Array(memory.buffer, 2, 3),
      new DataView(memory.buffer, 3, 5),
      memory.subarray(7, 9),
      Buffer.from(memory.buffer, 1, 4),
    ];
    const found = crossed(views) as ArrayBufferView[];
    expectSame(
      found,
      views.map((view) => (Buffer.isBuffer(view) ? Uint8Array.from(view) : view)),
    );
    for (const view of found) {
      expect(view.byteOffset).toBe(0);
      expect(view.buffer.byteLength).toBe(view.byteLength);
      expect(view.buffer).toBeInstanceOf(ArrayBuffer);
    }
    expect(found.at(-1)).not.toBeInstanceOf(Buffer);
    memory.fill(0);
    expect([...(found[3] as Uint8Array)]).toStrictEqual([7, 8]);
  });

  it("carry views of memory that is shared, or may change its size", () => {
    const shared = new Float64Array(new SharedArrayBuffer(16));
    shared.set([1.5, 2.5]);
    const [found] = crossed([shared]) as [Float64Array];
    expect([...found]).toStrictEqual([1.5, 2.5]);
    expect(found.buffer).toBeInstanceOf(ArrayBuffer);
    const Resizable = ArrayBuffer as unknown as new (length: number, options: object) => ArrayBuffer;
    const memory = new Resizable(4, { maxByteLength: 64 });
    const whole = new Uint16Array(memory);
    whole.set([1, 2]);
    (memory as unknown as { resize(length: number): void }).resize(8);
    expectSame(crossed([whole, memory]), [Uint16Array.of(1, 2, 0, 0), Uint8Array.of(1, 0, 2, 0, 0, 0, 0, 0).buffer]);
    (memory as unknown as { resize(length: number): void }).resize(2);
    expectSame(crossed([whole, new DataView(memory)]), [Uint16Array.of(1), new DataView(Uint8Array.of(1, 0).buffer)]);
  });

  it("have a Float16Array where the runtime has it, and say so where it hasn't", () => {
    const type = (globalThis as unknown as Record<string, Float64ArrayConstructor | undefined>)["Float16Array"];
    if (type !== undefined) return expectSame(crossed(type.of(1.5)), type.of(1.5));
    const sentBytes = Codec === JsonCodec ? "AD4=" : bytes("003e");
    expect(thrownBy(() => make().decode(sent({ __type__: [-10, ["Float16Array", sentBytes]] }))).message).toContain(
      'no class "Float16Array" here',
    );
  });

  /** What a peer sends: the codec itself refuses a map with such a key. */
  function sent(data: { readonly __type__: readonly [number, unknown] }): Uint8Array {
    class Extended {}
    const [id, value] = data.__type__;
    const codec = new Codec();
    codec.setBuiltins(builtins((given) => (given instanceof Extended ? { typeId: id, data: value } : undefined)));
    return codec.encode(new Extended());
  }
});

describe("the built-in types towards a plain peer", () => {
  const standard = [
    undefined,
    1n,
    new Date(0),
    new Map(),
    new Set(),
    new Error("x"),
    new URL("a:b"),
    Float64Array.of(1),
  ];
  const plain = <C extends JsonCodec | MsgPackCodec>(codec: C): C => {
    codec.setBuiltins(new StandardTypes(codec, "plain"));
    return codec;
  };

  it("are refused with what to do", () => {
    for (const codec of [plain(new JsonCodec()), plain(new MsgPackCodec())]) {
      for (const value of standard) {
        const { message } = thrownBy(() => codec.encode([value]));
        expect(message).toMatch(/^\w+: the peer said no hello, so it takes no built-in types/);
        expect(message.includes("; a serializer in extraSerializers carries it, at [0]")).toBe(
          typeof value === "object",
        );
      }
      expect(thrownBy(() => codec.encode(new Stranger())).message).toBe(
        "no serializer for Stranger; see extraSerializers",
      );
    }
  });

  it("are carried by the user's serializers, and the `Object` fallback", () => {
    const date: SerializerFactory<Date> = () => [Date, (value) => value.getTime(), (time) => new Date(time)];
    const rest: SerializerFactory<object> = () => [Object, (value) => value.constructor.name, (name) => ({ name })];
    const codec = plain(new JsonCodec([date, rest]));
    expectSame(codec.decode(codec.encode([new Date(5), new Map()])), [new Date(5), { name: "Map" }]);
  });

  it("have bytes in MsgPack, of any size, and none in JSON", () => {
    for (const value of [Buffer.from([1, 2]), new Uint8Array(100_000)]) {
      const codec = plain(new MsgPackCodec());
      expectSame(codec.decode(codec.encode(value)), Uint8Array.from(value));
      expect(thrownBy(() => plain(new JsonCodec()).encode([value])).message).toContain(
        "JSON has no bytes; MsgPackCodec carries them, at [0]",
      );
    }
  });

  it("aren't taken from one either", () => {
    const codec = plain(new JsonCodec());
    expect(thrownBy(() => codec.decode(Buffer.from('[{"__type__":[-4,0]}]'))).message).toBe(
      "built-in type -4 from a peer that said no hello, at [0]",
    );
  });
});

describe("the built-in types of a codec that belongs to no connection", () => {
  it("aren't there", () => {
    expect(thrownBy(() => new JsonCodec().encode([new Date(0)])).message).toBe(
      "no serializer for Date; see extraSerializers, at [0]",
    );
    expect(thrownBy(() => new MsgPackCodec().decode(bytes(`${TYPE} fc 00`))).message).toBe(
      "built-in type -4 outside of a connection",
    );
  });
});
