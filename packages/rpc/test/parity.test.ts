import { describe, expect, test } from "vitest";
import { MsgPackCodec, connectChannel } from "@colloquy/core";
import type { SerializerFactory } from "@colloquy/core";
import { Service, connect, expose, sameRemote, serve, service, withOptions } from "../src/index.ts";
import type { CallContext, Connection, Remote } from "../src/index.ts";
import { Stranger, WirePeer, failureOf, greeted, newAddress, pair, turns, until, wireServer } from "./support.ts";

/*
 * What `docs/coming-from-aiomas.md` promises of services and proxies: the number at the beginning of a name is that of a row of
 * the list in `test/parity.test.ts`.
 */

class Room extends Service {
  readonly label: string;
  constructor(label: string) {
    super();
    this.label = label;
  }
  @expose title(): string {
    return this.label;
  }
}

class Desk extends Service {
  readonly started: unknown[] = [];
  kept: unknown;
  readonly secret = new Room("secret");
  #free: (() => void)[] = [];
  @expose readonly room = new Room("room");
  @expose double(number: number): number {
    return 2 * number;
  }
  @expose async later(number: number): Promise<number> {
    await turns(2);
    return number;
  }
  @expose async wait(name: string): Promise<string> {
    this.started.push(name);
    await new Promise<void>((resolve) => this.#free.push(resolve));
    return name;
  }
  @expose free(): void {
    for (const resolve of this.#free.splice(0)) resolve();
  }
  @expose minus(from: number, by = 1): number {
    return from - by;
  }
  @expose loose(first: unknown, { ...rest }: object): unknown {
    return [first, rest];
  }
  @expose keep(value: unknown): void {
    this.kept = value;
  }
  @expose give(): unknown {
    return this.kept;
  }
  @expose isRoom(value: unknown): boolean {
    return value === this.room;
  }
  @expose async ask(other: Remote<Room>): Promise<string> {
    return other.title();
  }
  hidden(): void {}
}

type Any = Record<string, any>;

describe("connecting and serving", () => {
  test("R1 connect takes a service of its own, which the server calls", async () => {
    await using link = await pair(new Desk(), { service: new Room("client") });
    expect(await link.remote.double(4)).toBe(8);
    expect(await link.back.title()).toBe("client");
  });

  test.each<[unknown]>([[new Stranger()], [{}], [5], ["text"], [() => 1]])(
    "R1 %o is no service and is refused",
    async (none) => {
      await using server = await serve(newAddress(), new Desk());
      expect(await failureOf(connect(server.address, { service: none as object }))).toMatchObject({
        code: "INVALID_ARGUMENT",
      });
      await until(() => server.connections.size === 0);
      if (typeof none !== "function")
        expect(await failureOf(serve(newAddress(), none as never))).toMatchObject({ code: "INVALID_ARGUMENT" });
    },
  );

  test("R2 serve tells of each client, and serves one service or one for each", async () => {
    const seen: Connection[] = [];
    const desk = new Desk();
    await using server = await serve(newAddress(), desk, { onConnection: (connection) => void seen.push(connection) });
    await using a = await connect<Desk>(server.address);
    await using b = await connect<Desk>(server.address);
    await a.remote.keep("a's");
    expect(await b.remote.give()).toBe("a's");
    expect(seen).toHaveLength(2);

    await using own = await serve(newAddress(), () => new Desk());
    await using c = await connect<Desk>(own.address);
    await using d = await connect<Desk>(own.address);
    await c.remote.keep("c's");
    expect(await c.remote.give()).toBe("c's");
    expect((await d.remote.give()) ?? null).toBeNull();
  });

  test("R8 a connection has the root of the other side and close()", async () => {
    await using link = await pair(new Desk());
    expect(link.client.remote).toBe(link.client.remote);
    expect(await link.client.remote.double(1)).toBe(2);
    await link.client.close();
    expect(await failureOf(link.remote.double(1))).toMatchObject({ code: "CONNECTION_LOST", executed: "no" });
    await until(() => link.server.connections.size === 0);
  });

  test("R9 any number of listeners are told of the end, without a service of one's own, too", async () => {
    await using link = await pair(new Desk());
    const told: unknown[] = [];
    for (const name of ["first", "second", "third"]) link.client.onClose((error) => told.push([name, error?.code]));
    const takeBack = link.client.onClose(() => told.push("taken back"));
    takeBack();
    link.peer.destroy();
    const error = await link.client.closed;
    expect(error).toMatchObject({ code: "CONNECTION_LOST" });
    expect(told).toEqual(["first", "second", "third"].map((name) => [name, "CONNECTION_LOST"]));
  });

  test("R9 a connection that is closed in order ends without an error", async () => {
    await using link = await pair(new Desk(), { service: new Room("mine") });
    const told: unknown[] = [];
    link.client.onClose((error) => told.push(error));
    await link.client.close();
    expect(told).toEqual([undefined]);
  });

  test("R14 the server has a list of its clients, and calls them", async () => {
    await using server = await serve(newAddress(), new Desk());
    await using a = await connect(server.address, { service: new Room("a") });
    const b = await connect(server.address, { service: new Room("b") });
    const titles = async (): Promise<string[]> =>
      Promise.all([...server.connections].map((one) => (one as unknown as Connection<Room>).remote.title()));
    expect(await titles()).toEqual(["a", "b"]);
    await b.close();
    await until(() => server.connections.size === 1);
    expect(await titles()).toEqual(["a"]);
    expect(a.usable).toBe(true);
  });
});

describe("services", () => {
  test("R3 expose marks methods, fields, accessors, functions and listed names; others can't be called", async () => {
    class Listed {
      static exposed = ["plain"];
      plain(): string {
        return "plain";
      }
    }
    class All extends Service {
      @expose accessor sub = new Room("accessor");
      @expose field = (): string => "field";
      @expose get got(): Room {
        return new Room("getter");
      }
      @expose readonly listed = service({ it: new Listed() });
    }
    await using link = await pair(new All());
    const remote = link.remote as Any;
    expect(await remote["sub"].title()).toBe("accessor");
    expect(await remote["field"]()).toBe("field");
    expect(await remote["got"].title()).toBe("getter");
    expect(await remote["listed"].it.plain()).toBe("plain");
    await using other = await pair(new Desk());
    expect(await failureOf((other.remote as Any)["hidden"]())).toMatchObject({ code: "NOT_EXPOSED", executed: "no" });
  });

  test.each([5, "text", null, undefined])("R3 %s isn't callable and can't be exposed", (value) => {
    expect(() => expose(value as never)).toThrow(expect.objectContaining({ code: "INVALID_ARGUMENT" }));
  });

  test("R3 one function has several names", async () => {
    const add = expose((a: number, b: number) => a + b);
    await using link = await pair(service({ add, plus: add }));
    expect(await Promise.all([link.remote.add(1, 2), link.remote.plus(1, 2)])).toEqual([3, 3]);
  });

  test("R4 a map of functions and services is the object itself, and may grow while it is served", async () => {
    const members: Any = { add: expose((a: number, b: number) => a + b), sub: new Room("sub") };
    const root = service(members) as Any;
    await using link = await pair(root);
    const remote = link.remote as Any;
    expect(await remote["add"](1, 2)).toBe(3);
    expect(await remote["sub"].title()).toBe("sub");
    root["late"] = new Room("late");
    expect(await remote["late"].title()).toBe("late");
    root["bare"] = () => 1;
    expect(await failureOf(remote["bare"]())).toMatchObject({ code: "NOT_EXPOSED" });
    delete root["late"];
    expect(await failureOf(remote["late"].title())).toMatchObject({ code: "NOT_FOUND" });
  });

  test("R5 a service has services below it, by fields that are exposed, one of its own for each instance", async () => {
    class House extends Service {
      @expose readonly hall: Room;
      constructor(name: string) {
        super();
        this.hall = new Room(`hall of ${name}`);
      }
    }
    await using one = await pair(new House("one"));
    await using other = await pair(new House("other"));
    expect(await Promise.all([one.remote.hall.title(), other.remote.hall.title()])).toEqual([
      "hall of one",
      "hall of other",
    ]);
  });

  test("R6 what isn't there and what isn't exposed have errors of their own, with name and path", async () => {
    await using link = await pair(service({ a: service({ b: new Desk() }) }));
    const { b } = (link.remote as Any)["a"];
    const missing = await failureOf(b.x());
    expect(missing).toMatchObject({ code: "NOT_FOUND", executed: "no", message: 'name "x" not found in "a/b"' });
    const hidden = await failureOf(b.hidden());
    expect(hidden).toMatchObject({ code: "NOT_EXPOSED", executed: "no" });
    expect(hidden.message).toContain('"hidden" is not exposed');
  });

  test("R6 one service may stand at several places", async () => {
    const room = new Room("shared");
    await using link = await pair(service({ east: room, west: service({ inner: room }) }));
    const remote = link.remote as Any;
    expect(await remote["east"].title()).toBe("shared");
    expect(await remote["west"].inner.title()).toBe("shared");
  });

  test("R7 classes and maps are nested in each other", async () => {
    class Outer extends Service {
      @expose readonly map = service({ desk: new Desk(), deeper: service({ add: expose((a: number) => a + 1) }) });
    }
    await using link = await pair(service({ outer: new Outer() }));
    const { map } = link.remote.outer;
    expect(await map.desk.room.title()).toBe("room");
    expect(await map.deeper.add(1)).toBe(2);
  });
});

describe("proxies and calls", () => {
  test("R10 an attribute is a proxy, the same each time; calling it gives a promise; calling the root is an error", async () => {
    await using link = await pair(new Desk());
    expect(link.remote.room).toBe(link.remote.room);
    const called = link.remote.room.title();
    expect(called).toBeInstanceOf(Promise);
    expect(await called).toBe("room");
    expect(() => (link.remote as unknown as () => void)()).toThrow(TypeError);
  });

  test("R10 proxies are equal by connection and path", async () => {
    await using one = await pair(new Desk());
    await using other = await pair(new Desk());
    expect(sameRemote(one.remote.room, one.client.remote.room)).toBe(true);
    expect(sameRemote(one.remote.room, one.remote)).toBe(false);
    expect(sameRemote(one.remote.room, other.remote.room)).toBe(false);
  });

  test("R11 keyword arguments come by the names of parameters, or as a last object", async () => {
    await using link = await pair(new Desk());
    expect(await withOptions(link.remote.minus, { kwargs: { by: 3, from: 10 } })()).toBe(7);
    expect(await withOptions(link.remote.minus, { kwargs: { by: 3 } })(5)).toBe(2);
    expect(await withOptions((link.remote as Any)["loose"], { kwargs: { a: 1, b: 2 } })("x")).toEqual([
      "x",
      { a: 1, b: 2 },
    ]);
    // As they come from Python.
    await using channel = await connectChannel(link.server.address);
    expect(await channel.send(["minus", [10], { by: 4 }])).toBe(6);
  });

  test("R12 services arrive as proxies, in arguments and in results, at any depth; at home as themselves", async () => {
    const desk = new Desk();
    await using link = await pair(desk);
    expect(await link.remote.ask(new Room("mine"))).toBe("mine");
    await link.remote.keep({ deep: [new Room("deep")] });
    const given = desk.kept as { deep: [Remote<Room>] };
    expect(await given.deep[0].title()).toBe("deep");
    desk.kept = { rooms: [desk.room, desk.secret] };
    const { rooms } = (await link.remote.give()) as { rooms: Remote<Room>[] };
    expect(await Promise.all(rooms.map((room) => room.title()))).toEqual(["room", "secret"]);
    expect(sameRemote(rooms[0], link.remote.room)).toBe(true);
    expect(await link.remote.isRoom(rooms[0])).toBe(true);
  });

  test("R12 functions arrive as functions", async () => {
    const desk = new Desk();
    await using link = await pair(desk);
    await link.remote.keep((text: string) => `${text}!`);
    expect(await (desk.kept as (text: string) => Promise<string>)("called")).toBe("called!");
  });

  test("R12 what is under no root, or without a root at all, is handed out as $/ref/<n>", async () => {
    const desk = new Desk();
    desk.kept = desk.secret;
    await using server = await serve(newAddress(), desk);
    await using channel = await connectChannel(server.address, {
      extraSerializers: [() => [Object, () => "", (path: unknown) => ({ path })] as const] as never,
    });
    expect(await channel.send(["give", [], {}])).toEqual({ path: "$/ref/1" });
    // This side serves nothing.
    await using client = await connect<Desk>(server.address);
    expect(await client.remote.ask(new Room("rootless"))).toBe("rootless");
  });

  test("R12 what is no service is a SerializationError", async () => {
    await using link = await pair(new Desk());
    expect(await failureOf(link.remote.keep(new Stranger()))).toMatchObject({
      code: "SERIALIZATION_ERROR",
      executed: "no",
      message: expect.stringContaining("Stranger"),
    });
  });

  test("R13 handlers are functions or async functions; each request runs by itself, started in order of arrival", async () => {
    const desk = new Desk();
    await using link = await pair(desk);
    expect(await Promise.all([link.remote.double(1), link.remote.later(2)])).toEqual([2, 2]);
    const waiting = ["a", "b", "c"].map((name) => link.remote.wait(name));
    // It is answered while they run.
    expect(await link.remote.double(5)).toBe(10);
    expect(desk.started).toEqual(["a", "b", "c"]);
    await link.remote.free();
    expect(await Promise.all(waiting)).toEqual(["a", "b", "c"]);
  });

  test("R13 calls go back and forth within one another", async () => {
    interface Down {
      down(n: number): Promise<number>;
    }
    class Half extends Service {
      other!: Remote<Down>;
      @expose async down(n: number): Promise<number> {
        return n === 0 ? 0 : 1 + (await this.other.down(n - 1));
      }
    }
    const [near, far] = [new Half(), new Half()];
    await using link = await pair(far, { service: near });
    [near.other, far.other] = [link.remote, link.back];
    expect(await link.remote.down(7)).toBe(7);
  });
});

class Point {
  readonly x: number;
  constructor(x: number) {
    this.x = x;
  }
}
class Size extends Point {}
const point: SerializerFactory<Point> = () => [Point, ({ x }: Point) => x, (x: number) => new Point(x)];
const size: SerializerFactory<Size> = () => [Size, ({ x }: Size) => x, (x: number) => new Size(x)];

describe("what was broken in aiomas", () => {
  test("D1 a call that was given up doesn't break the connection when its answer arrives", async () => {
    await using server = await wireServer();
    const { connection, wire } = await greeted<Desk>(server);
    const abort = new AbortController();
    const call = failureOf(withOptions(connection.remote.double, { signal: abort.signal })(1));
    const [, id] = await wire.next();
    abort.abort();
    expect(await call).toMatchObject({ code: "CANCELLED" });
    const next = connection.remote.double(2);
    // The other side hasn't heeded the cancellation.
    let request = await wire.next();
    while (request[0] !== 0 || request[2][0] !== "double") request = await wire.next();
    wire.send([1, id, "late"], [1, request[1], 4]);
    expect(await next).toBe(4);
    expect(connection.stats().lateAnswers).toBe(1);
    expect(connection.usable).toBe(true);
    connection.destroy();
  });

  test.each([
    ["another order", [size, point]],
    ["one too few", [point]],
    ["none", []],
  ])("D4 serializers that don't fit (%s) are told at once, with their names", async (_what, extraSerializers) => {
    await using server = await serve(newAddress(), new Desk(), { extraSerializers: [point, size] });
    const error = await failureOf(connect(server.address, { extraSerializers }));
    expect(error).toMatchObject({ code: "PROTOCOL_ERROR", message: expect.stringContaining('["Point", "Size"]') });
    await using right = await connect<Desk>(server.address, { extraSerializers: [point, size] });
    await right.remote.keep(new Size(5));
    expect(await right.remote.give()).toBeInstanceOf(Size);
  });

  test.each([
    "secret/title",
    "kept/title",
    "started/push",
    "constructor",
    "__proto__/title",
    "room/label",
    "room/title/call",
  ])("D5 the path %s leads nowhere: only what is exposed is found", async (path) => {
    const desk = new Desk();
    await using server = await serve(newAddress(), desk);
    await using far = await pair(new Room("far"));
    // A proxy that the service stores.
    desk.kept = far.remote;
    await using wire = await WirePeer.connect(server.address);
    await wire.hello();
    const [type, content] = await wire.request(path);
    expect(type).toBe(2);
    expect(content).toMatchObject({ code: expect.stringMatching(/^NOT_(FOUND|EXPOSED)$/), executed: "no" });
  });

  test("D6 a proxy works at a third peer", async () => {
    await using origin = await pair(new Room("origin"));
    await using hub = await pair(new Desk());
    await hub.remote.keep(origin.remote);
    await using third = await connect<Desk>(hub.server.address);
    const passed = (await third.remote.give()) as Remote<Room>;
    expect(await passed.title()).toBe("origin");
  });

  test("D7 nothing is remembered of a path: what stands there now is called", async () => {
    const root = service({ room: new Room("old") }) as Any;
    await using link = await pair(root);
    const { room } = link.remote as Any;
    expect(await room.title()).toBe("old");
    root["room"] = new Room("new");
    expect(await room.title()).toBe("new");
    delete root["room"];
    expect(await failureOf(room.title())).toMatchObject({ code: "NOT_FOUND" });
  });

  test("D8 requests beyond the limit of those that run are refused, not carried out", async () => {
    const desk = new Desk();
    await using link = await pair(desk, { serve: { limits: { maxRunningCount: 2 } } });
    const waiting = ["a", "b"].map((name) => link.remote.wait(name));
    expect(await failureOf(link.remote.wait("c"))).toMatchObject({ code: "RESOURCE_EXHAUSTED", executed: "no" });
    expect(desk.started).toEqual(["a", "b"]);
    desk.free();
    expect(await Promise.all(waiting)).toEqual(["a", "b"]);
  });

  test.each([[null], [[]], [["double"]], [["double", []]], [[5, [], {}]], [["double", 5, {}]], [["double", [], 5]]])(
    "D10 the malformed request %j is answered, and the connection goes on",
    async (content) => {
      for (const codec of [undefined, MsgPackCodec]) {
        await using server = await serve(newAddress(), new Desk(), { codec });
        await using channel = await connectChannel(server.address, { codec });
        const error = await failureOf(channel.send(content));
        expect(error.code).toMatch(/^(INVALID_ARGUMENT|REMOTE_ERROR)$/);
        expect(error.message).toMatch(/request|path|arguments/);
        expect(await channel.send(["double", [4], {}])).toBe(8);
      }
      await using server = await serve(newAddress(), new Desk());
      await using plain = await WirePeer.connect(server.address);
      // As all that is said to a plain peer: a text.
      expect(await plain.ask(content)).toEqual([
        2,
        expect.stringMatching(/^ColloquyError: .*(request|path|arguments)/),
      ]);
      await using wire = await WirePeer.connect(server.address);
      await wire.hello();
      expect(await wire.ask(content)).toMatchObject([2, { code: "INVALID_ARGUMENT", executed: "no" }]);
    },
  );

  test("D12 a connection whose other side has gone silent is given up, and its calls fail", async () => {
    await using server = await wireServer();
    const { connection } = await greeted<Desk>(server, { limits: { pingIntervalMs: 40, pingTimeoutMs: 60 } });
    expect(await failureOf(connection.remote.double(1))).toMatchObject({
      code: "CONNECTION_LOST",
      executed: "unknown",
      message: expect.stringContaining("no sign of life"),
    });
    expect(await connection.closed).toMatchObject({ code: "CONNECTION_LOST" });
  });

  test("D13 a call has a time limit, and calls that are made with its context have what is left of it", async () => {
    interface Hanging {
      hang(): Promise<void>;
    }
    class Chain extends Service {
      other: Remote<Hanging> | undefined;
      readonly reasons: unknown[] = [];
      @expose({ context: true }) async hang(context: CallContext): Promise<void> {
        context.signal.addEventListener("abort", () => this.reasons.push((context.signal.reason as Any)["code"]));
        if (this.other !== undefined) await withOptions(this.other.hang, { context })();
        else await new Promise((_, reject) => context.signal.addEventListener("abort", () => reject(new Error("end"))));
      }
    }
    const [near, far] = [new Chain(), new Chain()];
    await using link = await pair(far, { service: near });
    far.other = link.back as object as Remote<Hanging>;
    expect(await failureOf(withOptions(link.remote.hang, { timeout: 50 })())).toMatchObject({
      code: "DEADLINE_EXCEEDED",
    });
    await until(() => near.reasons.length === 1, "the end of the nested call");
    expect(near.reasons).toEqual(["DEADLINE_EXCEEDED"]);
    await until(() => link.peer.stats().pending === 0 && link.client.stats().pending === 0);
  });

  test("D14 a map with the key __type__ is refused where it is sent", async () => {
    const desk = new Desk();
    await using link = await pair(desk);
    const value = { deep: [{ __type__: [0, "room"] }] };
    expect(await failureOf(link.remote.keep(value))).toMatchObject({
      code: "SERIALIZATION_ERROR",
      executed: "no",
      message: expect.stringContaining("__type__"),
    });
    expect(desk.kept).toBeUndefined();
    desk.kept = value;
    expect((await failureOf(link.remote.give())).message).toContain("__type__");
  });
});
