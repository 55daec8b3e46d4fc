import { describe, expect, it } from "vitest";
import type { Channel } from "../../src/channel.ts";
import { connectChannel } from "../../src/connect-channel.ts";
import { MsgPackCodec } from "../../src/msgpack-codec.ts";
import { serveChannels } from "../../src/serve-channels.ts";
import { RawServer, RawPeer, bytes, rejectionOf, until } from "../support.ts";

describe("T18: ids that were never given, live ids twice, ids of the wrong type", () => {
  it.each([
    ["an answer to nothing", ["[1,0,1]"]],
    ["an exception to nothing", ['[2,9,"x"]']],
    ["an id that is live", ["[0,1,1]", "[0,1,2]"]],
    ["a negative id", ["[0,-1,1]"]],
    ["an id over 32 bits", ["[0,4294967296,1]"]],
    ["a fraction", ["[0,0.5,1]"]],
    ["a text", ['[0,"0",1]']],
    ["null", ["[0,null,1]"]],
    ["an array", ["[0,[0],1]"]],
    ["a map", ["[0,{},1]"]],
    ["true", ["[0,true,1]"]],
    ["no id", ["[0,,1]"]],
    ["a negative id of a notification", ["[3,-1,1]"]],
  ])("JSON: %s closes the connection with a protocol error", async (_what, messages) => {
    const channels: Channel[] = [];
    await using server = await serveChannels("tcp://127.0.0.1:0", (channel) => void channels.push(channel));
    const peer = await RawPeer.connect(server.address);
    for (const message of messages) peer.send(message);
    await peer.closed();
    expect(await channels[0]!.closed).toMatchObject({ code: "PROTOCOL_ERROR", executed: "unknown" });
  });

  it.each([
    "93 01 00 01",
    "93 00 ff 01",
    "93 00 c0 01",
    "93 00 cf0000000100000000 01",
    "93 00 cfffffffffffffffff 01",
    "93 00 a130 01",
    "93 00 90 01",
    "93 00 80 01",
    "93 04 00 01",
    "93 ff 00 01",
    "93 c0 00 01",
    "92 00 00",
    "94 00 00 00 00",
    "dc0003 00 00 01",
    "c7010500",
    "93",
    "93 00",
  ])("MsgPack: %s closes the connection with a protocol error", async (payload) => {
    const channels: Channel[] = [];
    await using server = await serveChannels("tcp://127.0.0.1:0", (channel) => void channels.push(channel), {
      codec: MsgPackCodec,
    });
    const peer = await RawPeer.connect(server.address);
    peer.send(bytes(payload));
    await peer.closed();
    expect(await channels[0]!.closed).toMatchObject({ code: "PROTOCOL_ERROR" });
  });

  it("an answer that comes twice ends the connection, and the calls that wait learn of it", async () => {
    await using server = await RawServer.listen();
    const channel = await connectChannel(server.address);
    const [first, second] = [channel.send("a"), rejectionOf(channel.send("b"))];
    await until(() => server.peers.length === 1);
    server.peers[0]!.send("[1,0,1]");
    expect(await first).toBe(1);
    server.peers[0]!.send("[1,0,2]");
    expect(await second).toMatchObject({
      code: "CONNECTION_LOST",
      executed: "unknown",
      cause: { code: "PROTOCOL_ERROR" },
    });
  });
});
