import { ExtData } from "@msgpack/msgpack";
import { subscribe, unsubscribe } from "node:diagnostics_channel";
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { MsgPackCodec } from "@colloquy/core";
import type { SerializerFactory } from "@colloquy/core";
import { expose, notify, serve, service } from "../src/index.ts";
import type { Server } from "../src/index.ts";
import { PackPeer, WirePeer, failureOf, newAddress, pair, until } from "./support.ts";

class Point {
  readonly x: unknown;
  constructor(x: unknown) {
    this.x = x;
  }
}

const point: SerializerFactory<Point> = () => [
  Point,
  ({ x }) => ({ x, of: "Point" }),
  ({ x }: { x: unknown }) => {
    if (x === "refused") throw new Error("no such point");
    return new Point(x);
  },
];

const codec = MsgPackCodec;

/** Both sides speak MsgPack and know points. */
const BOTH = { codec, extraSerializers: [point], serve: { codec, extraSerializers: [point] } } as const;

const root = service({
  echo: expose((value: unknown) => value),
  vector: expose((x: number) => ({ x, y: 2 })),
  broken: expose(() => ({ x: 1, y: Symbol("y") })),
  type: expose((value: object) => `${Object.getPrototypeOf(value) === Object.prototype} ${Object.keys(value).join()}`),
});

const NUMBER_0 = new ExtData(1, Uint8Array.of(0));
const DEFINITION = [3, 0, ["$/shapes", [[[0, ["x", "y"]]]], {}]];

async function served(options: object = {}): Promise<Server> {
  return serve(newAddress(), root, { codec, ...options });
}

function onlyConnection(server: Server) {
  return [...server.connections].at(-1)!;
}

