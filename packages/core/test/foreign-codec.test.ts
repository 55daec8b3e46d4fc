import { describe, expect, it } from "vitest";
import type { Channel } from "../src/channel.ts";
import type { CodecClass } from "../src/codec.ts";
import { compressed } from "../src/compressed.ts";
import { connectChannel } from "../src/connect-channel.ts";
import type { ColloquyError } from "../src/errors.ts";
import { readForeignStart } from "../src/foreign-codec.ts";
import { codec as codecOf } from "../src/function-codec.ts";
import { JsonCodec } from "../src/json-codec.ts";
import type { CodecOption } from "../src/known-codecs.ts";
import { DEFAULT_LIMITS } from "../src/limits.ts";
import { MsgPackBloscCodec } from "../src/msgpack-blosc-codec.ts";
import { MsgPackCodec } from "../src/msgpack-codec.ts";
import { serveChannels } from "../src/serve-channels.ts";
import { StructuredCloneCodec } from "../src/structured-clone-codec.ts";
import { RawPeer, RawServer, bytes, encodeMessage, frame, payloads, rejectionOf, until } from "./support.ts";

const Packed = compressed(JsonCodec, { algorithm: "gzip" });
const Custom = codecOf({
  name: "own",
  encode: (value) => Buffer.from(`own:${JSON.stringify(value)}`),
  decode: (data) => {
    if (!data.toString().startsWith("own:")) throw new Error("not mine");
    return JSON.parse(data.toString().slice(4));
  },
});

/** What a client of one codec and a server of another learn of each other. */
async function meeting(
  client: CodecClass,
  server: CodecOption,
  content: unknown = "ohai",
): Promise<{
  readonly told: Error;
  readonly seen: ColloquyError | undefined;
  readonly lost: ColloquyError | undefined;
}> {
  const channels: Channel[] = [];
  await using serving = await serveChannels("tcp://127.0.0.1:0", (channel) => void channels.push(channel), {
    codec: server,
  });
  const channel = await connectChannel(serving.address, { codec: client });
  const told = await rejectionOf(channel.send(content));
  const lost = await channel.closed;
  return { told, seen: await channels[0]!.closed, lost };
}

