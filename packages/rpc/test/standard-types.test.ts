import { isDeepStrictEqual } from "node:util";
import * as fc from "fast-check";
import {
  JsonCodec,
  MsgPackBloscCodec,
  MsgPackCodec,
  StructuredCloneCodec,
  compressed,
  connectChannel,
  serveChannels,
} from "@colloquy/core";
import type { CodecClass, SerializerFactory } from "@colloquy/core";
import { describe, expect, test } from "vitest";
import { Service, connect, expose, serve, service } from "../src/index.ts";
import { Stranger, WirePeer, failureOf, newAddress, pair } from "./support.ts";

class Desk extends Service {
  kept: unknown;
  @expose echo(value: unknown): unknown {
    return value;
  }
  @expose keep(value: unknown): void {
    this.kept = value;
  }
  @expose give(): unknown {
    return this.kept;
  }
}

class Room extends Service {
  @expose title(): string {
    return "a room";
  }
}

const BASIC: readonly [name: string, codec: CodecClass][] = [
  ["JSON", JsonCodec],
  ["MsgPack", MsgPackCodec],
];
const CODECS: typeof BASIC = [
  ...BASIC,
  ["structured clones", StructuredCloneCodec],
  ["compressed JSON", compressed(JsonCodec, { algorithm: "deflate", threshold: 100 })],
  ["MsgPack in Blosc", MsgPackBloscCodec],
];
const TCP = "tcp://127.0.0.1:0";

/** Text without lone surrogates, which no codec carries. */
const text = fc.string({ unit: "grapheme", maxLength: 8 });
const number = fc.oneof(fc.integer(), fc.double({ noNaN: true, noDefaultInfinity: true }));
const bytes = fc.uint8Array({ maxLength: 40 });
const binary = fc.oneof(
  bytes,
  fc.int8Array({ maxLength: 5 }),
  fc.uint8ClampedArray({ maxLength: 5 }),
  fc.int16Array({ maxLength: 5 }),
  fc.uint16Array({ maxLength: 5 }),
  fc.int32Array({ maxLength: 5 }),
  fc.uint32Array({ maxLength: 5 }),
  fc.float32Array({ maxLength: 5 }),
  fc.float64Array({ maxLength: 5 }),
  fc.bigInt64Array({ maxLength: 5 }),
  fc.bigUint64Array({ maxLength: 5 }),
  bytes.map((array) => Uint8Array.from(array).buffer),
  bytes.map((array) => new DataView(Uint8Array.from(array).buffer)),
);
const key = text.filter((name) => name !== "__proto__" && name !== "__type__");

const { value } = fc.letrec<{ value: unknown; leaf: unknown; error: Error }>((tie) => ({
  value: fc.oneof(
    { depthSize: "small", withCrossShrink: true },
    tie("leaf"),
    fc.array(tie("value"), { maxLength: 4 }),
    fc.dictionary(key, tie("value"), { maxKeys: 4, noNullPrototype: true }),
    fc.array(fc.tuple(tie("value"), tie("value")), { maxLength: 4 }).map((entries) => new Map(entries)),
    fc.array(tie("value"), { maxLength: 4 }).map((values) => new Set(values)),
    tie("error"),
  ),
  leaf: fc.oneof(
    fc.constantFrom(null, undefined, true, false),
    number,
    text,
    fc.bigInt({ min: -(10n ** 40n), max: 10n ** 40n }),
    fc.date({ noInvalidDate: true }),
    fc.webUrl({ withFragments: true, withQueryParameters: true }).map((url) => new URL(url)),
    binary,
  ),
  error: fc
    .tuple(fc.constantFrom(Error, TypeError, RangeError, SyntaxError), text, tie("value"), tie("value"))
    .map(([type, message, cause, field]) => Object.assign(new type(message, { cause }), { field })),
}));