describe("shapes on the wire", () => {
  test("are offered in hello with MsgPack", async () => {
    await using server = await served();
    await using wire = await PackPeer.connect(server.address);
    expect(await wire.hello()).toMatchObject({ codec: "msgpack", shapes: 256 });
    await using jsonServer = await serve(newAddress(), root);
    await using json = await WirePeer.connect(jsonServer.address);
    expect(await json.hello({ shapes: 256 })).toMatchObject({ codec: "json", shapes: 0 });
  });

  test.each([
    [{ maxDepth: 4 }, 0],
    [{ maxDepth: 5, maxDecodedCost: 16_383 }, 0],
    [{ maxDepth: 5, maxDecodedCost: 16_384 }, 256],
  ])("are offered where a definition can be read: with %j %i of them", async (limits, shapes) => {
    await using server = await served({ limits });
    await using wire = await PackPeer.connect(server.address);
    expect(await wire.hello()).toMatchObject({ shapes });
    if (shapes === 0) return;
    // As large as they get.
    const keys = Array.from({ length: 64 }, (_, index) => String.fromCharCode(0x4e00 + index).repeat(8));
    wire.notify("$/shapes", [[0, keys]]);
    const [type, content] = await wire.request("echo", [[NUMBER_0, ...keys.map((_, index) => index)]]);
    expect(type).toBe(1);
    expect(Object.keys(content as object)).toEqual(keys);
    expect(onlyConnection(server).stats().failedNotifications).toBe(0);
  });

  test("are not told to a peer for which the definition is too large, and the maps cross all the same", async () => {
    await using server = await served();
    await using wire = await PackPeer.connect(server.address);
    await wire.hello({ shapes: 256, limits: { maxMessageBytes: 1024 } });
    // The map is a few bytes smaller than the definition.
    const map = { ["é".repeat(503)]: 1 };
    for (let count = 0; count < 40; count++) expect(await wire.request("echo", [map])).toEqual([1, map]);
    expect(await wire.rest()).toEqual([]);
    expect(onlyConnection(server).stats().failedNotifications).toBe(0);
    for (let count = 1; count <= 8; count++) await wire.request("vector", [count]);
    expect(await wire.next()).toEqual(DEFINITION);
  });

  test("are told behind the failure of an answer that could not be sent, not before", async () => {
    const host = service({
      rows: expose((last: string) => [
        ...Array.from({ length: 20 }, (_, x) => ({ x, y: 2 })),
        last === "symbol" ? Symbol("x") : last,
      ]),
    });
    await using server = await serve(newAddress(), host, { codec });
    await using wire = await PackPeer.connect(server.address);
    await wire.hello({ shapes: 256 });
    expect((await wire.request("rows", ["symbol"]))[0]).toBe(2);
    expect(await wire.next()).toEqual(DEFINITION);
    const [, rows] = await wire.request("rows", ["text"]);
    expect(rows).toHaveLength(21);
    expect(rows[1]).toEqual([NUMBER_0, 1, 2]);
  });

  test("are defined right behind the eighth map, and used from then on", async () => {
    await using server = await served();
    await using wire = await PackPeer.connect(server.address);
    await wire.hello({ shapes: 256 });
    for (let count = 1; count <= 8; count++)
      expect(await wire.request("vector", [count])).toEqual([1, { x: count, y: 2 }]);
    expect(await wire.next()).toEqual(DEFINITION);
    expect(await wire.request("vector", [9])).toEqual([1, [NUMBER_0, 9, 2]]);
    expect(await wire.request("echo", [{ y: 1, x: 2 }])).toEqual([1, { y: 1, x: 2 }]);
    expect(await wire.rest()).toEqual([]);
  });

  test.each([
    ["says nothing of them", {}],
    ["takes none", { shapes: 0 }],
    ["says no number", { shapes: "256" }],
    ["says less than none", { shapes: -5 }],
    ["says no real number", { shapes: Number.NaN }],
  ])("never reach a peer that %s", async (_what, fields) => {
    await using server = await served();
    await using wire = await PackPeer.connect(server.address);
    await wire.hello(fields);
    for (let count = 0; count < 40; count++)
      expect(await wire.request("vector", [count])).toEqual([1, { x: count, y: 2 }]);
    expect(await wire.rest()).toEqual([]);
  });

  test("never reach a plain peer", async () => {
    await using server = await served();
    await using wire = await PackPeer.connect(server.address);
    for (let count = 0; count < 40; count++)
      expect(await wire.request("vector", [count])).toEqual([1, { x: count, y: 2 }]);
    expect(await wire.rest()).toEqual([]);
  });

  test("are as many as the peer says", async () => {
    await using server = await served();
    await using wire = await PackPeer.connect(server.address);
    await wire.hello({ shapes: 1 });
    const defined: unknown[] = [];
    for (let count = 0; count < 40; count++) {
      const maps = [{ x: 1, y: 2 }, { a: 1 }, { b: [{ c: 2 }] }];
      await wire.request("echo", [maps]);
      defined.push(...(await wire.rest()));
    }
    expect(defined).toHaveLength(1);
  });

  test("are taken from a peer that takes none itself: each direction is for itself", async () => {
    await using server = await served();
    await using wire = await PackPeer.connect(server.address);
    await wire.hello();
    wire.notify("$/shapes", [
      [0, ["x", "y"]],
      [255, ["list"]],
    ]);
    expect(await wire.request("type", [[NUMBER_0, 1, 2]])).toEqual([1, "true x,y"]);
    const nested = [new ExtData(1, Uint8Array.of(255)), [[NUMBER_0, 1, { x: 2 }]]];
    for (let count = 0; count < 20; count++)
      expect(await wire.request("echo", [nested])).toEqual([1, { list: [{ x: 1, y: { x: 2 } }] }]);
    expect(onlyConnection(server).stats().failedNotifications).toBe(0);
    wire.notify("$/shapes", [[0, ["z"]]]);
    expect(await wire.request("echo", [[NUMBER_0, 3, 4]])).toEqual([1, { x: 3, y: 4 }]);
    expect(onlyConnection(server).stats().failedNotifications).toBe(1);
  });

  test("may hold keyword arguments", async () => {
    await using server = await serve(newAddress(), service({ add: expose((a: number, b: number) => a + b) }), {
      codec,
    });
    await using wire = await PackPeer.connect(server.address);
    await wire.hello();
    wire.notify("$/shapes", [[0, ["b", "a"]]]);
    expect(await wire.request("add", [], [NUMBER_0, 1, 2])).toEqual([1, 3]);
  });
});

