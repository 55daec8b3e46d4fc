import { describe, expect, it } from "vitest";
import { JsonCodec } from "../../src/json-codec.ts";
import { MsgPackCodec } from "../../src/msgpack-codec.ts";
import { serveChannels } from "../../src/serve-channels.ts";
import type { SerializerFactory } from "../../src/serializers.ts";
import { RawPeer, decodeMessage, expectSame, thrownBy } from "../support.ts";

class Point {
  readonly x: unknown;
  constructor(x: unknown) {
    this.x = x;
  }
}
class Throwing {}
class Endless {}

const types: readonly SerializerFactory[] = [
  () => [Point, ({ x }: Point) => x, (x: unknown) => new Point(x)],
  () => [
    Throwing,
    () => 0,
    (data: unknown) => {
      throw data === "nothing" ? undefined : new Error(`no ${JSON.stringify(data)}`);
    },
  ],
  () => [
    Endless,
    () => 0,
    function recurse(): Endless {
      return [recurse()];
    },
  ],
];

/** The same value in both formats, with `__type__` where `T` is a key. */
function encodings(value: unknown): readonly (readonly [JsonCodec | MsgPackCodec, Buffer])[] {
  const json = JSON.stringify(value).replaceAll('"T":', '"__type__":');
  const msgpack = Buffer.from(new MsgPackCodec().encode(value))
    .toString("hex")
    .replaceAll("81a154", "81a85f5f747970655f5f");
  return [
    [new JsonCodec(types), Buffer.from(json)],
    [new MsgPackCodec(types), Buffer.from(msgpack, "hex")],
  ];
}

function refusals(value: unknown): string[] {
  return encodings(value).map(([codec, payload]) => {
    const error = thrownBy(() => codec.decode(payload));
    expect(error).toMatchObject({ code: "SERIALIZATION_ERROR" });
    const isJson = codec instanceof JsonCodec;
    const whole = isJson
      ? Buffer.concat([Buffer.from("[0,7,"), payload, Buffer.from("]")])
      : Buffer.concat([Buffer.from([0x93, 0, 7]), payload]);
    expect(decodeMessage(codec, whole)).toMatchObject({ id: 7, content: undefined, error: { message: error.message } });
    // The codec works as before.
    expectSame(codec.decode(codec.encode([new Point(1)])), [new Point(1)]);
    return error.message;
  });
}

describe("T5: extended values of one's own types", () => {
  it.each([
    [{ T: [3, 1] }, "unknown type id 3; there are 3 serializers (Point, Throwing, Endless)"],
    [{ T: [2 ** 40, 1] }, "unknown type id 1099511627776; there are 3 serializers (Point, Throwing, Endless)"],
    [{ T: [0.5, 1] }, "type id is no integer"],
    [{ T: ["0", 1] }, "type id is no integer"],
    [{ T: [null, 1] }, "type id is no integer"],
    [{ T: [1, "x"] }, 'the deserializer of Throwing failed: no "x"'],
    [{ T: [1, "nothing"] }, "the deserializer of Throwing failed"],
    [{ T: [2, 1] }, "the deserializer of Endless failed: Maximum call stack size exceeded"],
    [{ T: [-99, 1] }, "built-in type -99 outside of a connection"],
  ])("such as %j are refused", (value, message) => {
    expect(refusals(value)).toStrictEqual([message, message]);
    const place = `${message}, at [0].a`;
    expect(refusals([{ a: value }])).toStrictEqual([place, place]);
  });

  it.each([
    { T: 0 },
    { T: [] },
    { T: [0] },
    { T: [0, 1, 2] },
    { T: {} },
    { T: null },
    { T: { 0: 0, 1: 1, length: 2 } },
    { T: [0, 1], a: 1 },
    { a: 1, T: [0, 1] },
  ])("malformed ones such as %j are refused", (value) => {
    // Of two keys the first stands in another head.
    if (Object.keys(value).length === 1) for (const reason of refusals(value)) expect(reason).toContain('"__type__"');
    else expect(thrownBy(() => encodings(value)[0]![0].decode(encodings(value)[0]![1])).message).toContain("__type__");
  });

  it("a data structure in one is read as any other", () => {
    const value = { T: [0, { T: [0, [{ T: [0, {}] }]] }] };
    for (const [codec, payload] of encodings(value)) {
      expectSame(codec.decode(payload), new Point(new Point([new Point({})])));
    }
  });

  it("a server answers each with an exception and goes on", async () => {
    await using server = await serveChannels(
      "tcp://127.0.0.1:0",
      async (channel) => {
        for await (const request of channel) await request.reply("ok");
      },
      { extraSerializers: types },
    );
    const peer = await RawPeer.connect(server.address);
    peer.send('[0,1,{"__type__":[1,"x"]}]');
    peer.send('[0,2,{"__type__":[2,0]}]');
    peer.send('[0,3,{"__type__":[9,0]}]');
    peer.send('[0,4,{"__type__":[0,0]}]');
    const texts = await peer.texts(4);
    expect(texts.map((text) => text.slice(0, 4))).toStrictEqual(["[2,1", "[2,2", "[2,3", "[1,4"]);
    peer.socket.destroy();
  });
});
