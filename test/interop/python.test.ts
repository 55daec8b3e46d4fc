import { isDeepStrictEqual } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { JsonCodec, MsgPackCodec, connectChannel, serveChannels } from "@colloquy/core";
import type { SerializerFactory } from "@colloquy/core";
import { RemoteError, Service, connect, expose, notify, release, serve, service, withOptions } from "@colloquy/rpc";
import type { Connection, Server } from "@colloquy/rpc";
import { PythonPeer, pythonMissing } from "./driver.ts";

const missing = pythonMissing();
if (missing !== undefined) process.emitWarning(missing);

class Point {
  readonly x: number;
  readonly y: number;
  constructor(x: number, y: number) {
    this.x = x;
    this.y = y;
  }
}

const point: SerializerFactory<Point> = () => [Point, ({ x, y }) => ({ x, y }), ({ x, y }: Point) => new Point(x, y)];

class Deep extends Service {
  @expose method(...args: unknown[]): unknown[] {
    return ["deep", ...args];
  }
}

class Visitor extends Service {
  @expose double(x: number): number {
    return 2 * x;
  }
  @expose async ask(service: any, method: string, ...args: unknown[]): Promise<unknown> {
    return service[method](...args);
  }
}

/** The counterpart of `roots.py`. */
class Desk extends Service {
  kept: any;
  readonly hidden = "not for you";
  @expose readonly sub = service({ deep: new Deep() });
  @expose readonly visitor = new Visitor();

  @expose add(a: number, b: number): number {
    return a + b;
  }
  @expose echo(x: unknown): unknown {
    return x;
  }
  @expose nothing(): void {}
  @expose options(first: unknown, rest: Record<string, unknown>): unknown {
    return [first, rest];
  }
  @expose fail(message: string): never {
    throw new RangeError(message, { cause: new TypeError("inner") });
  }
  @expose keep(thing: unknown): void {
    this.kept = thing;
  }
  @expose giveKept(): unknown {
    return this.kept;
  }
  @expose async callBack(service: any, method: string, ...args: unknown[]): Promise<unknown> {
    return method === "" ? service(...args) : service[method](...args);
  }
  @expose askBack(client: any): Promise<unknown> {
    return client.ask(new Visitor(), "double", 4);
  }
  @expose give(what: string): unknown {
    return { visitor: this.visitor, other: new Visitor(), fn: (x: number) => x + 1, nothing: undefined }[what];
  }
  @expose isHome(thing: unknown): boolean {
    return thing === this.visitor;
  }
}

const CODECS = { json: JsonCodec, msgpack: MsgPackCodec } as const;

