import { isDeepStrictEqual } from "node:util";
import v8 from "node:v8";
import zlib from "node:zlib";
import {
  JsonCodec,
  MsgPackBloscCodec,
  MsgPackCodec,
  NdArray,
  StructuredCloneCodec,
  codec,
  compressed,
  connectChannel,
} from "@colloquy/core";
import type { CodecClass, SerializerFactory } from "@colloquy/core";
import { describe, expect, test } from "vitest";
import { Service, connect, expose, serve } from "../src/index.ts";
import type { Remote } from "../src/index.ts";
import { failureOf, newAddress } from "./support.ts";

class Point {
  readonly x: number;
  constructor(x: number) {
    this.x = x;
  }
}
const point: SerializerFactory<Point> = () => [Point, ({ x }) => x, (x) => new Point(x)];

class Counter extends Service {
  #count = 0;
  @expose next(): number {
    return ++this.#count;
  }
}

class Desk extends Service {
  @expose add(a: number, b: number): number {
    return a + b;
  }
  @expose echo(value: unknown): unknown {
    return value;
  }
  @expose counter(): Counter {
    return new Counter();
  }
  @expose async each(values: readonly unknown[], tell: (value: unknown) => unknown): Promise<unknown[]> {
    return Promise.all(values.map((value) => tell(value)));
  }
  @expose async askAll(services: Map<string, Remote<Counter>>): Promise<Map<string, number>> {
    const answers = await Promise.all([...services].map(async ([name, one]) => [name, await one.next()] as const));
    return new Map(answers);
  }
  @expose fail(): never {
    throw new RangeError("out of range", { cause: new TypeError("inner") });
  }
}

/** In promises that take a turn. */
const Later = codec({
  name: "later",
  encode: async (value) => {
    await new Promise((resolve) => setImmediate(resolve));
    return Uint8Array.from(v8.serialize(value));
  },
  decode: async (bytes) => {
    await new Promise((resolve) => setImmediate(resolve));
    return v8.deserialize(bytes);
  },
});

const hasZstd = "zstdCompressSync" in zlib;
const codecs: [string, CodecClass][] = [
  ["msgpack-blosc", MsgPackBloscCodec],
  ["structured-clone", StructuredCloneCodec],
  ["later", Later],
  ["json+deflate", compressed(JsonCodec, { algorithm: "deflate" })],
  ["msgpack+gzip", compressed(MsgPackCodec, { algorithm: "gzip", threshold: 0 })],
  ["structured-clone+brotli", compressed(StructuredCloneCodec, { algorithm: "brotli" })],
  ["later+deflate", compressed(Later, { algorithm: "deflate", threshold: 0 })],
  ...(hasZstd ? ([["msgpack+zstd", compressed(MsgPackCodec, { algorithm: "zstd" })]] as [string, CodecClass][]) : []),
];

/** Values of all sizes, some of which a codec packs later than those behind them. */
function mixed(): unknown[] {
  return Array.from({ length: 60 }, (_, index) => {
    if (index % 10 === 3)
      return Array.from({ length: 4000 }, (_, item) => ({ item, index, name: `name ${item % 97}` }));
    if (index % 10 === 6) return Float64Array.from({ length: 20_000 }, (_, item) => Math.sin(item / 100) + index);
    if (index % 10 === 8) return new Map([[`key ${index}`, new Set([new Point(index), "text ".repeat(400)])]]);
    return [index, new Point(index)];
  });
}

