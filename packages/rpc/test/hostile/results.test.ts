import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import {
  Codec,
  JsonCodec,
  MsgPackBloscCodec,
  MsgPackCodec,
  StructuredCloneCodec,
  compressed,
  decodedSize,
} from "@colloquy/core";
import type { CodecClass } from "@colloquy/core";
import { Service, connect, expose, pipeline, serve } from "../../src/index.ts";
import type { ServeOptions } from "../../src/index.ts";
import { Stranger, WirePeer, failureOf, newAddress, pair, turns, until } from "../support.ts";
import { wireVisit } from "../wire-visit.ts";

class Point {
  readonly x: unknown;
  constructor(x: unknown) {
    this.x = x;
  }
}
const points = [() => [Point, ({ x }: Point) => [x], ([x]: [unknown]) => new Point(x)] as const];

interface State {
  accounts: Record<string, number>;
  label?: string;
}

class Desk extends Service {
  readonly state: State = { accounts: { ada: 100 } };
  readonly given: unknown[][] = [];
  readonly ends: (() => void)[] = [];
  readonly point = new Point({ y: 1 });
  readonly stranger = new Stranger();
  readonly part = new (class extends Service {
    @expose name() {
      return "part";
    }
  })();
  readonly signal = new AbortController().signal;
  helper = (): string => "helped";

  @expose read() {
    return this.state;
  }
  @expose async readLater() {
    await turns(2);
    return { all: [this.state] };
  }
  @expose label(state: State | { all: State[] }) {
    const found = "all" in state ? state.all[0]! : state;
    found.label = "mine";
    found.accounts = { mallory: 1 };
    return found;
  }
  @expose take(...given: unknown[]) {
    this.given.push(given);
    return given.length;
  }
  @expose echo(value: unknown) {
    return value;
  }
  @expose async echoLater(value: unknown) {
    await turns(2);
    return value;
  }
  @expose async references() {
    await turns(2);
    return [this.part, this.helper, this.signal, this];
  }
  @expose async pointLater() {
    await turns(2);
    return { point: this.point };
  }
  @expose async strange() {
    await turns(2);
    return { inner: [this.stranger] };
  }
  @expose async *items() {
    yield 1;
  }
  @expose async large(count: number) {
    await turns(2);
    return new Float64Array(count);
  }
  @expose hold(_value: unknown) {
    return new Promise<void>((resolve) => void this.ends.push(resolve));
  }
  @expose never() {
    return new Promise<State>(() => {});
  }
}

/** A codec of one's own that takes its time. */
class LateCodec extends Codec {
  override async encode(value: unknown): Promise<Uint8Array> {
    const plain = this.serialize(value);
    await turns(1);
    return Buffer.from(JSON.stringify(plain));
  }
  override async decode(bytes: Uint8Array): Promise<unknown> {
    await turns(1);
    return this.deserialize(JSON.parse(Buffer.from(bytes).toString()));
  }
}

const codecs: readonly [name: string, codec: CodecClass][] = [
  ["JSON", JsonCodec],
  ["MsgPack", MsgPackCodec],
  ["structured clones", StructuredCloneCodec],
  ["Blosc", MsgPackBloscCodec],
  ["a compressed codec", compressed(JsonCodec, { algorithm: "deflate", threshold: 0 })],
  ["a codec that works in promises", LateCodec],
];