describe("shapes of a hostile peer", () => {
  test.each([
    ["no list", [1]],
    ["nothing", []],
    ["no pairs", [[1, 2]]],
    ["a number over the limit", [[[256, ["a"]]]]],
    ["no number", [[["0", ["a"]]]]],
    ["too many keys", [[[0, Array.from({ length: 65 }, (_, index) => `k${index}`)]]]],
    ["the same key twice", [[[0, ["a", "a"]]]]],
    ["no keys", [[[0, []]]]],
    ["__proto__", [[[0, ["__proto__"]]]]],
    ["__type__", [[[0, ["__type__"]]]]],
    ["then", [[[0, ["then"]]]]],
    ["whole numbers", [[[0, ["4294967295"]]]]],
    ["keys that are a map", [[[0, { length: 1, 0: "a" }]]]],
    ["keys that are no text", [[[0, [1]]]]],
  ])("are counted and ignored where a definition has %s", async (_what, args) => {
    await using server = await served();
    await using wire = await PackPeer.connect(server.address);
    await wire.hello();
    wire.notify("$/shapes", ...args);
    const [type, content] = await wire.request("echo", [[NUMBER_0, 1]]);
    expect([type, content]).toMatchObject([2, { code: "SERIALIZATION_ERROR" }]);
    expect((content as Error).message).toContain("no shape 0 of 1 keys was defined");
    expect(onlyConnection(server).stats().failedNotifications).toBe(1);
    expect(await wire.request("vector", [1])).toEqual([1, { x: 1, y: 2 }]);
  });

  test("are refused one by one: the others of a notification are taken", async () => {
    await using server = await served();
    await using wire = await PackPeer.connect(server.address);
    await wire.hello();
    const definitions = [7, [0, ["x"]], [0, ["y"]], "z", [1], [2, ["a", "a"]], [3, ["c"]]];
    wire.notify("$/shapes", definitions);
    expect(await wire.request("echo", [[NUMBER_0, 1]])).toEqual([1, { x: 1 }]);
    expect(await wire.request("echo", [[new ExtData(1, Uint8Array.of(3)), 1]])).toEqual([1, { c: 1 }]);
    expect(await wire.request("echo", [[new ExtData(1, Uint8Array.of(1)), 1]])).toMatchObject([2, {}]);
    expect(onlyConnection(server).stats().failedNotifications).toBe(1);
  });

  test("are refused without an error of their own, which only a subscriber gets", async () => {
    await using server = await served();
    await using wire = await PackPeer.connect(server.address);
    await wire.hello();
    const published: unknown[] = [];
    const onFailed = (message: unknown): void => void published.push(message);
    const refused = async (): Promise<void> => {
      wire.notify("$/shapes", [[0, ["then"]]]);
      wire.notify("$/none");
      await wire.request("vector", [1]);
    };
    await refused();
    subscribe("colloquy:failed-notification", onFailed);
    await refused();
    unsubscribe("colloquy:failed-notification", onFailed);
    const connection = onlyConnection(server);
    const error = expect.objectContaining({ code: "INVALID_ARGUMENT" }) as unknown;
    expect(published).toEqual(["$/shapes", "$/none"].map((path) => ({ connection, path, error })));
    expect(connection.stats().failedNotifications).toBe(4);
  });

  test("are counted where the codec has none", async () => {
    await using server = await serve(newAddress(), root);
    await using wire = await WirePeer.connect(server.address);
    await wire.hello();
    wire.notify("$/shapes", [[0, ["a"]]]);
    expect(await wire.request("vector", [1])).toEqual([1, { x: 1, y: 2 }]);
    expect(onlyConnection(server).stats().failedNotifications).toBe(1);
  });

  test("are not taken before hello, or from a plain peer", async () => {
    await using server = await served();
    await using wire = await PackPeer.connect(server.address);
    wire.notify("$/shapes", [[0, ["a"]]]);
    const [type, text] = await wire.request("echo", [[NUMBER_0, 1]]);
    expect(type).toBe(2);
    expect(text).toContain("no shape 0");
    expect(onlyConnection(server).stats().failedNotifications).toBe(1);
  });

  test("are no method to call", async () => {
    await using server = await served();
    await using wire = await PackPeer.connect(server.address);
    await wire.hello();
    expect(await wire.request("$/shapes", [[[0, ["a"]]]])).toMatchObject([2, { code: "NOT_FOUND" }]);
  });

  test("have keys that look like code, and stay keys", async () => {
    await using server = await served();
    await using wire = await PackPeer.connect(server.address);
    await wire.hello();
    const keys = [
      '"]; process.exit(1); //',
      "`${process.exit(1)}`",
      "\u2028",
      "\\",
      '"',
      "'",
      "]})",
      "prototype",
      "__defineGetter__",
    ];
    wire.notify("$/shapes", [[0, keys]]);
    const values = keys.map((_, index) => index);
    const [type, content] = await wire.request("echo", [[NUMBER_0, ...values]]);
    expect(type).toBe(1);
    expect(Object.entries(content as object)).toEqual(keys.map((key, index) => [key, index]));
  });

  test("end with the connection", async () => {
    await using server = await served();
    const first = await PackPeer.connect(server.address);
    await first.hello();
    first.notify("$/shapes", [[0, ["a"]]]);
    expect(await first.request("echo", [[NUMBER_0, 1]])).toEqual([1, { a: 1 }]);
    await using second = await PackPeer.connect(server.address);
    await second.hello();
    expect(await second.request("echo", [[NUMBER_0, 1]])).toMatchObject([2, { code: "SERIALIZATION_ERROR" }]);
    first.close();
  });
});

