import { setTimeout as sleep } from "node:timers/promises";
import v8 from "node:v8";
import { describe, expect, it } from "vitest";
import { Channel } from "../src/channel.ts";
import { Codec } from "../src/codec.ts";
import type { CodecClass } from "../src/codec.ts";
import { connectChannel } from "../src/connect-channel.ts";
import type { ColloquyError } from "../src/errors.ts";
import { JsonCodec } from "../src/json-codec.ts";
import { DEFAULT_LIMITS } from "../src/limits.ts";
import type { Limits } from "../src/limits.ts";
import { LocalNetwork } from "../src/local-transport.ts";
import { MsgPackCodec } from "../src/msgpack-codec.ts";
import { codec } from "../src/function-codec.ts";
import { StructuredCloneCodec } from "../src/structured-clone-codec.ts";
import { serveChannels } from "../src/serve-channels.ts";
import type { SerializerFactory } from "../src/serializers.ts";
import { checkCodec } from "../src/testing.ts";
import type { Transport, TransportReceiver } from "../src/transport.ts";
import { RawServer, Stranger, frame, payloads, rejectionOf, thrownBy, until } from "./support.ts";

class Point {
  readonly x: unknown;
  readonly y: unknown;
  constructor(x: unknown, y: unknown) {
    this.x = x;
    this.y = y;
  }
}
const point: SerializerFactory<Point> = () => [Point, (p) => [p.x, p.y], ([x, y]) => new Point(x, y)];

/** A codec of one's own: two methods. */
class Hexed extends Codec {
  override encode(value: unknown): Uint8Array {
    return Buffer.from(Buffer.from(new MsgPackCodec().encode(this.serialize(value))).toString("hex"));
  }
  override decode(data: Uint8Array): unknown {
    return this.deserialize(new MsgPackCodec().decode(Buffer.from(Buffer.from(data).toString(), "hex")));
  }
}

/** JSON through promises that would settle out of order if they were all at work at once. */
class Later extends Codec {
  static active = 0;
  static mostActive = 0;
  override async encode(value: unknown): Promise<Uint8Array> {
    const text = JSON.stringify(this.serialize(value));
    await Later.pause(text);
    return Buffer.from(text);
  }
  override async decode(data: Uint8Array): Promise<unknown> {
    const text = Buffer.from(data).toString();
    await Later.pause(text);
    return this.deserialize(JSON.parse(text));
  }
  static async pause(text: string): Promise<void> {
    Later.mostActive = Math.max(Later.mostActive, ++Later.active);
    // Long texts take longer, some take no turn at all.
    for (let turn = text.length % 4; turn > 0; turn--) await new Promise((resolve) => setImmediate(resolve));
    Later.active--;
  }
}

/** All that `serialize` leaves, and more, has a form in the serialization of V8. */
class Own extends Codec {
  override encode(value: unknown): Uint8Array {
    return Uint8Array.from(v8.serialize(this.serialize(value)));
  }
  override decode(data: Uint8Array): unknown {
    return this.deserialize(v8.deserialize(data));
  }
}

class OwnLater extends Codec {
  override async encode(value: unknown): Promise<Uint8Array> {
    return Uint8Array.from(v8.serialize(this.serialize(value)));
  }
  override async decode(data: Uint8Array): Promise<unknown> {
    return this.deserialize(v8.deserialize(data));
  }
}

class Plain extends Codec {
  override encode(value: unknown): Uint8Array {
    return Buffer.from(JSON.stringify(this.serialize(value)));
  }
  override decode(data: Uint8Array): unknown {
    return this.deserialize(JSON.parse(Buffer.from(data).toString()));
  }
}

async function pair(codec: CodecClass, address: string): Promise<AsyncDisposable & { near: Channel; far: Channel }> {
  const options = { codec, network: new LocalNetwork(), extraSerializers: [point] };
  let accepted!: (channel: Channel) => void;
  const arrival = new Promise<Channel>((resolve) => (accepted = resolve));
  const server = await serveChannels(address, accepted, options);
  const near = await connectChannel(server.address, options);
  const far = await arrival;
  return {
    near,
    far,
    [Symbol.asyncDispose]: async () => {
      near.destroy();
      await server.close();
    },
  };
}

