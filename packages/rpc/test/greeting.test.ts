import { describe, expect, test } from "vitest";
import { JsonCodec, MsgPackCodec, connectChannel, serveChannels } from "@colloquy/core";
import type { SerializerFactory } from "@colloquy/core";
import { Service, connect, expose, serve, service } from "../src/index.ts";
import type { ConnectOptions, Connection } from "../src/index.ts";
import { WirePeer, failureOf, frameOf, newAddress, pair, turns, until, wireServer } from "./support.ts";

class Point {
  readonly x: number;
  readonly y: number;
  constructor(x: number, y: number) {
    this.x = x;
    this.y = y;
  }
}

class Size extends Point {}

const point: SerializerFactory<Point> = () => [Point, (p) => [p.x, p.y], ([x, y]) => new Point(x, y)];
const size: SerializerFactory<Size> = () => [Size, (p) => [p.x, p.y], ([x, y]) => new Size(x, y)];

const adder = service({ add: expose((a: number, b: number) => a + b) });

describe("connect that fails", () => {
  async function theConnectingFunction(address: string, options: ConnectOptions): Promise<void> {
    await connect(address, options);
  }

  test("has the stack of whoever awaits it, also where the server refuses", async () => {
    await using server = await serve(newAddress(), adder);
    for (const options of [{ codec: MsgPackCodec }, { extraSerializers: [point] }]) {
      const error = await failureOf(theConnectingFunction(server.address, options));
      expect(error).toMatchObject({ code: "PROTOCOL_ERROR" });
      expect(error.stack).toContain("theConnectingFunction");
      expect(error.stack).not.toContain("onFrame");
    }
  });

  test("names the side whose limit is too small", async () => {
    await using server = await serve(newAddress(), adder);
    const error = await failureOf(connect(server.address, { limits: { maxMessageBytes: 1000 } }));
    expect(error.message).toBe("limits.maxMessageBytes is 1000 at the client; it is 1024 at least");
  });
});

describe("hello on the wire", () => {
  test("is the first request of the side that connects, with exactly these fields", async () => {
    await using server = await wireServer();
    const connecting = connect(server.address, { limits: { maxMessageBytes: 1000, maxReferenceCount: 7 } });
    const wire = await server.accepted();
    expect(await wire.next()).toEqual([
      0,
      0,
      [
        "$/hello",
        [
          {
            protocol: 1,
            software: "colloquy",
            codec: "json",
            serializers: [],
            limits: { maxMessageBytes: 1000, maxReferenceCount: 7, maxSegmentBytes: 512 * 1024 * 1024 },
            segments: true,
            receiptBytes: 16_384,
            shapes: 0,
          },
        ],
        {},
      ],
    ]);
    expect(await wire.rest()).toEqual([]);
    wire.send([1, 0, { protocol: 1 }]);
    const connection = await connecting;
    connection.destroy();
  });

  test("leaves out limits that are infinite", async () => {
    const limits = { maxReferenceCount: Infinity, maxSegmentBytes: Infinity };
    for (const codec of [JsonCodec, MsgPackCodec]) {
      await using link = await pair(adder, { codec, limits, serve: { codec, limits } });
      expect(await link.remote.add(1, 2)).toBe(3);
    }
  });

  test("is answered with the other side's own map", async () => {
    await using server = await serve(newAddress(), adder, { extraSerializers: [point, size] });
    await using wire = await WirePeer.connect(server.address);
    expect(await wire.hello({ serializers: ["Point", "Size"] })).toMatchObject({
      protocol: 1,
      software: "colloquy",
      codec: "json",
      serializers: ["Point", "Size"],
      limits: { maxMessageBytes: 16 * 1024 * 1024, maxReferenceCount: 10_000, maxSegmentBytes: 512 * 1024 * 1024 },
      segments: true,
      receiptBytes: 16_384,
    });
  });

  test("comes over a plain channel of the core, too", async () => {
    await using server = await serve(newAddress(), adder, { codec: MsgPackCodec });
    await using channel = await connectChannel(server.address, { codec: MsgPackCodec });
    expect(await channel.send(["$/hello", [{ protocol: 1 }], {}])).toMatchObject({ protocol: 1, codec: "msgpack" });
    expect(await channel.send(["add", [1, 2], {}])).toBe(3);
  });

  test("comes before calls that the server's factory makes at once, which wait for it", async () => {
    const greeted: string[] = [];
    class Session extends Service {
      constructor(connection: Connection<{ greet(name: string): void }>) {
        super();
        connection.remote.greet("ada").then(
          () => greeted.push("answered"),
          () => {},
        );
      }
      @expose ping(): string {
        return "pong";
      }
    }
    await using server = await serve(newAddress(), (connection) => new Session(connection as never));
    const root = service({ greet: expose((name: string) => void greeted.push(name)) });
    await using connection = await connect<Session>(server.address, { service: root });
    expect(await connection.remote.ping()).toBe("pong");
    await until(() => greeted.length === 2);
    expect(greeted).toEqual(["ada", "answered"]);
    await using wire = await WirePeer.connect(server.address);
    await turns(5);
    expect(await wire.rest()).toEqual([]);
    wire.send([0, 0, ["$/hello", [{ protocol: 1 }], {}]]);
    expect(await wire.next()).toMatchObject([1, 0, { protocol: 1 }]);
    expect(await wire.next()).toEqual([0, 0, ["greet", ["ada"], {}]]);
  });

  test("a second time is refused, and the connection goes on", async () => {
    await using server = await serve(newAddress(), adder);
    await using wire = await WirePeer.connect(server.address);
    await wire.hello();
    expect((await wire.request("$/hello", [{ protocol: 1 }]))[1]).toMatchObject({ code: "PROTOCOL_ERROR" });
    expect(await wire.request("add", [2, 2])).toEqual([1, 4]);
  });

  test("tells the bytes that the other side takes in one message, and no more are sent", async () => {
    await using server = await serve(newAddress(), adder);
    await using wire = await WirePeer.connect(server.address);
    const hello = await wire.hello({ limits: { maxMessageBytes: 1100 }, unknown: ["field"], serializers: [] });
    expect(hello["protocol"]).toBe(1);
    const echo = service({ echo: expose((text: string) => text) });
    await using other = await serve(newAddress(), echo);
    await using second = await WirePeer.connect(other.address);
    await second.hello({ limits: { maxMessageBytes: 1100 } });
    expect(await second.request("echo", ["x".repeat(1050)])).toEqual([1, "x".repeat(1050)]);
    const [type, content] = await second.request("echo", ["x".repeat(1200)]);
    expect(type).toBe(2);
    expect(content).toMatchObject({ code: "RESOURCE_EXHAUSTED" });
  });
});

