import { describe, expect, it } from "vitest";
import { JsonCodec } from "../src/json-codec.ts";
import { MsgPackCodec } from "../src/msgpack-codec.ts";
import { serializable } from "../src/serializable.ts";
import type { SerializableClass } from "../src/serializable.ts";
import type { SerializerFactory } from "../src/serializers.ts";
import { decodeMessage, encodeMessage, thrownBy } from "./support.ts";

class Point {
  readonly x: unknown;
  readonly y: unknown;
  constructor(x: unknown, y: unknown) {
    this.x = x;
    this.y = y;
  }
}
class Point3 extends Point {}
class Box {
  readonly content: unknown;
  constructor(content: unknown) {
    this.content = content;
  }
}

const point: SerializerFactory<Point> = () => [Point, (p) => [p.x, p.y], ([x, y]) => new Point(x, y)];
const point3: SerializerFactory<Point3> = () => [Point3, (p) => [p.x, p.y], ([x, y]) => new Point3(x, y)];
const box: SerializerFactory<Box> = () => [Box, (b) => b.content, (content) => new Box(content)];
const rest: SerializerFactory<object> = () => [Object, (value) => value.constructor.name, (name) => ({ name })];

describe.each([
  ["JSON", JsonCodec],
  ["MsgPack", MsgPackCodec],
])("serializers in %s", (_name, Codec) => {
  function crossed(value: unknown, ...factories: SerializerFactory[]): unknown {
    const payload = encodeMessage(new Codec(factories), 0, 0, value);
    const message = decodeMessage(new Codec(factories), payload);
    expect(new Codec(factories).decode(new Codec(factories).encode(value))).toStrictEqual(message.content);
    if (message.error !== undefined) throw message.error;
    return message.content;
  }

  it("carry instances of their class, wherever they stand", () => {
    expect(crossed(new Point(1, 2), point)).toStrictEqual(new Point(1, 2));
    expect(crossed([{ a: [new Point(1, 2)] }], point)).toStrictEqual([{ a: [new Point(1, 2)] }]);
  });

  it("carry extended values in extended values", () => {
    const value = new Box([new Point(new Box(null), { a: new Point(1, 2) })]);
    expect(crossed(value, point, box)).toStrictEqual(value);
  });

  it("K7 match their own class only, not one that extends it", () => {
    expect(thrownBy(() => crossed([new Point3(1, 2)], point)).message).toBe(
      "no serializer for Point3; see extraSerializers, at [0]",
    );
    const both = [new Point(1, 2), new Point3(3, 4)];
    expect(crossed(both, point, point3)).toStrictEqual(both);
    expect((crossed(both, point3, point) as object[])[1]).toBeInstanceOf(Point3);
  });

  it("K4 are numbered in their order", () => {
    const codec = new Codec([box, point]);
    expect(codec.serializerNames).toStrictEqual(["Box", "Point"]);
    codec.addSerializer(...point3());
    expect(codec.serializerNames).toStrictEqual(["Box", "Point", "Point3"]);
    expect(new Codec([point, box]).decode(codec.encode(new Box(["a", "b"])))).toStrictEqual(new Point("a", "b"));
  });

  it("K7 fall back to Object for what nothing else takes", () => {
    const value = [new Point(1, 2), new Box(0), new Date(0), class Thing {}, {}, [], "text"];
    expect(crossed(value, rest, point)).toStrictEqual([
      new Point(1, 2),
      { name: "Box" },
      { name: "Date" },
      { name: "Function" },
      {},
      [],
      "text",
    ]);
    expect(thrownBy(() => crossed([undefined], rest)).message).toBe("no serializer for undefined, at [0]");
    expect(thrownBy(() => crossed([1n], rest)).message).toBe("no serializer for bigint, at [0]");
  });

  it("K1 are refused twice for one type", () => {
    const codec = new Codec([point, rest]);
    for (const again of [point, rest]) {
      expect(thrownBy(() => codec.addSerializer(...(again() as ReturnType<typeof point>)))).toMatchObject({
        code: "INVALID_ARGUMENT",
      });
    }
    expect(thrownBy(() => codec.addSerializer(...point())).message).toContain('"Point"');
    expect(codec.serializerNames).toStrictEqual(["Point", "Object"]);
  });

  it("are refused where they are no class and two functions", () => {
    for (const triple of [
      [],
      [Point],
      [Point, () => 1],
      ["Point", () => 1, () => 1],
      [Point, 1, () => 1],
      [Point, () => 1, null],
    ]) {
      expect(thrownBy(() => new Codec([(() => triple) as never]))).toMatchObject({ code: "INVALID_ARGUMENT" });
    }
  });

  it("K5 that throw are named, with cause and place", () => {
    for (const cause of [new TypeError("no way"), "text", undefined, null]) {
      const bad: SerializerFactory<Box> = () => [
        Box,
        () => {
          throw cause;
        },
        () => new Box(1),
      ];
      const error = thrownBy(() => crossed({ a: [new Box(1)] }, bad));
      expect(error).toMatchObject({ code: "SERIALIZATION_ERROR", place: ["a", 0], cause });
      expect(error.message).toContain("the serializer of Box failed for Box");
    }
    const bad: SerializerFactory<Box> = () => [
      Box,
      () => 1,
      () => {
        throw new TypeError("no way");
      },
    ];
    const error = thrownBy(() => decodeOnly({ a: [new Box(1)] }, bad));
    expect(error).toMatchObject({ code: "SERIALIZATION_ERROR", place: ["a", 0], cause: new TypeError("no way") });
    expect(error.message).toBe("the deserializer of Box failed: no way, at a[0]");
  });

  function decodeOnly(value: unknown, ...factories: SerializerFactory[]): unknown {
    return new Codec(factories).decode(new Codec(factories).encode(value));
  }

  it("that return what can't be encoded fail with the place of their value", () => {
    const bad: SerializerFactory<Box> = () => [Box, () => [{ when: new Date() }], () => new Box(1)];
    const error = thrownBy(() => crossed([0, new Box(1)], bad));
    expect(error.message).toContain("no serializer for Date; see extraSerializers, at [1]");
  });

  it("D14 refuse maps that look like extended values", () => {
    for (const value of [{ __type__: [0, 1] }, { __type__: 1 }, { a: 1, __type__: 2 }]) {
      expect(thrownBy(() => crossed(value, point)).message).toContain('a map can\'t have the key "__type__"');
    }
    expect(thrownBy(() => crossed(new Box({ __type__: [0, 1] }), box)).message).toContain("__type__");
  });

  it("refuse extended values that are malformed or unknown", () => {
    const raw = rawEncoder(Codec);
    for (const value of [
      1,
      null,
      [],
      [0],
      [0, 1, 2],
      { 0: 0, 1: 1 },
      ["0", 1],
      [0.5, 1],
      [null, 1],
      [1, 1],
      [99, 1],
      [-1, 1],
      [2 ** 32, 1],
    ]) {
      const error = thrownBy(() => new Codec([point]).decode(raw([{ __type__: value }])));
      expect(error).toMatchObject({ code: "SERIALIZATION_ERROR", place: [0] });
    }
    expect(thrownBy(() => new Codec([point]).decode(raw({ __type__: [1, 1] }))).message).toBe(
      "unknown type id 1; there are 1 serializers (Point)",
    );
    expect(thrownBy(() => new Codec([point]).decode(raw({ __type__: [0, [1, 2]], a: 1 })))).toMatchObject({
      code: "SERIALIZATION_ERROR",
    });
    expect(thrownBy(() => new Codec([point]).decode(raw({ a: 1, __type__: [0, [1, 2]] })))).toMatchObject({
      code: "SERIALIZATION_ERROR",
    });
  });

  it("can't make a decoded map that an await or JSON.stringify would call", () => {
    const fn: SerializerFactory<object> = () => [Object, () => 1, () => () => "called"];
    const codec = new Codec([fn]);
    expect(typeof (codec.decode(codec.encode({ go: () => 1 })) as { go: unknown }).go).toBe("function");
    for (const key of ["then", "toJSON"]) {
      const error = thrownBy(() => codec.decode(codec.encode([{ [key]: () => 1 }])));
      expect(error.message).toBe(`a map can't have a function as "${key}", at [0].${key}`);
    }
  });

  it("give a deserializer data that it may keep", () => {
    const kept: unknown[] = [];
    const keeper: SerializerFactory<Box> = () => [Box, (b) => b.content, (data) => (kept.push(data), new Box(data))];
    decodeOnly([new Box({ a: [1] }), new Box("second")], keeper);
    expect(kept).toStrictEqual([{ a: [1] }, "second"]);
  });

  it("may use their own codec meanwhile", () => {
    const codec = new Codec();
    codec.addSerializer<Box>(
      Box,
      (value) => [...codec.encode([value.content, "x".repeat(2000)])],
      (data: number[]) => new Box((codec.decode(Uint8Array.from(data)) as unknown[])[0]),
    );
    const value = [new Box({ a: "ä" }), "after", new Box([1])];
    expect(decodeMessage(codec, encodeMessage(codec, 0, 0, value))).toMatchObject({ content: value, error: undefined });
  });
});

