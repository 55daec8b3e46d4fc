import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import type { Channel } from "../src/channel.ts";
import type { Codec } from "../src/codec.ts";
import { connectChannel } from "../src/connect-channel.ts";
import type { ConnectChannelOptions } from "../src/connect-channel.ts";
import { JsonCodec } from "../src/json-codec.ts";
import { LocalNetwork } from "../src/local-transport.ts";
import { MsgPackCodec } from "../src/msgpack-codec.ts";
import { NdArray } from "../src/ndarray.ts";
import { ndarraySerializer } from "../src/ndarray-serializer.ts";
import { serveChannels } from "../src/serve-channels.ts";
import {
  builtins,
  bytes,
  decodeMessage,
  encodeMessage,
  expectSame,
  frame,
  hex,
  greeted as knowing,
  payloads,
  thrownBy,
} from "./support.ts";

const { vectors } = JSON.parse(readFileSync(new URL("../../../test-vectors/aiomas.json", import.meta.url), "utf8")) as {
  vectors: { name: string; codec: string; frame: string }[];
};
const vector = vectors.find(({ name, codec }) => name.startsWith("numpy") && codec === "msgpack")!;
const LARGE = 40_000;

function plain(): MsgPackCodec {
  return new MsgPackCodec([ndarraySerializer]);
}

/** A codec towards a peer that said hello and takes segments. */
function greeted<C extends Codec>(codec: C): C {
  codec.segments.support = "segments";
  return knowing(codec);
}

/** A value through two codecs, with its segments beside it as they would come. */
function crossed(
  value: unknown,
  sender: Codec,
  receiver: Codec,
): { value: unknown; sent: Uint8Array[]; came: Buffer[] } {
  const payload = encodeMessage(sender, 1, 0, value);
  const sent = sender.segments.take().map((segment) => segment.bytes);
  const came = sent.map((segment) => {
    const memory = Buffer.allocUnsafeSlow(segment.length);
    memory.set(segment);
    return memory;
  });
  receiver.segments.open([...came]);
  const message = decodeMessage(receiver, payload);
  receiver.segments.close();
  if (message.error !== undefined) throw message.error;
  return { value: message.content, sent, came };
}

function contents(): NdArray[] {
  const matrix = NdArray.from([
    [1.5, -2, 3],
    [4, 5, Number.NaN],
  ]);
  return [
    matrix,
    matrix.transpose(),
    NdArray.from([1, 2, 3], ">i2"),
    NdArray.from([true, false]),
    NdArray.from([1n, -1n]),
    NdArray.from([[1, 2]], "complex64"),
    NdArray.from([0.5, Infinity], "float16"),
    NdArray.zeros([0, 3], "uint8"),
    NdArray.zeros([]),
  ];
}

