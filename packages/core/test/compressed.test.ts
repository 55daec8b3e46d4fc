import { deflateSync, gzipSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import { Codec } from "../src/codec.ts";
import { compressed } from "../src/compressed.ts";
import type { CompressionAlgorithm } from "../src/compression.ts";
import { JsonCodec } from "../src/json-codec.ts";
import { resolveLimits } from "../src/limits.ts";
import type { Message } from "../src/message.ts";
import { MsgPackBloscCodec } from "../src/msgpack-blosc-codec.ts";
import { MsgPackCodec } from "../src/msgpack-codec.ts";
import { checkCodec } from "../src/testing.ts";
import { zstdOfNode } from "../src/zstd.ts";
import { echoChannel, mixedValues } from "./packing.ts";
import { bytes, decodeMessage, encodeMessage, expectSame, hex, noise, rejectionOf, thrownBy } from "./support.ts";

const withZstd: CompressionAlgorithm[] = zstdOfNode === undefined ? [] : ["zstd"];
const algorithms: CompressionAlgorithm[] = ["deflate", "gzip", "brotli", ...withZstd];
const text = "some words, again and again. ".repeat(100);
const longText = text.repeat(100);
const hexOfNoise = noise(40_000).toString("hex");

/** A codec of one's own, with promises. */
class Later extends Codec {
  override async encode(value: unknown): Promise<Uint8Array> {
    return Buffer.from(JSON.stringify(this.serialize(value)));
  }
  override async decode(data: Uint8Array): Promise<unknown> {
    return this.deserialize(JSON.parse(Buffer.from(data).toString()));
  }
}

/** The head of a packed payload: its algorithm and the length of what is in it. */
function packedHead(first: number, length: number): Buffer {
  const head = Buffer.from([first, 0, 0, 0, 0]);
  head.writeUInt32BE(length, 1);
  return head;
}

describe.each(algorithms)("compressed with %s", (algorithm) => {
  const Packed = compressed(MsgPackCodec, { algorithm });

  it.each([
    ["JSON", JsonCodec],
    ["MsgPack", MsgPackCodec],
  ])("%s keeps the contract of codecs, whatever is packed", async (_name, codec) => {
    await checkCodec(compressed(codec, { algorithm }));
    await checkCodec(compressed(codec, { algorithm, threshold: 0 }));
  });

  it("has a name that says what it is", () => {
    expect(new Packed().name).toBe(`msgpack+${algorithm}`);
    expect(new Packed([() => [Date, Number, (time: number) => new Date(time)]]).toString()).toBe(
      `MsgPack[Date]+${algorithm}`,
    );
    expect(new (compressed(JsonCodec, { algorithm }))().toString()).toBe(`JSON[]+${algorithm}`);
  });

  it("writes small messages in place, behind one byte", () => {
    expect(hex(encodeMessage(new Packed(), 1, 0, "cya"))).toBe("00930100a3637961");
    expect(decodeMessage(new Packed(), bytes("00930100a3637961"))).toMatchObject({ type: 1, id: 0, content: "cya" });
  });

  it("packs from the threshold on, up to 16 KiB at once", () => {
    const number = { deflate: "11", gzip: "12", brotli: "13", zstd: "14" }[algorithm];
    const payload = encodeMessage(new Packed(), 0, 3, text);
    expect(hex(payload.subarray(0, 5))).toBe(`${number}00000b5a`);
    expect(payload.length).toBeLessThan(150);
    expect(decodeMessage(new Packed(), payload)).toMatchObject({ type: 0, id: 3, content: text });
    const Picky = compressed(MsgPackCodec, { algorithm, threshold: 2906 });
    expect(encodeMessage(new Picky(), 0, 3, text)).toHaveLength(payload.length);
    expect(encodeMessage(new Picky(), 0, 3, text.slice(1))).toHaveLength(2906);
  });

  it("packs larger messages in promises, and reads them so", async () => {
    const packed = await new Packed().encode(longText);
    expect(packed.length).toBeLessThan(3000);
    expect(await new Packed().decode(packed)).toBe(longText);
  });

  it("keeps its values when the memory of a payload is used again while it unpacks", async () => {
    const payload = Buffer.from(await new Packed().encode([0, 1, longText]));
    const message: Message = { type: -1, id: -1, content: undefined, error: undefined };
    const decoding = new Packed().decodeMessage(payload, 0, payload.length, message);
    payload.fill(0);
    await decoding;
    expect(message.content).toBe(longText);
  });

  it("leaves what doesn't shrink as it is, without a promise", async () => {
    for (const length of [2000, 200_000]) {
      const content = new Uint8Array(noise(length));
      const payload = encodeMessage(new Packed(), 0, 3, content);
      expect(payload[0]).toBe(0);
      expectSame(decodeMessage(new Packed(), payload).content, content);
    }
  });

  it("finds out that nothing repeats, and still packs hex digits to half their size", async () => {
    const packed = await new Packed().encode(hexOfNoise);
    expect(packed.length).toBeLessThan(hexOfNoise.length * 0.6);
    expect(await new Packed().decode(packed)).toBe(hexOfNoise);
  });

  it("refuses data that is cut, changed, too long, too short, or followed by more", async () => {
    for (const content of [text, longText]) {
      const payload = Buffer.from(await new Packed().encode(content));
      const length = payload.readUInt32BE(1);
      const broken: [string, Buffer][] = [
        ["cut", payload.subarray(0, -1)],
        ["followed by more", Buffer.concat([payload, Buffer.alloc(1)])],
        ["one byte less than it has", Buffer.concat([packedHead(payload[0]!, length - 1), payload.subarray(5)])],
        ["one byte more than it has", Buffer.concat([packedHead(payload[0]!, length + 1), payload.subarray(5)])],
        ["much more than it has", Buffer.concat([packedHead(payload[0]!, 16_000_000), payload.subarray(5)])],
        ["nothing in it", packedHead(payload[0]!, 0)],
        ["nothing behind its head", packedHead(payload[0]!, 5)],
        ["half a head", payload.subarray(0, 4)],
        ["no head", payload.subarray(0, 0)],
        ["another algorithm", Buffer.concat([Buffer.from([0x1f]), payload.subarray(1)])],
      ];
      for (const [what, data] of broken) {
        const error = await rejectionOf((async () => new Packed().decode(data))());
        expect(error, what).toMatchObject({ code: "SERIALIZATION_ERROR" });
        const message: Message = { type: -1, id: -1, content: undefined, error: undefined };
        const failure = await rejectionOf((async () => new Packed().decodeMessage(data, 0, data.length, message))());
        expect(failure, what).toMatchObject({ code: "PROTOCOL_ERROR" });
      }
    }
  });

  it("holds a message to the limits before it unpacks it", () => {
    const codec = new Packed();
    const payload = encodeMessage(codec, 0, 3, text);
    codec.limits = resolveLimits({ maxMessageBytes: 2905 });
    expect(thrownBy(() => decodeMessage(codec, payload))).toMatchObject({
      code: "PROTOCOL_ERROR",
      message: "not a message: 2906 bytes once they are unpacked; the limit is 2905 (maxMessageBytes)",
    });
    codec.limits = resolveLimits({ maxMessageBytes: 2906 });
    expect(decodeMessage(codec, payload).content).toBe(text);
    codec.limits = resolveLimits({ maxDecodedCost: 1000 });
    expect(decodeMessage(codec, payload).error?.message).toContain("maxDecodedCost");
  });

  it("keeps the order of messages of all sizes on a channel", async () => {
    await using echo = await echoChannel(Packed);
    const values = mixedValues();
    const settled: unknown[] = [];
    await Promise.all(values.map(async (value) => settled.push(await echo.channel.send(value))));
    expectSame(settled, values);
    expect(echo.channel.stats().sentBytes).toBeLessThan(new MsgPackCodec().encode(values).length / 2);
  });

  it("fails only the call whose content can't be carried, or is too large once unpacked", async () => {
    await using echo = await echoChannel(Packed, { maxMessageBytes: 300_000, maxDecodedCost: 100_000_000 });
    const results = await Promise.allSettled([
      echo.channel.send(longText.slice(0, 290_000)),
      echo.channel.send([longText, new (class Unknown {})()]),
      echo.channel.send("x".repeat(300_100)),
      echo.channel.send("on"),
    ]);
    expect(results.map(({ status }) => status)).toEqual(["fulfilled", "rejected", "rejected", "fulfilled"]);
    expect(results[1]).toMatchObject({ reason: { code: "SERIALIZATION_ERROR", place: [1] } });
    expect(results[2]).toMatchObject({ reason: { code: "RESOURCE_EXHAUSTED" } });
  });

  it("carries large typed arrays packed, shuffled by the size of their elements, and noise as it is", async () => {
    await using echo = await echoChannel(Packed);
    const smooth = Float64Array.from({ length: 100_000 }, (_, index) => Math.sin(index / 1000));
    const steps = Int32Array.from({ length: 100_001 }, (_, index) => index * 3);
    const values = [smooth, steps, new Uint8Array(noise(100_000)), new Uint8Array(70_000), "small", [smooth, steps]];
    const before = echo.channel.stats().sentBytes;
    const answers = await Promise.all(values.map((value) => echo.channel.send(value)));
    for (const [index, value] of values.entries()) expectSame(answers[index], value);
    const plainBytes = 2 * (smooth.byteLength + steps.byteLength) + 170_000;
    expect(echo.channel.stats().sentBytes - before).toBeLessThan(plainBytes * 0.7);
  });

  it("unpacks segments to the length that was announced, and to no other", async () => {
    const packer = new Packed().packer!;
    const numbers = Float64Array.from({ length: 50_000 }, (_, index) => index >> 2);
    const plain = new Uint8Array(numbers.buffer, 0, 399_997);
    for (const itemBytes of [1, 2, 4, 8, 16, 300]) {
      const packed = (await packer.packSegment({ bytes: Buffer.concat([plain, plain]), itemBytes }))!;
      expect((await packer.unpackSegment(packed, 799_994)).equals(Buffer.concat([plain, plain]))).toBe(true);
      for (const length of [799_993, 799_995, 1])
        expect(await rejectionOf(packer.unpackSegment(packed, length))).toMatchObject({ code: "SERIALIZATION_ERROR" });
    }
    for (const packed of [Buffer.alloc(0), Buffer.alloc(1), Buffer.from([8]), Buffer.alloc(100, 1)])
      expect(await rejectionOf(packer.unpackSegment(packed, 100))).toMatchObject({ code: "SERIALIZATION_ERROR" });
    expect(await packer.packSegment({ bytes: noise(100_000), itemBytes: 8 })).toBeUndefined();
  });

  it("packs a codec of one's own, with promises too", async () => {
    await using echo = await echoChannel(compressed(Later, { algorithm, threshold: 100 }));
    const values = ["a", text, longText, ["b"]];
    expect(await Promise.all(values.map((value) => echo.channel.send(value)))).toStrictEqual(values);
  });
});

describe("compressed", () => {
  it.each([
    ["a codec that packs", MsgPackBloscCodec, { algorithm: "gzip" }, "MsgPackBloscCodec compresses already"],
    [
      "its own classes",
      compressed(JsonCodec, { algorithm: "gzip" }),
      { algorithm: "gzip" },
      "JsonCodec+gzip compresses already; compressed takes one that doesn't",
    ],
    ["what is no codec", Date, { algorithm: "gzip" }, "compressed takes a class of codecs, not function"],
    ["an instance", new JsonCodec(), { algorithm: "gzip" }, "not an instance of JsonCodec; pass the class"],
    ["no options", JsonCodec, undefined, 'options of compressed are undefined; it takes { algorithm: "deflate" }'],
    ["null as options", JsonCodec, null, "options of compressed are null"],
    ["an unknown algorithm", JsonCodec, { algorithm: "zip" }, 'algorithm is "zip"; it takes one of deflate, gzip'],
    ["an inherited name", JsonCodec, { algorithm: "toString" }, 'algorithm is "toString"'],
    ["no algorithm", JsonCodec, {}, "algorithm is undefined"],
    ["a level out of range", JsonCodec, { algorithm: "gzip", level: 10 }, "level is 10; gzip takes 1 to 9"],
    ["half a level", JsonCodec, { algorithm: "brotli", level: 1.5 }, "level is 1.5; brotli takes 0 to 11"],
    [
      "a threshold below 0",
      JsonCodec,
      { algorithm: "gzip", threshold: -1 },
      "option threshold of compressed is -1; it takes a number of bytes",
    ],
  ])("refuses %s", (_what, codec, options, message) => {
    expect(thrownBy(() => compressed(codec as never, options as never))).toMatchObject({
      code: "INVALID_ARGUMENT",
      message: expect.stringContaining(message),
    });
  });

  it.skipIf(zstdOfNode !== undefined)("says what zstd takes where it isn't there", () => {
    expect(thrownBy(() => compressed(JsonCodec, { algorithm: "zstd" }))).toMatchObject({
      code: "UNSUPPORTED",
      message: expect.stringMatching(/^zstd takes a node:zlib that has it, from Node 22\.15 on; this is v/),
    });
  });

  it("names both sides where the peer packs in another way", () => {
    const codec = new (compressed(JsonCodec, { algorithm: "deflate" }))();
    const cases: [Buffer, string][] = [
      [
        Buffer.concat([packedHead(0x12, 5), gzipSync("[0]")]),
        "the peer compresses with gzip; this side speaks json+deflate",
      ],
      [Buffer.from("[0,1,2]"), "the peer doesn't compress; this side speaks json+deflate"],
    ];
    for (const [payload, message] of cases)
      expect(thrownBy(() => decodeMessage(codec, payload)).message).toBe(`not a message: ${message}`);
  });

  it("reads what others have written", () => {
    const codec = new (compressed(JsonCodec, { algorithm: "deflate" }))();
    const payload = Buffer.concat([packedHead(0x11, 7), deflateSync("[0,1,2]", { level: 9 })]);
    expect(decodeMessage(codec, payload)).toMatchObject({ type: 0, id: 1, content: 2 });
  });
});