describe.skipIf(missing !== undefined).each([
  ["json", false],
  ["json", true],
  ["msgpack", false],
  ["msgpack", true],
] as const)("a Python client, %s, hello: %s", (codec, hello) => {
  let desk: Desk;
  let server: Server;
  let python: PythonPeer;

  beforeAll(async () => {
    desk = new Desk();
    const options = { codec: CODECS[codec], extraSerializers: [point] };
    server = await serve("tcp://127.0.0.1:0", desk, options);
    const fields = { serializers: ["Point"] };
    python = await PythonPeer.start({
      mode: "client",
      codec,
      address: server.address,
      extra: ["point"],
      ...(hello ? { hello: fields } : {}),
    });
  });

  afterAll(async () => {
    await python.close();
    await server.close({ graceMs: 0 });
  });

  test("calls by path, with keyword arguments, and gets None for no result", async () => {
    expect(await python.remote("add", 3, 4)).toBe(7);
    expect(await python.remote("sub/deep/method", 1, "x")).toEqual(["deep", 1, "x"]);
    expect(await python.result({ op: "call", path: "add", args: [3], kwargs: { b: 5 } })).toBe(8);
    expect(await python.result({ op: "call", path: "options", args: [1], kwargs: { some: 2, more: [3] } })).toEqual([
      1,
      { some: 2, more: [3] },
    ]);
    const nothing = await python.remote("nothing");
    expect(nothing).toEqual(hello ? { $undefined: true } : null);
  });

  test("exchanges values and serialized types", async () => {
    const values = [
      null,
      true,
      -1,
      2 ** 40,
      1.5,
      "täxt \u{1f375}",
      [[], {}],
      { a: { b: [1] } },
      { $point: { x: 1, y: 2 } },
    ];
    for (const value of values) expect(await python.remote("echo", value)).toEqual(value);
    await python.remote("keep", { $point: { x: 3, y: 4 } });
    expect(desk.kept).toEqual(new Point(3, 4));
    expect(desk.kept).toBeInstanceOf(Point);
  });

  test("passes a service and is called back while its call is under way", async () => {
    expect(await python.remote("callBack", { $service: "client" }, "double", 21)).toBe(42);
    expect(await python.remote("callBack", { $service: "client" }, "greet", "Ada")).toBe("Hello Ada");
    // Its service calls ours, within its own call.
    const [connection] = [...server.connections];
    expect(await python.remote("askBack", { $service: "client" })).toBe(8);
    expect(connection!.stats()).toMatchObject({ pending: 0, running: 0 });
  });

  test("gets our exceptions in its form, and the connection goes on", async () => {
    const { exception } = await python.call({ op: "call", path: "fail", args: ["too far"] });
    expect(exception?.form).toBe(hello ? "map" : "string");
    expect(exception?.text).toContain("too far");
    expect(exception?.text).toContain("RangeError");
    if (hello) {
      expect(exception?.content).toMatchObject({
        name: "RangeError",
        message: "too far",
        cause: { name: "TypeError" },
      });
    }
    for (const path of ["none", "hidden", "kept", "constructor", "__proto__", "sub", "", "sub/deep/none", "add/x"]) {
      const outcome = await python.call({ op: "call", path, args: [] });
      expect(outcome.exception?.text, path).toMatch(/not found|not exposed|is a service/);
    }
    expect(await python.remote("add", 1, 1)).toBe(2);
  });

  test("gets our services as proxies, also those without a path, and sends them home", async () => {
    const rooted = await python.remote("give", "visitor");
    expect(rooted).toMatchObject({ path: "visitor" });
    expect(await python.result({ op: "call", target: rooted, path: "double", args: [4] })).toBe(8);
    const loose = await python.remote("give", "other");
    expect(loose).toMatchObject({ path: expect.stringMatching(/^\$\/ref\/\d+$/) });
    expect(await python.result({ op: "call", target: loose, path: "double", args: [5] })).toBe(10);
    if (hello) {
      expect(await python.remote("isHome", rooted)).toBe(true);
      expect(await python.remote("isHome", loose)).toBe(false);
    }
  });

  test("sends a malformed request and gets an answer each time", async () => {
    let id = 1_000_000;
    const contents = [null, 5, "add", [], ["add"], ["add", [1, 2]], [1, [], {}], ["add", {}, {}], ["add", [], []]];
    for (const content of [...contents, ["add", [1, 2], {}, {}, {}], { path: "add" }]) {
      await python.call({ op: "send", message: [0, ++id, content] });
      const { stray } = await python.event("stray");
      expect(stray?.slice(0, 2), JSON.stringify(content)).toEqual([2, id]);
    }
    expect(await python.remote("add", 1, 1)).toBe(2);
  });

  test.runIf(hello)("exchanges functions, and releases them", async () => {
    const fn = await python.remote("give", "fn");
    expect(await python.result({ op: "call", target: fn, path: "", args: [1] })).toBe(2);
    expect(await python.remote("callBack", { $function: "client/double" }, "", 8)).toBe(16);
    const [connection] = [...server.connections];
    const held = connection!.stats().exportedReferences;
    expect(held).toBeGreaterThan(0);
    await python.result({ op: "release", proxy: fn });
    await expect.poll(() => connection!.stats().exportedReferences).toBe(held - 1);
    const { path } = fn as { path: string };
    const { exception } = await python.call({ op: "call", path, args: [1] });
    expect(exception?.content).toMatchObject({ code: "REFERENCE_RELEASED" });
    await python.remote("keep", { $new: "client" });
    expect(await desk.kept.double(3)).toBe(6);
    expect(await python.result({ op: "stats" })).toMatchObject({ exports: expect.anything() });
    release(desk.kept);
  });

  test.runIf(hello)("sends notifications", async () => {
    const { failedNotifications } = [...server.connections][0]!.stats();
    await python.result({ op: "notify", path: "keep", args: [77] });
    await python.result({ op: "notify", path: "none", args: [] });
    expect(await python.remote("add", 1, 2)).toBe(3);
    expect(desk.kept).toBe(77);
    expect([...server.connections][0]!.stats().failedNotifications).toBe(failedNotifications + 1);
  });

  test.runIf(!hello)("gets no functions from us, with an error that says why", async () => {
    const before = [...server.connections][0]!.stats().exportedReferences;
    const { exception } = await python.call({ op: "call", path: "give", args: ["fn"] });
    expect(exception?.text).toContain("a plain peer takes services only");
    expect([...server.connections][0]!.stats().exportedReferences).toBe(before);
  });

  test("that vanishes fails our calls at once", async () => {
    await python.remote("keep", { $service: "client" });
    const proxy = desk.kept;
    const [connection] = [...server.connections];
    await python.kill();
    await connection!.closed;
    await expect(proxy.double(1)).rejects.toMatchObject({ code: "CONNECTION_LOST" });
    expect(server.connections.size).toBe(0);
  });
});