describe("a hello that doesn't fit", () => {
  test("for its serializers ends the connection, and both sides learn the names", async () => {
    await using server = await serve(newAddress(), adder, { extraSerializers: [point, size] });
    for (const [extraSerializers, names] of [
      [[], "[]"],
      [[point], '["Point"]'],
      [[size, point], '["Size", "Point"]'],
    ] as const) {
      const error = await failureOf(connect(server.address, { extraSerializers }));
      expect(error.code).toBe("PROTOCOL_ERROR");
      expect(error.message).toContain(
        `the two sides have different serializers: ${names} at the client, ["Point", "Size"] at the server; both add`,
      );
    }
    await until(() => server.connections.size === 0);
    await using connection = await connect<typeof adder>(server.address, { extraSerializers: [point, size] });
    expect(await connection.remote.add(1, 1)).toBe(2);
  });

  test("on the server's side is noticed by the client", async () => {
    await using server = await wireServer();
    const connecting = connect(server.address, { extraSerializers: [point] });
    const wire = await server.accepted();
    await wire.next();
    wire.send([1, 0, { protocol: 1, serializers: ["Point", "Point2"] }]);
    const error = await failureOf(connecting);
    expect(error).toMatchObject({ code: "PROTOCOL_ERROR" });
    expect(error.message).toContain('["Point"] at the client, ["Point", "Point2"] at the server');
    await wire.closed;
  });

  test.each([
    ["of another version", [{ protocol: 2 }], "version 2"],
    ["without a version", [{}], "version"],
    ["that is no map", ["hello"], "no map"],
    ["that is a list", [[1]], "no map"],
    ["without arguments", [], "no map"],
  ])("%s is refused and closes the connection", async (_what, args, message) => {
    await using server = await serve(newAddress(), adder);
    await using wire = await WirePeer.connect(server.address);
    const [type, content] = await wire.request("$/hello", args);
    expect(type).toBe(2);
    expect(content).toMatchObject({ code: "PROTOCOL_ERROR" });
    expect((content as { message: string }).message).toContain(message);
    await wire.closed;
  });

  test.each([[{ protocol: 9 }], [null], ["hi"], [[]], [{ protocol: 1, serializers: "Point" }]])(
    "as an answer, %j, makes connect reject",
    async (answer) => {
      await using server = await wireServer();
      const connecting = connect(server.address);
      const wire = await server.accepted();
      await wire.next();
      wire.send([1, 0, answer]);
      expect(await failureOf(connecting)).toMatchObject({ code: "PROTOCOL_ERROR" });
      await wire.closed;
    },
  );

  test.each([
    ["an array", ["$/hello", [{}], {}], "Array"],
    ["a map of its own", { ok: true }, "Object"],
    ["nothing", null, "null"],
  ])("answered with %s makes connect say what the peer may be", async (_what, answer, type) => {
    await using server = await serveChannels(newAddress(), async (channel) => {
      for await (const request of channel) await request.reply(answer);
    });
    expect(await failureOf(connect(server.address))).toMatchObject({
      code: "PROTOCOL_ERROR",
      executed: "no",
      message: `${server.address} answers hello with ${type} that is no hello: it may serve channels (use connectChannel)`,
    });
  });

  test.each([[{ x: 1 }], ["text"], [5]])(
    "said by no channel, %j, has it learn that methods are served and that nothing ran",
    async (content) => {
      await using server = await serve(newAddress(), adder);
      await using channel = await connectChannel(server.address);
      const error = await failureOf(channel.send(content));
      expect(error).toMatchObject({
        code: "INVALID_ARGUMENT",
        executed: "no",
        message: "a request is [path, args, kwargs]: this side serves methods, the peer seems to use a channel",
      });
    },
  );

  test("of what speaks another protocol is named by its first bytes", async () => {
    await using server = await wireServer();
    const connecting = connect(server.address);
    const wire = await server.accepted();
    wire.write(Buffer.from("HTTP/1.1 400 Bad Request"));
    const error = await failureOf(connecting);
    expect(error).toMatchObject({ code: "UNAVAILABLE" });
    expect(error.message).toContain(`the peer doesn't speak this protocol, its first bytes are the text "HTTP" (`);
    expect(error.message).not.toContain("TLS");
  });

  test("refused with a map makes connect reject with its code", async () => {
    await using server = await wireServer();
    const connecting = connect(server.address);
    const wire = await server.accepted();
    await wire.next();
    wire.send([2, 0, { name: "ColloquyError", message: "who are you", code: "UNAUTHENTICATED", executed: "no" }]);
    expect(await failureOf(connecting)).toMatchObject({ code: "UNAUTHENTICATED", message: "who are you" });
  });
});

