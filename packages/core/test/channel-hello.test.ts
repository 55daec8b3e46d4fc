import { describe, expect, it } from "vitest";
import type { Channel } from "../src/channel.ts";
import { Codec } from "../src/codec.ts";
import { connectChannel } from "../src/connect-channel.ts";
import type { ConnectChannelOptions } from "../src/connect-channel.ts";
import { JsonCodec } from "../src/json-codec.ts";
import { LocalNetwork } from "../src/local-transport.ts";
import { MsgPackCodec } from "../src/msgpack-codec.ts";
import { serveChannels } from "../src/serve-channels.ts";
import type { ServeChannelsOptions } from "../src/serve-channels.ts";
import type { SerializerFactory } from "../src/serializers.ts";
import { RawPeer, RawServer, Stranger, expectSame, payloads, rejectionOf, until } from "./support.ts";

interface Pair extends AsyncDisposable {
  /** The side that connected. */
  readonly near: Channel;
  readonly far: Channel;
}

async function pair(near: ConnectChannelOptions = {}, far: ServeChannelsOptions = near, tcp = false): Promise<Pair> {
  const network = new LocalNetwork();
  let accept!: (channel: Channel) => void;
  const accepted = new Promise<Channel>((resolve) => (accept = resolve));
  const address = tcp ? "tcp://127.0.0.1:0" : "local://hello";
  const server = await serveChannels(address, accept, { network, ...far });
  const channel = await connectChannel(server.address, { network, ...near });
  const dispose = async (): Promise<void> => {
    channel.destroy();
    await server.close({ graceMs: 1 });
  };
  return { near: channel, far: await accepted, [Symbol.asyncDispose]: dispose };
}

async function echo(channel: Channel): Promise<void> {
  for await (const request of channel) await request.reply(request.content);
}

/** A codec whose work takes a turn. */
class Slow extends Codec {
  override async encode(value: unknown): Promise<Uint8Array> {
    await Promise.resolve();
    return Buffer.from(JSON.stringify(this.serialize(value)));
  }
  override async decode(given: Uint8Array): Promise<unknown> {
    await Promise.resolve();
    return this.deserialize(JSON.parse(Buffer.from(given).toString()));
  }
}

class Point {}
class Size {}
const point: SerializerFactory<Point> = () => [Point, () => 0, () => new Point()];
const size: SerializerFactory<Size> = () => [Size, () => 0, () => new Size()];

const DATE = new Date(5);
const HELLO = {
  protocol: 1,
  software: "colloquy",
  codec: "json",
  serializers: [],
  limits: { maxMessageBytes: 16_777_216, maxSegmentBytes: 536_870_912 },
  segments: true,
  receiptBytes: 16_384,
  shapes: 0,
};

