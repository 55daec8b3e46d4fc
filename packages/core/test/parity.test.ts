import { expect, it } from "vitest";
import { MsgPackCodec, connectChannel, serveChannels } from "../src/index.ts";
import { rejectionOf } from "./support.ts";

it("C1 takes the address as a text, and refuses what is none", async () => {
  expect(await rejectionOf(connectChannel("127.0.0.1:5555"))).toMatchObject({ code: "INVALID_ARGUMENT" });
  expect(await rejectionOf(connectChannel(["127.0.0.1", 5555] as never))).toMatchObject({ code: "INVALID_ARGUMENT" });
});

it("C5 gives each connection a codec instance of its own", async () => {
  const codecs = new Set<unknown>();
  await using server = await serveChannels("local://parity-c5", (channel) => void codecs.add(channel.codec), {
    codec: MsgPackCodec,
  });
  await using first = await connectChannel(server.address, { codec: MsgPackCodec });
  await using second = await connectChannel(server.address, { codec: MsgPackCodec });
  codecs.add(first.codec).add(second.codec);
  expect(codecs.size).toBe(4);
  for (const codec of codecs) expect(codec).toBeInstanceOf(MsgPackCodec);
});