describe.each(codecs)("A result that becomes an argument, in %s,", (_name, codec) => {
  const options = { codec, extraSerializers: points, serve: { codec, extraSerializers: points } };

  test("is a copy: what its handler does to it is nothing to the one that has made it", async () => {
    const desk = new Desk();
    await using link = await pair(desk, options);
    const { remote } = link;
    const wanted = { accounts: { mallory: 1 }, label: "mine" };
    for (const read of [remote.read, remote.readLater, remote.read]) {
      expect(await remote.label(pipeline(read() as Promise<State>))).toStrictEqual(wanted);
      expect(desk.state).toStrictEqual({ accounts: { ada: 100 } });
    }
    expect(await remote.read()).toStrictEqual({ accounts: { ada: 100 } });
  });

  test("is copied by its serializer, once for each place, and crosses by reference where it would", async () => {
    const desk = new Desk();
    await using link = await pair(desk, options);
    const { remote } = link;
    // From here on plain results are kept, too.
    await remote.take(pipeline(remote.read()));
    const point = pipeline(remote.pointLater());
    await remote.take(point, [point], pipeline(remote.references()), pipeline(remote.items() as never));
    const [first, [second], references, items] = desk.given.at(-1) as [any, [any], unknown[], AsyncIterable<unknown>];
    expect(first).toStrictEqual({ point: new Point({ y: 1 }) });
    expect(first.point).not.toBe(desk.point);
    expect(first.point.x).not.toBe(desk.point.x);
    expect(second).toStrictEqual(first);
    expect(second.point).not.toBe(first.point);
    for (const [index, wanted] of [desk.part, desk.helper, desk.signal, desk].entries())
      expect(references[index]).toBe(wanted);
    for await (const item of items) expect(item).toBe(1);
  });

  test("fails that call where it can't be encoded", async () => {
    const desk = new Desk();
    await using link = await pair(desk, options);
    const strange = link.remote.strange();
    const taking = failureOf(link.remote.take(pipeline(strange)));
    await strange.catch(() => {});
    // A codec that takes its time makes the result itself fail first.
    const code = codec === LateCodec ? "DEPENDENCY_FAILED" : "SERIALIZATION_ERROR";
    expect(await taking).toMatchObject({ code, executed: "no" });
    expect((await taking).message).toContain("Stranger");
    expect(desk.given).toStrictEqual([]);
  });
});

test("A result as the key of a Map is sent by the caller where it isn't kept", async () => {
  const desk = new Desk();
  await using link = await pair(desk);
  const { remote } = link;
  expect(await remote.take(new Map<unknown, unknown>([[remote.echo("key"), pipeline(remote.echo("value"))]]))).toBe(1);
  expect(desk.given).toStrictEqual([[new Map([["key", "value"]])]]);
});

test("A part of a result that becomes an argument is a copy or a reference, too", async () => {
  const desk = new Desk();
  await using field = await wireVisit(desk);
  const { wire } = field;
  wire.send([0, 50, ["echoLater", [{ __type__: [-3, ""] }], {}]], [0, 51, ["take", [result(50, "echo")], {}]]);
  await wire.next();
  expect(await wire.next()).toStrictEqual([1, 51, 1]);
  const [echo] = desk.given[0] as [(value: unknown) => unknown];
  expect(await echo("x")).toBe("x");
});

test("Results that are too large to be copied are sent by the caller", async () => {
  const desk = new Desk();
  await using link = await pair(desk, { serve: { limits: { maxMessageBytes: 100_000 } } });
  expect(await link.remote.take(pipeline(link.remote.large(20_000)))).toBe(1);
  expect((desk.given[0]![0] as Float64Array).length).toBe(20_000);
  // What one message may have holds for all places together, and for what they take once they are copied.
  await using field = await wireVisit(desk, { limits: { maxDecodedCost: 50_000 } });
  const { wire } = field;
  await wire.request("take", [result(99)]);
  wire.send([0, 50, ["echo", ["x".repeat(3000)], {}]]);
  await wire.next();
  wire.send([0, 51, ["take", Array.from({ length: 10 }, () => result(50)), {}]]);
  expect(await wire.next()).toStrictEqual([1, 51, 10]);
  wire.send([0, 52, ["take", Array.from({ length: 20 }, () => result(50)), {}]]);
  expect(await wire.next()).toMatchObject([2, 52, { code: "RESULT_NOT_KEPT", executed: "no" }]);
});

test("What copies take counts as held until their calls have ended", async () => {
  const text = "x".repeat(3000);
  const hold = (id: number): unknown => [0, id, ["hold", [result(50)], {}]];
  const begin = async (limits?: ServeOptions["limits"]) => {
    const desk = new Desk();
    const field = await wireVisit(desk, { limits });
    await field.wire.request("take", [result(99)]);
    field.wire.send([0, 50, ["echo", [text], {}]]);
    await field.wire.next();
    return { ...field, desk };
  };
  await using one = await begin();
  one.wire.send(hold(51));
  await until(() => one.desk.ends.length === 1);
  const { heldBytes } = one.connection.stats();
  expect(heldBytes).toBeGreaterThan(decodedSize(text, Infinity));
  one.desk.ends[0]!();
  await one.wire.next();
  expect(one.connection.stats().heldBytes).toBe(0);

  await using several = await begin({ maxHeldBytes: 3 * decodedSize(text, Infinity) - 1 });
  const { wire, desk, connection } = several;
  wire.send(hold(51), hold(52), hold(53));
  expect(await wire.next()).toMatchObject([2, 53, { code: "RESOURCE_EXHAUSTED", executed: "no" }]);
  for (const end of desk.ends) end();
  await wire.next();
  await wire.next();
  expect(connection.stats().heldBytes).toBe(0);
  wire.send(hold(54));
  await until(() => desk.ends.length === 3);
});

