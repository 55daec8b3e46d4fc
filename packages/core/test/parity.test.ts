import { once } from "node:events";
import type { LookupFunction } from "node:net";
import tls from "node:tls";
import { beforeAll, describe, expect, test } from "vitest";
import {
  Codec,
  JsonCodec,
  LocalNetwork,
  MsgPackBloscCodec,
  MsgPackCodec,
  NdArray,
  RemoteError,
  SerializationError,
  connectChannel,
  ndarraySerializer,
  serializable,
  serveChannels,
} from "../src/index.ts";
import type { Channel, ConnectChannelOptions, SerializerFactory, ServeChannelsOptions } from "../src/index.ts";
import { makeAuthority } from "./certificates.ts";
import type { Authority } from "./certificates.ts";
import { RawPeer, RawServer, Stranger, expectSame, hex, rejectionOf, thrownBy, until } from "./support.ts";

/*
 * What `docs/coming-from-aiomas.md` promises of channels and codecs: the number at the beginning of a name is that of a row of
 * the list in `test/parity.test.ts`.
 */

const TCP = "tcp://127.0.0.1:0";

async function echo(channel: Channel): Promise<void> {
  for await (const request of channel) await request.reply(request.content);
}

interface Pair extends AsyncDisposable {
  readonly near: Channel;
  /** The server's side. */
  readonly far: Channel;
}

/** A channel and its other end, over a socket. */
async function pair(options: ConnectChannelOptions & ServeChannelsOptions = {}): Promise<Pair> {
  const arrived: Channel[] = [];
  const server = await serveChannels(TCP, (channel) => void arrived.push(channel), options);
  const near = await connectChannel(server.address, options);
  await until(() => arrived.length === 1);
  const dispose = async (): Promise<void> => {
    near.destroy();
    await server.close({ graceMs: 0 });
  };
  return { near, far: arrived[0]!, [Symbol.asyncDispose]: dispose };
}

/** A port where nobody listens. */
async function freeAddress(): Promise<string> {
  const server = await serveChannels(TCP, () => {});
  await server.close();
  return server.address;
}

class Point {
  readonly x: number;
  readonly y: number;
  constructor(x: number, y: number) {
    this.x = x;
    this.y = y;
  }
}

const point: SerializerFactory<Point> = () => [
  Point,
  ({ x, y }: Point) => [x, y],
  ([x, y]: number[]) => new Point(x!, y!),
];

