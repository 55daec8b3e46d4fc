import { isDeepStrictEqual } from "node:util";
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ColloquyError, ProtocolError } from "../src/errors.ts";
import { resolveLimits } from "../src/limits.ts";
import { NdArray } from "../src/ndarray.ts";
import type { SerializerFactory } from "../src/serializers.ts";
import { StructuredCloneCodec } from "../src/structured-clone-codec.ts";
import { checkCodec } from "../src/testing.ts";
import { echoChannel, mixedValues } from "./packing.ts";
import { bytes, decodeMessage, encodeMessage, expectSame, hex, noise, rejectionOf, thrownBy } from "./support.ts";

class Point {
  readonly x: unknown;
  readonly y: unknown;
  constructor(x: unknown, y: unknown) {
    this.x = x;
    this.y = y;
  }
}
const point: SerializerFactory<Point> = () => [Point, (p) => [p.x, p.y], ([x, y]) => new Point(x, y)];
class Service {
  readonly path: string;
  constructor(path: string) {
    this.path = path;
  }
}
const fallback: SerializerFactory = () => [
  Object,
  (value: Service) => {
    if (value instanceof Service) return value.path;
    throw new Error("no service");
  },
  (path: string) => new Service(path),
];

const codec = new StructuredCloneCodec();

function cloned<T>(value: T, ...serializers: SerializerFactory[]): T {
  return new StructuredCloneCodec(serializers).decode(new StructuredCloneCodec(serializers).encode(value)) as T;
}