describe("the contract of codecs", () => {
  it.each([
    ["JsonCodec", JsonCodec],
    ["MsgPackCodec", MsgPackCodec],
    ["one of one's own", Own],
    ["one with promises", OwnLater],
  ])("is kept by %s", async (_name, codec) => {
    await checkCodec(codec);
  });

  it("is not kept by one that changes -0 without a word", async () => {
    expect((await rejectionOf(checkCodec(Plain))).message).toBe(
      "codec Plain: a value is carried as it is or refused: -0",
    );
  });

  it("is not kept by one that knows built-in types in its own way, and loses something", async () => {
    class Dated extends Own {
      protected override serialize(value: unknown): unknown {
        const texts = (given: unknown): unknown => {
          if (given instanceof Date) return given.toISOString();
          return Array.isArray(given) ? given.map(texts) : given;
        };
        return super.serialize(texts(value));
      }
    }
    // Without a connection it refuses dates no more, either.
    expect((await rejectionOf(checkCodec(Dated))).message).toMatch(/^codec Dated: .*Date/);
  });

  it("is not kept by one that leaves built-in types in their extended form", async () => {
    class Bare extends Own {
      protected override deserialize(plain: unknown): unknown {
        return JSON.stringify(plain).includes('"__type__":[-') ? plain : super.deserialize(plain);
      }
    }
    expect((await rejectionOf(checkCodec(Bare))).message).toBe(
      "codec Bare: a value of a built-in type arrives as it is: undefined",
    );
  });

  it("is not kept by one that loses something", async () => {
    class Lossy extends Codec {
      override encode(value: unknown): Uint8Array {
        return Buffer.from(JSON.stringify(value) ?? "null");
      }
      override decode(data: Uint8Array): unknown {
        return JSON.parse(Buffer.from(data).toString());
      }
    }
    expect((await rejectionOf(checkCodec(Lossy))).message).toMatch(/^codec Lossy: /);
  });
});

describe("a codec of one's own", () => {
  it("has its class for a name", () => {
    expect(new Plain().name).toBe("Plain");
  });

  it("refuses what its types don't cover, in the words of the others", () => {
    const codec = new Plain([point]);
    expect(thrownBy(() => codec.encode([1, { a: new Date() }])).message).toBe(
      "no serializer for Date; see extraSerializers, at [1].a",
    );
    expect(thrownBy(() => codec.encode({ __type__: 1 })).message).toContain("__type__");
    expect(thrownBy(() => codec.encode(["\ud800"])).message).toContain("lone surrogate");
    expect(thrownBy(() => codec.decode(Buffer.from('{"a":{"__proto__":1}}'))).message).toContain("__proto__");
    expect(thrownBy(() => codec.decode(Buffer.from('{"__type__":[1,1]}'))).message).toContain("unknown type id 1");
    const deep = `${"[".repeat(65)}${"]".repeat(65)}`;
    expect(thrownBy(() => codec.decode(Buffer.from(deep))).message).toContain("maxDepth");
    expect(codec.decode(Buffer.from(deep.slice(1, -1)))).toBeDefined();
  });

  it("carries all of MsgPack's values where it builds upon it", () => {
    const codec = new Hexed();
    const value = [null, -0, "ä", { a: new Uint8Array([1]) }];
    expect(codec.decode(codec.encode(value))).toStrictEqual(value);
  });
});

