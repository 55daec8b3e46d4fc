import { once } from "node:events";
import net from "node:net";
import { describe, expect, it } from "vitest";
import type { Channel } from "../../src/channel.ts";
import { connectChannel } from "../../src/connect-channel.ts";
import { serveChannels } from "../../src/serve-channels.ts";
import { makeAuthority } from "../certificates.ts";
import { until } from "../support.ts";

describe("T24: a client that never finishes its TLS handshake", () => {
  it.each([
    ["says nothing", ""],
    ["says a part", "16030100f8"],
  ])("and %s is cut off after the time, and the server closes", async (_what, hex) => {
    const tls = await (await makeAuthority()).issue("127.0.0.1");
    const channels: Channel[] = [];
    const server = await serveChannels(
      "tcp://127.0.0.1:0",
      async (channel) => {
        channels.push(channel);
        for await (const request of channel) await request.reply(request.content);
      },
      { tls, limits: { helloTimeoutMs: 200 } },
    );
    const sockets = Array.from({ length: 5 }, () =>
      net.connect({ host: "127.0.0.1", port: Number(server.address.split(":").at(-1)) }),
    );
    let closed = 0;
    for (const socket of sockets) {
      socket.on("error", () => {});
      socket.on("close", () => closed++);
      socket.resume();
      await once(socket, "connect");
      if (hex !== "") socket.write(Buffer.from(hex, "hex"));
    }
    const channel = await connectChannel(server.address, { tls });
    expect(await channel.send(1)).toBe(1);
    await until(() => closed === sockets.length, "the end of the silent connections");
    expect(channels).toHaveLength(1);
    expect(await channel.send(2)).toBe(2);
    await server.close();
  });

  it("doesn't hold up a server that closes, also with no limit of time", async () => {
    const tls = await (await makeAuthority()).issue("127.0.0.1");
    const server = await serveChannels("tcp://127.0.0.1:0", () => {}, { tls, limits: { helloTimeoutMs: Infinity } });
    const socket = net.connect({ host: "127.0.0.1", port: Number(server.address.split(":").at(-1)) });
    socket.on("error", () => {});
    socket.resume();
    let closed = false;
    socket.on("close", () => (closed = true));
    await once(socket, "connect");
    const channel = await connectChannel(server.address, { tls });
    expect(closed).toBe(false);
    await server.close();
    await until(() => closed);
    await channel.closed;
  });
});
