import { setTimeout as sleep } from "node:timers/promises";
import v8 from "node:v8";
import { describe, expect, it } from "vitest";
import type { CodecClass } from "../src/codec.ts";
import { codec } from "../src/function-codec.ts";
import type { SerializerFactory } from "../src/serializers.ts";
import { checkCodec } from "../src/testing.ts";
import { echoChannel } from "./packing.ts";
import { expectSame, rejectionOf, thrownBy } from "./support.ts";

class Point {
  readonly x: number;
  constructor(x: number) {
    this.x = x;
  }
}
const point: SerializerFactory<Point> = () => [Point, ({ x }) => x, (x) => new Point(x)];

const V8 = codec({
  name: "v8",
  encode: (value) => Uint8Array.from(v8.serialize(value)),
  decode: (bytes) => v8.deserialize(bytes),
});
const Later = codec({
  name: "later",
  encode: async (value) => {
    const text = JSON.stringify(value);
    await sleep(text.length % 3);
    return Buffer.from(text);
  },
  decode: async (bytes) => {
    await sleep(bytes.length % 3);
    return JSON.parse(bytes.toString());
  },
});

describe("a codec from two functions", () => {
  it("keeps the contract of codecs", async () => {
    await checkCodec(V8);
  });

  it("has a name", () => {
    expect(new V8([point]).name).toBe("v8");
    expect(new V8([point]).toString()).toBe("v8[Point]");
    expect(new (codec({ encode: () => new Uint8Array(), decode: () => 0 }))().name).toBe("custom");
  });

  it.each([
    ["at once", V8],
    ["later", Later],
  ])("that answers %s keeps the order on a channel, with serializers", async (_when, made) => {
    await using echo = await echoChannel(made, {}, [point]);
    const values = Array.from({ length: 60 }, (_, index) => ["x".repeat(index % 7), new Point(index)]);
    const settled: unknown[] = [];
    await Promise.all(values.map(async (value) => settled.push(await echo.channel.send(value))));
    expectSame(settled, values);
    expect(await echo.channel.send([new Date(5), new Map([[1, new Point(1)]])])).toEqual([
      new Date(5),
      new Map([[1, new Point(1)]]),
    ]);
    expect(await rejectionOf(echo.channel.send([/x/]))).toMatchObject({
      code: "SERIALIZATION_ERROR",
      message: "no serializer for RegExp; see extraSerializers, at [0]",
    });
    expect(await echo.channel.send("on")).toBe("on");
  });

  it("gives decode a Buffer, whatever the bytes were", () => {
    const text = codec({ encode: () => new Uint8Array([0x68, 0x69]), decode: (bytes) => bytes.toString() });
    expect(new text().decode(new Uint8Array([0x68, 0x69]))).toBe("hi");
  });

  it("that gives no bytes fails its call", async () => {
    const wrong: CodecClass = codec({ name: "wrong", encode: () => "text" as never, decode: () => 0 });
    expect(thrownBy(() => new wrong().encode(1)).message).toBe(
      'encode of codec "wrong" gave string in place of a Uint8Array',
    );
    const wrongLater: CodecClass = codec({ encode: async () => null as never, decode: () => 0 });
    expect(await rejectionOf(Promise.resolve(new wrongLater().encode(1)))).toMatchObject({
      code: "SERIALIZATION_ERROR",
    });
  });

  it.each([
    ["no functions", {}, "codec takes two functions"],
    ["one function", { encode: (): Uint8Array => new Uint8Array() }, "codec takes two functions"],
    [
      "a name that is none",
      { name: "", encode: (): number => 0, decode: (): number => 0 },
      "the name of a codec is string",
    ],
  ])("refuses %s", (_what, functions, message) => {
    expect(thrownBy(() => codec(functions as never))).toMatchObject({
      code: "INVALID_ARGUMENT",
      message: expect.stringContaining(message),
    });
  });
});