/** Encodes maps with any keys, as a peer of another kind may. */
function rawEncoder(Codec: typeof JsonCodec | typeof MsgPackCodec): (value: unknown) => Uint8Array {
  if (Codec === JsonCodec) return (value) => Buffer.from(JSON.stringify(value));
  return (value) => {
    const swap = (text: string, from: string, to: string): string => text.replaceAll(from, to);
    const safe: unknown = JSON.parse(swap(JSON.stringify(value), "__type__", "##type##"));
    return Buffer.from(
      swap(Buffer.from(new MsgPackCodec().encode(safe)).toString("latin1"), "##type##", "__type__"),
      "latin1",
    );
  };
}

describe("serializable", () => {
  class Plain {
    a = 1;
    b: unknown = [2];
    get sum(): number {
      return this.a;
    }
  }

  it("K3 works as a function: own fields cross, the constructor isn't called", () => {
    let made = 0;
    class Counted {
      value: number;
      constructor(value: number) {
        made++;
        this.value = value;
      }
    }
    expect(serializable(Counted)).toBe(Counted);
    const codec = new MsgPackCodec([() => serializable(Counted).serializer]);
    const copy = codec.decode(codec.encode(new Counted(7))) as Counted;
    expect(copy).toBeInstanceOf(Counted);
    expect(copy.value).toBe(7);
    expect(made).toBe(1);
  });

  it("works as a decorator, and as the arguments of addSerializer", () => {
    @serializable
    class Decorated {
      declare static readonly serializer: SerializableClass<Decorated>["serializer"];
      x = 1;
      inner: unknown = { y: [2] };
    }
    const codec = new JsonCodec();
    codec.addSerializer(...Decorated.serializer);
    const copy = codec.decode(codec.encode([new Decorated()]));
    expect(copy).toStrictEqual([new Decorated()]);
  });

  it("refuses data that is no map, and keys that change a prototype", () => {
    serializable(Plain);
    const { serializer } = Plain as unknown as { serializer: ReturnType<SerializerFactory> };
    const codec = new JsonCodec([() => serializer]);
    for (const data of ["null", "1", '"a"', "[1]"]) {
      const error = thrownBy(() => codec.decode(Buffer.from(`{"__type__":[0,${data}]}`)));
      expect(error.message).toContain("the fields of Plain are no map");
    }
    const [, , deserialize] = serializer;
    const copy = deserialize(JSON.parse('{"__proto__":{"polluted":1}}')) as object;
    expect(Object.getPrototypeOf(copy)).toBe(Plain.prototype);
  });
});