describe("opening and serving channels", () => {
  test("C1 connectChannel takes an address, a codec, extra serializers and a timeout", async () => {
    const options = { codec: MsgPackCodec, extraSerializers: [point] };
    await using server = await serveChannels(TCP, echo, options);
    await using channel = await connectChannel(server.address, { ...options, timeout: 5000 });
    expectSame(await channel.send([new Point(1, 2)]), [new Point(1, 2)]);
  });

  test("C1 what is no address is refused", async () => {
    for (const address of ["spam", "tcp://127.0.0.1", "http://127.0.0.1:5555", ["127.0.0.1", 5555], undefined]) {
      expect(await rejectionOf(connectChannel(address as string))).toMatchObject({ code: "INVALID_ARGUMENT" });
    }
  });

  test("C2 timeout 0, the default, is one attempt, and the system's error is told", async () => {
    const address = await freeAddress();
    for (const options of [{}, { timeout: 0 }]) {
      const error = await rejectionOf(connectChannel(address, options));
      expect(error).toMatchObject({ code: "UNAVAILABLE", cause: { code: "ECONNREFUSED" } });
    }
  });

  test("C2 a timeout of n ms tries for that long, then tells the last error", async () => {
    const begun = performance.now();
    const error = await rejectionOf(connectChannel(await freeAddress(), { timeout: 80 }));
    expect(performance.now() - begun).toBeGreaterThan(70);
    expect(error).toMatchObject({ code: "UNAVAILABLE", cause: { code: "ECONNREFUSED" } });
  });

  test.each([5000, Infinity])("C2 with timeout %d a server may come later", async (timeout) => {
    const address = await freeAddress();
    const connecting = connectChannel(address, { timeout });
    // One attempt has failed by then.
    await rejectionOf(connectChannel(address));
    await using server = await serveChannels(address, echo);
    await using channel = await connecting;
    expect(await channel.send(1)).toBe(1);
    expect(server.channels.size).toBe(1);
  });

  test("C2 only what is refused or missing is tried again", async () => {
    const wrong = connectChannel("tcp://127.0.0.1:1", { timeout: Infinity, socket: { localAddress: "192.0.2.1" } });
    expect(await rejectionOf(wrong)).toMatchObject({ code: "UNAVAILABLE" });
  });

  test("C2 a signal gives the attempts up", async () => {
    const abort = new AbortController();
    const address = await freeAddress();
    const connecting = rejectionOf(connectChannel(address, { timeout: Infinity, signal: abort.signal }));
    await rejectionOf(connectChannel(address));
    abort.abort("enough");
    expect(await connecting).toMatchObject({ code: "CANCELLED", cause: "enough" });
  });

  test("C3 options of the socket go to Node's net", async () => {
    await using server = await serveChannels(TCP, echo);
    const asked: string[] = [];
    const lookup: LookupFunction = (host, { all }, found) => {
      asked.push(host);
      if (all === true) found(null, [{ address: "127.0.0.1", family: 4 }]);
      else found(null, "127.0.0.1", 4);
    };
    const named = server.address.replace("127.0.0.1", "nowhere.invalid");
    await using channel = await connectChannel(named, { socket: { lookup }, dangerouslyAllowPlaintext: true });
    expect(await channel.send(1)).toBe(1);
    expect(asked).toStrictEqual(["nowhere.invalid"]);
    // Those of listening: it ends with this signal.
    const abort = new AbortController();
    const other = await serveChannels(TCP, echo, { socket: { signal: abort.signal } });
    abort.abort();
    expect(await rejectionOf(connectChannel(other.address))).toMatchObject({ code: "UNAVAILABLE" });
  });

  test("C4 a server calls back with a channel for each client; close() waits until all is closed", async () => {
    const channels: Channel[] = [];
    const server = await serveChannels(TCP, (channel) => {
      channels.push(channel);
      return echo(channel);
    });
    const [a, b] = [await connectChannel(server.address), await connectChannel(server.address)];
    expect(await Promise.all([a.send("a"), b.send("b")])).toStrictEqual(["a", "b"]);
    expect(channels).toHaveLength(2);
    expect([...server.channels]).toStrictEqual(channels);
    await server.close();
    expect(server.channels.size).toBe(0);
    expect(await rejectionOf(connectChannel(server.address))).toMatchObject({ code: "UNAVAILABLE" });
    await Promise.all([a.closed, b.closed]);
  });

  test("C5 each connection has an instance of the codec of its own", async () => {
    let made = 0;
    class Counted extends JsonCodec {
      constructor(serializers?: Iterable<SerializerFactory>) {
        super(serializers);
        made++;
      }
    }
    await using server = await serveChannels(TCP, echo, { codec: Counted });
    await using a = await connectChannel(server.address, { codec: Counted });
    await using b = await connectChannel(server.address, { codec: Counted });
    await Promise.all([a.send(1), b.send(1)]);
    const codecs = [a, b, ...server.channels].map(({ codec }) => codec);
    expect(new Set(codecs).size).toBe(4);
    expect(codecs.every((codec) => codec instanceof Counted)).toBe(true);
    expect(made).toBeGreaterThanOrEqual(4);
  });

  test("C17 port 0 takes a port of the system, and the address tells which", async () => {
    await using server = await serveChannels(TCP, echo);
    expect(Number(/^tcp:\/\/127\.0\.0\.1:(\d+)$/.exec(server.address)?.[1])).toBeGreaterThan(0);
    await using channel = await connectChannel(server.address);
    expect(await channel.send(1)).toBe(1);
  });

  test("D9 two servers on port 0 have two ports", async () => {
    await using one = await serveChannels(TCP, () => {});
    await using other = await serveChannels(TCP, () => {});
    expect(one.address).not.toBe(other.address);
  });
});