describe("ndarraySerializer", () => {
  it("K8 reads what NumPy's documented serializer for aiomas has written, and writes the same", () => {
    const [payload] = payloads(bytes(vector.frame));
    const message = decodeMessage(plain(), payload!);
    const [, [array]] = message.content as [string, [NdArray], object];
    expect(array).toMatchObject({ dtype: "<f8", shape: [8, 8], order: "C" });
    const sines = Array.from({ length: 64 }, (_, index) => Math.sin(index / 10));
    expect([...array.toTypedArray()].every((value, index) => Math.abs((value as number) - sines[index]!) < 1e-15)).toBe(
      true,
    );
    expect(array.toTypedArray().buffer).toBe(array.data.buffer);
    expect(hex(frame(encodeMessage(plain(), message.type, message.id, message.content)))).toBe(vector.frame);
  });

  it("writes the map of dtype.str, shape and bytes in C order", () => {
    const array = NdArray.from(
      [
        [1, 2],
        [3, 4],
      ],
      ">i2",
    );
    const start = "81 a85f5f747970655f5f 92 00 83 a474797065 a33e6932 a57368617065 92 0202 a464617461";
    expect(hex(plain().encode(array))).toBe(hex(bytes(`${start} c408 0001000200030004`)));
    expect(hex(plain().encode(array.transpose()))).toBe(hex(bytes(`${start} c408 0001000300020004`)));
  });

  it.each([
    ["plain MsgPack", plain, 1],
    ["MsgPack after hello", () => greeted(plain()), 1],
    ["JSON after hello", () => greeted(new JsonCodec([ndarraySerializer])), 1],
    ["MsgPack after hello, the built-in type", () => greeted(new MsgPackCodec()), 0],
    ["JSON after hello, the built-in type", () => greeted(new JsonCodec()), 0],
  ])("carries arrays of all kinds: %s", (_name, makeCodec, own) => {
    for (const array of contents()) {
      const { value } = crossed([array], makeCodec(), makeCodec());
      // The serializer has C order on the wire.
      expectSame(value, [own === 1 ? array.contiguous("C") : array]);
    }
  });

  it("without bytes in the codec an error says which one has them", () => {
    const codec = new JsonCodec([ndarraySerializer]);
    const error = thrownBy(() => codec.encode({ a: NdArray.zeros([2]) }));
    expect(error).toMatchObject({ code: "SERIALIZATION_ERROR" });
    expect(error.message).toContain("JSON has no bytes; MsgPackCodec carries them");
  });

  it("its large bytes leave as a segment of the array's own memory, and arrive without a copy", () => {
    const array = new NdArray(new Float64Array(LARGE).fill(1.5), { shape: [200, 200] });
    const { value, sent, came } = crossed(array, greeted(plain()), greeted(plain()));
    expect(sent.map(({ buffer, length }) => [buffer, length])).toEqual([[array.data.buffer, 320_000]]);
    expect((value as NdArray).data.buffer).toBe(came[0]!.buffer);
    expectSame(value, array);
  });

  it.each([
    ["no map", 5, "in place of the map"],
    ["null", null, "in place of the map"],
    ["no type", { shape: [1], data: Uint8Array.of(1) }, "no text"],
    ["a type without a byte order", { type: "f8", shape: [1], data: new Uint8Array(8) }, "dtype.str"],
    ["objects", { type: "|O", shape: [1], data: new Uint8Array(8) }, "Python objects"],
    ["no shape", { type: "|u1", data: Uint8Array.of(1) }, "shape of an array"],
    ["a shape that is none", { type: "|u1", shape: ["1"], data: Uint8Array.of(1) }, "at 0 of the shape is string"],
    ["a negative size", { type: "|u1", shape: [-1], data: Uint8Array.of(1) }, "is -1"],
    [
      "too few bytes",
      { type: "<f8", shape: [2, 2], data: new Uint8Array(31) },
      "an array of <f8 with the shape (2, 2) needs 32 bytes, the memory has 31",
    ],
    [
      "too many bytes",
      { type: "<f8", shape: [], data: new Uint8Array(9) },
      "an array of <f8 with the shape () needs 8 bytes, the memory has 9",
    ],
    ["text for bytes", { type: "|u1", shape: [1], data: "a" }, "string in place of the bytes"],
  ])("refuses %s", (_what, map, why) => {
    const peer = new MsgPackCodec([() => [Date, () => map, () => new Date()]]);
    const error = thrownBy(() => plain().decode(peer.encode(new Date(0))));
    expect(error).toMatchObject({ code: "SERIALIZATION_ERROR" });
    expect(error.message).toContain(why);
  });
});