describe("shapes between two sides of this library", () => {
  test("carry what crosses without them: undefined, functions, serializers, bytes", async () => {
    await using link = await pair(root, BOTH);
    const leaf = fc.oneof(
      fc.integer(),
      fc.double(),
      fc.string({ maxLength: 40 }),
      fc.constantFrom(null, true, undefined, new Point({ a: [undefined] }), new Point(1)),
      fc.constantFrom(
        () => 1,
        async () => 2,
      ),
      fc.uint8Array({ maxLength: 4 }),
    );
    const key = fc.constantFrom("a", "b", "name", "x", "of", "ä ö", '"', "toString");
    const { tree } = fc.letrec((tie) => ({
      tree: fc.oneof(
        { depthSize: "small", withCrossShrink: true },
        leaf,
        fc.array(tie("tree"), { maxLength: 3 }),
        fc.dictionary(key, tie("tree"), { maxKeys: 5, noNullPrototype: true }),
      ),
    }));
    await fc.assert(
      fc.asyncProperty(
        fc.array(tree, { minLength: 3, maxLength: 3 }),
        fc.array(leaf, { minLength: 12, maxLength: 12 }),
        async (trees, leaves) => {
          const contents = leaves.map((value, index) => ({ a: value, name: [{ b: value, x: trees[index % 3] }] }));
          const arrived = await Promise.all(contents.map(async (content) => link.remote.echo(content)));
          expect(arrived).toStrictEqual(contents);
          expect(await link.peer.stats().failedNotifications).toBe(0);
        },
      ),
      { numRuns: 60 },
    );
    // Hello's answer is there, and each definition is one message more than the answers.
    const { receivedMessages, sentMessages } = link.client.stats();
    expect(receivedMessages).toBeGreaterThan(60 * 12 + 2);
    expect(sentMessages).toBeGreaterThan(60 * 12 + 2);
  });

  test("are told in both directions, and leave fewer bytes", async () => {
    await using link = await pair(root, BOTH);
    const content = Array.from({ length: 20 }, (_, index) => ({ identifier: index, description: "short" }));
    const bytes: [number, number][] = [];
    for (let round = 0; round < 3; round++) {
      const before = link.client.stats();
      expect(await link.remote.echo(content)).toEqual(content);
      const after = link.client.stats();
      bytes.push([after.sentBytes - before.sentBytes, after.receivedBytes - before.receivedBytes]);
    }
    expect(bytes[2]![0]).toBeLessThan(bytes[0]![0] / 2);
    expect(bytes[2]![1]).toBeLessThan(bytes[0]![1] / 2);
  });

  test("tell the same place of a value that can't be sent, with and without, in both directions", async () => {
    const readings = (last: unknown): unknown[] =>
      [1, 2, 3].map((power): object => ({ name: "a", power })).concat([{ name: "b", power: last }]);
    const host = service({
      take: expose((_value: unknown) => 1),
      give: expose((last: string) => ({ readings: readings(last === "symbol" ? Symbol("x") : 4) })),
    });
    await using link = await pair(host, BOTH);
    const messages: string[][] = [];
    for (let round = 0; round < 12; round++) {
      const given = await failureOf(link.remote.take({ readings: readings(Symbol("x")) }));
      const taken = await failureOf(link.remote.give("symbol"));
      messages.push([given.message, taken.message]);
      await link.remote.take({ readings: readings(4) });
      await link.remote.give("4");
    }
    expect(messages[0]).toEqual([
      'argument 1 of "take": no serializer for symbol, at readings[3].power',
      "the result can't be sent: no serializer for symbol, at readings[3].power",
    ]);
    expect(new Set(messages.map((pairOfThem) => pairOfThem.join("\n"))).size).toBe(1);
    expect(link.client.stats().receivedMessages).toBeGreaterThan(3 * 12 + 1);
  });

  test("tell the same place of a value that can't be read, with and without, in both directions", async () => {
    const host = service({
      take: expose((_value: unknown) => 1),
      give: expose((x: string) => ({ readings: [1, { name: "b", power: new Point(x) }] })),
    });
    await using link = await pair(host, BOTH);
    const messages: string[][] = [];
    for (let round = 0; round < 12; round++) {
      const given = await failureOf(link.remote.take({ readings: [1, { name: "b", power: new Point("refused") }] }));
      const taken = await failureOf(link.remote.give("refused"));
      messages.push([given.message, taken.message]);
    }
    expect(messages[0]![0]).toMatch(/no such point, at \[1\]\[0\]\.readings\[1\]\.power$/);
    expect(messages[0]![1]).toMatch(/^the answer can't be decoded: .*no such point, at readings\[1\]\.power$/);
    expect(new Set(messages.map((pairOfThem) => pairOfThem.join("\n"))).size).toBe(1);
  });

  test("outlive messages that fail", async () => {
    await using link = await pair(root, BOTH);
    for (let count = 0; count < 30; count++) {
      const outcomes = await Promise.allSettled([
        link.remote.vector(count),
        link.remote.broken(),
        link.remote.echo([{ x: 1, y: 2 }, Symbol("x")]),
        link.remote.echo({ x: new Point("refused"), y: 2 }),
        link.remote.echo({ x: count, y: () => 1 }),
      ]);
      expect(outcomes.map(({ status }) => status)).toEqual([
        "fulfilled",
        "rejected",
        "rejected",
        "rejected",
        "fulfilled",
      ]);
      expect(outcomes[0]).toMatchObject({ value: { x: count, y: 2 } });
      expect(outcomes[4]).toMatchObject({ value: { x: count, y: expect.any(Function) } });
    }
    expect(link.client.stats().failedNotifications + link.peer.stats().failedNotifications).toBe(0);
  });

  test("are defined by what notifications and calls from handlers send, too", async () => {
    const seen: unknown[] = [];
    const host = service({ note: expose((value: unknown) => void seen.push(value)) });
    await using link = await pair(host, BOTH);
    for (let count = 0; count < 30; count++) notify(link.remote.note)({ x: count, y: [{ z: count }] });
    await until(() => seen.length === 30);
    expect(seen).toEqual(Array.from({ length: 30 }, (_, count) => ({ x: count, y: [{ z: count }] })));
    expect(link.client.stats().sentMessages).toBe(1 + 30 + 2);
  });
});

describe("shapes while output waits", () => {
  const text = "x".repeat(500);

  /** What arrives, read strictly: a number without a definition fails. */
  function readAll(messages: any[]): { answers: Map<number, unknown>; definedAt: number[]; firstUseAt: number } {
    const shapes = new Map<number, string[]>();
    const answers = new Map<number, unknown>();
    const definedAt: number[] = [];
    let firstUseAt = -1;
    for (const [at, [type, id, content]] of messages.entries()) {
      if (type === 3) {
        for (const [number, keys] of content[1][0]) shapes.set(number, keys);
        definedAt.push(at);
      } else if (Array.isArray(content) && content[0] instanceof ExtData) {
        const keys = shapes.get((content[0].data as Uint8Array)[0]!);
        if (keys === undefined) throw new Error("used before it was defined");
        if (firstUseAt < 0) firstUseAt = at;
        answers.set(id, Object.fromEntries(keys.map((key, index) => [key, content[index + 1]])));
      } else answers.set(id, content);
    }
    return { answers, definedAt, firstUseAt };
  }

  test.each(["local", "tcp"])("are not defined early: a slow reader gets everything right over %s", async (kind) => {
    // More than the system takes for a socket whose other end doesn't read.
    const [count, text] = kind === "tcp" ? [4000, "x".repeat(5000)] : [400, "x".repeat(500)];
    const host = service({ row: expose((index: number) => ({ index, text })) });
    const limits = { maxQueuedBytes: 5000, maxRunningCount: 10_000, writeStallMs: 60_000 };
    await using server = await serve(kind === "tcp" ? "tcp://127.0.0.1:0" : newAddress(), host, { codec, limits });
    await using wire = await PackPeer.connect(server.address);
    await wire.hello({ shapes: 256 });
    wire.pause();
    for (let index = 0; index < count; index += 400)
      wire.send(
        ...Array.from({ length: 400 }, (_, offset) => [0, index + offset + 100, ["row", [index + offset], {}]]),
      );
    const connection = onlyConnection(server);
    if (kind === "local") {
      await until(() => connection.stats().receivedMessages === count + 1);
      expect(connection.stats().waiting).toBeGreaterThan(300);
    } else await until(() => connection.stats().waiting > 100, "waiting answers");
    wire.resume();
    const messages: any[] = [];
    for (let answers = 0; answers < count;) {
      messages.push(await wire.next());
      if (messages.at(-1)[0] === 1) answers++;
    }
    for (let index = 0; index < 20; index++) {
      wire.send([0, 50 + index, ["row", [index], {}]]);
      messages.push(await wire.next());
      messages.push(...(await wire.rest()));
    }
    const { answers, definedAt, firstUseAt } = readAll(messages);
    expect(answers.size).toBe(count + 20);
    for (let index = 0; index < count; index++) expect(answers.get(index + 100)).toEqual({ index, text });
    expect(definedAt).toHaveLength(1);
    expect(firstUseAt).toBeGreaterThan(definedAt[0]!);
  });

  test("are defined while nothing waits, and stay right when the other side reads slowly later", async () => {
    const host = service({ row: expose((index: number) => ({ index, text })) });
    await using server = await serve(newAddress(), host, { codec, limits: { maxQueuedBytes: 5000 } });
    await using wire = await PackPeer.connect(server.address);
    await wire.hello({ shapes: 256 });
    const messages: any[] = [];
    for (let index = 0; index < 10; index++) {
      wire.send([0, index, ["row", [index], {}]]);
      messages.push(...(await wire.rest()));
    }
    wire.pause();
    wire.send(...Array.from({ length: 200 }, (_, index) => [0, index + 10, ["row", [index + 10], {}]]));
    await until(() => onlyConnection(server).stats().receivedMessages === 211);
    wire.resume();
    while (messages.length < 211) messages.push(await wire.next());
    const { answers, firstUseAt } = readAll(messages);
    expect(firstUseAt).toBeLessThan(12);
    expect([...answers.values()]).toEqual(Array.from({ length: 210 }, (_, index) => ({ index, text })));
  });
});