describe("sending and receiving", () => {
  test("C7 send gives a promise of the answer, in both directions", async () => {
    await using link = await pair();
    void echo(link.far);
    void echo(link.near);
    const sent = link.near.send("there");
    expect(sent).toBeInstanceOf(Promise);
    expect(await Promise.all([sent, link.far.send("back")])).toStrictEqual(["there", "back"]);
  });

  test("C7 a message over the limit fails at its sender, before anything is sent", async () => {
    await using link = await pair({ limits: { maxMessageBytes: 1000 } });
    void echo(link.far);
    for (const sender of [link.near, link.far]) {
      const error = await rejectionOf(sender.send("x".repeat(1000)));
      expect(error).toMatchObject({ code: "RESOURCE_EXHAUSTED", executed: "no" });
      expect(sender.stats().sentBytes).toBe(0);
    }
    expect(await link.near.send("x".repeat(900))).toHaveLength(900);
  });

  test("C7 the limit is 2^31-1 bytes at most", async () => {
    const limits = { maxMessageBytes: 2 ** 31 };
    expect(await rejectionOf(serveChannels(TCP, echo, { limits }))).toMatchObject({ code: "INVALID_ARGUMENT" });
  });

  test("C8 recv hands out requests in order; a second waiter is refused", async () => {
    await using link = await pair();
    const first = link.far.recv();
    expect(await rejectionOf(link.far.recv())).toMatchObject({ code: "INVALID_ARGUMENT" });
    for (const n of [0, 1, 2]) void link.near.send(n).catch(() => {});
    expect((await first).content).toBe(0);
    expect((await link.far.recv()).content).toBe(1);
    expect((await link.far.recv()).content).toBe(2);
  });

  test("C8 a channel is iterated, and what had come is handed out before the failure", async () => {
    await using link = await pair();
    for (const n of [0, 1, 2]) void link.near.send(n).catch(() => {});
    await until(() => link.far.stats().running === 3);
    link.near.destroy();
    await link.far.closed;
    expect((await link.far.recv()).content).toBe(0);
    const seen: unknown[] = [];
    for await (const request of link.far) seen.push(request.content);
    expect(seen).toStrictEqual([1, 2]);
    expect(await rejectionOf(link.far.recv())).toMatchObject({ code: "CONNECTION_LOST" });
  });

  test("C9 a request has its content, and is answered by reply or by fail", async () => {
    await using link = await pair();
    const answers = [link.near.send("a"), rejectionOf(link.near.send("b"))];
    const [a, b] = [await link.far.recv(), await link.far.recv()];
    expect([a.content, b.content]).toStrictEqual(["a", "b"]);
    await b.fail(new RangeError("no b"));
    await a.reply("A");
    expect(await answers[0]).toBe("A");
    expect(await answers[1]).toMatchObject({ code: "REMOTE_ERROR", remoteName: "RangeError", message: "no b" });
  });

  test("C9 a reply that can't be encoded becomes a failure", async () => {
    await using link = await pair();
    const sent = rejectionOf(link.near.send(1));
    await (await link.far.recv()).reply(new Stranger());
    expect((await sent).message).toContain("Stranger");
    void echo(link.far);
    expect(await link.near.send(2)).toBe(2);
  });

  test("C10 a RemoteError has the class, the message and the traceback of the other side", async () => {
    const traceback = 'Traceback (most recent call last):\n  File "a.py", line 1, in f\nValueError: no spam\n';
    await using server = await RawServer.listen((peer) => {
      peer.socket.once("data", () => peer.send(JSON.stringify([2, 0, traceback])));
    });
    const channel = await connectChannel(server.address);
    const error = await rejectionOf(channel.send(1));
    expect(error).toBeInstanceOf(RemoteError);
    expect(error).toMatchObject({ remoteName: "ValueError", message: "no spam" });
    expect((error as RemoteError).remoteStack).toContain('File "a.py", line 1, in f');
    // The caller's own stack.
    expect(error.stack).toContain("parity.test.ts");
    channel.destroy();
  });

  test("C13 messages wait while much is queued, and leave when the other side reads", async () => {
    let held: RawPeer | undefined;
    await using server = await RawServer.listen((peer) => {
      held = peer;
      peer.socket.pause();
    });
    const channel = await connectChannel(server.address, { limits: { maxQueuedBytes: 10_000 } });
    // Beyond what the system takes; no call of `send` waits for room.
    for (let count = 0; count < 300; count++) channel.send("x".repeat(100_000)).catch(() => {});
    await until(() => channel.stats().waiting > 0, "a full output");
    expect(channel.stats().queuedBytes).toBeLessThan(1_000_000);
    let received = 0;
    held!.socket.removeAllListeners("data");
    held!.socket.on("data", (chunk: Buffer) => (received += chunk.length)).resume();
    await until(() => channel.stats().waiting === 0 && received > 300 * 100_000, "all messages");
    channel.destroy();
  });

  test("C13 calls without an answer are bounded", async () => {
    await using link = await pair({ limits: { maxPendingCount: 2 } });
    const sent = [link.near.send(1), link.near.send(2)];
    expect(await rejectionOf(link.near.send(3))).toMatchObject({ code: "RESOURCE_EXHAUSTED", executed: "no" });
    void echo(link.far);
    expect(await Promise.all(sent)).toStrictEqual([1, 2]);
  });

  test("C14 the end of the connection fails the waiter and all pending calls", async () => {
    await using link = await pair();
    const waiter = rejectionOf(link.near.recv());
    const calls = [rejectionOf(link.near.send(1)), rejectionOf(link.near.send(2))];
    await link.far.recv();
    link.far.destroy();
    expect(await waiter).toMatchObject({ code: "CONNECTION_LOST" });
    for (const call of calls)
      expect(await call).toMatchObject({ code: "CONNECTION_LOST", executed: expect.stringMatching(/^(unknown|no)$/) });
    expect(await rejectionOf(link.near.send(3))).toMatchObject({ code: "CONNECTION_LOST", executed: "no" });
  });

  test("C15 close() waits for pending calls, and for what is being written", async () => {
    await using link = await pair();
    const call = link.near.send("x".repeat(5_000_000));
    const closing = link.near.close();
    const request = await link.far.recv();
    expect(request.content).toHaveLength(5_000_000);
    await request.reply("done");
    expect(await call).toBe("done");
    await closing;
    expect(await link.near.closed).toBeUndefined();
  });

  test("C15 close() waits for `graceMs` at most", async () => {
    await using link = await pair();
    const call = rejectionOf(link.near.send(1));
    await link.far.recv();
    await link.near.close({ graceMs: 1 });
    expect(await call).toMatchObject({ code: "CONNECTION_LOST" });
  });

  test("C15 a channel tells its codec and the address of the other side", async () => {
    await using server = await serveChannels(TCP, echo, { codec: MsgPackCodec });
    await using channel = await connectChannel(server.address, { codec: MsgPackCodec });
    expect(channel.codec).toBeInstanceOf(MsgPackCodec);
    expect(channel.remoteAddress).toBe(server.address);
    await channel.send(1);
    expect([...server.channels][0]!.remoteAddress).toContain("127.0.0.1");
  });
});