function standard(id: number, data: unknown): unknown {
  return { __type__: [id, data] };
}

function result(id: number, path = ""): unknown {
  return standard(-16, [id, path]);
}

describe("A result in the place of", () => {
  const kept: readonly (readonly [id: number, value: unknown])[] = [
    [60, standard(-2, "$/ref/1")],
    [61, { prototype: { polluted: 1 } }],
    [62, "word"],
  ];

  async function prepared(options: ServeOptions = {}) {
    const desk = new Desk();
    const field = await wireVisit(desk, options);
    await field.wire.request("take", [result(99)]);
    for (const [id, value] of kept) {
      field.wire.send([0, id, ["echo", [value], {}]]);
      await field.wire.next();
    }
    desk.given.length = 0;
    return { ...field, desk };
  }

  test.each<[string, unknown[], object?]>([
    ["a function as `then`", [{ then: result(60) }]],
    ["one deep in an argument", [[{ a: standard(-5, ["key", { then: result(60) }]) }]]],
    ["a function as `toJSON`", [{ toJSON: result(60) }]],
    ["a constructor with a prototype", [{ constructor: result(61) }]],
    ["the cause of an error", [standard(-8, { name: "E", message: "m", cause: result(62) })]],
    ["a field of an error", [standard(-8, { name: "E", message: "m", fields: { then: result(60) } })]],
    ["a gathered error", [standard(-8, { name: "E", message: "m", errors: [[result(62)]] })]],
    ["the reason of a signal", [standard(-15, [{ deep: result(62) }])]],
    ["what a serializer takes", [standard(0, [result(62)])]],
    ["what a serializer takes deeper", [standard(0, [standard(-5, [standard(-6, [result(62)]), 1])])]],
    ["all keyword arguments", [], result(62) as object],
    ["a `then` among them", [], { then: result(60) }],
  ])(
    "%s is refused, as the value itself would be or because it can't stand there",
    async (_what, args, kwargs = {}) => {
      await using field = await prepared({ extraSerializers: points });
      const { wire, desk } = field;
      for (const path of ["take", "echoLater"]) {
        const [type, content] = await wire.request(path, args, kwargs);
        expect(type).toBe(2);
        expect(content).toMatchObject({ code: "SERIALIZATION_ERROR", executed: "no" });
      }
      expect(desk.given).toStrictEqual([]);
      expect(await wire.request("take", [standard(0, [1])])).toStrictEqual([1, 1]);
    },
  );

  test("what a request tells beside its arguments is refused", async () => {
    await using field = await prepared();
    const { wire, desk } = field;
    for (const meta of [{ data: { a: result(62) } }, { other: [result(62)] }, result(62)]) {
      const [type, content] = await wire.ask(["take", [], {}, meta]);
      expect([type, content.executed]).toStrictEqual([2, "no"]);
    }
    expect(desk.given).toStrictEqual([]);
  });

  test("a key or a value of a Map, or a member of a Set, stands there in its order", async () => {
    await using field = await prepared();
    const { wire, desk } = field;
    const map = standard(-5, [1, 2, result(62), [result(62)], "a", result(62), [result(62)], 3]);
    expect(await wire.request("take", [map, standard(-6, [1, result(62), 2, [result(62)]])])).toStrictEqual([1, 2]);
    const [[foundMap, foundSet]] = desk.given as [[Map<unknown, unknown>, Set<unknown>]];
    expect([...foundMap]).toStrictEqual([
      [1, 2],
      ["word", ["word"]],
      ["a", "word"],
      [["word"], 3],
    ]);
    expect([...foundSet]).toStrictEqual([1, "word", 2, ["word"]]);
  });

  test("an argument of the protocol's own requests is refused", async () => {
    const seen: unknown[] = [];
    const authenticate = (credentials: unknown): unknown => {
      seen.push(credentials);
      return "anybody";
    };
    await using field = await prepared({ authenticate });
    const { wire, desk } = field;
    expect(await wire.request("$/auth", [result(62)])).toMatchObject([2, { code: "INVALID_ARGUMENT", executed: "no" }]);
    expect(seen).toStrictEqual([undefined]);
    // A signal that is told to have fired with one hasn't.
    await wire.request("take", [standard(-15, 1)]);
    wire.notify("$/abort", 1, result(62));
    await wire.request("take");
    expect((desk.given[0]![0] as AbortSignal).aborted).toBe(false);
  });

  test("data of serializers is found however much there is, in bounded time", async () => {
    await using field = await prepared({ extraSerializers: points });
    const { wire } = field;
    const many = Array.from({ length: 70_000 }, () => 1);
    expect(await wire.request("take", [result(62), standard(0, many)])).toMatchObject([
      2,
      { code: "SERIALIZATION_ERROR" },
    ]);
    expect(await wire.request("take", [standard(0, many)])).toStrictEqual([1, 1]);
    expect(await wire.request("take", [result(62), standard(0, [1])])).toStrictEqual([1, 2]);
  });
});

