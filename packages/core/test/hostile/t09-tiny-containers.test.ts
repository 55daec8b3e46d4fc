import { describe, expect, it } from "vitest";
import { JsonCodec } from "../../src/json-codec.ts";
import { DEFAULT_LIMITS } from "../../src/limits.ts";
import { MsgPackCodec } from "../../src/msgpack-codec.ts";
import { serveChannels } from "../../src/serve-channels.ts";
import { RawPeer, thrownBy } from "../support.ts";

const MEBIBYTE = 2 ** 20;

describe("T9: many tiny containers", () => {
  const count = 5 * MEBIBYTE;
  const head = (byte: number): Buffer => {
    const bytes = Buffer.from([byte, 0, 0, 0, 0]);
    bytes.writeUInt32BE(count, 1);
    return bytes;
  };

  it.each([
    ["empty arrays", 0x90],
    ["empty maps", 0x80],
  ])("MsgPack: 5 MiB of %s cost more than is allowed", (_what, byte) => {
    const payload = Buffer.concat([head(0xdd), Buffer.alloc(count, byte)]);
    expect(payload.length).toBeLessThan(DEFAULT_LIMITS.maxMessageBytes);
    expect(thrownBy(() => new MsgPackCodec().decode(payload)).message).toContain("maxDecodedCost");
  });

  it("MsgPack: empty texts and bytes cost something, too", () => {
    for (const [unit, many] of [
      ["a0", 8 * MEBIBYTE],
      ["c400", 4 * MEBIBYTE],
    ] as const) {
      const length = Buffer.alloc(4);
      length.writeUInt32BE(many);
      const payload = Buffer.concat([Buffer.from([0xdd]), length, Buffer.from(unit.repeat(many), "hex")]);
      expect(thrownBy(() => new MsgPackCodec().decode(payload)).message).toContain("maxDecodedCost");
    }
  });

  it.each(["[]", "{}", '""', "[[]]", '{"":{}}'])("JSON: millions of %s cost more than is allowed", (unit) => {
    const payload = Buffer.from(`[${`${unit},`.repeat(4 * MEBIBYTE)}0]`);
    expect(thrownBy(() => new JsonCodec().decode(payload)).message).toContain("maxDecodedCost");
  });

  it("an ordinary large message costs less", () => {
    const numbers = Array.from({ length: MEBIBYTE }, (_, index) => index);
    for (const codec of [new JsonCodec(), new MsgPackCodec()])
      expect(codec.decode(codec.encode(numbers))).toHaveLength(MEBIBYTE);
    const text = "x".repeat(15 * MEBIBYTE);
    for (const codec of [new JsonCodec(), new MsgPackCodec()])
      expect(codec.decode(codec.encode([text]))).toStrictEqual([text]);
  });

  it("a server refuses the message and goes on", async () => {
    await using server = await serveChannels("tcp://127.0.0.1:0", async (channel) => {
      for await (const request of channel) await request.reply("ok");
    });
    const peer = await RawPeer.connect(server.address);
    peer.send(`[0,1,[${"[],".repeat(2 * MEBIBYTE)}0]]`);
    peer.send("[0,2,2]");
    const texts = await peer.texts(2);
    expect(texts[0]).toMatch(/^\[2,1,".*maxDecodedCost/);
    expect(texts[1]).toBe('[1,2,"ok"]');
    peer.socket.destroy();
  });
});
