import { describe, expect, it } from "vitest";
import type { Channel } from "../../src/channel.ts";
import { connectChannel } from "../../src/connect-channel.ts";
import { serveChannels } from "../../src/serve-channels.ts";
import { RawPeer, RawServer, rejectionOf, until } from "../support.ts";

describe("T20: a peer that doesn't read", () => {
  it("has a bounded queue, calls that wait, and is cut off after the stall time", async () => {
    const maxQueuedBytes = 1_000_000;
    const size = 50_000;
    await using server = await RawServer.listen(({ socket }) => socket.pause());
    const channel = await connectChannel(server.address, { limits: { maxQueuedBytes, writeStallMs: 300 } });
    const text = "x".repeat(size);
    let most = 0;
    const calls: Promise<{ code?: string; executed?: string }>[] = [];
    for (let count = 0; count < 2000; count++) {
      calls.push(rejectionOf(channel.send(text)));
      most = Math.max(most, channel.stats().queuedBytes);
      if (count % 100 === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    expect(most).toBeGreaterThan(maxQueuedBytes / 2);
    expect(most).toBeLessThanOrEqual(maxQueuedBytes + size + 100);
    expect(channel.stats().waiting).toBeGreaterThan(1000);
    const outcomes = await Promise.all(calls);
    expect(new Set(outcomes.map(({ code }) => code))).toStrictEqual(new Set(["CONNECTION_LOST"]));
    expect(outcomes.at(0)!.executed).toBe("unknown");
    expect(outcomes.at(-1)!.executed).toBe("no");
  });

  it("of answers that are small and many is cut off as well, and others are served", async () => {
    const channels: Channel[] = [];
    await using server = await serveChannels(
      "tcp://127.0.0.1:0",
      async (channel) => {
        channels.push(channel);
        for await (const request of channel) await request.reply("y".repeat(10_000)).catch(() => {});
      },
      { limits: { maxQueuedBytes: 100_000, writeStallMs: 300 } },
    );
    const peer = await RawPeer.connect(server.address);
    peer.socket.pause();
    for (let id = 0; id < 3000; id++) peer.send(`[0,${id},1]`);
    await until(() => channels.length === 1);
    const channel = await connectChannel(server.address);
    expect(await channel.send(1)).toHaveLength(10_000);
    await channel.close();
    expect(await channels[0]!.closed).toMatchObject({ code: "CONNECTION_LOST" });
    peer.socket.destroy();
  });
});