describe("TLS", () => {
  type Pems = Awaited<ReturnType<Authority["issue"]>>;
  let server: Pems;
  let client: Pems;
  let stranger: Pems;

  beforeAll(async () => {
    const [ours, theirs] = [await makeAuthority(), await makeAuthority("Stranger")];
    server = await ours.issue("127.0.0.1");
    client = await ours.issue("client.test");
    stranger = { ...(await theirs.issue("client.test")), ca: server.ca };
  });

  test("C18 both sides show certificates; without one, or with a stranger's, a client is refused", async () => {
    await using serving = await serveChannels(TCP, echo, { tls: server });
    await using channel = await connectChannel(serving.address, { tls: client });
    expect(await channel.send("secret")).toBe("secret");
    for (const bad of [{ ca: server.ca }, stranger]) {
      const sent = connectChannel(serving.address, { tls: bad }).then((open) => open.send(1));
      expect(["CONNECTION_LOST", "UNAVAILABLE"]).toContain((await rejectionOf(sent)).code);
    }
    expect(serving.channels.size).toBe(1);
  });

  test("C18 a server that allows anonymous clients takes one with `ca` alone", async () => {
    await using serving = await serveChannels(TCP, echo, {
      tls: { ...server, dangerouslyAllowAnonymousClients: true },
    });
    await using channel = await connectChannel(serving.address, { tls: { ca: server.ca } });
    expect(await channel.send(1)).toBe(1);
  });

  test("C18 the name of the host is checked", async () => {
    await using serving = await serveChannels(TCP, echo, { tls: { ...server, cert: client.cert, key: client.key } });
    expect(await rejectionOf(connectChannel(serving.address, { tls: client }))).toMatchObject({ code: "UNAVAILABLE" });
  });

  test("C18 it is TLS 1.2 at least, with ECDHE and AES-GCM among the ciphers", async () => {
    await using serving = await serveChannels(TCP, echo, { tls: server });
    const handshake = async (options: tls.ConnectionOptions): Promise<string> => {
      const port = Number(serving.address.split(":").at(-1));
      const socket = tls.connect({ host: "127.0.0.1", port, ...client, ...options });
      try {
        await once(socket, "secureConnect");
        return `${socket.getProtocol()} ${socket.getCipher().name}`;
      } catch {
        return "refused";
      } finally {
        socket.destroy();
      }
    };
    const old: tls.ConnectionOptions = { minVersion: "TLSv1", maxVersion: "TLSv1.1", ciphers: "DEFAULT@SECLEVEL=0" };
    expect(await handshake(old)).toBe("refused");
    expect(await handshake({ maxVersion: "TLSv1.2" })).toMatch(/^TLSv1\.2 ECDHE-\w+-AES\d+-GCM/);
    expect(await handshake({})).toMatch(/^TLSv1\.3 /);
  });
});