describe("before hello", () => {
  test("nothing is dispatched from a notification", async () => {
    const kept: unknown[] = [];
    await using server = await serve(newAddress(), service({ keep: expose((x: unknown) => void kept.push(x)) }));
    await using wire = await WirePeer.connect(server.address);
    wire.notify("keep", 1);
    await wire.hello();
    wire.notify("keep", 2);
    await until(() => kept.length > 0);
    expect(kept).toEqual([2]);
    expect([...server.connections][0]!.stats().failedNotifications).toBe(1);
  });

  test("a message over 64 KiB closes the connection, and after it doesn't", async () => {
    await using server = await serve(newAddress(), service({ size: expose((x: string) => x.length) }));
    await using rude = await WirePeer.connect(server.address);
    rude.send([0, 0, ["size", ["x".repeat(70_000)], {}]]);
    await rude.closed;
    await using kind = await WirePeer.connect(server.address);
    await kind.hello();
    expect(await kind.request("size", ["x".repeat(70_000)])).toEqual([1, 70_000]);
  });

  test.each(["local", "tcp"])("a client that says nothing is cut off in time, %s", async (kind) => {
    const address = kind === "tcp" ? "tcp://127.0.0.1:0" : newAddress();
    await using server = await serve(address, adder, { limits: { helloTimeoutMs: 60 } });
    await using silent = await WirePeer.connect(server.address);
    await using slow = await WirePeer.connect(server.address);
    slow.write(frameOf('[0,0,["add",[1,1],{}]]').subarray(0, 9));
    await using prompt = await WirePeer.connect(server.address);
    await prompt.hello();
    await Promise.all([silent.closed, slow.closed]);
    await until(() => server.connections.size === 1);
    expect(await prompt.request("add", [1, 1])).toEqual([1, 2]);
  });

  test("a server that says nothing makes connect reject in time", async () => {
    await using server = await wireServer();
    const start = performance.now();
    const error = await failureOf(connect(server.address, { limits: { helloTimeoutMs: 60 } }));
    expect(performance.now() - start).toBeLessThan(3000);
    expect(error.code).toBe("UNAVAILABLE");
    expect(error.message).toContain("helloTimeoutMs");
  });

  test("an infinite time for it is no time at all", async () => {
    await using server = await serve(newAddress(), adder, { limits: { helloTimeoutMs: Infinity } });
    await using wire = await WirePeer.connect(server.address);
    await turns(20);
    expect(await wire.request("add", [1, 1])).toEqual([1, 2]);
  });

  test("a connection that is lost makes connect reject", async () => {
    await using server = await wireServer();
    const connecting = connect(server.address);
    const wire = await server.accepted();
    wire.close();
    expect(await failureOf(connecting)).toMatchObject({ code: "UNAVAILABLE", executed: "no" });
  });
});