describe.each([
  ["local", "local://codec"],
  ["TCP", "tcp://127.0.0.1:0"],
])("a channel over %s with a codec of one's own", (_name, address) => {
  it.each([
    ["that answers at once", Plain],
    ["with promises", Later],
  ])("%s keeps the order in both directions", async (_kind, codec) => {
    Later.mostActive = 0;
    await using channels = await pair(codec, address);
    const { near, far } = channels;
    const contents = Array.from({ length: 200 }, (_, index) => [
      index,
      "x".repeat((index * 7) % 13),
      new Point(index, null),
    ]);
    const arrived: unknown[] = [];
    const answering = (async () => {
      for await (const request of far) {
        arrived.push(request.content);
        // Not awaited: answers come in bulk.
        void request.reply([request.content]);
        if (arrived.length === 200) break;
      }
    })();
    const settled: unknown[] = [];
    const back = Array.from({ length: 50 }, (_, index) => far.send(["back", index, "y".repeat(index % 5)]));
    await Promise.all(contents.map(async (content) => settled.push(await near.send(content))));
    await answering;
    expect(arrived).toStrictEqual(contents);
    expect(settled).toStrictEqual(contents.map((content) => [content]));
    for (let index = 0; index < 50; index++) {
      const request = await near.recv();
      expect((request.content as unknown[])[1]).toBe(index);
      void request.reply(index);
    }
    expect(await Promise.all(back)).toStrictEqual(back.map((_, index) => index));
    expect(near.stats()).toMatchObject({ pending: 0, running: 0, waiting: 0 });
  });

  it.each([
    ["that answers at once", Plain],
    ["with promises", Later],
  ])("%s fails only the call that can't be carried", async (_kind, codec) => {
    await using channels = await pair(codec, address);
    const { near, far } = channels;
    void (async () => {
      for await (const request of far)
        void request.reply(request.content === "bad" ? [new Stranger()] : request.content);
    })();
    const results = await Promise.allSettled([
      near.send(1),
      near.send([[], new Stranger()]),
      near.send("bad"),
      near.send(2),
    ]);
    expect(results[0]).toMatchObject({ status: "fulfilled", value: 1 });
    expect(results[1]).toMatchObject({
      reason: {
        code: "SERIALIZATION_ERROR",
        place: [1],
        message: "no serializer for Stranger; see extraSerializers, at [1]",
      },
    });
    expect(results[2]).toMatchObject({
      reason: {
        code: "REMOTE_ERROR",
        message: expect.stringContaining("no serializer for Stranger; see extraSerializers, at [0]"),
      },
    });
    expect(results[3]).toMatchObject({ status: "fulfilled", value: 2 });
  });

  it("with promises sends everything before it closes", async () => {
    await using channels = await pair(Later, address);
    const { near, far } = channels;
    const answers = Array.from({ length: 20 }, (_, index) => near.send(["q".repeat(index)]));
    for (let count = 0; count < 20; count++) {
      const request = await far.recv();
      void request.reply(request.content);
    }
    await far.close();
    expect(await Promise.all(answers)).toStrictEqual(answers.map((_, index) => ["q".repeat(index)]));
  });
});

