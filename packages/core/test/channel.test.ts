import { describe, expect, it, vi } from "vitest";
import type { Channel, Request } from "../src/channel.ts";
import { Codec } from "../src/codec.ts";
import { connectChannel } from "../src/connect-channel.ts";
import type { ConnectChannelOptions } from "../src/connect-channel.ts";
import { ColloquyError, RemoteError } from "../src/errors.ts";
import { JsonCodec } from "../src/json-codec.ts";
import { LocalNetwork } from "../src/local-transport.ts";
import { MsgPackCodec } from "../src/msgpack-codec.ts";
import type { SerializerFactory } from "../src/serializers.ts";
import { serveChannels } from "../src/serve-channels.ts";
import type { ChannelServer, ServeChannelsOptions } from "../src/serve-channels.ts";
import { RawPeer, RawServer, Stranger, bytes, frame, hex, rejectionOf, thrownBy, until } from "./support.ts";

interface Pair extends AsyncDisposable {
  readonly server: ChannelServer;
  /** The side that connected. */
  readonly near: Channel;
  /** The server's side. */
  readonly far: Channel;
}

async function pairOver(address: string, options: ConnectChannelOptions & ServeChannelsOptions = {}): Promise<Pair> {
  const shared = { network: new LocalNetwork(), ...options };
  let accepted!: (channel: Channel) => void;
  const arrival = new Promise<Channel>((resolve) => (accepted = resolve));
  const server = await serveChannels(address, accepted, shared);
  const near = await connectChannel(server.address, shared);
  const far = await arrival;
  return {
    server,
    near,
    far,
    [Symbol.asyncDispose]: async () => {
      near.destroy();
      await server.close({ graceMs: 1 });
    },
  };
}

const LOCAL = "local://test";
const TCP = "tcp://127.0.0.1:0";

/** Decodes what comes once it is let. */
class Slow extends Codec {
  static until: Promise<void>;
  override encode(value: unknown): Uint8Array {
    return Buffer.from(JSON.stringify(this.serialize(value)));
  }
  override async decode(data: Uint8Array): Promise<unknown> {
    await Slow.until;
    return this.deserialize(JSON.parse(Buffer.from(data).toString()));
  }
}

async function echo(channel: Channel): Promise<void> {
  for await (const request of channel) await request.reply(request.content);
}