describe.skipIf(missing !== undefined).each([
  ["json", false],
  ["json", true],
  ["msgpack", false],
  ["msgpack", true],
] as const)("a Python server, %s, hello: %s", (codec, hello) => {
  let python: PythonPeer;
  let connection: Connection<any>;
  let remote: any;

  beforeAll(async () => {
    const fields = { serializers: ["Point"] };
    python = await PythonPeer.start({ mode: "server", codec, extra: ["point"], ...(hello ? { hello: fields } : {}) });
    connection = await connect<any>(python.address, {
      codec: CODECS[codec],
      extraSerializers: [point],
      service: new Desk(),
    });
    remote = connection.remote;
  });

  afterAll(async () => {
    connection.destroy();
    await python.close();
  });

  test("is called by path, with keyword arguments and types", async () => {
    expect(await remote.add(3, 4)).toBe(7);
    expect(await remote.sub.deep.method(1)).toEqual(["deep", 1]);
    expect(await remote.echo(new Point(1, 2))).toEqual(new Point(1, 2));
    expect(await withOptions(remote.kw, { kwargs: { a: 1, b: [2] } })()).toEqual({ a: 1, b: [2] });
    expect(await withOptions(remote.add, { kwargs: { b: 1 } })(2)).toBe(3);
    expect(await Promise.all(Array.from({ length: 200 }, (_, i) => remote.add(i, 1)))).toEqual(
      Array.from({ length: 200 }, (_, i) => i + 1),
    );
  });

  test("fails with its exception", async () => {
    const failure = remote.fail("broken").catch((error: unknown) => error);
    expect(await failure).toBeInstanceOf(RemoteError);
    expect(await failure).toMatchObject({
      remoteName: "ValueError",
      message: "broken",
      // A text doesn't tell whether the method ran.
      executed: hello ? "yes" : "unknown",
    });
    for (const name of ["hidden", "none", "__class__", "__init__"]) {
      await expect(remote[name](), name).rejects.toBeInstanceOf(Error);
    }
    expect(await remote.add(1, 1)).toBe(2);
  });

  test("calls our services back while our call is under way, and within that", async () => {
    expect(await remote.call_back(new Visitor(), "double", 21)).toBe(42);
    expect(
      await remote.call_back(new Visitor(), "ask", remote.client, "double", 4).catch((e: Error) => e.message),
    ).toEqual(hello ? 8 : expect.stringContaining("can't get its own service back"));
    const client = await remote.give("client");
    expect(await client.double(8)).toBe(16);
    await remote.keep(new Visitor());
    expect(await remote.call_kept("double", 3)).toBe(6);
  });

  test(`${hello ? "takes" : "is refused"} functions`, async () => {
    const call = remote.call_back((x: number) => x + 1, "", 1);
    if (hello) {
      expect(await call).toBe(2);
      await remote.keep((x: number) => x * 10);
      expect(await remote.call_kept("", 4)).toBe(40);
      const visitor = new Visitor();
      await remote.keep(visitor);
      expect(await remote.give_kept()).toBe(visitor);
    } else {
      await expect(call).rejects.toMatchObject({ code: "SERIALIZATION_ERROR", executed: "no" });
      await expect(call).rejects.toThrow("a plain peer takes services only, this one said no hello");
    }
    expect(await remote.add(1, 1)).toBe(2);
  });

  test("takes notifications in order with calls", async () => {
    const visitor = new Visitor();
    notify(remote.keep)(visitor);
    expect(await remote.call_kept("double", 5)).toBe(10);
    expect(connection.stats()).toMatchObject({ pending: 0, failedNotifications: 0 });
  });

  test("that vanishes fails all calls at once", async () => {
    const calls = Array.from({ length: 50 }, () => remote.sleep(60).catch((error: unknown) => error));
    expect(await remote.add(1, 1)).toBe(2);
    await python.kill();
    for (const error of await Promise.all(calls)) {
      expect(error).toMatchObject({ code: "CONNECTION_LOST", executed: "unknown" });
    }
  });
});