describe.each(CODECS)("values of all built-in types in %s", (_name, codec) => {
  test.each([
    ["in process", undefined],
    ["over TCP", TCP],
  ])("arrive as they were, %s, as arguments and as results", async (_where, address) => {
    const [desk, back] = [new Desk(), new Desk()];
    await using link = await pair<Desk, Desk>(desk, {
      codec,
      service: back,
      serve: { codec },
      ...(address === undefined ? {} : { address }),
    });
    await fc.assert(
      fc.asyncProperty(value, async (given) => {
        const [there, here] = await Promise.all([link.remote.echo(given), link.back.echo({ given })]);
        if (!isDeepStrictEqual(there, given)) expect(there).toStrictEqual(given);
        expect(isDeepStrictEqual(there, given)).toBe(true);
        expect(isDeepStrictEqual(here, { given })).toBe(true);
      }),
      { numRuns: 150 },
    );
    expect(link.client.stats()).toMatchObject({ exportedReferences: 0, importedReferences: 0 });
  });

  test("carry large arrays anywhere, beside their message, into memory of their own", async () => {
    await using link = await pair(new Desk(), { codec, serve: { codec }, address: TCP });
    const wide = Float64Array.from({ length: 50_000 }, (_, index) => index / 7);
    const given = new Map<unknown, unknown>([
      [wide, new Set([wide.subarray(1), new DataView(wide.buffer, 8, 320_000)])],
      ["small", Int16Array.of(1)],
      ["error", Object.assign(new Error("x", { cause: wide.buffer }), { samples: wide.subarray(0, 40_000) })],
    ]);
    const found = (await link.remote.echo(given)) as Map<unknown, unknown>;
    expect(isDeepStrictEqual(found, given)).toBe(true);
    const [first] = found.keys() as unknown as [Float64Array];
    expect(first.buffer.byteLength).toBe(first.byteLength);
  });
});

describe("services and functions in values of the built-in types", () => {
  test("go by reference, in Maps, Sets and errors, both ways", async () => {
    const desk = new Desk();
    await using link = await pair(desk);
    const room = new Room();
    const hear = (name: string): string => `heard ${name}`;
    await link.remote.keep(
      new Map<unknown, unknown>([
        ["room", room],
        [hear, new Set([hear])],
        ["error", Object.assign(new Error("x", { cause: room }), { retry: hear })],
      ]),
    );
    const kept = desk.kept as Map<any, any>;
    expect(await kept.get("room").title()).toBe("a room");
    const [, [fn, set]] = [...kept] as [unknown, [typeof hear, Set<unknown>]];
    expect(await fn("a")).toBe("heard a");
    expect(set.has(fn)).toBe(true);
    expect(await kept.get("error").cause.title()).toBe("a room");
    expect(await kept.get("error").retry("b")).toBe("heard b");
    // They come home as what they were.
    const home = (await link.remote.give()) as Map<unknown, unknown>;
    expect(home.get("room")).toBe(room);
    expect(home.get(hear)).toStrictEqual(new Set([hear]));
  });

  test("aren't kept of a message that could not be sent", async () => {
    await using link = await pair(new Desk());
    const bad = new Map<unknown, unknown>([
      ["fn", () => 1],
      ["bad", new Stranger()],
    ]);
    const error = await failureOf(link.remote.keep(bad));
    expect(error.message).toContain(
      'Stranger is no service and has no serializer; see extraSerializers, at get("bad")',
    );
    expect(link.client.stats().exportedReferences).toBe(0);
  });

  test("an error with exposed methods is a service", async () => {
    class Failure extends Error {
      @expose retry(): string {
        return "again";
      }
    }
    const desk = new Desk();
    await using link = await pair(desk);
    await link.remote.keep([new Failure("x")]);
    expect(await (desk.kept as [{ retry(): Promise<string> }])[0].retry()).toBe("again");
  });
});

test("extra serializers are used at any depth, inside of built-in types too", async () => {
  class Point {
    readonly at: unknown;
    constructor(at: unknown) {
      this.at = at;
    }
  }
  const point: SerializerFactory<Point> = () => [
    Point,
    ({ at }) => new Set([at]),
    ([at]: Set<unknown>) => new Point(at),
  ];
  for (const [, codec] of CODECS) {
    const options = { codec, extraSerializers: [point] };
    await using link = await pair(new Desk(), { ...options, serve: options });
    const given = new Map([[new Point(new Date(1)), [new Set([new Point(new Point(5n))])]]]);
    expect(isDeepStrictEqual(await link.remote.echo(given), given)).toBe(true);
  }
});

describe("a result that is", () => {
  test("undefined arrives as such, and as null at a plain peer", async () => {
    await using server = await serve(newAddress(), new Desk());
    await using connection = await connect<Desk>(server.address);
    expect(await connection.remote.keep(1)).toBeUndefined();
    await using channel = await connectChannel(server.address);
    expect(await channel.send(["keep", [1], {}])).toBeNull();
  });

  test("an Error is a value, and the call succeeds", async () => {
    await using link = await pair(service({ fail: expose(() => new RangeError("a value")) }));
    const found = await (link.remote as unknown as { fail(): Promise<Error> }).fail();
    expect(found).toBeInstanceOf(RangeError);
    expect(found.message).toBe("a value");
    expect(found.stack).toBe("RangeError: a value");
  });
});