describe("codecs", () => {
  test("K1 a codec encodes, decodes, takes serializers and has a text", () => {
    const codec = new JsonCodec([point]);
    expect(Buffer.from(codec.encode(["spam", 3.14])).toString()).toBe('["spam",3.14]');
    codec.addSerializer(Date, Number, (time: number) => new Date(time));
    const value = { at: new Date(5), points: [new Point(1, 2)] };
    expectSame(codec.decode(codec.encode(value)), value);
    expect(String(codec)).toBe("JSON[Point, Date]");
    expect(thrownBy(() => codec.addSerializer(Point, String, () => new Point(0, 0)))).toMatchObject({
      code: "INVALID_ARGUMENT",
    });
  });

  test("K1 a codec of one's own has serialize and deserialize for the types", () => {
    class Own extends Codec {
      override encode(value: unknown): Uint8Array {
        return Buffer.from(JSON.stringify(this.serialize(value)));
      }
      override decode(bytes: Uint8Array): unknown {
        return this.deserialize(JSON.parse(Buffer.from(bytes).toString()));
      }
    }
    const codec = new Own([point]);
    expect(Buffer.from(codec.encode([new Point(1, 2)])).toString()).toBe('[{"__type__":[0,[1,2]]}]');
    expectSame(codec.decode(codec.encode([new Point(1, 2)])), [new Point(1, 2)]);
  });

  test("K2 JSON is the default; MsgPack and MsgPackBlosc are there", async () => {
    await using link = await pair();
    expect(link.near.codec).toBeInstanceOf(JsonCodec);
    const value = { list: [1, 2.5, "three", null, true], text: "spam ".repeat(1000) };
    const sizes = [JsonCodec, MsgPackCodec, MsgPackBloscCodec].map((kind) => {
      const codec = new kind();
      const bytes = codec.encode(value) as Uint8Array;
      expectSame(codec.decode(bytes), value);
      return bytes.length;
    });
    expect(sizes[2]).toBeLessThan(sizes[1]! / 10);
    // As python-blosc writes "cya" in a message: `test-vectors` has more of it.
    expect(hex(new MsgPackBloscCodec().encode([1, 0, "cya"]) as Uint8Array)).toMatch(/^0201130[0-9a-f]/);
  });

  test("K3 serializable carries an object by its fields, without its constructor", () => {
    let constructed = 0;
    class Size {
      width: number;
      constructor(width: number) {
        constructed++;
        this.width = width;
      }
    }
    const codec = new JsonCodec();
    codec.addSerializer(...serializable(Size).serializer);
    const sent = new Size(5);
    expectSame(codec.decode(codec.encode(sent)), sent);
    expect(constructed).toBe(1);
  });

  test("K4 extra serializers are functions without arguments that return the triple", async () => {
    const given: number[] = [];
    const counted: SerializerFactory<Point> = (...args: unknown[]) => {
      given.push(args.length);
      return point();
    };
    await using link = await pair({ extraSerializers: [counted] });
    void echo(link.far);
    expectSame(await link.near.send(new Point(3, 4)), new Point(3, 4));
    expect(new Set(given)).toStrictEqual(new Set([0]));
  });

  test("K5 a SerializationError wraps what a serializer throws, and has the place", () => {
    const broken: SerializerFactory<Point> = () => [
      Point,
      ({ x }: Point) => {
        if (x === 0) throw new RangeError("no zero");
        return x;
      },
      () => {
        throw new RangeError("no way back");
      },
    ];
    const codec = new JsonCodec([broken]);
    const error = thrownBy(() => codec.encode({ deep: [1, new Point(0, 0)] }));
    expect(error).toBeInstanceOf(SerializationError);
    expect(error).toMatchObject({ cause: new RangeError("no zero"), place: ["deep", 1] });
    const back = thrownBy(() => codec.decode(codec.encode([new Point(1, 0)])));
    expect(back).toBeInstanceOf(SerializationError);
    expect(back).toMatchObject({ cause: new RangeError("no way back"), place: [0] });
  });

  test("K7 null, booleans, numbers, texts, arrays and maps cross; bytes in MsgPack", () => {
    const plain = [null, true, 5, 2.5, "text", [1, [2]], { a: { b: 1 } }];
    for (const codec of [new JsonCodec(), new MsgPackCodec(), new MsgPackBloscCodec()])
      expectSame(codec.decode(codec.encode(plain) as Uint8Array), plain);
    const bytes = Uint8Array.of(1, 2, 255);
    const packed = new MsgPackCodec();
    expect(Buffer.from(packed.decode(packed.encode(bytes)) as Uint8Array)).toStrictEqual(Buffer.from(bytes));
    expect(thrownBy(() => new JsonCodec().encode(bytes))).toBeInstanceOf(SerializationError);
  });

  test("K7 a serializer takes its very class; Object takes what is left", () => {
    class Near extends Point {}
    const codec = new JsonCodec([point]);
    expect(thrownBy(() => codec.encode(new Near(1, 2)))).toBeInstanceOf(SerializationError);
    codec.addSerializer(
      Object,
      (value) => value.constructor.name,
      (name: string) => ({ name }),
    );
    expectSame(codec.decode(codec.encode([new Near(1, 2), new Point(1, 2)])), [{ name: "Near" }, new Point(1, 2)]);
  });

  test("K8 arrays cross to Python as the map {type, shape, data}", () => {
    const array = new NdArray(Float64Array.of(1, 2, 3, 4, 5, 6), { shape: [2, 3] });
    const codec = new MsgPackCodec([ndarraySerializer]);
    const seen = new MsgPackCodec([() => [NdArray, () => null, (map: unknown) => map as NdArray]]);
    const map = seen.decode(codec.encode(array)) as { type: string; shape: number[]; data: Uint8Array };
    expect(Object.keys(map).toSorted()).toStrictEqual(["data", "shape", "type"]);
    expect([map.type, map.shape]).toStrictEqual(["<f8", [2, 3]]);
    expect(hex(map.data)).toBe(hex(new Uint8Array(Float64Array.of(1, 2, 3, 4, 5, 6).buffer)));
    const back = codec.decode(codec.encode(array)) as NdArray;
    expect([back.dtype, back.shape, [...(back.toTypedArray() as Float64Array)]]).toStrictEqual([
      "<f8",
      [2, 3],
      [1, 2, 3, 4, 5, 6],
    ]);
  });
});

