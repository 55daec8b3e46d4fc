import { describe, expect, it } from "vitest";
import { connectChannel } from "../../src/connect-channel.ts";
import { failureOf } from "../../src/message-failures.ts";
import { JsonCodec } from "../../src/json-codec.ts";
import { DEFAULT_LIMITS } from "../../src/limits.ts";
import { MsgPackCodec } from "../../src/msgpack-codec.ts";
import { serveChannels } from "../../src/serve-channels.ts";
import { RawPeer, decodeMessage, encodeMessage, thrownBy } from "../support.ts";

const open = (byte: number, count: number): Buffer => Buffer.alloc(count, byte);

describe("T7: values nested deeper than a stack", () => {
  it.each([72_000, 1_000_000])("JSON of %i levels is refused, closed or not", (depth) => {
    const codec = new JsonCodec();
    for (const given of [
      "[".repeat(depth),
      "[".repeat(depth) + "]".repeat(depth),
      '{"a":'.repeat(depth),
      `${'{"a":['.repeat(depth)}1${"]}".repeat(depth)}`,
      `${'{"__type__":[0,'.repeat(depth)}1${"]}".repeat(depth)}`,
    ]) {
      expect(thrownBy(() => codec.decode(Buffer.from(given)))).toMatchObject({
        code: "SERIALIZATION_ERROR",
        // Short ones are parsed first: engines do that at any depth.
        message: expect.stringMatching(given.length > 80_000 ? /maxDepth/ : /maxDepth|not JSON/),
      });
      expect(decodeMessage(codec, Buffer.from(`[0,1,${given}]`))).toMatchObject({
        error: { code: "SERIALIZATION_ERROR" },
      });
    }
  });

  it.each([72_000, 1_000_000])("MsgPack of %i levels is refused", (depth) => {
    const codec = new MsgPackCodec();
    const map = Buffer.from("81a161", "hex");
    const extended = Buffer.from("81a85f5f747970655f5f9200", "hex");
    const long = Buffer.from("dd00000001", "hex");
    for (const given of [
      open(0x91, depth),
      Buffer.concat(Array.from<Buffer>({ length: depth }).fill(map)),
      Buffer.concat(Array.from<Buffer>({ length: depth }).fill(extended)),
      Buffer.concat(Array.from<Buffer>({ length: depth }).fill(long)),
    ]) {
      expect(thrownBy(() => codec.decode(given))).toMatchObject({
        code: "SERIALIZATION_ERROR",
        message: expect.stringContaining("maxDepth"),
      });
      expect(decodeMessage(codec, Buffer.concat([Buffer.from([0x93, 0, 1]), given]))).toMatchObject({
        error: { code: "SERIALIZATION_ERROR" },
      });
    }
  });

  it("are refused in far less time than it takes to read them", () => {
    const size = DEFAULT_LIMITS.maxMessageBytes;
    for (const [what, codec, payload] of [
      ["JSON", new JsonCodec(), Buffer.alloc(size, "[")],
      ["JSON, maps", new JsonCodec(), Buffer.alloc(size, '{"a":')],
      ["MsgPack", new MsgPackCodec(), open(0x91, size)],
      ["MsgPack, maps", new MsgPackCodec(), Buffer.alloc(size, Buffer.from("81a161", "hex"))],
    ] as const) {
      const start = performance.now();
      expect(thrownBy(() => codec.decode(payload)).message).toContain("(maxDepth)");
      const milliseconds = performance.now() - start;
      console.log(`${what} of ${size} bytes: refused in ${milliseconds.toFixed(2)} ms`);
      expect(milliseconds).toBeLessThan(500);
    }
  });

  it.each([100_000, Infinity])("use up no stack where the limit of a codec is %d", (maxDepth) => {
    class Box {
      readonly content: unknown;
      constructor(content: unknown) {
        this.content = content;
      }
    }
    let boxed: unknown = 0;
    for (let level = 0; level < 50_000; level++) boxed = new Box(boxed);
    const limits = { ...DEFAULT_LIMITS, maxDepth };
    for (const Codec of [JsonCodec, MsgPackCodec]) {
      const codec = new Codec([() => [Box, ({ content }) => content, (content) => new Box(content)]]);
      codec.limits = limits;
      const isJson = codec instanceof JsonCodec;
      const map = Buffer.from(isJson ? '{"__type__":[0,' : "81a85f5f747970655f5f9200", isJson ? "utf8" : "hex");
      const end = isJson ? "]}".repeat(50_000) : "";
      const deep = Buffer.concat([Buffer.alloc(map.length * 50_000, map), Buffer.from(`0${end}`)]);
      for (const action of [
        () => codec.decode(deep),
        () => codec.encode(boxed),
        () => {
          throw failureOf(thrownBy(() => encodeMessage(codec, 0, 7, boxed)));
        },
      ])
        expect(thrownBy(action)).toMatchObject({
          code: "SERIALIZATION_ERROR",
          message: expect.stringMatching(/^nested deeper than the (?:stack allows|limit)/),
        });
      const head = Buffer.from(isJson ? "[0,7," : "\x93\0\x07", "latin1");
      const message = Buffer.concat([head, deep, Buffer.from(isJson ? "]" : "")]);
      expect(decodeMessage(codec, message)).toMatchObject({ id: 7, error: { code: "SERIALIZATION_ERROR" } });
      // It can be used again.
      expect(codec.decode(codec.encode([1, new Box("x")]))).toStrictEqual([1, new Box("x")]);
    }
  });

  it("a limit that a stack can't hold is refused where it is set", async () => {
    for (const maxDepth of [1001, 100_000, Infinity]) {
      await expect(serveChannels("tcp://127.0.0.1:0", () => {}, { limits: { maxDepth } })).rejects.toMatchObject({
        code: "INVALID_ARGUMENT",
        message: "limit maxDepth is over 1000; deeper values could use up the stack",
      });
    }
  });

  it("a limit of 1,000 is held by the stack, on top of some of the program's own", () => {
    const limits = { ...DEFAULT_LIMITS, maxDepth: 1000 };
    let value: unknown = 0;
    for (let level = 0; level < 500; level++) value = [{ a: value }];
    const below = (frames: number, action: () => void): void => (frames === 0 ? action() : below(frames - 1, action));
    for (const Codec of [JsonCodec, MsgPackCodec]) {
      const codec = new Codec();
      codec.limits = limits;
      below(200, () => {
        const encoded = codec.encode(value);
        expect(Buffer.from(codec.encode(codec.decode(encoded))).equals(encoded)).toBe(true);
      });
    }
  });

  it("brackets in texts hide nothing", () => {
    const codec = new JsonCodec();
    for (const lead of ['["\\\\",', '["\\"",', '["\\\\\\"]]]]",', '["]",', `["${"]".repeat(200)}",`]) {
      expect(
        thrownBy(() => codec.decode(Buffer.from(`${lead}${"[".repeat(5000)}${"]".repeat(5001)}`))).message,
      ).toContain("maxDepth");
    }
  });

  it("a server answers such a message and goes on", async () => {
    await using server = await serveChannels("tcp://127.0.0.1:0", async (channel) => {
      for await (const request of channel) await request.reply(request.content);
    });
    const peer = await RawPeer.connect(server.address);
    peer.send(`[0,1,${"[".repeat(500_000)}${"]".repeat(500_000)}]`);
    peer.send("[0,2,2]");
    const texts = await peer.texts(2);
    expect(texts[0]).toMatch(/^\[2,1,".*maxDepth/);
    expect(texts[1]).toBe("[1,2,2]");
    peer.socket.destroy();
    const channel = await connectChannel(server.address);
    expect(await channel.send(1)).toBe(1);
    await channel.close();
  });
});
