import { connectChannel } from "../src/connect-channel.ts";
import type { Channel } from "../src/channel.ts";
import type { CodecClass } from "../src/codec.ts";
import type { Limits } from "../src/limits.ts";
import type { SerializerFactory } from "../src/serializers.ts";
import { serveChannels } from "../src/serve-channels.ts";

/** A channel to a server that echoes, both with the same codec. */
export async function echoChannel(
  codec: CodecClass,
  limits: Partial<Limits> = {},
  extraSerializers: readonly SerializerFactory[] = [],
): Promise<{ readonly channel: Channel; [Symbol.asyncDispose](): Promise<void> }> {
  const server = await serveChannels(
    "tcp://127.0.0.1:0",
    async (far) => {
      for await (const request of far) void request.reply(request.content).catch(() => {});
    },
    { codec, limits, extraSerializers },
  );
  const channel = await connectChannel(server.address, { codec, limits, extraSerializers });
  return {
    channel,
    [Symbol.asyncDispose]: async () => {
      channel.destroy();
      await server.close({ graceMs: 100 });
    },
  };
}

/** Values of all sizes: some are packed at once, some later, some not at all. */
export function mixedValues(): unknown[] {
  return Array.from({ length: 120 }, (_, index) => {
    if (index % 20 === 7)
      return Array.from({ length: 12_000 }, (_, item) => ({ item, index, name: `name ${item % 97}` }));
    if (index % 20 === 13) return "again and ".repeat(3000) + index;
    if (index % 5 === 1) return { text: `some text ${index} `.repeat(200) };
    return [index, "small"];
  });
}