describe("StructuredCloneCodec", () => {
  it("keeps the contract of codecs", async () => {
    await checkCodec(StructuredCloneCodec);
  });

  it("has the name of its format, and lists its serializers", () => {
    expect(codec.name).toBe("structured-clone");
    expect(new StructuredCloneCodec([point]).toString()).toBe("StructuredClone[Point]");
  });

  it.each([
    [null, "c1 c0"],
    [5, "c1 05"],
    [-0, "c1 cb 8000000000000000"],
    ["ä", "c1 a2 c3a4"],
    [undefined, "c1 c1 01"],
    [10n, "c1 c1 07 a2 3130"],
    [new Date(5), "c1 c1 04 05"],
    [new Map([["a", 1]]), "c1 c1 05 01 a1 61 01"],
    [new Set([1, 2]), "c1 c1 06 02 01 02"],
    [new URL("http://a/"), "c1 c1 09 a9 687474703a2f2f612f"],
    [new Uint8Array([1, 2]), "c1 c4 02 0102"],
    [new Int16Array([1, -1]), "c1 c1 0a 03 c4 04 0100ffff"],
    [new Uint8Array([1, 2]).buffer, "c1 c1 0b c4 02 0102"],
    [new DataView(new Uint8Array([1, 2, 3]).buffer, 1), "c1 c1 0c c4 02 0203"],
    [new RangeError("x"), `c1 c1 08 aa ${Buffer.from("RangeError").toString("hex")} a1 78 c2 80`],
    [[1, , undefined], "c1 93 01 c1 03 c1 01"], // oxlint-disable-line no-sparse-arrays -- holes are what is carried
    [{ a: [] }, "c1 81 a1 61 90"],
  ])("writes %o as %s, and back", (value, text) => {
    expect(hex(codec.encode(value))).toBe(hex(bytes(text)));
    const found = codec.decode(bytes(text));
    if (value instanceof DataView) expect(new Uint8Array((found as DataView).buffer)).toEqual(new Uint8Array([2, 3]));
    else expectSame(found, value);
  });

  it("writes messages with their header in front", () => {
    const payload = encodeMessage(codec, 1, 300, new Date(5));
    expect(hex(payload)).toBe(hex(bytes("c1 93 01 cd012c c1 04 05")));
    expect(decodeMessage(codec, payload)).toStrictEqual({ type: 1, id: 300, content: new Date(5), error: undefined });
  });

  it("writes an object that comes again as its number", () => {
    const shared = [1];
    expect(hex(codec.encode([shared, shared]))).toBe(hex(bytes("c1 92 91 01 c1 00 01")));
    const [first, second] = cloned([shared, shared]);
    expect(first).toBe(second);
    expect(first).toEqual([1]);
  });

  it("carries cycles through arrays, maps, sets and errors", () => {
    const list: unknown[] = [];
    const map = new Map<unknown, unknown>();
    const set = new Set<unknown>();
    const error = Object.assign(new TypeError("x"), { owner: list });
    const record = { list, map, set, error };
    list.push(list, record);
    map.set(map, set).set("record", record);
    set.add(set).add(map);
    error.cause = error;
    const found = cloned(record);
    expect(found.list[0]).toBe(found.list);
    expect(found.list[1]).toBe(found);
    expect(found.map.get(found.map)).toBe(found.set);
    expect(found.map.get("record")).toBe(found);
    expect([...found.set]).toEqual([found.set, found.map]);
    expect(found.error.cause).toBe(found.error);
    expect(found.error.owner).toBe(found.list);
    expect(found.error).toBeInstanceOf(TypeError);
  });

  it("keeps shared typed arrays, dates and instances one, and views of one buffer apart", () => {
    const [array, date, instance] = [new Float64Array([1.5]), new Date(1), new Point(1, 2)];
    const found = cloned([array, date, instance, array, date, instance], point);
    expect(found.slice(3)).toEqual(found.slice(0, 3));
    for (const index of [0, 1, 2]) expect(found[index]).toBe(found[index + 3]);
    const { buffer } = new Uint8Array([1, 2, 3, 4]);
    const [near, far] = cloned([new Uint8Array(buffer, 0, 2), new Uint8Array(buffer, 2, 2)]) as [
      Uint8Array,
      Uint8Array,
    ];
    expect([...near, ...far]).toEqual([1, 2, 3, 4]);
    expect(near.buffer.byteLength).toBe(2);
    expect(near.buffer).not.toBe(far.buffer);
  });

  it("carries arrays of NumPy's kind, also those with gaps, without them", () => {
    const array = new NdArray(
      Float32Array.from({ length: 6 }, (_, index) => index),
      { shape: [2, 3] },
    );
    expect(hex(codec.encode(array))).toBe(hex(bytes(`c1 c1 0d a3 3c6634 a1 43 02 02 03 c4 18 ${hex(array.data)}`)));
    const rows = cloned<[NdArray, NdArray, NdArray]>([array, array, array.transpose()]);
    expect(rows[0]).toBe(rows[1]);
    expect(rows[0].toNested()).toEqual([
      [0, 1, 2],
      [3, 4, 5],
    ]);
    expect(rows[2].toNested()).toEqual([
      [0, 3],
      [1, 4],
      [2, 5],
    ]);
  });

  it("sends of a view the bytes that it shows, and no others", () => {
    const secret = Buffer.from("secret, open, secret");
    expect(Buffer.from(codec.encode(secret.subarray(8, 12))).toString("latin1")).not.toContain("secret");
  });

  it("carries errors with class, cause, gathered errors and fields, and without a stack", () => {
    class Custom extends Error {
      override name = "Custom";
      readonly code = 7;
    }
    const inner = new Custom("inner", { cause: [new Map([[1, 2]])] });
    const outer = new AggregateError([inner, new Date(3)], "outer", { cause: "why" });
    const found = cloned(outer);
    expect(found).toBeInstanceOf(AggregateError);
    expect(found).toMatchObject({ message: "outer", cause: "why" });
    expect(found.errors[1]).toEqual(new Date(3));
    const custom = found.errors[0] as Custom;
    expect(custom).toMatchObject({ name: "Custom", message: "inner", code: 7, cause: [new Map([[1, 2]])] });
    expect(hex(codec.encode(new Error("x")))).not.toContain(Buffer.from("at ").toString("hex"));
  });

  it("keeps the class of this library's errors, which can't lead back to themselves", () => {
    const lost = new ColloquyError("CONNECTION_LOST", "gone", { executed: "unknown", cause: new Map([[1, 2]]) });
    const [found, again] = cloned<ColloquyError[]>([lost, lost]) as [ColloquyError, ColloquyError];
    expect(found).toBeInstanceOf(ColloquyError);
    expect(found).toMatchObject({ code: "CONNECTION_LOST", message: "gone", executed: "unknown" });
    expect(found.cause).toEqual(new Map([[1, 2]]));
    expect(again).toBe(found);
    const loop: ProtocolError & { own?: unknown } = new ProtocolError("x");
    loop.own = [loop];
    expect(thrownBy(() => codec.encode([loop])).message).toContain("the ProtocolError has itself in the data");
    expect(cloned(new ProtocolError("y"))).toBeInstanceOf(ProtocolError);
  });

  it("applies serializers in maps, sets, keys, errors and cycles, the fallback too", () => {
    const cycle: unknown[] = [];
    const service = new Service("a/b");
    cycle.push(cycle, new Point(new Set([service]), new Map([[new Point(1, cycle), { deep: [service] }]])));
    const found = cloned(cycle, point, fallback);
    const outer = found[1] as Point;
    const [met] = outer.x as Set<Service>;
    const [[key, value]] = [...(outer.y as Map<Point, { deep: Service[] }>)] as [[Point, { deep: Service[] }]];
    expect(met).toEqual(service);
    expect(key).toBeInstanceOf(Point);
    expect(key.y).toBe(found);
    expect(value.deep[0]).toBe(met);
  });

  it("lets a serializer take a class that is known otherwise", () => {
    const dates: SerializerFactory<Date> = () => [Date, (date) => date.toISOString(), (text) => new Date(text)];
    expect(hex(new StructuredCloneCodec([dates]).encode(new Date(0)))).toContain("c10200");
    expectSame(cloned([new Date(0)], dates), [new Date(0)]);
  });

  it("refuses an instance whose own data leads back to it", () => {
    const loop = new Point(1, undefined);
    (loop as { y: unknown }).y = [loop];
    const error = thrownBy(() => new StructuredCloneCodec([point]).encode({ a: loop }));
    expect(error.message).toBe("the Point has itself in the data that it is made of, at a[1][0]");
  });

  it.each([
    ["a function", () => {}, "no serializer for function"],
    ["a symbol", Symbol.iterator, "symbol has no form in this codec"],
    ["an instance of a class", new Point(1, 2), "no serializer for Point; see extraSerializers"],
    [
      "an instance of a class that extends Map",
      new (class Table extends Map {})(),
      "no serializer for Table; see extraSerializers",
    ],
    [
      "an instance of a class that extends Array",
      new (class List extends Array {})(),
      "no serializer for List; see extraSerializers",
    ],
    ["a RegExp", /x/, "no serializer for RegExp; see extraSerializers"],
    ["a WeakMap", new WeakMap(), "no serializer for WeakMap; see extraSerializers"],
    ["a promise", Promise.resolve(), "a promise; await it first"],
    ["a boxed number", Object(1) as object, "no serializer for Number; see extraSerializers"],
    ["shared memory", new SharedArrayBuffer(1), "no serializer for SharedArrayBuffer; see extraSerializers"],
    ["a Proxy", new Proxy({}, {}), "a Proxy can't be carried: no serializer for Object; see extraSerializers"],
    [
      "a Proxy of an array",
      new Proxy([], {}),
      "a Proxy can't be carried: no serializer for Array; see extraSerializers",
    ],
    [
      "a map with __type__",
      { __type__: 1 },
      'a map can\'t have the key "__type__": it marks extended values, at list[1].__type__',
    ],
    [
      "a map with __proto__",
      JSON.parse('{"__proto__":1}'),
      'a map can\'t have the key "__proto__", at list[1].__proto__',
    ],
    ["half a surrogate pair", "\ud800", "string with a lone surrogate, which UTF-8 can't carry"],
    ["a number of too many digits", 10n ** 4096n, "BigInt of more than 4096 digits"],
  ])("refuses %s, with its type and place", (_what, value, message) => {
    const error = thrownBy(() => codec.encode({ list: [1, value] }));
    expect(error).toMatchObject({ code: "SERIALIZATION_ERROR" });
    expect(error.message).toBe(message.includes(", at ") ? message : `${message}, at list[1]`);
    expect(thrownBy(() => codec.encode(new Map([["a", new Set([value])]]))).place).toEqual(
      message.includes("__") ? [{ get: "a" }, 0, message.split("list[1].")[1]] : [{ get: "a" }, 0],
    );
  });

  it("works again after a failure", () => {
    const shared = { a: 1 };
    thrownBy(() => encodeMessage(codec, 0, 0, [shared, Symbol.iterator]));
    expect(hex(encodeMessage(codec, 0, 0, [shared]))).toBe(hex(bytes("c1 93 00 00 91 81 a1 61 01")));
  });

  it("carries what it is given, whatever it is", () => {
    const value = fc.anything({
      withBigInt: true,
      withDate: true,
      withMap: true,
      withSet: true,
      withTypedArray: true,
      withSparseArray: true,
      withNullPrototype: false,
      key: fc.string({ unit: "grapheme" }).filter((key) => !["__proto__", "__type__", "toJSON", "then"].includes(key)),
      values: [
        fc.string({ unit: "grapheme" }),
        fc.double(),
        fc.integer(),
        fc.boolean(),
        fc.constant(undefined),
        fc.bigInt(),
      ],
    });
    fc.assert(
      fc.property(value, (given) => {
        // A Date without a time isn't equal to another one everywhere.
        fc.pre(isDeepStrictEqual(structuredClone(given), given));
        expectSame(cloned([given]), [given]);
      }),
      { numRuns: 500 },
    );
  });

  it("keeps the order of messages of all sizes on a channel, and large typed arrays beside them", async () => {
    await using echo = await echoChannel(StructuredCloneCodec);
    const numbers = Float64Array.from({ length: 100_000 }, (_, index) => index);
    const cycle: { numbers: Float64Array; map: Map<unknown, unknown> } = { numbers, map: new Map() };
    cycle.map
      .set("again", cycle)
      .set("numbers", numbers)
      .set("bytes", new Uint8Array(noise(50_000)));
    const values = mixedValues();
    const settled: unknown[] = [];
    await Promise.all(values.map(async (value) => settled.push(await echo.channel.send(value))));
    expectSame(settled, values);
    const found = (await echo.channel.send([cycle, numbers])) as [typeof cycle, Float64Array];
    expectSame(found[0].numbers, numbers);
    expect(found[1]).toBe(found[0].numbers);
    expect(found[0].map.get("again")).toBe(found[0]);
    expect(found[0].map.get("numbers")).toBe(found[1]);
    expectSame(found[0].map.get("bytes"), new Uint8Array(noise(50_000)));
    // Beside the message, not in it: a megabyte that it has twice leaves once.
    expect(found[1].byteOffset).toBe(0);
    expect(await rejectionOf(echo.channel.send([numbers, () => {}]))).toMatchObject({ place: [1] });
    expect(await echo.channel.send(undefined)).toBeUndefined();
  });

  it("has its bytes in it when it leaves a connection", async () => {
    await using echo = await echoChannel(StructuredCloneCodec);
    await echo.channel.send(new Float64Array(10_000));
    const own = echo.channel.codec!;
    expect(own.segments.support).toBe("segments");
    expect(await own.encode(new Float64Array(10_000))).toHaveLength(80_009);
    expect(await echo.channel.send("on")).toBe("on");
  });
});

