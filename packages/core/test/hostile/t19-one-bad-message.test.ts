import { once } from "node:events";
import net from "node:net";
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Channel } from "../../src/channel.ts";
import { connectChannel } from "../../src/connect-channel.ts";
import { MsgPackCodec } from "../../src/msgpack-codec.ts";
import { serveChannels } from "../../src/serve-channels.ts";
import { makeAuthority } from "../certificates.ts";
import { RawPeer, RawServer, frame, rejectionOf, until } from "../support.ts";

async function echo(channel: Channel): Promise<void> {
  for await (const request of channel) await request.reply(request.content);
}

describe("T19: one bad message must not kill the process", () => {
  it.each([
    ["JSON", undefined],
    ["MsgPack", MsgPackCodec],
    ["either", "auto" as const],
  ])("a server of %s survives any bytes, and serves others", async (_name, codec) => {
    await using server = await serveChannels("tcp://127.0.0.1:0", echo, {
      codec,
      limits: { maxMessageBytes: 100_000 },
    });
    const bystander = await connectChannel(server.address, { codec: codec === "auto" ? undefined : codec });
    const starts = fc
      .constantFrom("", "[0,1,", "[1,0,", "[", "\x93\x00\x01", "\x93\x01\x00", "\x93")
      .map((text) => Buffer.from(text, "latin1"));
    const payload = fc
      .tuple(starts, fc.uint8Array({ maxLength: 60 }))
      .map(([start, rest]) => Buffer.concat([start, rest]));
    const conversation = fc.array(
      fc.oneof(
        payload.map((data) => frame(data)),
        fc.uint8Array({ maxLength: 20 }),
      ),
      { minLength: 1, maxLength: 8 },
    );
    await fc.assert(
      fc.asyncProperty(conversation, async (chunks) => {
        const peer = await RawPeer.connect(server.address);
        for (const chunk of chunks) peer.socket.write(chunk);
        peer.socket.end();
        await peer.closed();
        expect(await bystander.send("still there")).toBe("still there");
      }),
      { numRuns: 60 },
    );
    await until(() => server.channels.size === 1);
    await bystander.close();
  });

  it("connections that are reset at any moment are only lost", async () => {
    await using server = await serveChannels("tcp://127.0.0.1:0", echo);
    const whole = Buffer.concat([frame("[0,1,1]"), frame('[0,2,"two"]')]);
    for (let count = 0; count <= whole.length; count++) {
      const socket = net.connect({ host: "127.0.0.1", port: Number(server.address.split(":").at(-1)) });
      socket.on("error", () => {});
      await once(socket, "connect");
      if (count > 0) socket.write(whole.subarray(0, count));
      await new Promise((resolve) => setImmediate(resolve));
      socket.resetAndDestroy();
    }
    const channel = await connectChannel(server.address);
    expect(await channel.send("still there")).toBe("still there");
    await channel.close();
    await until(() => server.channels.size === 0);
  });

  it("TLS connections that are reset in the handshake are only lost", async () => {
    const authority = await makeAuthority();
    const tls = await authority.issue("127.0.0.1");
    await using server = await serveChannels("tcp://127.0.0.1:0", echo, { tls });
    const hello = Buffer.from("16030100f8010000f40303", "hex");
    for (const data of [Buffer.alloc(0), hello.subarray(0, 3), hello, Buffer.concat([hello, Buffer.alloc(400)])]) {
      for (const method of ["resetAndDestroy", "destroy", "end"] as const) {
        const socket = net.connect({ host: "127.0.0.1", port: Number(server.address.split(":").at(-1)) });
        socket.on("error", () => {});
        await once(socket, "connect");
        if (data.length > 0) socket.write(data);
        await new Promise((resolve) => setImmediate(resolve));
        socket[method]();
      }
    }
    const channel = await connectChannel(server.address, { tls });
    expect(await channel.send("still there")).toBe("still there");
    await channel.close();
  });

  it("a client survives a server that answers with nonsense", async () => {
    for (const answer of [
      frame("nonsense"),
      Buffer.from("ffffffff", "hex"),
      Buffer.from("HTTP/1.1 400 Bad Request\r\n\r\n"),
      frame("[2,0,{]"),
      frame(Buffer.alloc(0)),
    ]) {
      await using server = await RawServer.listen(({ socket }) => socket.write(answer));
      const channel = await connectChannel(server.address);
      expect(["CONNECTION_LOST", "SERIALIZATION_ERROR"]).toContain((await rejectionOf(channel.send(1))).code);
      channel.destroy();
    }
  });
});
