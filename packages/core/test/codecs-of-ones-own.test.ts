import { describe, expect, it } from "vitest";
import type { Channel } from "../src/channel.ts";
import { Codec } from "../src/codec.ts";
import type { CodecClass } from "../src/codec.ts";
import { connectChannel } from "../src/connect-channel.ts";
import { JsonCodec } from "../src/json-codec.ts";
import { MsgPackCodec } from "../src/msgpack-codec.ts";
import { serveChannels } from "../src/serve-channels.ts";
import { rejectionOf } from "./support.ts";

class Own extends Codec {
  override encode(value: unknown): Uint8Array {
    return Buffer.from(JSON.stringify(this.serialize(value)));
  }

  override decode(bytes: Uint8Array): unknown {
    return this.deserialize(JSON.parse(Buffer.from(bytes).toString()));
  }
}

/** Text of the codec itself, which its deserializer reads with the codec of the connection. */
class Box {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }
}

/** What no side can make again. */
class Bad {}

/** A server that answers with 1, and counts what it was asked. */
async function pair(codec: CodecClass) {
  let served: Channel | undefined;
  const contents: unknown[] = [];
  const box = () =>
    [
      Box,
      ({ text }: Box): string => text,
      (text: string): Box => {
        void served?.codec?.decode(Buffer.from(text));
        return new Box(text);
      },
    ] as const;
  const bad = () =>
    [
      Bad,
      (): number => 1,
      (): Bad => {
        throw new Error("bad data");
      },
    ] as const;
  const extraSerializers = [box, bad];
  const serve = async (channel: Channel): Promise<void> => {
    served = channel;
    for await (const request of channel) {
      contents.push(request.content);
      await request.reply(1);
    }
  };
  const server = await serveChannels("tcp://127.0.0.1:0", serve, { codec, extraSerializers });
  const channel = await connectChannel(server.address, { codec, extraSerializers });
  await channel.send("first");
  return { channel, contents, [Symbol.asyncDispose]: () => server.close({ graceMs: 0 }) };
}

describe("a deserializer that decodes with its own codec", () => {
  it.each(["[0,77,1]", '{"a":1}'])("doesn't change whose message has failed: %s", async (text) => {
    await using both = await pair(Own);
    const error = await rejectionOf(both.channel.send([new Box(text), new Bad()]));
    expect(error.message).toContain("the deserializer of Bad failed: bad data, at [1]");
    expect(await both.channel.send("next")).toBe(1);
    expect(both.contents).toStrictEqual(["first", "next"]);
  });
});

describe("a codec that gives no bytes", () => {
  class Text extends Own {
    override encode(value: unknown): Uint8Array {
      const isBad = Array.isArray(value) && value[2] === "bad";
      return isBad ? ("text" as never) : super.encode(value);
    }
  }
  class Later extends Own {
    override encode(value: unknown): never {
      const isBad = Array.isArray(value) && value[2] === "bad";
      return Promise.resolve(isBad ? "text" : super.encode(value)) as never;
    }
  }

  it.each([Text, Later])("fails the message with what it gave: %o", async (codec) => {
    await using both = await pair(codec);
    expect(await rejectionOf(both.channel.send("bad"))).toMatchObject({
      code: "SERIALIZATION_ERROR",
      executed: "no",
      message: expect.stringContaining(`encode of codec "${codec.name}" gave string in place of a Uint8Array`),
    });
    expect(await both.channel.send("next")).toBe(1);
  });
});

describe("the depth of a value that is no message", () => {
  it("is the same before and after messages", async () => {
    await using both = await pair(Own);
    const codec = both.channel.codec!;
    codec.limits = { ...codec.limits, maxDepth: 2 };
    expect(() => codec.encode([[1]])).not.toThrow();
    expect(() => codec.encode([[[1]]])).toThrow("maxDepth");
    expect(() => codec.decode(Buffer.from("[[[1]]]"))).toThrow("maxDepth");
    expect(await both.channel.send([[1]])).toBe(1);
  });
});

describe("a getter that encodes with the codec of the connection", () => {
  it.each([JsonCodec, MsgPackCodec, Own])("leaves the message as it is: %o", async (codec) => {
    await using both = await pair(codec);
    const { channel, contents } = both;
    await channel.send({
      get a() {
        return (channel.codec!.encode([1, "x"]) as Uint8Array).length;
      },
      b: 2,
    });
    expect(contents[1]).toStrictEqual({ a: codec === MsgPackCodec ? 4 : 7, b: 2 });
  });
});