describe("a structured clone that is broken", () => {
  it.each([
    ["empty", ""],
    ["another first byte", "93"],
    ["nothing behind the first byte", "c1"],
    ["bytes behind its end", "c1 05 05"],
    ["an unknown kind", "c1 c1 63"],
    ["an extension of MsgPack", "c1 d4 01 00"],
    ["a float of 32 bits", "c1 ca 3f800000"],
    ["an integer beyond 2^53-1", "c1 cf ffffffffffffffff"],
    ["a reference to nothing", "c1 c1 00 00"],
    ["a reference to what comes later", "c1 92 c1 00 01 90"],
    ["a reference below 0", "c1 91 c1 00 ff"],
    ["half a reference", "c1 91 c1 00 cb 3fe0000000000000"],
    ["a reference that is a text", "c1 91 c1 00 a1 30"],
    ["a hole that is alone", "c1 c1 03"],
    ["a hole in a map", "c1 81 a1 61 c1 03"],
    ["a hole in a Set", "c1 c1 06 01 c1 03"],
    ["a key that is a number", "c1 81 01 01"],
    ["a key __proto__", "c1 81 a9 5f5f70726f746f5f5f 01"],
    ["a key __type__", "c1 81 a8 5f5f747970655f5f 01"],
    ["a Date of text", "c1 c1 04 a1 61"],
    ["a Map of half an entry", "c1 c1 05 01 01"],
    ["a Map of half a size", "c1 c1 05 cb 3fe0000000000000"],
    ["a Map of the size NaN", "c1 c1 05 cb 7ff8000000000000"],
    ["a Map of a size below 0", "c1 c1 05 ff"],
    ["a BigInt of letters", "c1 c1 07 a1 61"],
    ["a BigInt of zeros", "c1 c1 07 a2 3030"],
    ["a URL that is none", "c1 c1 09 a1 61"],
    ["an Error without a message", "c1 c1 08 a1 61"],
    ["an Error with a list", "c1 c1 08 a1 61 a1 61 c2 90"],
    ["a typed array of an unknown type", "c1 c1 0a 0b c4 00"],
    ["a typed array of half an element", "c1 c1 0a 03 c4 01 00"],
    ["a typed array of text", "c1 c1 0a 01 a0"],
    ["a segment that isn't there", "c1 c1 0b 00"],
    ["an array with another type", "c1 c1 0d a3 3c7139 a1 43 01 00 c4 00"],
    ["an array with a shape that its bytes don't have", "c1 c1 0d a3 3c6634 a1 43 01 05 c4 04 00000000"],
    ["an array with more dimensions than bytes", "c1 c1 0d a3 3c6634 a1 43 ce ffffffff c4 00"],
    ["a type that isn't there", "c1 c1 02 00 01"],
    ["a built-in type of a plain peer", "c1 c1 02 ff 01"],
    ["a type without a number", "c1 c1 02 a0 01"],
    ["text that is not UTF-8", "c1 a1 ff"],
  ])("is refused: %s", (_what, text) => {
    expect(thrownBy(() => codec.decode(bytes(text)))).toMatchObject({ code: "SERIALIZATION_ERROR" });
  });

  it("says where, and fails its message only", () => {
    const message = decodeMessage(codec, bytes("c1 93 00 05 92 00 81 a1 61 c1 63"));
    expect(message).toMatchObject({ type: 0, id: 5, content: undefined });
    expect(message.error?.message).toBe("structured clone with a value of the unknown kind 99, at [1].a");
    for (const payload of ["93 00 05 00", "c1 92 00 05", "c1 93 04 05 00", "c1 93 00 c1 01 00", "c1 93 00", "c1"])
      expect(thrownBy(() => decodeMessage(codec, bytes(payload)))).toMatchObject({ code: "PROTOCOL_ERROR" });
  });

  it("refuses a reference from within the data of an instance", () => {
    const own = new StructuredCloneCodec([point]);
    expect(thrownBy(() => own.decode(bytes("c1 c1 02 00 92 01 c1 00 00"))).message).toContain(
      "from within its own data",
    );
  });

  it("holds depth to the limit, at its edge", () => {
    const own = new StructuredCloneCodec();
    own.limits = resolveLimits({ maxDepth: 3 });
    expect(own.decode(bytes("c1 91 c1 05 01 01 c1 06 01 01"))).toEqual([new Map([[1, new Set([1])]])]);
    for (const text of ["c1 91 91 91 90", "c1 91 c1 05 01 01 c1 06 01 80", "c1 91 91 91 c1 08 a1 61 a1 61 c2 80"])
      expect(thrownBy(() => own.decode(bytes(text))).message).toContain("maxDepth");
    expect(thrownBy(() => own.encode([[[[]]]])).message).toContain("maxDepth");
    expect(own.decode(own.encode([[[1]]]))).toEqual([[[1]]]);
  });
});