test("A value that a result has become is for arguments only, too", async () => {
  const desk = new Desk();
  await using server = await serve(newAddress(), desk, {
    onConnection: (connection) => {
      const answering = failureOf((connection.remote as any).ask());
      desk.given.push([answering]);
    },
  });
  await using wire = await WirePeer.connect(server.address);
  await wire.hello();
  const [type, id, [path]] = await wire.next();
  expect([type, path]).toStrictEqual([0, "ask"]);
  wire.send([1, id, { inner: standard(-16, ["value"]) }]);
  expect(await desk.given[0]![0]).toMatchObject({ code: "SERIALIZATION_ERROR", executed: "yes" });
  expect(await wire.request("take", [standard(-16, ["value"])])).toStrictEqual([1, 1]);
});

describe("A request that waits for a result that never comes", () => {
  test.each([
    ["among its arguments", ["take", [result(50)], {}]],
    ["to be called on", ["$/result/50/read", [], {}]],
  ])("%s is answered when its time is over, and gives its place back", async (_what, content) => {
    const desk = new Desk();
    await using field = await wireVisit(desk, { limits: { maxRunningCount: 3 } });
    const { wire, connection } = field;
    wire.send([0, 50, ["never", [], {}]]);
    for (let id = 51; id < 60; id += 2) {
      wire.send([0, id, [...content, { deadline: 20 }]], [0, id + 1, content]);
      const start = performance.now();
      expect(await wire.next()).toMatchObject([2, id, { code: "DEADLINE_EXCEEDED", executed: "no" }]);
      expect(performance.now() - start).toBeLessThan(4000);
      wire.notify("$/cancel", id + 1);
      expect(await wire.next()).toMatchObject([2, id + 1, { code: "CANCELLED", executed: "no" }]);
      expect(connection.stats().running).toBe(1);
    }
    expect(desk.given).toStrictEqual([]);
  });

  test("is answered at once where there was no time from the start", async () => {
    await using field = await wireVisit(new Desk());
    const { wire } = field;
    wire.send([0, 50, ["never", [], {}]], [0, 51, ["take", [result(50)], {}, { deadline: 0 }]]);
    expect(await wire.next()).toMatchObject([2, 51, { code: "DEADLINE_EXCEEDED", executed: "no" }]);
  });

  test("leaves others waiting for it, and they go on when it comes", async () => {
    let settle = (_value: string): void => {};
    class Slow extends Desk {
      @expose word() {
        return new Promise<string>((resolve) => (settle = resolve));
      }
    }
    const slow = new Slow();
    const server = await serve(newAddress(), slow);
    await using client = await connect<Slow>(server.address);
    const word = client.remote.word();
    const taken = [1, 2].map(() => client.remote.take(pipeline(word)));
    await using wire = await WirePeer.connect(server.address);
    await wire.hello();
    await sleep(5);
    settle("word");
    expect(await Promise.all(taken)).toStrictEqual([1, 1]);
    expect(slow.given).toStrictEqual([["word"], ["word"]]);
    await server.close({ graceMs: 0 });
  });
});

test("Results are for the requests that have them, also where those are handled later than others", async () => {
  const { RecentResults } = await import("../../src/recent-results.ts");
  const results = new RecentResults();
  const [first, second] = [
    ["take", [], {}],
    ["take", [], {}],
  ];
  results.onFound(true);
  expect(results.begin(false, first)).toBe(undefined);
  expect(results.begin(false, second)).toBe(undefined);
  expect([results.wantedBy(first), results.wantedBy(second)]).toStrictEqual([1, 0]);
});