describe("the built-in type of arrays", () => {
  it("is the list of dtype, shape, order and bytes", () => {
    const array = NdArray.from(
      [
        [1, 2],
        [3, 4],
      ],
      ">i2",
    );
    const start = "81 a85f5f747970655f5f 92 f3 94 a33e6932 92 0202";
    const encode = (value: NdArray): string => hex(greeted(new MsgPackCodec()).encode(value));
    expect(encode(array)).toBe(hex(bytes(`${start} a143 c408 0001000200030004`)));
    expect(encode(array.transpose())).toBe(hex(bytes(`${start} a146 c408 0001000200030004`)));
    expect(encode(array.slice([null, null, -1]))).toBe(hex(bytes(`${start} a143 c408 0003000400010002`)));
    const json = Buffer.from(greeted(new JsonCodec()).encode(array)).toString();
    expect(json).toBe('{"__type__":[-13,[">i2",[2,2],"C","AAEAAgADAAQ="]]}');
  });

  it("large ones leave as segments of their own memory, in either order", () => {
    const array = new NdArray(new Float32Array(LARGE).fill(1.5), { shape: [400, 100] });
    for (const given of [array, array.transpose(), array.slice([100, 300])]) {
      const { value, sent, came } = crossed([given], greeted(new MsgPackCodec()), greeted(new MsgPackCodec()));
      expect(sent).toHaveLength(1);
      expect(sent[0]!.buffer).toBe(array.data.buffer);
      expect((value as NdArray[])[0]!.data.buffer).toBe(came[0]!.buffer);
      expectSame(value, [given]);
    }
  });

  it("tells the size of an element with the segment", () => {
    const codec = greeted(new MsgPackCodec());
    encodeMessage(codec, 1, 0, NdArray.zeros([LARGE], "int16"));
    expect(codec.segments.take()).toMatchObject([{ itemBytes: 2 }]);
  });

  it("ones with gaps are packed once", () => {
    const array = new NdArray(new Float32Array(2 * LARGE).fill(1.5), { shape: [LARGE, 2] }).slice(null, 0);
    const { value, sent } = crossed(array, greeted(new MsgPackCodec()), greeted(new MsgPackCodec()));
    expect(sent.map(({ length }) => length)).toEqual([4 * LARGE]);
    expectSame(value, array.contiguous());
  });

  it.each([
    ["no list", 5],
    ["an unknown dtype", ["<f3", [1], "C", new Uint8Array(3)]],
    ["a dtype without a byte order", ["=f8", [1], "C", new Uint8Array(8)]],
    ["no shape", ["|u1", null, "C", Uint8Array.of(1)]],
    ["a shape for other bytes", ["|u1", [2], "C", Uint8Array.of(1)]],
    ["a huge shape", ["|u1", [2 ** 40, 2 ** 40], "C", Uint8Array.of(1)]],
    ["an order of none", ["|u1", [1], null, Uint8Array.of(1)]],
    ["another order", ["|u1", [1], "A", Uint8Array.of(1)]],
    ["no bytes", ["|u1", [1], "C", "a"]],
    ["a segment that isn't there", ["|u1", [1], "C", 0]],
  ])("with %s fails that message", (_what, data) => {
    const peer = new MsgPackCodec();
    peer.setBuiltins(builtins(() => ({ typeId: -13, data })));
    const message = decodeMessage(greeted(new MsgPackCodec()), encodeMessage(peer, 1, 7, undefined));
    expect(message).toMatchObject({ id: 7, content: undefined, error: { code: "SERIALIZATION_ERROR" } });
  });

  it("one serializer of its own goes first", () => {
    const { value, sent } = crossed(NdArray.zeros([2]), greeted(plain()), greeted(plain()));
    expect(value).toEqual(NdArray.zeros([2]));
    expect(sent).toEqual([]);
    expect(hex(greeted(plain()).encode(NdArray.zeros([2])))).toContain("9200");
  });
});

describe.each([
  ["MsgPack", MsgPackCodec],
  ["JSON", JsonCodec],
])("channels with %s", (_name, codec) => {
  it.each([
    ["the built-in type", {}],
    ["the serializer", { extraSerializers: [ndarraySerializer] }],
  ])("carry arrays, small and large, there and back: %s", async (_what, more) => {
    const options: ConnectChannelOptions = { codec, network: new LocalNetwork(), ...more };
    const echo = async (channel: Channel): Promise<void> => {
      for await (const request of channel) await request.reply(request.content);
    };
    const server = await serveChannels("local://arrays", (channel) => void echo(channel), options);
    const channel = await connectChannel(server.address, options);
    try {
      const large = new NdArray(
        Float64Array.from({ length: LARGE }, (_, index) => index),
        { shape: [200, 200] },
      );
      const sliced = large.slice([null, null, -3], [5, 150, 2]);
      for (const array of [...contents(), large, sliced]) {
        expectSame(await channel.send(array.contiguous("C")), array.contiguous("C"));
        const back = (await channel.send([array, "x"])) as [NdArray, string];
        expectSame(back[0].contiguous("C"), array.contiguous("C"));
      }
    } finally {
      channel.destroy();
      await server.close({ graceMs: 1 });
    }
  });
});
