import { describe, expect, test } from "vitest";
import { Service, connect, expose, serve, service } from "../src/index.ts";
import type { CallContext, Limits } from "../src/index.ts";
import { WirePeer, failureOf, frameOf, newAddress, pair, turns, until } from "./support.ts";

class Counter extends Service {
  readonly started: unknown[] = [];
  readonly #finish: ((value: unknown) => void)[] = [];

  @expose start(what: unknown): unknown {
    this.started.push(what);
    return what;
  }
  @expose async later(what: unknown): Promise<unknown> {
    this.started.push(what);
    return new Promise((resolve) => this.#finish.push(resolve));
  }
  @expose count(...args: unknown[]): number {
    return args.length;
  }
  @expose({ context: true }) async context({ connection, path, signal }: CallContext): Promise<unknown> {
    return [path, connection.remoteAddress, signal.aborted];
  }
  get running(): number {
    return this.#finish.length;
  }
  letGo(): void {
    for (const finish of this.#finish.splice(0).toReversed()) finish("done");
  }
}

async function visited(root: object = new Counter(), limits: Partial<Limits> = {}): Promise<WirePeer> {
  const server = await serve(newAddress(), root, { limits });
  const wire = await WirePeer.connect(server.address);
  await wire.hello();
  return wire;
}

describe("a malformed request", () => {
  test.each([
    ["nothing", null],
    ["a number", 5],
    ["a text", "start"],
    ["a map", { path: "start", args: [], kwargs: {} }],
    ["an empty list", []],
    ["a path only", ["start"]],
    ["no keyword arguments", ["start", []]],
    ["too much", ["start", [], {}, {}, {}]],
    ["a path that is a number", [1, [], {}]],
    ["a path that is null", [null, [], {}]],
    ["a path that is a list", [["start"], [], {}]],
    ["arguments that are a map", ["start", {}, {}]],
    ["arguments that are null", ["start", null, {}]],
    ["arguments that are a text", ["start", "abc", {}]],
    ["keyword arguments that are a list", ["start", [], []]],
    ["keyword arguments that are null", ["start", [], null]],
    ["keyword arguments that are a text", ["start", [], "abc"]],
  ])("%s, is answered, and nothing runs", async (_what, content) => {
    const counter = new Counter();
    await using wire = await visited(counter);
    const [type, answer] = await wire.ask(content);
    expect(type).toBe(2);
    expect(answer).toMatchObject({ code: "INVALID_ARGUMENT", executed: "no" });
    expect(counter.started).toEqual([]);
    expect(await wire.request("start", [1])).toEqual([1, 1]);
  });

  test.each([null, 5, [], ["start"], ["start", [], []], [null, [], {}]])(
    "%j as the first message of a plain peer is answered, too",
    async (content) => {
      await using server = await serve(newAddress(), new Counter());
      await using wire = await WirePeer.connect(server.address);
      const [type, answer] = await wire.ask(content);
      expect(type).toBe(2);
      // What doesn't even look like a call comes from no plain peer.
      if (content === null || Array.isArray(content)) expect(typeof answer).toBe("string");
      else expect(answer).toMatchObject({ code: "INVALID_ARGUMENT", executed: "no" });
      expect(await wire.request("start", [1])).toEqual([1, 1]);
    },
  );

  test("D10 whose content can't be decoded is answered with its id", async () => {
    await using wire = await visited();
    for (const [id, content] of [
      [70, '["start",[{"__type__":5}],{}]'],
      [71, '["start",[{"__type__":[99,0]}],{}]'],
      [72, '["start",[{"__proto__":1}],{}]'],
      [73, `["start",[${"[".repeat(100)}${"]".repeat(100)}],{}]`],
    ] as const) {
      wire.write(frameOf(`[0,${id},${content}]`));
      expect(await wire.next()).toMatchObject([2, id, { code: "SERIALIZATION_ERROR", executed: "no" }]);
    }
    expect(await wire.request("start", [1])).toEqual([1, 1]);
  });

  test("as a notification is counted and nothing else", async () => {
    const counter = new Counter();
    await using link = await pair(counter);
    await using wire = await WirePeer.connect(link.server.address);
    await wire.hello();
    const end = [...link.server.connections].at(-1)!;
    const contents = [
      null,
      5,
      [],
      ["start"],
      ["start", {}, {}],
      ["none", [], {}],
      ["$/none", [], {}],
      ["$/cancel", ["x"], {}],
    ];
    for (const content of contents) wire.send([3, 0, content]);
    await until(() => end.stats().failedNotifications === contents.length);
    expect(await wire.rest()).toEqual([]);
    expect(counter.started).toEqual([]);
  });

  test("with meta is one like any other", async () => {
    await using wire = await visited();
    expect(await wire.ask(["start", [1], {}, { deadline: 1000, trace: "x" }])).toEqual([1, 1]);
    expect(await wire.ask(["start", [1], {}, "no map"])).toEqual([1, 1]);
  });

  test("with a live id closes the connection", async () => {
    await using wire = await visited();
    wire.send([0, 9, ["later", [1], {}]], [0, 9, ["later", [1], {}]]);
    await wire.closed;
  });
});

describe("requests", () => {
  test("R13 start in the order in which they came, and none waits for another", async () => {
    const counter = new Counter();
    await using wire = await visited(counter);
    wire.send(...[0, 1, 2, 3].map((id) => [0, 100 + id, [id % 2 === 0 ? "later" : "start", [id], {}]]));
    expect(await wire.next()).toEqual([1, 101, 1]);
    expect(await wire.next()).toEqual([1, 103, 3]);
    expect(counter.started).toEqual([0, 1, 2, 3]);
    counter.letGo();
    expect(await wire.next()).toEqual([1, 102, "done"]);
    expect(await wire.next()).toEqual([1, 100, "done"]);
  });

  test("get one answer each, whatever a thenable does", async () => {
    const twice = { then: (done: (x: number) => void, fail: (x: unknown) => void) => (done(1), done(2), fail(3)) };
    const throwing = {
      then(done: (x: number) => void): void {
        done(1);
        throw new Error("too late");
      },
    };
    const getter = Object.defineProperty({}, "then", {
      get() {
        throw new Error("no then");
      },
    });
    const root = service({
      twice: expose(() => twice),
      throwing: expose(() => throwing),
      getter: expose(() => getter),
    });
    await using wire = await visited(root);
    expect(await wire.request("twice")).toEqual([1, 1]);
    expect(await wire.request("throwing")).toEqual([1, 1]);
    expect((await wire.request("getter"))[0]).toBe(2);
    expect(await wire.rest()).toEqual([]);
  });

  test("answer undefined, null and nothing to peers that know them", async () => {
    const root = service({
      none: expose(() => {}),
      undef: expose(async () => undefined),
      nil: expose(() => null),
      inside: expose(() => ({ list: [undefined, null], key: undefined })),
    });
    await using link = await pair(root);
    expect(await link.remote.none()).toBeUndefined();
    expect(await link.remote.undef()).toBeUndefined();
    expect(await link.remote.nil()).toBeNull();
    expect(await link.remote.inside()).toStrictEqual({ list: [undefined, null], key: undefined });
  });

  test("on a service and not a method of it are NOT_EXPOSED", async () => {
    await using wire = await visited(service({ sub: service({ sub: new Counter() }) }));
    for (const path of ["", "sub", "sub/sub"]) {
      expect((await wire.request(path))[1]).toMatchObject({ code: "NOT_EXPOSED", executed: "no" });
    }
  });

  test("on a side that serves nothing are NOT_FOUND", async () => {
    await using link = await pair(new Counter());
    const back = link.back as unknown as Record<string, () => Promise<unknown>>;
    const error = await failureOf(back["anything"]!());
    expect(error).toMatchObject({ code: "NOT_FOUND", message: '"anything" not found: this side serves nothing' });
  });

  test("with a context know their path and connection", async () => {
    await using link = await pair(service({ sub: service({ deep: new Counter() }) }));
    expect(await link.remote.sub.deep.context()).toEqual(["sub/deep/context", link.peer.remoteAddress, false]);
  });
});

describe("limits of requests", () => {
  test.each([1, 3, 255])("arguments: %i and no more", async (limit) => {
    await using wire = await visited(new Counter(), { maxArgumentCount: limit });
    const args = (count: number): number[] => Array.from({ length: count }, () => 0);
    expect(await wire.request("count", args(limit - 1))).toEqual([1, limit - 1]);
    expect(await wire.request("count", args(limit))).toEqual([1, limit]);
    const [type, content] = await wire.request("count", args(limit + 1));
    expect(type).toBe(2);
    expect(content).toMatchObject({
      code: "INVALID_ARGUMENT",
      message: `${limit + 1} arguments; the limit is ${limit} (maxArgumentCount)`,
    });
  });

  test.each([
    [10, "xxxxxxxxx", "xxxxxxxxxx", "xxxxxxxxxxx"],
    [10, "ääää", "äääää", "äääääx"],
    [12, "\u{1f375}\u{1f375}", "\u{1f375}\u{1f375}\u{1f375}", "\u{1f375}\u{1f375}\u{1f375}x"],
  ])("path bytes: %i, counted in UTF-8", async (maxPathBytes, below, at, above) => {
    const root = service({ [below]: expose(() => 1), [at]: expose(() => 2), [above]: expose(() => 3) });
    await using wire = await visited(root, { maxPathBytes });
    expect(await wire.request(below)).toEqual([1, 1]);
    expect(await wire.request(at)).toEqual([1, 2]);
    expect((await wire.request(above))[1]).toMatchObject({
      code: "INVALID_ARGUMENT",
      message: `path over the limit of ${maxPathBytes} bytes (maxPathBytes)`,
    });
  });

  test.each([1, 2, 16])("path parts: %i and no more", async (limit) => {
    let root: object = service({ f: expose(() => "here") });
    for (let depth = 1; depth < limit + 1; depth++) root = service({ s: root, f: expose(() => "here") });
    await using wire = await visited(root, { maxPathPartCount: limit });
    const path = (parts: number): string => [...Array.from({ length: parts - 1 }, () => "s"), "f"].join("/");
    if (limit > 1) expect(await wire.request(path(limit - 1))).toEqual([1, "here"]);
    expect(await wire.request(path(limit))).toEqual([1, "here"]);
    expect((await wire.request(path(limit + 1)))[1]).toMatchObject({
      code: "INVALID_ARGUMENT",
      message: `path of more than ${limit} parts (maxPathPartCount)`,
    });
  });

  test.each([1, 4])("D8 running handlers: %i and no more, and a place is free when one has settled", async (limit) => {
    const counter = new Counter();
    await using link = await pair(counter, { serve: { limits: { maxRunningCount: limit } } });
    const calls = Array.from({ length: limit }, (_, index) => link.remote.later(index));
    await until(() => counter.running === limit);
    const error = await failureOf(link.remote.later("one more"));
    expect(error).toMatchObject({ code: "RESOURCE_EXHAUSTED", executed: "no" });
    expect(error.message).toContain("maxRunningCount");
    counter.letGo();
    await Promise.all(calls);
    expect(await link.remote.start("again")).toBe("again");
    expect(counter.started).not.toContain("one more");
  });

  test("a call that was cancelled keeps its place until its handler has settled", async () => {
    const counter = new Counter();
    await using wire = await visited(counter, { maxRunningCount: 2 });
    wire.send([0, 50, ["later", [1], {}]], [0, 51, ["later", [2], {}]]);
    wire.notify("$/cancel", 50);
    wire.notify("$/cancel", 51);
    expect((await wire.request("start", [1]))[1]).toMatchObject({ code: "RESOURCE_EXHAUSTED" });
    counter.letGo();
    expect(await wire.next()).toEqual([1, 51, "done"]);
    expect(await wire.next()).toEqual([1, 50, "done"]);
    expect(await wire.request("start", [1])).toEqual([1, 1]);
  });

  test.each([1, 5])("pending calls: %i and no more", async (limit) => {
    const counter = new Counter();
    await using server = await serve(newAddress(), counter);
    await using connection = await connect<Counter>(server.address, { limits: { maxPendingCount: limit } });
    const calls = Array.from({ length: limit }, (_, index) => connection.remote.later(index));
    const error = await failureOf(connection.remote.start("one more"));
    expect(error).toMatchObject({ code: "RESOURCE_EXHAUSTED", executed: "no" });
    expect(error.message).toContain("maxPendingCount");
    await until(() => counter.running === limit);
    counter.letGo();
    expect(await Promise.all(calls)).toEqual(calls.map(() => "done"));
    expect(await connection.remote.start("again")).toBe("again");
    await turns(2);
    expect(counter.started).not.toContain("one more");
  });
});