describe("plain peers", () => {
  const standard = [5n, new Date(0), new Map(), new Set(), new Error("x"), new URL("a:b"), Float64Array.of(1)];
  const refused = /^.*\w+: the peer said no hello, so it takes no built-in types/;

  test.each(BASIC)("get nothing of them as results, in %s, with a text that says what to do", async (_name, codec) => {
    const desk = new Desk();
    await using server = await serve(newAddress(), desk, { codec });
    await using channel = await connectChannel(server.address, { codec });
    for (const kept of standard) {
      desk.kept = { list: [kept] };
      const error = await failureOf(channel.send(["give", [], {}]));
      expect(error).toMatchObject({ executed: "unknown", remoteName: "ColloquyError" });
      expect(error.message).toMatch(refused);
      expect(error.message).toMatch(/at list\[0\]$/);
    }
    desk.kept = Uint8Array.of(1, 2);
    if (codec === MsgPackCodec) expect(await channel.send(["give", [], {}])).toStrictEqual(desk.kept);
    else expect((await failureOf(channel.send(["give", [], {}]))).message).toContain("JSON has no bytes");
  });

  test.each(["auto", "aiomas", "mosaik"] as const)("get nothing of them as arguments, dialect %s", async (dialect) => {
    for (const [, codec] of BASIC) {
      const seen: unknown[] = [];
      const server = await serveChannels(
        newAddress(),
        async (channel) => {
          for await (const request of channel) {
            const content = request.content as unknown[];
            if (content[0] === "$/hello") void request.fail("LookupError: $/hello");
            else void request.reply(seen.push(content[1]));
          }
        },
        { codec },
      );
      await using connection = await connect<any>(server.address, { codec, dialect });
      for (const given of standard) {
        const error = await failureOf(connection.remote.take({ deep: [given] }));
        expect(error).toMatchObject({ code: "SERIALIZATION_ERROR", executed: "no", place: ["deep", 0] });
        expect(error.message).toMatch(refused);
      }
      if (codec === MsgPackCodec) {
        const large = Buffer.alloc(100_000, 7);
        expect(await connection.remote.take(large)).toBe(1);
        expect(seen).toStrictEqual([[Uint8Array.from(large)]]);
      } else expect((await failureOf(connection.remote.take(Uint8Array.of(1)))).message).toContain("JSON has no bytes");
      expect(connection.stats().pending).toBe(0);
      connection.destroy();
      await server.close({ graceMs: 1 });
    }
  });

  test("can't send any", async () => {
    let ran = 0;
    await using server = await serve(newAddress(), service({ take: expose(() => ran++) }));
    await using wire = await WirePeer.connect(server.address);
    for (const [id, data] of [
      [-1, null],
      [-2, "$/ref/1"],
      [-3, ""],
      [-4, 0],
      [-5, []],
      [-13, []],
    ] as const) {
      const [type, content] = await wire.request("take", [{ __type__: [id, data] }]);
      expect(type).toBe(2);
      expect(content).toContain(`built-in type ${id} from a peer that said no hello`);
    }
    expect(ran).toBe(0);
  });
});

describe("channels and connections", () => {
  test("a channel says its hello to a server of services, which doesn't know it, and goes on as a plain one", async () => {
    await using server = await serve(newAddress(), new Desk());
    await using channel = await connectChannel(server.address);
    const error = await failureOf(channel.send(["echo", [new Date(0)], {}]));
    expect(error).toMatchObject({ code: "SERIALIZATION_ERROR", executed: "no" });
    expect(error.message).toMatch(/^Date: the peer said no hello/);
    expect(await channel.send(["echo", ["fine"], {}])).toBe("fine");
  });

  test("a server of channels gets the hello of a connection as a request, and is a plain peer to it", async () => {
    const seen: unknown[] = [];
    const server = await serveChannels(newAddress(), async (channel) => {
      for await (const request of channel) {
        seen.push(request.content);
        await request.fail("no such name");
      }
    });
    const connection = await connect<any>(server.address);
    await failureOf(connection.remote.echo(1));
    expect(seen).toMatchObject([
      ["$/hello", [{ protocol: 1 }], {}],
      ["echo", [1], {}],
    ]);
    connection.destroy();
    await server.close({ graceMs: 1 });
  });
});
