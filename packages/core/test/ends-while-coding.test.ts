import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { Channel, Request } from "../src/channel.ts";
import { compressed } from "../src/compressed.ts";
import { connectChannel } from "../src/connect-channel.ts";
import type { CodecClass } from "../src/codec.ts";
import { MsgPackCodec } from "../src/msgpack-codec.ts";
import { serveChannels } from "../src/serve-channels.ts";
import type { ChannelServer } from "../src/serve-channels.ts";
import { rejectionOf, until } from "./support.ts";

/** Calls `act` of its side while it is encoded or decoded. */
class Trigger {
  readonly when: "encoded" | "decoded";

  constructor(when: "encoded" | "decoded") {
    this.when = when;
  }
}

let act: () => void;
let server: ChannelServer;
let served: Channel | undefined;
let requests: Request[];

const factory = () =>
  [
    Trigger,
    (trigger: Trigger): string => {
      if (trigger.when === "encoded") act();
      return trigger.when;
    },
    (when: "encoded" | "decoded"): Trigger => {
      if (when === "decoded") act();
      return new Trigger(when);
    },
  ] as const;

async function pair(codec: CodecClass = MsgPackCodec): Promise<Channel> {
  const onChannel = async (channel: Channel): Promise<void> => {
    served = channel;
    for await (const request of channel) requests.push(request);
  };
  server = await serveChannels("tcp://127.0.0.1:0", onChannel, { codec, extraSerializers: [factory] });
  const channel = await connectChannel(server.address, { codec, extraSerializers: [factory] });
  await until(() => served !== undefined);
  return channel;
}

beforeEach(() => {
  act = () => {};
  served = undefined;
  requests = [];
});
afterEach(async () => server.close({ graceMs: 0 }));

describe("a connection that a serializer ends", () => {
  it.each(["small", "large"])("sends no result, and keeps none: one with a %s value", async (size) => {
    const channel = await pair();
    const call = rejectionOf(channel.send([new Date(0)]));
    await until(() => requests.length === 1);
    const sentBytes = served!.stats().sentBytes;
    act = () => served!.destroy();
    await requests[0]!.reply([new Float64Array(size === "large" ? 1_000_000 : 1), new Trigger("encoded")]);
    expect(await call).toMatchObject({ code: "CONNECTION_LOST" });
    await served!.closed;
    await served!.flushed();
    expect(served!.stats()).toMatchObject({ sentBytes, waiting: 0, queuedBytes: 0 });
  });
});

describe("a connection that a deserializer ends", () => {
  it.each(["small", "large"])("hands its message out to nobody: one with a %s value", async (size) => {
    const channel = await pair();
    const first = rejectionOf(channel.send(new Date(0)));
    await until(() => requests.length === 1);
    act = () => served!.destroy();
    const call = rejectionOf(
      channel.send([new Float64Array(size === "large" ? 1_000_000 : 1), new Trigger("decoded")]),
    );
    expect((await Promise.all([first, call])).map(({ code }) => code)).toStrictEqual([
      "CONNECTION_LOST",
      "CONNECTION_LOST",
    ]);
    await served!.closed;
    expect(await rejectionOf(served!.recv())).toMatchObject({ code: "CONNECTION_LOST" });
    expect(requests).toHaveLength(1);
  });
});

describe("a connection that is closed while a request is unpacked", () => {
  it("refuses it, so that its caller learns that it was not carried out", async () => {
    const channel = await pair(compressed(MsgPackCodec, { algorithm: "deflate" }));
    // The two sides have said hello then: what one refuses the other gets with its code.
    const hello = channel.send(new Date(0));
    await until(() => requests.length === 1);
    await requests[0]!.reply(null);
    await hello;
    const seen = served!.stats().receivedMessages;
    const call = rejectionOf(channel.send("lorem ipsum dolor ".repeat(600_000)));
    await until(() => served!.stats().receivedMessages > seen);
    await served!.close();
    expect(await call).toMatchObject({ code: "UNAVAILABLE", executed: "no" });
    expect(requests).toHaveLength(1);
  });
});