describe("a channel with a codec that fails", () => {
  it("that throws anything fails the call, and lets others go on", async () => {
    class Moody extends Plain {
      override encode(value: unknown): Uint8Array {
        if (JSON.stringify(value).includes("forbidden")) throw undefined;
        return super.encode(value);
      }
    }
    await using channels = await pair(Moody, "local://codec");
    const { near, far } = channels;
    const sent = near.send(1);
    expect(await rejectionOf(near.send("forbidden"))).toMatchObject({ code: "SERIALIZATION_ERROR", executed: "no" });
    const request = await far.recv();
    await request.reply("forbidden");
    expect(await rejectionOf(sent)).toMatchObject({ remoteName: "ColloquyError" });
  });

  it("that can encode nothing ends the connection instead of the process", async () => {
    class Broken extends Plain {
      static broken = false;
      override encode(value: unknown): Uint8Array {
        if (Broken.broken) throw new Error("out of order");
        return super.encode(value);
      }
    }
    await using channels = await pair(Broken, "local://codec");
    const { near, far } = channels;
    const sent = rejectionOf(near.send(1));
    const request = await far.recv();
    Broken.broken = true;
    await request.reply(2);
    expect(await far.closed).toMatchObject({ message: expect.stringContaining("no answer can be sent") });
    expect(await sent).toMatchObject({ code: "CONNECTION_LOST" });
  });

  it("that can decode nothing closes the connection with a protocol error", async () => {
    for (const codec of [Plain, Later]) {
      await using server = await RawServer.listen();
      const channel = await connectChannel(server.address, { codec });
      const sent = rejectionOf(channel.send(1));
      await until(() => server.peers.length === 1);
      server.peers[0]!.send("nonsense");
      expect(await channel.closed).toMatchObject({ code: "PROTOCOL_ERROR" });
      expect(await sent).toMatchObject({ code: "CONNECTION_LOST" });
    }
  });

  it("that decodes later fails one answer where only its content is wrong", async () => {
    for (const codec of [Plain, Later]) {
      await using server = await RawServer.listen();
      const channel = await connectChannel(server.address, { codec });
      const calls = [channel.send(1), channel.send(2)];
      await until(() => server.peers.length === 1);
      server.peers[0]!.send('[1,0,[{"__type__":[7,1]}]]');
      server.peers[0]!.send("[1,1,2]");
      const error = await rejectionOf(calls[0]!);
      expect(error).toMatchObject({ code: "SERIALIZATION_ERROR", executed: "yes" });
      expect(error.message).toContain("at [0]");
      expect(await calls[1]).toBe(2);
      channel.destroy();
    }
  });

  it("that is still at work when the connection ends leaves nothing waiting", async () => {
    class Stuck extends Codec {
      static release: (() => void)[] = [];
      override async encode(value: unknown): Promise<Uint8Array> {
        await new Promise<void>((resolve) => Stuck.release.push(resolve));
        return Buffer.from(JSON.stringify(value));
      }
      override decode(): unknown {
        throw new Error("nothing comes");
      }
    }
    await using channels = await pair(Stuck, "local://codec");
    const { near } = channels;
    const calls = [near.send(1), near.send(2)].map((sent) => rejectionOf(sent));
    near.destroy();
    expect(await calls[1]).toMatchObject({ code: "CONNECTION_LOST", executed: "no" });
    for (const release of Stuck.release) release();
    expect(await calls[0]).toMatchObject({ code: "CONNECTION_LOST", executed: "no" });
    expect(near.stats()).toMatchObject({ pending: 0, waiting: 0 });
  });
});