/** Values of the built-in types, with their ids and data as the Python peer has them in JSON lines. */
function standardValues(codec: keyof typeof CODECS): [value: unknown, id: number, data: unknown][] {
  const bytes = (hex: string): unknown =>
    codec === "json" ? Buffer.from(hex, "hex").toString("base64") : { $bytes: hex };
  const cause = { $standard: [-8, { name: "TypeError", message: "why" }] };
  return [
    [new Date(1_700_000_000_000), -4, 1_700_000_000_000],
    [
      new Map<unknown, unknown>([
        ["a", 1],
        [2, new Date(0)],
      ]),
      -5,
      ["a", 1, 2, { $standard: [-4, 0] }],
    ],
    [new Set(["a", null]), -6, ["a", null]],
    [2n ** 70n, -7, "1180591620717411303424"],
    [
      Object.assign(new RangeError("no", { cause: new TypeError("why") }), { code: "E" }),
      -8,
      { name: "RangeError", message: "no", cause, fields: { code: "E" } },
    ],
    [new URL("http://a/b?c#d"), -9, "http://a/b?c#d"],
    [Int16Array.of(1, -1), -10, ["Int16Array", bytes("0100ffff")]],
    [Float64Array.of(1.5), -10, ["Float64Array", bytes("000000000000f83f")]],
    [Uint8Array.of(1, 2).buffer, -11, bytes("0102")],
    [new DataView(Uint8Array.of(1, 2).buffer), -12, bytes("0102")],
    [new Float32Array(20_000), -10, ["Float32Array", bytes("00".repeat(80_000))]],
  ];
}

describe.skipIf(missing !== undefined).each(["json", "msgpack"] as const)("built-in types, %s,", (codec) => {
  test("cross to a Python client that said hello, and back", async () => {
    const desk = new Desk();
    const server = await serve("tcp://127.0.0.1:0", desk, { codec: CODECS[codec] });
    await using python = await PythonPeer.start({ mode: "client", codec, address: server.address, hello: true });
    for (const [value, id, data] of standardValues(codec)) {
      desk.kept = value;
      expect(await python.remote("giveKept")).toEqual({ $standard: [id, data] });
      await python.remote("keep", { deep: [{ $standard: [id, data] }] });
      expect(isDeepStrictEqual(desk.kept, { deep: [value] })).toBe(true);
    }
    await server.close({ graceMs: 0 });
  });

  test("cross to a Python server that said hello, and back", async () => {
    await using python = await PythonPeer.start({ mode: "server", codec, hello: true });
    await using connection = await connect<any>(python.address, { codec: CODECS[codec] });
    for (const [value] of standardValues(codec))
      expect(isDeepStrictEqual(await connection.remote.echo([value]), [value])).toBe(true);
    await connection.close();
  });

  test("are refused towards a plain one", async () => {
    const desk = new Desk();
    const server = await serve("tcp://127.0.0.1:0", desk, { codec: CODECS[codec] });
    await using python = await PythonPeer.start({ mode: "client", codec, address: server.address });
    desk.kept = new Map();
    const { exception } = await python.call({ op: "call", path: "giveKept", args: [] });
    expect(exception).toMatchObject({ form: "string" });
    expect(exception?.text).toContain("Map: the peer said no hello, so it takes no built-in types; a serializer in");
    await server.close({ graceMs: 0 });
  });
});

