import { describe, expect, it } from "vitest";
import type { ColloquyError } from "../../src/errors.ts";
import { FrameDecoder } from "../../src/frame-decoder.ts";
import { serveChannels } from "../../src/serve-channels.ts";
import { RawPeer, bytes, frame, hex, until } from "../support.ts";

describe("T10: huge lengths, slow drips, tiny chunks", () => {
  it.each(["01000001", "7fffffff", "80000000", "ffffffff"])(
    "the length %s closes the connection before its payload comes",
    async (header) => {
      let closed: Promise<ColloquyError | undefined> | undefined;
      await using server = await serveChannels("tcp://127.0.0.1:0", (channel) => void (closed = channel.closed));
      const peer = await RawPeer.connect(server.address);
      peer.socket.write(bytes(header));
      await until(() => closed !== undefined);
      expect(await closed).toMatchObject({ code: "PROTOCOL_ERROR" });
      await peer.closed();
    },
  );

  it("a message that comes byte by byte is read all the same", async () => {
    await using server = await serveChannels("tcp://127.0.0.1:0", async (channel) => {
      for await (const request of channel) await request.reply(request.content);
    });
    const peer = await RawPeer.connect(server.address);
    for (const byte of frame('[0,5,"drip"]')) {
      peer.socket.write(Buffer.from([byte]));
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(await peer.texts(1)).toStrictEqual(['[1,5,"drip"]']);
    peer.socket.destroy();
  });

  it("a million chunks of one byte take memory in proportion to the bytes, not to the chunks", () => {
    const found: string[] = [];
    const size = 1_000_000;
    const decoder = new FrameDecoder(size, {
      onFrame: (data, start, end) => void found.push(hex(data.subarray(end - 3, end)) + (end - start)),
    });
    const header = Buffer.alloc(4);
    header.writeUInt32BE(size);
    decoder.push(header);
    const memory = (): number => {
      const { heapUsed, external } = process.memoryUsage();
      return heapUsed + external;
    };
    const before = memory();
    for (let index = 0; index < size - 3; index++) decoder.push(Buffer.from([index % 256]));
    // Each chunk that is kept takes more than 100 bytes: 100 MB. What is not kept is garbage of unknown age, so the bound is wide.
    globalThis.gc?.();
    expect(memory() - before).toBeLessThan(90_000_000);
    decoder.push(Buffer.from("end"));
    expect(found).toStrictEqual([`${hex(Buffer.from("end"))}${size}`]);
  });
});