describe.each([
  ["local", LOCAL],
  ["TCP", TCP],
])("a channel over %s", (_name, address) => {
  it("C1 carries requests and answers in both directions", async () => {
    await using pair = await pairOver(address);
    const sent = pair.near.send(["ohai", 1]);
    const request = await pair.far.recv();
    expect(request.content).toStrictEqual(["ohai", 1]);
    await request.reply({ cya: null });
    expect(await sent).toStrictEqual({ cya: null });

    const back = pair.far.send("and you?");
    await (await pair.near.recv()).reply("fine");
    expect(await back).toBe("fine");
  });

  it("C8 hands out requests in order, to recv and to an iterator", async () => {
    await using pair = await pairOver(address);
    const answers = Array.from({ length: 300 }, (_, index) => pair.near.send(index));
    const seen: unknown[] = [];
    for await (const request of pair.far) {
      seen.push(request.content);
      await request.reply(-(request.content as number));
      if (seen.length === 300) break;
    }
    expect(seen).toStrictEqual(answers.map((_, index) => index));
    expect(await Promise.all(answers)).toStrictEqual(seen.map((index) => -(index as number)));
  });

  it("takes answers in any order", async () => {
    await using pair = await pairOver(address);
    const answers = [pair.near.send("a"), pair.near.send("b"), pair.near.send("c")];
    const requests = [await pair.far.recv(), await pair.far.recv(), await pair.far.recv()];
    for (const request of requests.toReversed()) await request.reply(`${request.content as string}!`);
    expect(await Promise.all(answers)).toStrictEqual(["a!", "b!", "c!"]);
  });

  it("refuses a second answer", async () => {
    await using pair = await pairOver(address);
    const sent = pair.near.send(1);
    const request = await pair.far.recv();
    await request.reply("once");
    expect(await rejectionOf(request.reply("twice"))).toMatchObject({ code: "INVALID_ARGUMENT" });
    expect(await rejectionOf(request.fail("twice"))).toMatchObject({ code: "INVALID_ARGUMENT" });
    expect(await sent).toBe("once");
  });

  it.each([
    [new TypeError("no"), "TypeError", "no"],
    [new RemoteError("KeyError", "'x'"), "KeyError", "'x'"],
    ["ValueError: bad", "ValueError", "bad"],
    [undefined, "undefined", "undefined"],
    [0, "number", "0"],
    [null, "null", "null"],
  ])("fails a call with %s", async (thrown, name, message) => {
    await using pair = await pairOver(address);
    const sent = rejectionOf(pair.near.send(1));
    await (await pair.far.recv()).fail(thrown);
    const error = await sent;
    expect(error).toBeInstanceOf(RemoteError);
    expect(error.code).toBe("REMOTE_ERROR");
    // A text doesn't tell a refusal from a failure.
    expect(error.executed).toBe("unknown");
    expect(error.message).toContain(message);
    if (typeof thrown !== "string") expect(error.remoteName).toBe(name);
  });

  it("resolves with whatever was replied, also what looks like nothing or like an error", async () => {
    await using pair = await pairOver(address);
    void echo(pair.far);
    for (const value of [null, 0, false, "", [], {}, { then: 1 }, { error: "x" }])
      expect(await pair.near.send(value)).toStrictEqual(value);
  });

  it("C8 has one waiting recv at a time", async () => {
    await using pair = await pairOver(address);
    const first = pair.far.recv();
    expect(await rejectionOf(pair.far.recv())).toMatchObject({ code: "INVALID_ARGUMENT" });
    void pair.near.send("x").catch(() => {});
    expect((await first).content).toBe("x");
    const second = pair.far.recv();
    void pair.near.send("y").catch(() => {});
    expect((await second).content).toBe("y");
  });

  it("C8 hands out requests that had come before it tells that the connection is lost", async () => {
    await using pair = await pairOver(address);
    const lost = [pair.near.send(1), pair.near.send(2), pair.near.send(3)].map((sent) => rejectionOf(sent));
    await until(() => pair.far.stats().running === 3);
    pair.near.destroy();
    await pair.far.closed;
    const requests: Request[] = [await pair.far.recv(), await pair.far.recv(), await pair.far.recv()];
    expect(requests.map(({ content }) => content)).toStrictEqual([1, 2, 3]);
    expect(await rejectionOf(requests[0]!.reply("late"))).toMatchObject({ code: "CONNECTION_LOST" });
    expect(await rejectionOf(pair.far.recv())).toMatchObject({ code: "CONNECTION_LOST" });
    expect(await rejectionOf(pair.far.recv())).toMatchObject({ code: "CONNECTION_LOST" });
    for (const error of await Promise.all(lost)) expect(error.code).toBe("CONNECTION_LOST");
  });

  it("C14 ends iteration and a waiting recv when the connection ends", async () => {
    await using pair = await pairOver(address);
    const waiting = rejectionOf(pair.far.recv());
    const iteration = (async () => {
      for await (const request of pair.near) await request.reply(1);
      return "ended";
    })();
    pair.near.destroy();
    expect(await waiting).toMatchObject({ code: "CONNECTION_LOST" });
    expect(await iteration).toBe("ended");
  });

  it("C15 waits in close for pending calls and running requests", async () => {
    await using pair = await pairOver(address);
    const outward = pair.near.send("out");
    const inward = pair.far.send("in");
    const atFar = await pair.far.recv();
    const atNear = await pair.near.recv();
    let closed = false;
    const closing = pair.near.close().then(() => (closed = true));
    await atFar.reply("out done");
    expect(await outward).toBe("out done");
    expect(closed).toBe(false);
    expect(await rejectionOf(pair.far.send("too late"))).toMatchObject({ message: expect.stringContaining("closing") });
    // The request that is being carried out may need a call of its own.
    const needed = pair.near.send("needed");
    await (await pair.far.recv()).reply("given");
    expect(await needed).toBe("given");
    const answered = atNear.reply("in done");
    expect(await rejectionOf(pair.near.send("too late"))).toMatchObject({ code: "UNAVAILABLE", executed: "no" });
    await answered;
    expect(await inward).toBe("in done");
    await closing;
    expect(await pair.near.closed).toBeUndefined();
    expect(await pair.far.closed).toBeUndefined();
    expect(await rejectionOf(pair.near.send("after"))).toMatchObject({ code: "CONNECTION_LOST", executed: "no" });
  });

  it("refuses in close a request that has come and is being decoded", async () => {
    await using pair = await pairOver(address, { codec: Slow });
    let go!: () => void;
    Slow.until = new Promise((resolve) => (go = resolve));
    const call = rejectionOf(pair.near.send("late"));
    await until(() => pair.far.stats().receivedMessages === 1);
    const closing = pair.far.close();
    go();
    await closing;
    expect((await call).message).toContain("this side of the connection is closing");
    expect(await pair.near.closed).toBeUndefined();
  });

  it("closes after the grace time when calls don't finish", async () => {
    await using pair = await pairOver(address);
    const stuck = rejectionOf(pair.near.send("stuck"));
    await pair.far.recv();
    await pair.near.close({ graceMs: 30 });
    expect(await stuck).toMatchObject({ code: "CONNECTION_LOST", executed: "unknown" });
  });

  it("closes twice at once, and again later", async () => {
    await using pair = await pairOver(address);
    const sent = pair.near.send(1);
    const request = await pair.far.recv();
    const closing = [pair.near.close(), pair.near.close(), pair.near.close({ graceMs: Infinity })];
    await request.reply("done");
    expect(await sent).toBe("done");
    const start = performance.now();
    await Promise.all(closing);
    await pair.near.close();
    expect(performance.now() - start).toBeLessThan(5000);
  });

  it("lets both sides close at the same time", async () => {
    await using pair = await pairOver(address);
    await Promise.all([pair.near.close(), pair.far.close()]);
    expect(await pair.near.closed).toBeUndefined();
    expect(await pair.far.closed).toBeUndefined();
  });

  it("sends all answers before it closes", async () => {
    await using pair = await pairOver(address, { limits: { maxQueuedBytes: 1000 } });
    const text = "x".repeat(500);
    const answers = Array.from({ length: 500 }, () => pair.near.send(text));
    const requests: Request[] = [];
    while (requests.length < 500) requests.push(await pair.far.recv());
    for (const request of requests) void request.reply(request.content);
    await pair.far.close();
    expect(await Promise.all(answers)).toStrictEqual(answers.map(() => text));
  });

  it("ends at once when it is destroyed, with the reason", async () => {
    await using pair = await pairOver(address);
    const sent = rejectionOf(pair.near.send(1));
    await pair.far.recv();
    const reason = new ColloquyError("CANCELLED", "had enough");
    pair.near.destroy(reason);
    expect(await sent).toMatchObject({ code: "CONNECTION_LOST", executed: "unknown", cause: reason });
    expect(await pair.near.closed).toBe(reason);
    pair.near.destroy();
    await pair.far.closed;
    expect(pair.near.stats()).toMatchObject({ pending: 0, running: 0, waiting: 0 });
    expect(pair.far.stats()).toMatchObject({ pending: 0, running: 0, waiting: 0 });
  });

  it("C14 rejects a thousand pending calls at once when the peer dies, each with the caller's stack", async () => {
    await using pair = await pairOver(address);
    async function callerWithAName(index: number): Promise<unknown> {
      const answer = await pair.near.send(index);
      return answer;
    }
    const calls = Array.from({ length: 1000 }, (_, index) => rejectionOf(callerWithAName(index)));
    await until(() => pair.far.stats().running === 1000);
    pair.far.destroy();
    for (const error of await Promise.all(calls)) {
      expect(error).toBeInstanceOf(ColloquyError);
      expect(error).toMatchObject({ code: "CONNECTION_LOST", executed: "unknown" });
      expect(error.stack).toContain("callerWithAName");
      expect(error.stack).toContain(error.message);
    }
    expect(pair.near.stats().pending).toBe(0);
  });

  it("C10 gives remote failures and refusals the caller's stack, too", async () => {
    await using pair = await pairOver(address);
    async function somebodyAsks(content: unknown): Promise<unknown> {
      const answer = await pair.near.send(content);
      return answer;
    }
    const remote = rejectionOf(somebodyAsks(1));
    await (await pair.far.recv()).fail(new Error("boom"));
    expect((await remote).stack).toContain("somebodyAsks");
    expect((await rejectionOf(somebodyAsks(new Stranger()))).stack).toContain("somebodyAsks");
    await pair.near.close();
    expect((await rejectionOf(somebodyAsks(2))).stack).toContain("somebodyAsks");
  });

  it("says which calls surely didn't start when the connection is lost", async () => {
    await using pair = await pairOver(address, { limits: { maxQueuedBytes: 100 } });
    const calls = Array.from({ length: 50 }, () => rejectionOf(pair.near.send("x".repeat(90))));
    expect(pair.near.stats().waiting).toBeGreaterThan(40);
    pair.near.destroy();
    const executed = (await Promise.all(calls)).map((error) => error.executed);
    const sent = executed.indexOf("no");
    expect(sent).toBeGreaterThan(0);
    expect(sent).toBeLessThan(10);
    expect(executed).toStrictEqual(executed.map((_, index) => (index < sent ? "unknown" : "no")));
  });

  it("fails only the call whose content can't be encoded, with its place", async () => {
    await using pair = await pairOver(address);
    void echo(pair.far);
    const other = pair.near.send("before");
    expect(await rejectionOf(pair.near.send(["a", { when: new Stranger() }]))).toMatchObject({
      code: "SERIALIZATION_ERROR",
      executed: "no",
      place: [1, "when"],
      message: "no serializer for Stranger; see extraSerializers, at [1].when",
    });
    expect(await other).toBe("before");
    expect(await pair.near.send("after")).toBe("after");
  });

  it("C9 turns a reply that can't be encoded into an exception", async () => {
    await using pair = await pairOver(address);
    const sent = rejectionOf(pair.near.send(1));
    await (await pair.far.recv()).reply([new Stranger()]);
    const error = await sent;
    expect(error).toBeInstanceOf(RemoteError);
    expect(error.message).toContain("no serializer for Stranger; see extraSerializers, at [0]");
    void echo(pair.far);
    expect(await pair.near.send("next")).toBe("next");
  });

  it("C7 carries a message of the limit's size and fails only the call that is one byte over, on the sending side", async () => {
    const limit = 2000;
    for (const codec of [undefined, MsgPackCodec]) {
      await using pair = await pairOver(address, { limits: { maxMessageBytes: limit }, codec });
      void echo(pair.far);
      const overhead = (await pair.near.codec!.encode([0, 0, "x".repeat(1000)])).length - 1000;
      for (const size of [limit - 1, limit]) {
        const text = "x".repeat(size - overhead);
        expect(await pair.near.send(text)).toBe(text);
      }
      const before = pair.near.stats().sentMessages;
      const error = await rejectionOf(pair.near.send("x".repeat(limit + 1 - overhead)));
      expect(error).toMatchObject({ code: "RESOURCE_EXHAUSTED", executed: "no" });
      expect(error.message).toContain("limit of 2000 bytes");
      expect(await rejectionOf(pair.near.send("x".repeat(100 * limit)))).toMatchObject({ code: "RESOURCE_EXHAUSTED" });
      expect(pair.near.stats().sentMessages).toBe(before);
      expect(await pair.near.send("next")).toBe("next");
    }
  });

  it("carries twice as much under a limit twice as large", async () => {
    await using pair = await pairOver(address, { limits: { maxMessageBytes: 40 * 2 ** 20 } });
    void echo(pair.far);
    const text = "x".repeat(33 * 2 ** 20);
    expect(await pair.near.send(text)).toBe(text);
  });

  it("turns a reply over the limit into an exception", async () => {
    await using pair = await pairOver(address, { limits: { maxMessageBytes: 500 } });
    const sent = rejectionOf(pair.near.send(1));
    await (await pair.far.recv()).reply("x".repeat(1000));
    const error = await sent;
    expect(error).toBeInstanceOf(RemoteError);
    expect(error.message).toContain("limit of 500 bytes");
    const failed = rejectionOf(pair.near.send(1));
    await (await pair.far.recv()).fail(new Error("x".repeat(1000)));
    expect(await failed).toBeInstanceOf(RemoteError);
    void echo(pair.far);
    expect(await pair.near.send("next")).toBe("next");
  });

  it("gives the connection up where no answer fits, instead of leaving the caller waiting", async () => {
    const network = new LocalNetwork();
    const server = await serveChannels(address, (channel) => echo(channel), {
      network,
      limits: { maxMessageBytes: 30 },
    });
    const channel = await connectChannel(server.address, { network });
    expect(await rejectionOf(channel.send("x".repeat(23)))).toMatchObject({ code: "CONNECTION_LOST" });
    await server.close();
  });

  it("refuses calls over the limit of pending ones", async () => {
    await using pair = await pairOver(address, { limits: { maxPendingCount: 10 } });
    const calls = Array.from({ length: 10 }, (_, index) => pair.near.send(index));
    expect(await rejectionOf(pair.near.send("one more"))).toMatchObject({ code: "RESOURCE_EXHAUSTED", executed: "no" });
    void echo(pair.far);
    expect(await Promise.all(calls)).toHaveLength(10);
    expect(await pair.near.send("again")).toBe("again");
  });

  it("refuses requests over the limit of running ones", async () => {
    await using pair = await pairOver(address, { limits: { maxRunningCount: 10 } });
    const calls = Array.from({ length: 10 }, (_, index) => pair.near.send(index));
    const refused = await rejectionOf(pair.near.send("one more"));
    expect(refused.message).toContain("maxRunningCount");
    void echo(pair.far);
    expect(await Promise.all(calls)).toHaveLength(10);
    expect(await pair.near.send("again")).toBe("again");
  });

  it("C13 keeps the order and a bounded queue while the peer doesn't read", async () => {
    const maxQueuedBytes = 20_000;
    await using pair = await pairOver(address, { limits: { maxQueuedBytes, maxRunningCount: 10_000 } });
    const text = "x".repeat(5000);
    // Enough to fill the buffers of the system, too.
    const count = 4000;
    const answers = Array.from({ length: count }, (_, index) => pair.near.send([index, text]));
    expect(pair.near.stats().queuedBytes).toBeLessThanOrEqual(maxQueuedBytes + 6000);
    const seen: number[] = [];
    let most = 0;
    for await (const request of pair.far) {
      seen.push((request.content as [number])[0]);
      most = Math.max(most, pair.near.stats().queuedBytes);
      await request.reply(null);
      if (seen.length === count) break;
    }
    await Promise.all(answers);
    expect(most).toBeLessThanOrEqual(maxQueuedBytes + 6000);
    expect(seen).toStrictEqual(answers.map((_, index) => index));
    expect(pair.near.stats()).toMatchObject({ pending: 0, waiting: 0 });
  });

  it("sends on where the limit of queued bytes is smaller than a message", async () => {
    await using pair = await pairOver(address, { limits: { maxQueuedBytes: 50 } });
    void echo(pair.far);
    const text = "x".repeat(90);
    const answers = await Promise.all(Array.from({ length: 50 }, () => pair.near.send(text)));
    expect(new Set(answers)).toStrictEqual(new Set([text]));
  });

  it("lets a serializer send while a message is being encoded", async () => {
    class Chatty {}
    const network = new LocalNetwork();
    const inner: Promise<unknown>[] = [];
    const nested: { channel?: Channel } = {};
    const server = await serveChannels(address, (channel) => echo(channel), {
      network,
      extraSerializers: [() => [Chatty, () => 1, () => new Chatty()]],
    });
    const channel = await connectChannel(server.address, {
      network,
      extraSerializers: [() => [Chatty, () => (inner.push(nested.channel!.send("inner")), "data"), () => new Chatty()]],
    });
    nested.channel = channel;
    expect(await channel.send([new Chatty(), "outer", new Chatty()])).toStrictEqual([
      new Chatty(),
      "outer",
      new Chatty(),
    ]);
    expect(inner).toHaveLength(2);
    expect(await Promise.all(inner)).toStrictEqual(["inner", "inner"]);
    await channel.close();
    await server.close();
  });

  it("survives a serializer that destroys the channel", async () => {
    class Fatal {}
    await using pair = await pairOver(address, {
      extraSerializers: [() => [Fatal, () => (pair.near.destroy(), 1), () => new Fatal()]],
    });
    const calls = [pair.near.send(1), pair.near.send(new Fatal()), pair.near.send(2)].map((sent) => rejectionOf(sent));
    expect((await Promise.all(calls)).map(({ code }) => code)).toStrictEqual([
      "CONNECTION_LOST",
      "CONNECTION_LOST",
      "CONNECTION_LOST",
    ]);
    expect(pair.near.stats()).toMatchObject({ pending: 0, waiting: 0 });
  });

  it("sends tens of thousands of messages that had to wait", async () => {
    const network = new LocalNetwork();
    let accepted!: (channel: Channel) => void;
    const arrival = new Promise<Channel>((resolve) => (accepted = resolve));
    // The server doesn't know the codec before the client has sent something.
    const server = await serveChannels(address, accepted, { network, codec: "auto" });
    const near = await connectChannel(server.address, { network, limits: { maxRunningCount: 100_000 } });
    const far = await arrival;
    const answers = Array.from({ length: 60_000 }, (_, index) => far.send(index));
    void echo(near);
    void echo(far);
    await near.send("hello");
    expect((await Promise.all(answers)).at(-1)).toBe(59_999);
    await near.close();
    await server.close();
  });
});