describe("a client whose server speaks another codec", () => {
  it.each([
    ["json", JsonCodec, "msgpack", MsgPackCodec],
    ["json", JsonCodec, "msgpack-blosc", MsgPackBloscCodec],
    ["json", JsonCodec, "structured-clone", StructuredCloneCodec],
    ["json", JsonCodec, "json+gzip", Packed],
    ["json", JsonCodec, "own", Custom],
    ["msgpack", MsgPackCodec, "json", JsonCodec],
    ["msgpack", MsgPackCodec, "msgpack-blosc", MsgPackBloscCodec],
    ["msgpack-blosc", MsgPackBloscCodec, "json", JsonCodec],
    ["msgpack-blosc", MsgPackBloscCodec, "msgpack", MsgPackCodec],
    ["structured-clone", StructuredCloneCodec, "json", JsonCodec],
    ["structured-clone", StructuredCloneCodec, "json, msgpack or msgpack-blosc", "auto"],
    ["compressed json", Packed, "json", JsonCodec],
    ["compressed json", Packed, "json, msgpack or msgpack-blosc", "auto"],
    ["compressed json", Packed, "msgpack+gzip", compressed(MsgPackCodec, { algorithm: "gzip" })],
  ] as [string, CodecClass, string, CodecOption][])(
    "%s, %o, is told so in its own: %s",
    async (theirs, client, own, server) => {
      const { told, seen } = await meeting(client, server);
      const text = `the server speaks ${own}, the client seems to speak ${theirs}; both take the same codec`;
      expect(told).toMatchObject({ code: "PROTOCOL_ERROR", executed: "no", message: text });
      expect(seen).toMatchObject({ code: "PROTOCOL_ERROR", message: text });
    },
  );

  it("is cut off where its codec isn't known, or where what it has packed can't be read; the server says why", async () => {
    const unknown = await meeting(Custom, JsonCodec);
    expect(unknown.told).toMatchObject({ code: "CONNECTION_LOST" });
    expect(unknown.seen).toMatchObject({ code: "PROTOCOL_ERROR", message: expect.stringContaining("not JSON") });
    const packed = await meeting(Packed, MsgPackCodec, "x".repeat(5000));
    expect(packed.told).toMatchObject({ code: "CONNECTION_LOST" });
    expect(packed.seen?.message).toBe(
      "the server speaks msgpack, the client seems to speak a codec compressed with gzip; both take the same codec",
    );
    const other = await meeting(compressed(JsonCodec, { algorithm: "deflate" }), Packed, "x".repeat(5000));
    expect(other.seen?.message).toContain("the client seems to speak a codec compressed with deflate");
  });

  it("leaves other clients of the server alone", async () => {
    await using server = await serveChannels("tcp://127.0.0.1:0", async (channel) => {
      for await (const request of channel) await request.reply(request.content);
    });
    const right = await connectChannel(server.address);
    expect(await right.send(1)).toBe(1);
    const wrong = await connectChannel(server.address, { codec: MsgPackCodec });
    expect(await rejectionOf(wrong.send(1))).toMatchObject({ code: "PROTOCOL_ERROR" });
    expect(await right.send(2)).toBe(2);
    await right.close();
  });

  it("is not answered a second time, and nothing of it is carried out", async () => {
    const contents: unknown[] = [];
    await using server = await serveChannels(
      "tcp://127.0.0.1:0",
      async (channel) => {
        for await (const request of channel) contents.push(request.content);
      },
      { codec: MsgPackCodec },
    );
    const peer = await RawPeer.connect(server.address);
    peer.socket.write(Buffer.concat([frame('[0,7,"a"]'), frame('[0,8,"b"]'), frame(bytes("93 00 09 01"))]));
    await until(() => payloads(peer.received).length > 0, "an answer");
    await peer.closed();
    const message = "the server speaks msgpack, the client seems to speak json; both take the same codec";
    expect(payloads(peer.received).map((payload) => JSON.parse(String(payload)))).toEqual([
      [2, 7, { name: "ProtocolError", message, code: "PROTOCOL_ERROR", executed: "no" }],
    ]);
    expect(contents).toEqual([]);
  });

  it("is told so when it is the server that has answered in another one", async () => {
    await using server = await RawServer.listen();
    const channel = await connectChannel(server.address);
    const sent = rejectionOf(channel.send(1));
    await until(() => server.peers.length === 1, "a peer");
    const [peer] = server.peers as [RawPeer];
    await peer.texts(1);
    peer.socket.write(frame(encodeMessage(new MsgPackCodec(), 2, 0, "no")));
    expect((await sent).message).toContain("the client speaks json, the server seems to speak msgpack");
    expect(await channel.closed).toMatchObject({ code: "PROTOCOL_ERROR" });
  });
});

describe("the first payload", () => {
  it.each([
    ["nothing", "", "json"],
    ["of this side's own codec", "5b 7b", "json"],
    ["of this side's own codec, compressed", "00 5b 7b", "json+gzip"],
    ["packed as this side does it", "12 00000005", "json+gzip"],
    ["of nothing that is known", "7b 7d", "msgpack"],
  ])("%s is no other codec's", (_what, payload, own) => {
    expect(readForeignStart(bytes(payload), own, DEFAULT_LIMITS)).toBeUndefined();
  });

  it.each([
    ["broken", "5b 7b", "the server speaks msgpack, the client seems to speak json"],
    ["a result", Buffer.from("[1,0,5]").toString("hex"), "the client speaks msgpack, the server seems to speak json"],
    ["large, in Blosc", "02 01 30 01 ffffff00 ffffff00 14000000 00000000", "seems to speak msgpack-blosc"],
    ["packed, in Blosc", "02 01 30 01 ff000000 ff000000 14000000 00000000", "seems to speak msgpack-blosc"],
  ])("of another one that is %s has no answer", (_what, payload, text) => {
    const start = readForeignStart(bytes(payload), "msgpack", DEFAULT_LIMITS);
    expect(start?.answer).toBeUndefined();
    expect(start?.error.message).toContain(text);
  });
});
