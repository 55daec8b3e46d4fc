import { describe, expect, it } from "vitest";
import { ColloquyError } from "../src/errors.ts";
import { resolveLimits } from "../src/limits.ts";
import type { Message } from "../src/message.ts";
import { MsgPackBloscCodec } from "../src/msgpack-blosc-codec.ts";
import { MsgPackCodec } from "../src/msgpack-codec.ts";
import { checkCodec } from "../src/testing.ts";
import { echoChannel, mixedValues } from "./packing.ts";
import { bytes, decodeMessage, encodeMessage, expectSame, hex, noise, rejectionOf, thrownBy } from "./support.ts";

const text = "some words, again and again. ".repeat(100);
const rows = Array.from({ length: 20_000 }, (_, index) => ({ index, name: `name ${index % 97}` }));

function emptyMessage(): Message {
  return { type: -1, id: -1, content: undefined, error: undefined };
}

describe("MsgPackBloscCodec", () => {
  it("K2 keeps the contract of codecs", async () => {
    await checkCodec(MsgPackBloscCodec);
  });

  it("has the name of its format, and lists its serializers", () => {
    expect(new MsgPackBloscCodec().name).toBe("msgpack-blosc");
    expect(new MsgPackBloscCodec([() => [Date, Number, (time: number) => new Date(time)]]).toString()).toBe(
      "MsgPackBlosc[Date]",
    );
  });

  it("writes small messages in place, as python-blosc does", () => {
    const payload = encodeMessage(new MsgPackBloscCodec(), 1, 0, "cya");
    expect(hex(payload)).toBe(hex(bytes("02011308 07000000 01000000 17000000 930100a3637961")));
    expect(decodeMessage(new MsgPackBloscCodec(), payload)).toMatchObject({ type: 1, id: 0, content: "cya" });
  });

  it("packs what is larger than a kilobyte, at once", () => {
    const payload = encodeMessage(new MsgPackBloscCodec(), 0, 3, text);
    expect(payload.length).toBeLessThan(200);
    expect(hex(payload.subarray(0, 8))).toBe("020130015a0b0000");
    expect(decodeMessage(new MsgPackBloscCodec(), payload)).toMatchObject({ type: 0, id: 3, content: text });
  });

  it("writes what doesn't shrink as it is", () => {
    const content = new Uint8Array(noise(5000));
    const payload = encodeMessage(new MsgPackBloscCodec(), 0, 3, content);
    expect(payload).toHaveLength(16 + 6 + 5000);
    expectSame(decodeMessage(new MsgPackBloscCodec(), payload).content, content);
  });

  it("takes turns for large messages, and gives others theirs in between", async () => {
    const codec = new MsgPackBloscCodec();
    let turns = 0;
    let isDone = false;
    const count = (): void => {
      turns++;
      if (!isDone) setImmediate(count);
    };
    setImmediate(count);
    const packed = await codec.encode(rows);
    const turnsOfPacking = turns;
    const decoded = await codec.decode(packed);
    isDone = true;
    expectSame(decoded, rows);
    const plainBytes = new MsgPackCodec().encode(rows).length;
    expect(packed.length).toBeLessThan(plainBytes / 2);
    expect(turnsOfPacking).toBeGreaterThanOrEqual(Math.floor(plainBytes / 262_144));
    expect(turns - turnsOfPacking).toBeGreaterThanOrEqual(Math.floor(plainBytes / 262_144));
  });

  it("keeps its values when the memory of a payload is used again while it unpacks", async () => {
    const payload = Buffer.from(await new MsgPackBloscCodec().encode([0, 1, rows]));
    const message = emptyMessage();
    const decoding = new MsgPackBloscCodec().decodeMessage(payload, 0, payload.length, message);
    payload.fill(0);
    await decoding;
    expectSame(message.content, rows);
  });

  it("holds a container to the limits before it unpacks it", () => {
    const codec = new MsgPackBloscCodec();
    const payload = encodeMessage(codec, 0, 3, text);
    codec.limits = resolveLimits({ maxMessageBytes: 2000 });
    expect(thrownBy(() => codec.decode(payload))).toMatchObject({ code: "SERIALIZATION_ERROR" });
    expect(thrownBy(() => decodeMessage(codec, payload))).toMatchObject({
      code: "PROTOCOL_ERROR",
      message: "not a message: Blosc container that holds 2906 bytes; the limit is 2000 (maxMessageBytes)",
    });
    codec.limits = resolveLimits({ maxMessageBytes: 2906 });
    expect(decodeMessage(codec, payload).content).toBe(text);
    codec.limits = resolveLimits({ maxMessageBytes: 2905 });
    expect(thrownBy(() => decodeMessage(codec, payload))).toMatchObject({ code: "PROTOCOL_ERROR" });
    codec.limits = resolveLimits({ maxDecodedCost: 1000 });
    expect(decodeMessage(codec, payload).error?.message).toContain("maxDecodedCost");
  });

  it("says on the sending side where the peer's limit holds for the unpacked message", async () => {
    const codec = new MsgPackBloscCodec();
    codec.maxSentBytes = 2905;
    const error = thrownBy(() => encodeMessage(codec, 0, 3, text));
    expect(error).toBeInstanceOf(ColloquyError);
    expect(error).toMatchObject({
      code: "RESOURCE_EXHAUSTED",
      message: expect.stringMatching(
        /^message of 2906 bytes is larger than the limit of 2905 bytes of its receiver \(maxM/,
      ),
    });
    await using echo = await echoChannel(MsgPackBloscCodec, { maxMessageBytes: 300_000, maxDecodedCost: 100_000_000 });
    expect(await rejectionOf(echo.channel.send("x".repeat(299_993)))).toMatchObject({ code: "RESOURCE_EXHAUSTED" });
    expect(await echo.channel.send("x".repeat(299_900))).toHaveLength(299_900);
    expect(await echo.channel.send("on")).toBe("on");
  });

  it("keeps the order of messages of all sizes on a channel", async () => {
    await using echo = await echoChannel(MsgPackBloscCodec);
    const values = mixedValues();
    const settled: unknown[] = [];
    await Promise.all(values.map(async (value) => settled.push(await echo.channel.send(value))));
    expectSame(settled, values);
    expect(echo.channel.stats().sentBytes).toBeLessThan(new MsgPackCodec().encode(values).length / 2);
  });

  it("carries large typed arrays packed by the size of their elements, and noise as it is", async () => {
    await using echo = await echoChannel(MsgPackBloscCodec);
    const smooth = Float64Array.from({ length: 200_000 }, (_, index) => Math.sin(index / 1000));
    const steps = Int16Array.from({ length: 300_000 }, (_, index) => index % 700);
    const values = [smooth, steps, new Uint8Array(noise(200_000)), new Uint8Array(70_000), "small", [smooth, steps]];
    const before = echo.channel.stats().sentBytes;
    const answers = await Promise.all(values.map((value) => echo.channel.send(value)));
    for (const [index, value] of values.entries()) expectSame(answers[index], value);
    const plainBytes = 2 * (smooth.byteLength + steps.byteLength) + 270_000;
    expect(echo.channel.stats().sentBytes - before).toBeLessThan(plainBytes * 0.7);
  });

  it("fails a call whose array is given away before it is packed", async () => {
    await using echo = await echoChannel(MsgPackBloscCodec);
    await echo.channel.send(new Float64Array(10_000));
    const smooth = Float64Array.from({ length: 500_000 }, (_, index) => Math.sin(index / 1000));
    const sent = echo.channel.send([new Float64Array(500_000), smooth]);
    structuredClone(smooth, { transfer: [smooth.buffer] });
    expect(await rejectionOf(sent)).toMatchObject({ message: expect.stringContaining("detached or has shrunk") });
    expect(await echo.channel.send("on")).toBe("on");
  });
});

describe("segments in Blosc", () => {
  const { packer } = new MsgPackBloscCodec();
  const plain = new Uint8Array(Float64Array.from({ length: 50_000 }, (_, index) => Math.sin(index / 100)).buffer);

  it("are unpacked to the length that was announced, and to no other", async () => {
    const packed = (await packer.packSegment({ bytes: plain, itemBytes: 8 }))!;
    expect((await packer.unpackSegment(packed, plain.length)).equals(plain)).toBe(true);
    for (const length of [plain.length - 1, plain.length + 1, 1]) {
      expect(await rejectionOf(packer.unpackSegment(packed, length))).toMatchObject({ code: "SERIALIZATION_ERROR" });
    }
    expect((await rejectionOf(packer.unpackSegment(packed, plain.length - 1))).message).toBe(
      `Blosc container that holds ${plain.length} bytes; the limit is ${plain.length - 1} (as announced)`,
    );
    expect(await rejectionOf(packer.unpackSegment(packed.subarray(1), plain.length))).toMatchObject({
      code: "SERIALIZATION_ERROR",
    });
  });

  it("stay as they are where they don't shrink", async () => {
    expect(await packer.packSegment({ bytes: noise(100_000), itemBytes: 8 })).toBeUndefined();
  });
});