describe("a channel whose peer breaks the protocol", () => {
  it.each([
    ["nonsense", "not a message"],
    ["", "not a message"],
    ["[0,1]", "payload is not"],
    ["{}", "payload is not"],
    ["[4,0,1]", "unknown message type"],
    ["[-1,0,1]", "unknown message type"],
    ['["0",0,1]', "unknown message type"],
    ["[0,-1,1]", "message id"],
    ["[0,4294967296,1]", "message id"],
    ["[1,0,null]", "answer to request 0, which waits for none"],
    ["[2,7,null]", "answer to request 7, which waits for none"],
  ])("closes that connection for %j, and others go on", async (payload, reason) => {
    const channels: Channel[] = [];
    await using server = await serveChannels(TCP, (channel) => (channels.push(channel), echo(channel)));
    const bystander = await connectChannel(server.address);
    expect(await bystander.send("before")).toBe("before");
    const peer = await RawPeer.connect(server.address);
    await until(() => channels.length === 2);
    peer.send(payload);
    const error = await channels[1]!.closed;
    expect(error).toMatchObject({ code: "PROTOCOL_ERROR" });
    expect(error!.message).toContain(reason);
    await peer.closed();
    expect(await bystander.send("after")).toBe("after");
    await bystander.close();
  });

  it("closes it for a live id that comes twice, and not for one that comes again later", async () => {
    const channels: Channel[] = [];
    await using server = await serveChannels(TCP, (channel) => void channels.push(channel));
    const peer = await RawPeer.connect(server.address);
    await until(() => channels.length === 1);
    const [channel] = channels as [Channel];
    peer.send('[0,3,"a"]');
    await (await channel.recv()).reply("b");
    expect(await peer.texts(1)).toStrictEqual(['[1,3,"b"]']);
    peer.send('[0,3,"again"]');
    expect((await channel.recv()).content).toBe("again");
    peer.send('[0,3,"while it runs"]');
    expect(await channel.closed).toMatchObject({
      code: "PROTOCOL_ERROR",
      message: "request 3 came again while it was running",
    });
  });

  it("answers a request whose content is malformed, and goes on", async () => {
    await using server = await serveChannels(TCP, echo);
    const peer = await RawPeer.connect(server.address);
    peer.send("[0, 7, {nonsense]");
    peer.send("[0,6,1] [0,5,1]");
    peer.send('[0,8,{"__type__":[9,1]}]');
    peer.send('[0,9,"fine"]');
    const texts = await peer.texts(4);
    expect(texts[0]).toMatch(/^\[2,7,"SerializationError: not JSON/);
    expect(texts[1]).toMatch(/^\[2,6,"SerializationError: not JSON/);
    expect(texts[2]).toMatch(/^\[2,8,"SerializationError: unknown type id 9/);
    expect(texts[3]).toBe('[1,9,"fine"]');
    peer.socket.destroy();
  });

  it("fails only the call whose answer is malformed", async () => {
    await using server = await RawServer.listen();
    const channel = await connectChannel(server.address);
    const calls = [channel.send("a"), channel.send("b"), channel.send("c")];
    await until(() => server.peers.length === 1);
    const peer = server.peers[0]!;
    await peer.texts(3);
    peer.send("[1,0,nonsense]");
    peer.send("[2,1,{]");
    peer.send('[1,2,"fine"]');
    expect(await rejectionOf(calls[0]!)).toMatchObject({ code: "SERIALIZATION_ERROR", executed: "yes" });
    // An exception may have been a refusal.
    expect(await rejectionOf(calls[1]!)).toMatchObject({ code: "SERIALIZATION_ERROR", executed: "unknown" });
    expect(await calls[2]).toBe("fine");
    channel.destroy();
  });

  it("ignores notifications, also malformed ones", async () => {
    await using server = await serveChannels(TCP, echo);
    const peer = await RawPeer.connect(server.address);
    peer.send('[3,0,"hi"]');
    peer.send("[3,0,nonsense]");
    peer.send("[0,1,1]");
    expect(await peer.texts(1)).toStrictEqual(["[1,1,1]"]);
    peer.socket.destroy();
  });

  it("settles pending calls when the peer ends or resets the connection", async () => {
    await using server = await RawServer.listen();
    for (const method of ["end", "resetAndDestroy"] as const) {
      const channel = await connectChannel(server.address);
      const sent = rejectionOf(channel.send("x"));
      await until(() => server.peers.at(-1)?.received.length === 4 + '[0,0,"x"]'.length);
      server.peers.at(-1)!.socket[method]();
      expect(await sent).toMatchObject({ code: "CONNECTION_LOST", executed: "unknown" });
      const error = await channel.closed;
      if (method === "end") expect(error).toBeUndefined();
      else expect(error).toMatchObject({ code: "CONNECTION_LOST", cause: { code: "ECONNRESET" } });
      server.peers.length = 0;
    }
  });

  it("gives up a peer that reads nothing", async () => {
    await using server = await RawServer.listen(({ socket }) => socket.pause());
    const channel = await connectChannel(server.address, { limits: { writeStallMs: 100 } });
    const calls = Array.from({ length: 200 }, () => rejectionOf(channel.send("x".repeat(100_000))));
    const codes = new Set((await Promise.all(calls)).map(({ code }) => code));
    expect(codes).toStrictEqual(new Set(["CONNECTION_LOST"]));
    expect((await channel.closed)!.message).toContain("writeStallMs");
  });

  it("waits for a slow peer that reads at all", async () => {
    await using server = await RawServer.listen(({ socket }) => {
      socket.pause();
      setInterval(() => socket.read(50_000), 20).unref();
    });
    const channel = await connectChannel(server.address, { limits: { writeStallMs: Infinity, maxQueuedBytes: 1000 } });
    const calls = Array.from({ length: 100 }, () => rejectionOf(channel.send("x".repeat(100_000))));
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(channel.stats().pending).toBeGreaterThan(0);
    channel.destroy();
    await Promise.all(calls);
  });

  it("cuts off a peer that sends requests and reads no answers", async () => {
    const limits = { maxQueuedBytes: 10_000, maxRunningCount: 20 };
    const answers: Promise<void>[] = [];
    let closed: Promise<ColloquyError | undefined> | undefined;
    await using server = await serveChannels(
      TCP,
      async (channel) => {
        closed = channel.closed;
        for await (const request of channel) answers.push(request.reply("x".repeat(1_000_000)).catch(() => {}));
      },
      { limits },
    );
    const peer = await RawPeer.connect(server.address);
    peer.socket.pause();
    for (let id = 0; id < 20; id++) peer.send(`[0,${id},1]`);
    await until(() => answers.length === 20);
    // Answers that wait hold their slots: the next requests are refused, and too many refusals end it.
    for (let id = 20; id < 1000; id++) peer.send(`[0,${id},1]`);
    await until(() => closed !== undefined);
    expect(await closed).toMatchObject({
      code: "CONNECTION_LOST",
      message: expect.stringMatching(/doesn't read .*: 160 wait \(8 times maxRunningCount\)/),
    });
    await Promise.all(answers);
    peer.socket.destroy();
  });

  it("takes no harm from requests that cross its close", async () => {
    const network = new LocalNetwork();
    for (const address of [LOCAL, TCP]) {
      let accepted!: (channel: Channel) => void;
      const arrival = new Promise<Channel>((resolve) => (accepted = resolve));
      const server = await serveChannels(address, accepted, { network });
      const near = await connectChannel(server.address, { network });
      const far = await arrival;
      const closing = far.close();
      const crossing = rejectionOf(near.send("crossing"));
      await closing;
      expect((await crossing).executed).toMatch(/unknown|yes|no/);
      expect(await far.closed).toBeUndefined();
      await server.close();
    }
  });
});

describe("serveChannels", () => {
  it("survives a callback that throws, and tells onError", async () => {
    for (const cause of [new Error("first"), "text", undefined, Object.create(null)]) {
      const errors: unknown[] = [];
      await using server = await serveChannels(
        TCP,
        () => {
          throw cause;
        },
        { onError: (error) => errors.push(error) },
      );
      const channel = await connectChannel(server.address);
      await channel.closed;
      await until(() => errors.length === 1);
      expect(errors).toStrictEqual([cause]);
      expect(server.channels.size).toBe(0);
    }
  });

  it("warns where nobody takes the error, also the error of onError", async () => {
    const warned: unknown[] = [];
    vi.spyOn(process, "emitWarning").mockImplementation((text, name) => void warned.push([name, text]));
    const failing = async (): Promise<void> => {
      throw Object.create(null);
    };
    for (const options of [
      {},
      {
        onError: () => {
          throw new Error("of onError");
        },
      },
    ]) {
      await using server = await serveChannels(TCP, failing, options);
      await (
        await connectChannel(server.address)
      ).closed;
    }
    await until(() => warned.length === 2);
    expect(warned).toEqual([
      [
        "ColloquyWarning",
        expect.stringMatching(/^the server of channels failed for \S+: ColloquyError: thrown: .*\n +at /),
      ],
      ["ColloquyWarning", expect.stringMatching(/^onError of a server of channels failed: Error: of onError\n +at /)],
    ]);
  });

  it("is silent about channels that were lost in the callback", async () => {
    const warn = vi.spyOn(process, "emitWarning").mockImplementation(() => {});
    let done = false;
    await using server = await serveChannels(TCP, async (channel) => {
      try {
        for (;;) await channel.recv();
      } finally {
        done = true;
      }
    });
    const channel = await connectChannel(server.address);
    await channel.close();
    await until(() => done);
    expect(warn).not.toHaveBeenCalled();
  });

  it("refuses serializers that are wrong when it is called", async () => {
    const twice = () => [Date, String, (text: string) => new Date(text)] as never;
    for (const codec of [undefined, "auto"] as const) {
      expect(await rejectionOf(serveChannels(TCP, echo, { codec, extraSerializers: [twice, twice] }))).toMatchObject({
        code: "INVALID_ARGUMENT",
      });
    }
    expect(await rejectionOf(connectChannel(TCP, { extraSerializers: [twice, twice] }))).toMatchObject({
      code: "INVALID_ARGUMENT",
    });
  });

  it.each([JsonCodec, "auto"] as const)(
    "survives a serializer factory that fails for one connection, %o",
    async (codec) => {
      const warn = vi.spyOn(process, "emitWarning").mockImplementation(() => {});
      let count = 0;
      const moody = () => {
        if (++count === 2) throw new Error("not today");
        return [Date, String, (text: string) => new Date(text)] as never;
      };
      await using server = await serveChannels(TCP, echo, { codec, extraSerializers: [moody] });
      expect(await rejectionOf((await connectChannel(server.address)).send(1))).toMatchObject({
        code: "CONNECTION_LOST",
      });
      expect(warn.mock.calls).toEqual([[expect.stringMatching(/^no channel for [^]*not today/), "ColloquyWarning"]]);
      const channel = await connectChannel(server.address);
      expect(await channel.send(1)).toBe(1);
      await channel.close();
    },
  );

  it("C4 closes its channels when it is closed, and accepts no more", async () => {
    const server = await serveChannels(TCP, echo);
    const channel = await connectChannel(server.address);
    expect(await channel.send(1)).toBe(1);
    expect(server.channels.size).toBe(1);
    await server.close();
    expect(await channel.closed).toBeUndefined();
    expect(server.channels.size).toBe(0);
    expect(await rejectionOf(connectChannel(server.address))).toMatchObject({ code: "UNAVAILABLE" });
  });

  it("speaks to each client in its codec with codec: auto, and waits with its own messages until it knows", async () => {
    const values: unknown[] = [];
    await using server = await serveChannels(
      TCP,
      async (channel) => {
        expect(channel.codec).toBeUndefined();
        channel.send("early").then(
          (value) => values.push(value),
          () => {},
        );
        await echo(channel);
      },
      { codec: "auto" },
    );
    for (const codec of [undefined, MsgPackCodec]) {
      const channel = await connectChannel(server.address, { codec });
      const value = codec === undefined ? ["json"] : new Uint8Array([1, 2]);
      expect(await channel.send(value)).toStrictEqual(value);
      await (await channel.recv()).reply(codec === undefined ? "json" : "msgpack");
      await channel.close();
    }
    await until(() => values.length === 2);
    expect(values).toStrictEqual(["json", "msgpack"]);

    const peer = await RawPeer.connect(server.address);
    peer.socket.write(Buffer.concat([frame(bytes("93 00 05 a1 61"))]));
    await until(() => peer.received.length >= 8);
    expect(hex(peer.received)).toContain("93 01 05 a1 61".replaceAll(" ", ""));
    peer.socket.destroy();

    for (const first of [bytes("02 01 13 08"), Buffer.alloc(0), bytes("ff"), bytes("7b 7d")]) {
      const stranger = await RawPeer.connect(server.address);
      stranger.send(first);
      await stranger.closed();
    }
  });

  it("has listed limits that are wrong as wrong", async () => {
    const wrong = { code: "INVALID_ARGUMENT", message: "option maxDepth of limits is 0; it takes a number above 0" };
    expect(await rejectionOf(serveChannels(TCP, echo, { limits: { maxDepth: 0 } }))).toMatchObject(wrong);
    expect(await rejectionOf(connectChannel(TCP, { limits: { maxDepth: 0 } }))).toMatchObject(wrong);
  });

  it.each([
    ["a name", "msgpack", 'codec is "msgpack"; it takes a class'],
    ["an instance", new JsonCodec(), "codec is an instance of JsonCodec; pass the class"],
    ["another class", Date, "codec is function; it takes a class"],
  ])("takes %s for no codec, on either side", async (_what, codec, text) => {
    const wrong = { code: "INVALID_ARGUMENT", message: expect.stringContaining(text) };
    expect(await rejectionOf(serveChannels(TCP, echo, { codec: codec as never }))).toMatchObject(wrong);
    expect(await rejectionOf(connectChannel(TCP, { codec: codec as never }))).toMatchObject(wrong);
  });

  it('takes "auto" for no codec of the side that connects', async () => {
    expect(await rejectionOf(connectChannel(TCP, { codec: "auto" as never }))).toMatchObject({
      code: "INVALID_ARGUMENT",
      message: 'codec "auto" is for servers; the side that connects takes a class',
    });
  });

  it.each([[[Date, Number, Date]], [Date.prototype], ["Date"]])("takes %o for no serializer", async (serializer) => {
    const options = { extraSerializers: [serializer as never] };
    const wrong = { code: "INVALID_ARGUMENT", message: expect.stringContaining("extraSerializers takes functions") };
    expect(await rejectionOf(serveChannels(TCP, echo, options))).toMatchObject(wrong);
    expect(await rejectionOf(serveChannels(TCP, echo, { ...options, codec: "auto" }))).toMatchObject(wrong);
    expect(await rejectionOf(connectChannel(TCP, options))).toMatchObject(wrong);
  });

  it("takes a class for no serializer, and says so", async () => {
    class Point {}
    const message =
      "a serializer is the class Point; extraSerializers takes functions () => [Type, serialize, deserialize]";
    const attempt = connectChannel(TCP, { extraSerializers: [Point as never] });
    expect(await rejectionOf(attempt)).toMatchObject({ code: "INVALID_ARGUMENT", message });
  });

  it.each([5, true, {}, () => []])("takes %o for no list of serializers", async (wrong) => {
    const text = expect.stringMatching(/^extraSerializers is \w+; it takes an array of functions$/);
    for (const codec of [undefined, "auto"] as const) {
      const attempt = serveChannels(TCP, echo, { codec, extraSerializers: wrong as never });
      expect(await rejectionOf(attempt)).toMatchObject({ code: "INVALID_ARGUMENT", message: text });
    }
    const attempt = connectChannel(TCP, { extraSerializers: wrong as never });
    expect(await rejectionOf(attempt)).toMatchObject({ code: "INVALID_ARGUMENT", message: text });
  });

  it.each([3, null, undefined, {}, Promise.resolve([])])("says which factory returns %o", async (made) => {
    const date: SerializerFactory<Date> = () => [Date, Number, (time: number) => new Date(time)];
    const extraSerializers = [date, (() => made) as never];
    const wrong = {
      code: "INVALID_ARGUMENT",
      message: expect.stringMatching(/^serializer 1 returns \w+ instead of \[/),
    };
    expect(await rejectionOf(connectChannel(TCP, { extraSerializers }))).toMatchObject(wrong);
    expect(thrownBy(() => new JsonCodec(extraSerializers))).toMatchObject(wrong);
  });
});