describe("local channels", () => {
  test("L1 a seed gives an order of its own, the same every time", async () => {
    const orderOf = async (seed: number): Promise<string> => {
      const network = new LocalNetwork({ seed });
      const received: unknown[] = [];
      await using server = await serveChannels(
        "local://seeded",
        async (channel) => {
          for await (const request of channel) {
            received.push(request.content);
            await request.reply(null);
          }
        },
        { network },
      );
      const channels = await Promise.all([0, 1, 2, 3].map(async () => connectChannel(server.address, { network })));
      await Promise.all([0, 1, 2, 3].flatMap((round) => channels.map((channel, n) => channel.send(`${round}/${n}`))));
      await Promise.all(channels.map((channel) => channel.close({ graceMs: 0 })));
      return received.join(" ");
    };
    expect(await orderOf(7)).toBe(await orderOf(7));
    const orders = [await orderOf(1), await orderOf(2), await orderOf(3), await orderOf(4)];
    expect(new Set(orders).size).toBeGreaterThan(1);
  });
});

describe("what was broken in aiomas", () => {
  test("D8 a frame over the limit ends the connection before it is read", async () => {
    await using server = await serveChannels(TCP, echo, { limits: { maxMessageBytes: 1000 } });
    const peer = await RawPeer.connect(server.address);
    // The length alone: 1001 bytes.
    peer.socket.write(Buffer.from("000003e9", "hex"));
    await peer.closed();
    await until(() => server.channels.size === 0);
    await using channel = await connectChannel(server.address);
    expect(await channel.send(1)).toBe(1);
  });

  test("D8 requests that nobody answers are bounded", async () => {
    await using link = await pair({ limits: { maxRunningCount: 2 } });
    const sent = [1, 2, 3].map((n) => link.near.send(n));
    expect(await rejectionOf(sent[2]!)).toMatchObject({ message: expect.stringContaining("maxRunningCount") });
    void echo(link.far);
    expect(await Promise.all(sent.slice(0, 2))).toStrictEqual([1, 2]);
  });

  test("D14 a map with the key __type__ is refused where it is sent, not misread", async () => {
    await using link = await pair({ extraSerializers: [point] });
    void echo(link.far);
    for (const value of [{ __type__: [0, [1, 2]] }, { deep: [{ __type__: "mine" }] }]) {
      const error = await rejectionOf(link.near.send(value));
      expect(error).toMatchObject({ code: "SERIALIZATION_ERROR", message: expect.stringContaining("__type__") });
    }
    expect(await link.near.send("goes on")).toBe("goes on");
  });
});