describe.each(codecs)("connections in %s", (_name, codec) => {
  test("carry calls, callbacks, references and errors", async () => {
    await using server = await serve(newAddress(), new Desk(), { codec, extraSerializers: [point] });
    await using connection = await connect<Desk>(server.address, { codec, extraSerializers: [point] });
    const { remote } = connection;
    expect(await remote.add(3, 4)).toBe(7);
    expect(await remote.each([1, "b", new Point(3)], (value) => [value])).toEqual([[1], ["b"], [new Point(3)]]);
    const counter = await remote.counter();
    expect([await counter.next(), await counter.next()]).toEqual([1, 2]);
    const services = new Map([
      ["own", new Counter()],
      ["other", new Counter()],
    ]);
    expect(await remote.askAll(services as never)).toEqual(
      new Map([
        ["own", 1],
        ["other", 1],
      ]),
    );
    expect(await failureOf(remote.fail())).toMatchObject({
      code: "REMOTE_ERROR",
      remoteName: "RangeError",
      message: "out of range",
      cause: { message: "inner" },
    });
    expect(await failureOf(remote.echo(/x/))).toMatchObject({ code: "SERIALIZATION_ERROR" });
    expect(await remote.echo(undefined)).toBeUndefined();
    const array = new NdArray(
      Float32Array.from({ length: 30_000 }, (_, index) => index),
      { shape: [300, 100] },
    );
    const found = (await remote.echo(array)) as NdArray;
    expect(found.shape).toEqual([300, 100]);
    expect(isDeepStrictEqual(found.toTypedArray(), array.toTypedArray())).toBe(true);
  });

  test("start concurrent calls in order, whatever their size", async () => {
    const started: unknown[] = [];
    class Recorder extends Service {
      @expose record(index: number, value: unknown): unknown {
        started.push(index);
        return value;
      }
    }
    await using server = await serve("tcp://127.0.0.1:0", new Recorder(), { codec, extraSerializers: [point] });
    await using connection = await connect<Recorder>(server.address, { codec, extraSerializers: [point] });
    const values = mixed();
    const answers = await Promise.all(values.map((value, index) => connection.remote.record(index, value)));
    for (const [index, value] of values.entries()) {
      if (!isDeepStrictEqual(answers[index], value)) expect.fail(`answer ${index} of ${values.length}`);
    }
    // One that has large arrays beside it starts when they are there.
    const isLarge = (index: unknown): boolean => (index as number) % 10 === 6;
    const small = started.filter((index) => !isLarge(index));
    expect(small).toEqual([...small].sort((a, b) => (a as number) - (b as number)));
    expect(started).toHaveLength(values.length);
    expect(connection.stats()).toMatchObject({ pending: 0, waiting: 0 });
  });
});

describe("a client that takes another codec than its server", () => {
  test.each([
    ["json", JsonCodec, "msgpack", MsgPackCodec],
    ["msgpack", MsgPackCodec, "json", JsonCodec],
    ["msgpack-blosc", MsgPackBloscCodec, "json", JsonCodec],
    ["structured-clone", StructuredCloneCodec, "msgpack-blosc", MsgPackBloscCodec],
    ["compressed json", compressed(JsonCodec, { algorithm: "gzip" }), "json", JsonCodec],
    ["json", JsonCodec, "later", Later],
  ])("%s is refused in it", async (theirs, client, own, used) => {
    const closed: unknown[] = [];
    await using server = await serve(newAddress(), new Desk(), {
      codec: used,
      onConnection: (connection) => void connection.onClose((error) => closed.push(error)),
    });
    const error = await failureOf(connect(server.address, { codec: client }));
    const message = `the server speaks ${own}, the client seems to speak ${theirs}; both take the same codec`;
    expect(error).toMatchObject({ code: "PROTOCOL_ERROR", executed: "no", message });
    await expect.poll(() => closed.length).toBe(1);
    expect(closed[0]).toMatchObject({ code: "PROTOCOL_ERROR", message });
  });

  test("that compresses in another way is refused by hello, although small messages would be read", async () => {
    const gzip = compressed(JsonCodec, { algorithm: "gzip" });
    await using server = await serve(newAddress(), new Desk(), { codec: gzip });
    expect(
      await failureOf(connect(server.address, { codec: compressed(JsonCodec, { algorithm: "deflate" }) })),
    ).toMatchObject({
      code: "PROTOCOL_ERROR",
      message:
        "the two sides have different codecs: json+deflate at the client, json+gzip at the server; both take the same one",
    });
    const other = compressed(JsonCodec, { algorithm: "gzip", threshold: 10, level: 9 });
    await using connection = await connect<Desk>(server.address, { codec: other });
    expect(await connection.remote.echo("x".repeat(50_000))).toHaveLength(50_000);
  });

  test("is served by a server that takes what each client speaks", async () => {
    await using server = await serve(newAddress(), new Desk(), { codec: "auto" });
    for (const codec of [JsonCodec, MsgPackCodec, MsgPackBloscCodec]) {
      await using connection = await connect<Desk>(server.address, { codec });
      expect(await connection.remote.add(1, 2)).toBe(3);
      const text = "some text, again and again. ".repeat(20_000);
      expect(await connection.remote.echo(text)).toBe(text);
    }
    expect(await failureOf(connect(server.address, { codec: StructuredCloneCodec }))).toMatchObject({
      code: "PROTOCOL_ERROR",
      message: expect.stringContaining("the server speaks json, msgpack or msgpack-blosc"),
    });
  });

  test("before hello is done may not send what unpacks to more than the bound", async () => {
    const packed = compressed(JsonCodec, { algorithm: "gzip" });
    await using server = await serve("tcp://127.0.0.1:0", new Desk(), { codec: packed });
    const channel = await connectChannel(server.address, { codec: packed });
    const sent = await failureOf(channel.send("x".repeat(70_000)));
    expect(sent).toMatchObject({ code: "CONNECTION_LOST" });
    expect(channel.stats().sentBytes).toBeLessThan(1000);
  });
});
