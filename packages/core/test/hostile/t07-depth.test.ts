import { describe, expect, it } from "vitest";
import { connectChannel } from "../../src/connect-channel.ts";
import { JsonCodec } from "../../src/json-codec.ts";
import { MsgPackCodec } from "../../src/msgpack-codec.ts";
import { serveChannels } from "../../src/serve-channels.ts";
import { RawPeer, decodeMessage, thrownBy } from "../support.ts";

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
        message: expect.stringContaining("maxDepth"),
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