describe.skipIf(missing !== undefined).each(["json", "msgpack"] as const)("a channel, %s,", (codec) => {
  /** What a plain peer has got, from its payloads: the paths of requests, the types of answers. */
  const gotBy = async (python: PythonPeer): Promise<unknown[]> => {
    const frames = (await python.result({ op: "frames" })) as [way: string, hex: string][];
    const payloads = frames.filter(([way]) => way === "in").map(([, hex]) => Buffer.from(hex, "hex"));
    const messages = payloads.map((payload) => new CODECS[codec]().decode(payload) as unknown[]);
    return messages.map(([type, , content]) => (type === 0 ? (content as unknown[])[0] : type));
  };

  test("to a plain Python server says hello only where a value needs it, and never again", async () => {
    await using python = await PythonPeer.start({ mode: "server", codec, record: true });
    await using channel = await connectChannel(python.address, { codec: CODECS[codec] });
    const values = [null, "x", [1, { a: 2.5 }], ...(codec === "msgpack" ? [new Uint8Array(100_000)] : [])];
    for (const value of values) expect(await channel.send(["echo", [value], {}])).toEqual(value);
    expect(await gotBy(python)).toEqual(values.map(() => "echo"));
    const before = channel.send(["sleep", [0.05, "before"], {}]);
    const refused = channel.send(["echo", [new Date(0)], {}]);
    const after = channel.send(["echo", ["after"], {}]);
    await expect(refused).rejects.toMatchObject({ code: "SERIALIZATION_ERROR", executed: "no" });
    await expect(refused).rejects.toThrow("Date: the peer said no hello, so it takes no built-in types");
    expect(await Promise.all([before, after])).toEqual(["before", "after"]);
    await expect(channel.send(["echo", [new Set()], {}])).rejects.toThrow("Set: the peer said no hello");
    expect(await gotBy(python)).toEqual(["sleep", "$/channel", "echo"]);
    await channel.close();
  });

  test("of a plain Python client gets hello only where an answer needs it", async () => {
    const answers: unknown[] = ["plain", { when: new Date(0) }, "plain again"];
    const server = await serveChannels(
      "tcp://127.0.0.1:0",
      async (channel) => {
        for await (const request of channel) void request.reply(answers.shift());
      },
      { codec: CODECS[codec] },
    );
    await using python = await PythonPeer.start({ mode: "client", codec, address: server.address, record: true });
    expect(await python.remote("anything", 1)).toBe("plain");
    expect(await gotBy(python)).toEqual([1]);
    const { exception } = await python.call({ op: "call", path: "anything", args: [2] });
    expect(exception?.text).toContain("Date: the peer said no hello, so it takes no built-in types");
    expect(await python.remote("anything", 3)).toBe("plain again");
    expect(await gotBy(python)).toEqual(["$/channel", 2, 1]);
    await server.close({ graceMs: 0 });
  });
});

describe.skipIf(missing !== undefined)("raw bytes of another protocol", () => {
  let server: Server;
  let other: PythonPeer;

  beforeAll(async () => {
    server = await serve("tcp://127.0.0.1:0", new Desk());
    other = await PythonPeer.start({ mode: "client", address: server.address });
  });

  afterAll(async () => {
    await other.close();
    await server.close({ graceMs: 0 });
  });

  test.each([
    ["an HTTP request", Buffer.from("GET / HTTP/1.1\r\nHost: x\r\n\r\n").toString("hex")],
    ["a TLS hello", "16030100c8010000c40303"],
    ["a frame that is no JSON", "00000003ffffff"],
    ["a frame that is no message", `00000002${Buffer.from("{}").toString("hex")}`],
    ["an unknown message type", `00000008${Buffer.from("[9,0,{}]").toString("hex")}`],
    ["an answer to nothing", `00000008${Buffer.from("[1,5,{}]").toString("hex")}`],
    ["an empty frame", "00000000"],
    ["a frame beyond the limit", "7fffffff00"],
    ["an extended frame", "8000000100"],
  ])("%s: only that connection is closed", async (_what, hex) => {
    expect(await other.remote("add", 1, 2)).toBe(3);
    await using rude = await PythonPeer.start({ mode: "client", address: server.address });
    await rude.call({ op: "raw", hex });
    await rude.result({ op: "wait_closed" });
    expect(await other.remote("add", 3, 4)).toBe(7);
    await expect.poll(() => server.connections.size).toBe(1);
  });
});