describe("a connection that ends while its codec decodes in promises", () => {
  /** JSON; each message takes some milliseconds, so that what follows it is there before it is done. */
  class SlowlyDecoded extends Codec {
    override encode(value: unknown): Uint8Array {
      return Buffer.from(JSON.stringify(this.serialize(value)));
    }
    override async decode(data: Uint8Array): Promise<unknown> {
      await sleep(10);
      return this.deserialize(JSON.parse(Buffer.from(data).toString()));
    }
  }

  /** Three calls in the order in which they settle. */
  function threeCalls(channel: Channel): { settled: unknown[]; all: Promise<unknown> } {
    const settled: unknown[] = [];
    const calls = [1, 2, 3].map((content) =>
      channel.send(content).then(
        (result) => settled.push(result),
        (error: ColloquyError) => settled.push(error.code),
      ),
    );
    return { settled, all: Promise.all(calls) };
  }

  it.each(["in one write", "in a write each", "in a write each, with time between"])(
    "in order behind three answers, %s, settles all of them",
    async (how) => {
      await using server = await RawServer.listen();
      const channel = await connectChannel(server.address, { codec: SlowlyDecoded });
      const { settled, all } = threeCalls(channel);
      await until(() => server.peers.length === 1 && payloads(server.peers[0]!.received).length === 3);
      const { socket } = server.peers[0]!;
      const answers = ['[1,0,"a"]', '[1,1,"b"]', '[1,2,"c"]'].map(frame);
      for (const bytes of how === "in one write" ? [Buffer.concat(answers)] : answers) {
        socket.write(bytes);
        if (how.endsWith("between")) await sleep(4);
      }
      socket.end();
      expect(await channel.closed).toBeUndefined();
      await all;
      expect(settled).toStrictEqual(["a", "b", "c"]);
    },
  );

  it("at once behind three answers settles all of them", async () => {
    await using channels = await pair(SlowlyDecoded, "local://codec");
    const { near, far } = channels;
    const { settled, all } = threeCalls(near);
    const requests = [await far.recv(), await far.recv(), await far.recv()];
    await Promise.all(requests.map((request, index) => request.reply("abc"[index])));
    await new Promise((resolve) => process.nextTick(resolve));
    far.destroy();
    await near.closed;
    await all;
    expect(settled).toStrictEqual(["a", "b", "c"]);
  });

  /** A channel on a transport that delivers when a test says so, with its three calls. */
  function byHand(limits: Partial<Limits> = {}): {
    channel: Channel;
    receiver: TransportReceiver;
    settled: unknown[];
    all: Promise<unknown>;
  } {
    let receiver!: TransportReceiver;
    const transport: Transport = {
      remoteAddress: "tcp://by-hand:1",
      queuedBytes: 0,
      open: (opened) => (receiver = opened),
      write: () => true,
      writePiece: (_head, _piece, onLeft) => onLeft(),
      pause: () => {},
      resume: () => {},
      end: () => {},
      destroy: () => {},
    };
    const channel = new Channel(transport, new SlowlyDecoded(), { ...DEFAULT_LIMITS, ...limits });
    return { channel, receiver, ...threeCalls(channel) };
  }

  it("with an error settles what came before it, and fails the rest with that error", async () => {
    const { channel, receiver, settled, all } = byHand();
    receiver.onChunk(Buffer.concat(['[1,0,"a"]', '[1,1,"b"]'].map(frame)));
    receiver.onClose(new Error("reset"));
    expect(await channel.closed).toMatchObject({ code: "CONNECTION_LOST", message: "reset" });
    await all;
    expect(settled).toStrictEqual(["a", "b", "CONNECTION_LOST"]);
  });

  it("settles the others where one answer can't be decoded", async () => {
    const { channel, receiver, settled, all } = byHand();
    receiver.onChunk(Buffer.concat(['[1,0,{"__type__":[7,1]}]', '[1,1,"b"]', '[2,2,"no"]'].map(frame)));
    receiver.onClose(undefined);
    expect(await channel.closed).toBeUndefined();
    await all;
    expect(settled).toStrictEqual(["SERIALIZATION_ERROR", "b", "REMOTE_ERROR"]);
  });

  it("fails what is behind a payload that is no message", async () => {
    const { channel, receiver, settled, all } = byHand();
    receiver.onChunk(Buffer.concat(['[1,0,"a"]', "nonsense", '[1,2,"c"]'].map(frame)));
    receiver.onClose(undefined);
    expect(await channel.closed).toMatchObject({ code: "PROTOCOL_ERROR" });
    await all;
    expect(settled).toStrictEqual(["a", "CONNECTION_LOST", "CONNECTION_LOST"]);
  });

  it("waits for `closeGraceMs` at most", async () => {
    const { channel, receiver, settled, all } = byHand({ closeGraceMs: 5 });
    receiver.onChunk(Buffer.concat(['[1,0,"a"]', '[1,1,"b"]', '[1,2,"c"]'].map(frame)));
    receiver.onClose(undefined);
    expect(await channel.closed).toBeUndefined();
    await all;
    expect(settled).toStrictEqual(["CONNECTION_LOST", "CONNECTION_LOST", "CONNECTION_LOST"]);
  });
});

describe("an object that is read by iteration alone", () => {
  const plain = codec({
    name: "plain",
    encode: (value) => Buffer.from(JSON.stringify(value)),
    decode: (encoded) => JSON.parse(Buffer.from(encoded).toString()) as unknown,
  });

  it.each([JsonCodec, MsgPackCodec, StructuredCloneCodec, plain])(
    "is refused, and not sent as {}: %o",
    async (type) => {
      const iterable = { async *[Symbol.asyncIterator]() {} };
      const encode = async (value: unknown): Promise<unknown> => new type().encode(value);
      await expect(encode([iterable])).rejects.toMatchObject({ code: "SERIALIZATION_ERROR", place: [0] });
      expect(new type().decode((await encode([{}])) as Uint8Array)).toEqual([{}]);
    },
  );
});