describe.each([
  ["JSON", JsonCodec],
  ["MsgPack", MsgPackCodec],
  ["a codec of one's own that takes its time", Slow],
])("hello between channels in %s", (_name, codec) => {
  const value = new Map<unknown, unknown>([["when", [DATE, undefined, 5n]]]);

  it("that this side can't encode is named where such a value is sent", async () => {
    await using channels = await pair({ codec, limits: { maxDepth: 2 } }, { codec });
    const { near, far } = channels;
    void echo(far);
    const refused = {
      code: "SERIALIZATION_ERROR",
      message: expect.stringMatching(/^Date: it takes hello, which this side can't send: nested deeper .*maxDepth/),
    };
    const [first, plain, second] = [rejectionOf(near.send(DATE)), near.send("plain"), rejectionOf(near.send(DATE))];
    expect(await first).toMatchObject(refused);
    expect(await plain).toBe("plain");
    expect(await second).toMatchObject(refused);
    expect(await rejectionOf(near.send(DATE))).toMatchObject(refused);
    await using others = await pair({ codec, limits: { maxDepth: 2 } }, { codec });
    const lost = rejectionOf(others.near.send(DATE));
    others.near.destroy();
    expect(await lost).toMatchObject({ code: "CONNECTION_LOST", executed: "no" });
  });

  it("is said by the client when it has such a value, and by none of the two again", async () => {
    await using channels = await pair({ codec });
    const { near, far } = channels;
    void echo(far);
    void echo(near);
    expect(await near.send("plain")).toBe("plain");
    expect(near.stats()).toMatchObject({ sentMessages: 1, receivedMessages: 1 });
    expectSame(await near.send(value), value);
    expect(near.stats()).toMatchObject({ sentMessages: 3, receivedMessages: 3, pending: 0, waiting: 0 });
    expectSame(await far.send(value), value);
    expectSame(await near.send([value]), [value]);
    expect(near.stats()).toMatchObject({ sentMessages: 5, receivedMessages: 5 });
  });

  it("is said by the server, for a request or an answer", async () => {
    await using first = await pair({ codec });
    void echo(first.near);
    expectSame(await first.far.send(value), value);
    await using second = await pair({ codec });
    const answer = second.near.send("when?");
    await (await second.far.recv()).reply(value);
    expectSame(await answer, value);
  });

  it("is said by both at the same time", async () => {
    await using channels = await pair({ codec });
    const { near, far } = channels;
    void echo(near);
    void echo(far);
    const answers = [near.send([value, 1]), far.send([value, 2]), near.send(3), far.send(4)];
    expectSame(await Promise.all(answers), [[value, 1], [value, 2], 3, 4]);
    for (const channel of [near, far]) expect(channel.stats()).toMatchObject({ pending: 0, running: 0, waiting: 0 });
  });

  it("keeps the order of what is sent before, meanwhile and after", async () => {
    await using channels = await pair({ codec });
    const { near, far } = channels;
    const sent = [1, DATE, 2, 3n, "x", new Set([4]), 5];
    const answers = sent.map((content) => near.send(content));
    const seen: unknown[] = [];
    for await (const request of far) {
      seen.push(request.content);
      await request.reply(null);
      if (seen.length === sent.length) break;
    }
    expectSame(seen, sent);
    await Promise.all(answers);
  });

  it("is given up with the connection, and every call settles", async () => {
    const { near, far, ...channels } = await pair({ codec });
    const calls = [near.send(DATE), near.send(1)].map((call) => rejectionOf(call));
    far.destroy();
    for (const error of await Promise.all(calls)) expect(error).toMatchObject({ code: "CONNECTION_LOST" });
    expect(near.stats()).toMatchObject({ pending: 0, waiting: 0 });
    await channels[Symbol.asyncDispose]();
  });
});

describe("hello of a channel on the wire", () => {
  it("is one request, and nothing else is sent before its answer", async () => {
    await using server = await RawServer.listen();
    const channel = await connectChannel(server.address);
    const calls = [channel.send("a"), channel.send(DATE), channel.send("b")];
    await until(() => server.peers.length === 1);
    const [peer] = server.peers as [RawPeer];
    expect(await peer.texts(2)).toStrictEqual(['[0,0,"a"]', JSON.stringify([0, 1, ["$/channel", [HELLO], {}]])]);
    expect(channel.stats()).toMatchObject({ pending: 2, waiting: 2, sentMessages: 2 });
    peer.send('[1,0,"A"]');
    expect(await calls[0]).toBe("A");
    expect(await peer.texts(2)).toHaveLength(2);
    peer.send('[1,1,{"protocol":1}]');
    expect((await peer.texts(4)).slice(2)).toStrictEqual(['[0,2,{"__type__":[-4,5]}]', '[0,3,"b"]']);
    peer.send('[1,3,"B"]');
    peer.send('[1,2,{"__type__":[-9,"a:b"]}]');
    expect(await Promise.all(calls)).toStrictEqual(["A", new URL("a:b"), "B"]);
    channel.destroy();
  });

  it("is answered with the own map, also where it isn't the first request and much runs", async () => {
    const held: unknown[] = [];
    await using server = await serveChannels(
      "tcp://127.0.0.1:0",
      async (channel) => {
        for await (const request of channel) held.push(request.content);
      },
      { limits: { maxRunningCount: 1 } },
    );
    const peer = await RawPeer.connect(server.address);
    peer.send('[0,0,"first"]');
    peer.send('[0,1,"too many"]');
    peer.send('[0,2,["$/channel",[{"protocol":1}],{}]]');
    const [refusal, answer] = await peer.texts(2);
    expect(refusal).toMatch(/^\[2,1,"ColloquyError: 1 calls of this connection run already/);
    expect(JSON.parse(answer!)).toStrictEqual([1, 2, HELLO]);
    expect(held).toStrictEqual(["first"]);
    // From then on exceptions are maps.
    peer.send('[0,3,"too many"]');
    expect(JSON.parse((await peer.texts(3))[2]!)).toMatchObject([2, 3, { code: "RESOURCE_EXHAUSTED" }]);
    peer.socket.destroy();
  });

  it("offers no shapes in MsgPack either: a channel takes no notifications", async () => {
    await using server = await serveChannels("tcp://127.0.0.1:0", () => {}, { codec: MsgPackCodec });
    const peer = await RawPeer.connect(server.address);
    peer.send(new MsgPackCodec().encode([0, 0, ["$/channel", [{ protocol: 1 }], {}]]));
    await until(() => payloads(peer.received).length === 1);
    const [payload] = payloads(peer.received);
    expect(new MsgPackCodec().decode(payload!)).toStrictEqual([1, 0, { ...HELLO, codec: "msgpack" }]);
    peer.socket.destroy();
  });

  it("leaves out limits that are infinite", async () => {
    await using channels = await pair({ limits: { maxSegmentBytes: Infinity } });
    void echo(channels.far);
    expect(await channels.near.send(DATE)).toStrictEqual(DATE);
  });

  it("is never seen by a server that gets plain values only", async () => {
    await using server = await RawServer.listen();
    const channel = await connectChannel(server.address, { codec: MsgPackCodec });
    for (const content of [null, [1.5, "x"], { a: new Uint8Array(1000) }, new Uint8Array(1_000_000)])
      void channel.send(content).catch(() => {});
    await until(() => server.peers[0] !== undefined && server.peers[0].received.length > 1_001_000);
    expect(server.peers[0]!.received.toString("latin1")).not.toContain("$/");
    expect(channel.stats()).toMatchObject({ sentMessages: 4, waiting: 0 });
    channel.destroy();
  });

  it("is said for bytes that a message can't hold", async () => {
    await using channels = await pair({ codec: MsgPackCodec, limits: { maxMessageBytes: 100_000 } }, undefined, true);
    const { near, far } = channels;
    void echo(far);
    const small = new Uint8Array(90_000).fill(1);
    expectSame(await near.send(small), small);
    expect(near.stats()).toMatchObject({ sentMessages: 1 });
    const large = new Uint8Array(300_000).fill(2);
    expectSame(await near.send([large, large]), [large, large]);
    expect(near.stats().receivedMessages).toBe(3);
  });
});

describe("a channel to a plain server", () => {
  /** A server that does something about hello and echoes the rest. */
  async function plain(onHello: (peer: RawPeer, id: number) => void): Promise<RawServer> {
    return RawServer.listen((peer) => {
      let seen = 0;
      peer.socket.on("data", () => {
        void peer.texts(0).then((texts) => {
          for (; seen < texts.length; seen++) {
            const [type, id, content] = JSON.parse(texts[seen]!) as [number, number, unknown];
            if (type !== 0) continue;
            if (Array.isArray(content) && content[0] === "$/channel") onHello(peer, id);
            else peer.send(JSON.stringify([1, id, content]));
          }
        });
      });
    });
  }

  const answers: readonly [what: string, answer: (id: number) => string][] = [
    ["a number", (id) => `[1,${id},5]`],
    ["null", (id) => `[1,${id},null]`],
    ["what it got", (id) => `[1,${id},["$/channel",[{"protocol":1}],{}]]`],
    ["a map of its own", (id) => `[1,${id},{"protocol":"x"}]`],
    ["an exception as text", (id) => `[2,${id},"Traceback ...\\nLookupError: $/channel"]`],
    ["an exception as a list", (id) => `[2,${id},["ValueError","x"]]`],
    ["an exception as a map", (id) => `[2,${id},{"name":"E","message":"m","code":"NOT_FOUND"}]`],
    ["a value that can't be decoded", (id) => `[1,${id},{"__type__":[99,0]}]`],
  ];

  it.each(answers)("that answers hello with %s goes on without such values", async (_what, answer) => {
    let count = 0;
    await using server = await plain((peer, id) => {
      count++;
      peer.send(answer(id));
    });
    const channel = await connectChannel(server.address);
    const before = channel.send("before");
    const error = rejectionOf(channel.send({ when: DATE }));
    const after = channel.send("after");
    expect(await error).toMatchObject({
      code: "SERIALIZATION_ERROR",
      executed: "no",
      place: ["when"],
      message:
        "Date: the peer said no hello, so it takes no built-in types; a serializer in extraSerializers carries it, at when",
    });
    expect(await Promise.all([before, after])).toStrictEqual(["before", "after"]);
    // At once, and without asking again.
    const { sentMessages } = channel.stats();
    expect((await rejectionOf(channel.send([5n]))).message).toBe(
      "bigint: the peer said no hello, so it takes no built-in types, at [0]",
    );
    expect(channel.stats()).toMatchObject({ sentMessages, pending: 0, waiting: 0 });
    expect(count).toBe(1);
    server.peers[0]!.send('[0,9,{"__type__":[-4,0]}]');
    channel.destroy();
  });

  it("that never answers hello is waited for as long as helloTimeoutMs allows", async () => {
    const ids: number[] = [];
    await using server = await plain((_peer, id) => void ids.push(id));
    const channel = await connectChannel(server.address, { limits: { helloTimeoutMs: 50 } });
    const [error, after] = [rejectionOf(channel.send(DATE)), channel.send("after")];
    expect((await error).message).toContain("the peer said no hello");
    expect(await after).toBe("after");
    expect(channel.stats()).toMatchObject({ pending: 0, waiting: 0, lateAnswers: 0 });
    // Its answer comes too late; what it sends on the strength of ours is taken.
    const [peer] = server.peers as [RawPeer];
    peer.send(`[1,${ids[0]},{"protocol":1}]`);
    peer.send('[0,9,{"__type__":[-4,7]}]');
    expect((await channel.recv()).content).toStrictEqual(new Date(7));
    expect(channel.stats()).toMatchObject({ pending: 0, lateAnswers: 1 });
    expect((await rejectionOf(channel.send(DATE))).message).toContain("the peer said no hello");
    // It may still say hello itself.
    peer.send('[0,10,["$/channel",[{"protocol":1}],{}]]');
    await until(() => channel.stats().receivedMessages === 4);
    expect(await channel.send(DATE)).toStrictEqual(DATE);
    channel.destroy();
  });

  it("that closes instead of answering fails what waits, which wasn't carried out", async () => {
    await using server = await plain((peer) => peer.socket.destroy());
    const channel = await connectChannel(server.address);
    for (const error of await Promise.all([rejectionOf(channel.send(DATE)), rejectionOf(channel.send(1))]))
      expect(error).toMatchObject({ code: "CONNECTION_LOST", executed: "no" });
    await channel.closed;
    expect(channel.stats()).toMatchObject({ pending: 0, waiting: 0 });
  });

  it("takes built-in types from nobody who said no hello", async () => {
    await using server = await serveChannels("tcp://127.0.0.1:0", echo);
    const peer = await RawPeer.connect(server.address);
    peer.send('[0,0,{"__type__":[-4,0]}]');
    expect(await peer.texts(1)).toStrictEqual([
      '[2,0,"SerializationError: built-in type -4 from a peer that said no hello"]',
    ]);
    peer.socket.destroy();
  });

  it("carries such values by serializers of the user's, without hello", async () => {
    const date: SerializerFactory<Date> = () => [Date, (given) => given.getTime(), (time) => new Date(time)];
    await using server = await plain(() => {});
    const channel = await connectChannel(server.address, { extraSerializers: [date] });
    expect(await channel.send([DATE])).toStrictEqual([DATE]);
    expect(await server.peers[0]!.texts(1)).toStrictEqual(['[0,0,[{"__type__":[0,5]}]]']);
    channel.destroy();
  });
});

describe("hello between channels", () => {
  it("says on both sides that their serializers differ", async () => {
    const lists = '["Point"] at the side that said hello, ["Size", "Point"] at the other';
    for (const first of ["near", "far"] as const) {
      const options = [{ extraSerializers: [point] }, { extraSerializers: [size, point] }];
      await using channels = await pair(...((first === "near" ? options : options.toReversed()) as [object, object]));
      const asking = channels[first];
      const other = first === "near" ? channels.far : channels.near;
      const call = rejectionOf(asking.send(DATE));
      const pending = rejectionOf(other.send("waits"));
      for (const channel of [asking, other]) {
        const error = await channel.closed;
        expect(error).toMatchObject({ code: "PROTOCOL_ERROR" });
        expect(error?.message).toContain(`the two sides have different serializers: ${lists}`);
      }
      for (const error of await Promise.all([call, pending]))
        expect(error).toMatchObject({ code: "CONNECTION_LOST", cause: { code: "PROTOCOL_ERROR" } });
      expect(await call).toMatchObject({ executed: "no" });
    }
  });

  it("refuses another version, a second hello and limits that are too small with an exception, and closes", async () => {
    for (const [hello, reason] of [
      [{ protocol: 2 }, "the peer speaks version 2 of the protocol"],
      [{ protocol: "1" }, "the peer speaks version no number"],
      [{}, "the peer speaks version no number"],
      [
        { protocol: 1, limits: { maxMessageBytes: 10 } },
        "limits.maxMessageBytes is 10 at the side that said hello; it is 1024 at least",
      ],
      [{ protocol: 1, serializers: 5 }, "different serializers"],
    ] as const) {
      await using server = await serveChannels("tcp://127.0.0.1:0", () => {});
      const peer = await RawPeer.connect(server.address);
      peer.send(JSON.stringify([0, 0, ["$/channel", [hello], {}]]));
      const [text] = await peer.texts(1);
      expect(JSON.parse(text!)).toMatchObject([2, 0, { code: "PROTOCOL_ERROR", executed: "no" }]);
      expect(text).toContain(reason);
      await peer.closed();
    }
    await using server = await serveChannels("tcp://127.0.0.1:0", () => {});
    const peer = await RawPeer.connect(server.address);
    for (const id of [0, 1]) peer.send(JSON.stringify([0, id, ["$/channel", [{ protocol: 1 }], {}]]));
    expect((await peer.texts(2))[1]).toContain("hello was said already");
    await peer.closed();
  });

  it("fails where the answer is a hello that doesn't fit", async () => {
    await using server = await RawServer.listen();
    const channel = await connectChannel(server.address);
    const call = rejectionOf(channel.send(DATE));
    await until(() => server.peers.length === 1);
    await server.peers[0]!.texts(1);
    server.peers[0]!.send('[1,0,{"protocol":1,"serializers":["Other"]}]');
    expect(await call).toMatchObject({ code: "CONNECTION_LOST", executed: "no", cause: { code: "PROTOCOL_ERROR" } });
    expect((await channel.closed)?.message).toContain('["Other"] at the other');
  });

  it("tells how large messages may be from then on", async () => {
    await using channels = await pair({}, { limits: { maxMessageBytes: 2000 } });
    const { near, far } = channels;
    void echo(far);
    await near.send(DATE);
    expect((await rejectionOf(near.send("x".repeat(3000)))).message).toContain("limit of 2000 bytes of its receiver (");
    expect(await near.send("y")).toBe("y");
  });

  it("works with servers that find out the codec", async () => {
    for (const codec of [JsonCodec, MsgPackCodec]) {
      await using channels = await pair({ codec }, { codec: "auto" });
      const { near, far } = channels;
      // The server asks as soon as it knows how.
      const early = far.send(DATE);
      void echo(near);
      void echo(far);
      expectSame(await near.send(new Set([codec.name])), new Set([codec.name]));
      expectSame(await early, DATE);
    }
  });

  it("is finished before a channel closes that has such an answer to give", async () => {
    await using channels = await pair();
    const { near, far } = channels;
    const answer = near.send("when?");
    const request = await far.recv();
    const closed = far.close();
    await request.reply(DATE);
    expect(await answer).toStrictEqual(DATE);
    await closed;
  });

  it("can't be said while too many calls wait; that value fails, and a later one asks again", async () => {
    await using channels = await pair({}, { limits: { maxPendingCount: 1 } });
    const { near, far } = channels;
    const waiting = far.send("first");
    const answer = rejectionOf(near.send("when?"));
    await (await far.recv()).reply(DATE);
    expect((await answer).message).toContain(
      "Date: it goes once the peer has said hello, and the peer can't be asked now",
    );
    await (await near.recv()).reply("now");
    expect(await waiting).toBe("now");
    const later = near.send("when?");
    await (await far.recv()).reply(DATE);
    expect(await later).toStrictEqual(DATE);
    for (const channel of [near, far]) expect(channel.stats()).toMatchObject({ pending: 0, waiting: 0, running: 0 });
  });

  it("fails a value by itself that can't be sent at all", async () => {
    await using channels = await pair();
    const { near, far } = channels;
    void echo(far);
    expect((await rejectionOf(near.send([DATE, new Stranger()]))).message).toBe(
      "no serializer for Stranger; see extraSerializers, at [1]",
    );
    expect((await rejectionOf(near.send(10n ** 5000n))).message).toContain("BigInt of more than 4096 digits");
    expect(await near.send("fine")).toBe("fine");
  });

  it("has a form that the user's own content can't have", async () => {
    await using channels = await pair();
    const { near, far } = channels;
    void echo(far);
    expect(await rejectionOf(near.send(["$/channel", [{ protocol: 1 }], {}]))).toMatchObject({
      code: "INVALID_ARGUMENT",
      executed: "no",
    });
    const others = [["$/channel"], ["$/channel", [], {}], ["$/channel", [1], {}], ["$/hello", [{ protocol: 1 }], {}]];
    for (const content of others) expect(await near.send(content)).toStrictEqual(content);
    expect((await rejectionOf(near.send([DATE, Symbol.iterator]))).message).toContain("no serializer for symbol");
  });

  it("leaves what the codec encodes by itself in one piece", async () => {
    class Sealed {
      readonly content: unknown;
      constructor(content: unknown) {
        this.content = content;
      }
    }
    for (const codec of [JsonCodec, MsgPackCodec]) {
      // On their own account, with the codec of the connection while it is at work.
      const own: { codec?: Codec } = {};
      const sealed: SerializerFactory<Sealed> = () => [
        Sealed,
        ({ content }) => Array.from(own.codec!.encode(content) as Uint8Array),
        (given: number[]) => new Sealed(own.codec!.decode(Uint8Array.from(given))),
      ];
      await using channels = await pair({ codec, extraSerializers: [sealed] }, undefined, true);
      const { near, far } = channels;
      own.codec = near.codec!;
      void echo(far);
      const large = new Float64Array(5000);
      expectSame(await near.send(large), large);
      const alone = own.codec.encode([large, new Uint8Array(large.buffer)]) as Uint8Array;
      expectSame(own.codec.decode(alone), [large, new Uint8Array(large.buffer)]);
      expectSame(await near.send([large, new Sealed([large])]), [large, new Sealed([large])]);
      expectSame(await near.send("small"), "small");
    }
  });

  it("carries more large arrays in one message than can travel beside it", async () => {
    for (const codec of [JsonCodec, MsgPackCodec]) {
      await using channels = await pair({ codec });
      const { near, far } = channels;
      void echo(far);
      const bytes = new Uint8Array(32_768).fill(7);
      const arrays = Array.from({ length: 1030 }, (_, index) =>
        index % 2 === 0 ? bytes : new Int16Array(bytes.buffer),
      );
      expectSame(await near.send(arrays), arrays);
    }
  });

  it("lets large arrays travel beside the message, from shared memory too, into memory that is aligned", async () => {
    for (const codec of [JsonCodec, MsgPackCodec]) {
      await using channels = await pair({ codec }, undefined, true);
      const { near, far } = channels;
      void echo(far);
      const shared = new Float64Array(new SharedArrayBuffer(800_000));
      shared.forEach((_, index) => (shared[index] = index / 3));
      const memory = new Uint8Array(500_001).map((_, index) => index);
      const view = new DataView(memory.buffer, 1, 400_000);
      const [array, found, map] = (await near.send([shared, view, new Map([[memory, memory]])])) as [
        Float64Array,
        DataView,
        Map<Uint8Array, Uint8Array>,
      ];
      expect(near.stats().receivedMessages).toBe(2);
      expect(array.buffer).toBeInstanceOf(ArrayBuffer);
      expectSame(array, Float64Array.from(shared));
      expectSame(found, new DataView(memory.buffer.slice(1, 400_001)));
      expectSame(map, new Map([[memory, memory]]));
      for (const { byteOffset, buffer, byteLength } of [array, found, ...map.keys()])
        expect([byteOffset, buffer.byteLength]).toStrictEqual([0, byteLength]);
      await near.flushed();
    }
  });
});
