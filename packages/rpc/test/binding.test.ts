import { describe, expect, test } from "vitest";
import { JsonCodec, MsgPackCodec } from "@colloquy/core";
import { Service, connect, expose, release, sameRemote, serve, service } from "../src/index.ts";
import type { Remote } from "../src/index.ts";
import { Stranger, failureOf, newAddress, pair, turns, until } from "./support.ts";

type Fn = (...args: any[]) => any;

class Room extends Service {
  readonly name: string;
  constructor(name: string) {
    super();
    this.name = name;
  }
  @expose title(): string {
    return this.name;
  }
  @expose welcome(greet: (name: string) => string | Promise<string>): Promise<string> | string {
    return greet(this.name);
  }
}

class House extends Service {
  @expose readonly hall = new Room("hall");
  @expose readonly rooms = service({ attic: new Room("attic") });
  kept: unknown;
  given: unknown;

  @expose keep(thing: unknown): void {
    this.kept = thing;
  }
  @expose giveKept(): unknown {
    return this.kept;
  }
  @expose give(): unknown {
    return this.given;
  }
  @expose isOriginal(thing: unknown): boolean {
    return thing === this.given;
  }
  @expose isHall(thing: unknown): boolean {
    return thing === this.hall;
  }
  @expose isRoot(thing: unknown): boolean {
    return thing === this;
  }
  @expose async callDeep(value: { list: { cb: Fn }[] }, ...args: unknown[]): Promise<unknown> {
    return value.list[0]!.cb(...args);
  }
  @expose ask(thing: Remote<Room>): Promise<string> {
    return thing.title();
  }
  @expose hello(): string {
    return "hello";
  }
}

describe.each([
  ["json", JsonCodec],
  ["msgpack", MsgPackCodec],
] as const)("references over %s", (_name, codec) => {
  const linked = (root: House = new House(), other: House = new House()) =>
    pair<House, House>(root, { codec, service: other, serve: { codec } });

  test("are functions at any depth of the arguments", async () => {
    await using link = await linked();
    expect(await link.remote.callDeep({ list: [{ cb: (a: number, b: number) => a + b }] }, 2, 3)).toBe(5);
  });

  test("R12 are functions and services at any depth of the results", async () => {
    const house = new House();
    house.given = { a: [{ add: (a: number, b: number) => a + b, room: new Room("cellar") }] };
    await using link = await linked(house);
    const given = (await link.remote.give()) as any;
    expect(await given.a[0].add(1, 2)).toBe(3);
    expect(await given.a[0].room.title()).toBe("cellar");
  });

  test("go both ways", async () => {
    const client = new House();
    client.given = () => "from the client";
    await using link = await linked(new House(), client);
    const fn = (await link.back.give()) as Fn;
    expect(await fn()).toBe("from the client");
    expect(await link.back.callDeep({ list: [{ cb: (x: string) => `server got ${x}` }] }, "it")).toBe("server got it");
    expect(await link.remote.ask(new Room("guest room"))).toBe("guest room");
  });

  test("R13 call back within a call, and within that call again", async () => {
    const house = new House();
    await using link = await linked(house);
    const steps: string[] = [];
    const result = await link.remote.hall.welcome(async (name: string) => {
      steps.push(`client greets ${name}`);
      const inner = await link.remote.callDeep(
        {
          list: [
            {
              cb: async (again: Fn) => {
                steps.push("client is called again");
                return `<${await again("deep")}>`;
              },
            },
          ],
        },
        (text: string) => text.toUpperCase(),
      );
      return String(inner);
    });
    expect(result).toBe("<DEEP>");
    expect(steps).toEqual(["client greets hall", "client is called again"]);
  });

  test("that go home arrive as the original: functions", async () => {
    const house = new House();
    house.given = () => 1;
    await using link = await linked(house);
    expect(await link.remote.isOriginal(await link.remote.give())).toBe(true);
    const mine = (): number => 2;
    await link.remote.keep([mine]);
    expect(((await link.remote.giveKept()) as unknown[])[0]).toBe(mine);
  });

  test("that go home arrive as the original: services, with and without a place under the root", async () => {
    const house = new House();
    house.given = new Room("nowhere");
    const client = new House();
    await using link = await linked(house, client);
    expect(await link.remote.isOriginal(await link.remote.give())).toBe(true);
    expect(await link.remote.isHall(link.remote.hall)).toBe(true);
    expect(await link.remote.isRoot(link.remote)).toBe(true);
    house.given = house.rooms.attic;
    expect(await link.remote.isOriginal(await link.remote.give())).toBe(true);
    expect(await link.remote.isOriginal(link.remote.rooms.attic)).toBe(true);
    await link.remote.keep(client.hall);
    expect(await link.remote.giveKept()).toBe(client.hall);
  });

  test("to a method of one's own root arrive as something that calls it", async () => {
    const house = new House();
    await using link = await linked(house);
    await link.remote.keep(link.remote.hall.title);
    expect(typeof house.kept).toBe("function");
    expect(await (house.kept as Fn)()).toBe("hall");
  });

  test("are the same proxy when the same thing comes again", async () => {
    const house = new House();
    house.given = () => 1;
    await using link = await linked(house);
    const [first, second] = [await link.remote.give(), await link.remote.give()];
    expect(first).toBe(second);
    expect(sameRemote(first, second)).toBe(true);
    expect(link.client.stats().importedReferences).toBe(1);
    expect(link.peer.stats().exportedReferences).toBe(1);
  });

  test("hand out nothing where a service has a path", async () => {
    const house = new House();
    house.given = [house.hall, house.rooms, house.rooms.attic, house];
    await using link = await linked(house);
    const [hall, rooms, attic, root] = (await link.remote.give()) as any[];
    expect(Object.keys(rooms)).toEqual([]);
    expect(await hall.title()).toBe("hall");
    expect(await rooms.attic.title()).toBe("attic");
    expect(await attic.title()).toBe("attic");
    expect(await root.hello()).toBe("hello");
    expect(link.peer.stats().exportedReferences).toBe(0);
    expect(sameRemote(hall, link.remote.hall)).toBe(true);
    expect(sameRemote(root, link.remote)).toBe(true);
    expect(sameRemote(hall, attic)).toBe(false);
  });
});

describe("a service", () => {
  class Campus extends Service {
    searched = 0;
    given: unknown;
    readonly map = service<Record<string, object>>({});
    @expose get rooms(): object {
      this.searched++;
      return this.map;
    }
    @expose give(): unknown {
      return this.given;
    }
  }

  test("without a place under the root is searched for there once, however often it is sent", async () => {
    const campus = new Campus();
    campus.given = new Room("tent");
    await using link = await pair(campus);
    const first = await link.remote.give();
    expect(campus.searched).toBe(1);
    for (let sent = 1; sent < 1000; sent++) expect(await link.remote.give()).toBe(first);
    campus.given = Array.from({ length: 1000 }, () => campus.given);
    expect(new Set((await link.remote.give()) as unknown[])).toEqual(new Set([first]));
    expect(campus.searched).toBe(1);
    expect(link.peer.stats().exportedReferences).toBe(1);
  });

  test("that gets a place later is sent as a path once the other side has let go of it", async () => {
    const campus = new Campus();
    const tent = new Room("tent");
    campus.given = tent;
    await using link = await pair(campus);
    const first = (await link.remote.give()) as Remote<Room>;
    campus.map["tent"] = tent;
    expect(await link.remote.give()).toBe(first);
    release(first);
    await until(() => link.peer.stats().exportedReferences === 0);
    const placed = (await link.remote.give()) as Remote<Room>;
    expect(sameRemote(placed, (link.remote as any).rooms.tent)).toBe(true);
    expect(await placed.title()).toBe("tent");
    expect(link.peer.stats().exportedReferences).toBe(0);
    delete campus.map["tent"];
    expect(await ((await link.remote.give()) as Remote<Room>).title()).toBe("tent");
    expect(link.peer.stats().exportedReferences).toBe(1);
  });
});

describe("a proxy for a third peer", () => {
  async function chain() {
    const first = new House();
    const server = await serve(newAddress(), first);
    const middle = new House();
    const toServer = await connect<House>(server.address);
    const hub = await serve(newAddress(), middle);
    const client = await connect<House>(hub.address);
    const close = async (): Promise<void> => {
      await client.close({ graceMs: 0 });
      await hub.close({ graceMs: 0 });
      await toServer.close({ graceMs: 0 });
      await server.close({ graceMs: 0 });
    };
    return { first, middle, server, toServer, hub, client, [Symbol.asyncDispose]: close };
  }

  test("D6 works there: functions, services without a place, services and methods under a root", async () => {
    await using net = await chain();
    net.first.given = { fn: (x: number) => x + 1, room: new Room("cellar") };
    const given = (await net.toServer.remote.give()) as any;
    net.middle.given = { ...given, hall: net.toServer.remote.hall, hello: net.toServer.remote.hello };
    const there = (await net.client.remote.give()) as any;
    expect(await there.fn(1)).toBe(2);
    expect(await there.room.title()).toBe("cellar");
    expect(await there.hall.title()).toBe("hall");
    expect(await there.hello()).toBe("hello");
    expect(await there.hall.welcome((name: string) => `from far away: ${name}`)).toBe("from far away: hall");
    expect((await failureOf(there.room.none())).code).toBe("NOT_FOUND");
  });

  test("arrives as the middle's own proxy when it comes back, and as the original at its home", async () => {
    await using net = await chain();
    net.first.given = new Room("cellar");
    const room = await net.toServer.remote.give();
    net.middle.given = room;
    const there = (await net.client.remote.give()) as Remote<Room>;
    await net.client.remote.keep(there);
    expect(net.middle.kept).toBe(room);
    expect(await net.toServer.remote.isOriginal(net.middle.kept)).toBe(true);
    await net.client.remote.keep([there.title]);
    const title = (net.middle.kept as Fn[])[0]!;
    expect(await title()).toBe("cellar");
  });

  test("fails loudly when the middle has lost its connection", async () => {
    await using net = await chain();
    net.first.given = () => 1;
    net.middle.given = await net.toServer.remote.give();
    const there = (await net.client.remote.give()) as Fn;
    net.toServer.destroy();
    expect((await failureOf(there())).code).toBe("CONNECTION_LOST");
  });

  test("passes on what the third peer says of a failure", async () => {
    await using net = await chain();
    const failing = (): never => {
      throw new RangeError("too far");
    };
    net.first.given = { failing, room: new Room("x") };
    net.middle.given = await net.toServer.remote.give();
    const there = (await net.client.remote.give()) as any;
    expect(await failureOf(there.failing())).toMatchObject({
      remoteName: "RangeError",
      message: "too far",
      executed: "yes",
    });
    expect(await failureOf(there.room.none())).toMatchObject({ code: "NOT_FOUND", executed: "no" });
  });
});

describe("releasing", () => {
  test("lets the other side go of it, and later calls fail with the name", async () => {
    const house = new House();
    house.given = { fn: () => 1, room: new Room("cellar") };
    await using link = await pair(house);
    const { fn, room } = (await link.remote.give()) as any;
    expect(link.peer.stats().exportedReferences).toBe(2);
    release(fn);
    release(room);
    await until(() => link.peer.stats().exportedReferences === 0);
    expect(link.client.stats().importedReferences).toBe(0);
    const error = await failureOf(room.title());
    expect(error).toMatchObject({ code: "REFERENCE_RELEASED", executed: "no" });
    expect(error.message).toContain("$/ref/2/title");
    expect((await failureOf(fn())).message).toContain("$/ref/1");
    const passed = await failureOf(link.remote.keep(room));
    expect(passed.message).toContain("was released");
  });

  test("is what `using` does at the end of its block", async () => {
    const house = new House();
    house.given = () => 1;
    await using link = await pair(house);
    {
      using fn = (await link.remote.give()) as Fn & Disposable;
      expect(await fn()).toBe(1);
    }
    await until(() => link.peer.stats().exportedReferences === 0);
  });

  test("twice is no more than once", async () => {
    const house = new House();
    house.given = () => 1;
    await using link = await pair(house);
    const fn = (await link.remote.give()) as Fn & Disposable;
    release(fn);
    release(fn);
    fn[Symbol.dispose]();
    await until(() => link.peer.stats().exportedReferences === 0);
    const again = (await link.remote.give()) as Fn;
    expect(again).not.toBe(fn);
    expect(await again()).toBe(1);
    release(fn);
    await turns(5);
    expect(await again()).toBe(1);
    expect((await failureOf(fn())).code).toBe("REFERENCE_RELEASED");
  });

  test("that crosses a new sending leaves the new one working", async () => {
    const house = new House();
    house.given = () => "works";
    await using link = await pair(house);
    for (let round = 0; round < 50; round++) {
      const fn = (await link.remote.give()) as Fn;
      const coming = link.remote.give();
      for (let wait = 0; wait < round % 5; wait++) await Promise.resolve();
      release(fn);
      const second = (await coming) as Fn;
      expect(second).not.toBe(fn);
      expect(await second()).toBe("works");
      release(second);
    }
    await until(() => link.peer.stats().exportedReferences === 0);
    expect(link.client.stats().importedReferences).toBe(0);
  });

  test("counts how often one thing came in one message", async () => {
    const house = new House();
    const fn = (): number => 1;
    house.given = [fn, fn, { fn }];
    await using link = await pair(house);
    const [first] = (await link.remote.give()) as Fn[];
    expect(link.peer.stats().exportedReferences).toBe(1);
    release(first);
    await until(() => link.peer.stats().exportedReferences === 0);
  });

  test("of a service ends what was reached through it", async () => {
    const house = new House();
    house.given = service({ inner: new Room("inner") });
    await using link = await pair(house);
    const outer = (await link.remote.give()) as any;
    const inner = outer.inner;
    expect(await inner.title()).toBe("inner");
    release(outer);
    expect((await failureOf(inner.title())).code).toBe("REFERENCE_RELEASED");
  });

  test("of anything else does nothing", async () => {
    await using link = await pair(new House());
    for (const thing of [link.remote, link.remote.hall, undefined, null, 1, {}, () => 1]) release(thing);
    expect(await link.remote.hall.title()).toBe("hall");
  });

  test("doesn't touch a call that is under way", async () => {
    const house = new House();
    let finish!: () => void;
    house.given = () => new Promise<string>((resolve) => (finish = () => resolve("done")));
    await using link = await pair(house);
    const fn = (await link.remote.give()) as Fn;
    const call = fn() as Promise<string>;
    await until(() => finish !== undefined);
    release(fn);
    await until(() => link.peer.stats().exportedReferences === 0);
    finish();
    expect(await call).toBe("done");
  });
});

describe("the table of what was handed out", () => {
  test("has nothing of a message that could not be sent", async () => {
    const house = new House();
    await using link = await pair<House, House>(house, { service: new House() });
    expect((await failureOf(link.remote.keep([() => 1, { bad: new Stranger() }]))).code).toBe("SERIALIZATION_ERROR");
    expect(link.client.stats().exportedReferences).toBe(0);
    house.given = [() => 1, new Room("x"), new Stranger()];
    expect((await failureOf(link.remote.give())).code).toBe("SERIALIZATION_ERROR");
    expect(link.peer.stats().exportedReferences).toBe(0);
    const kept = (): number => 1;
    await link.remote.keep(kept);
    await failureOf(link.remote.keep([kept, new Stranger()]));
    expect(link.client.stats().exportedReferences).toBe(1);
    expect(await (house.kept as Fn)()).toBe(1);
  });

  test("has its limit, and the error says what fills it", async () => {
    const house = new House();
    await using link = await pair(house, { limits: { maxReferenceCount: 3 } });
    const fill = [() => 1, () => 2, new Room("x")];
    await link.remote.keep(fill.slice(0, 2));
    await link.remote.keep(fill);
    expect(link.client.stats().exportedReferences).toBe(3);
    await link.remote.keep(fill);
    const error = await failureOf(link.remote.keep(new Room("y")));
    expect(error).toMatchObject({ code: "SERIALIZATION_ERROR", executed: "no" });
    expect(error.message).toContain(
      "no room for a reference to Room: the peer holds 3 (maxReferenceCount; 2 x function, 1 x Room)",
    );
    for (const thing of house.kept as unknown[]) release(thing);
    await until(() => link.client.stats().exportedReferences === 0);
    await link.remote.keep(new Room("y"));
  });

  test("is empty when the connection has ended", async () => {
    const house = new House();
    house.given = () => 1;
    await using link = await pair(house);
    await link.remote.give();
    await link.remote.keep(() => 1);
    const { client, peer } = link;
    await client.close();
    await peer.closed;
    for (const stats of [client.stats(), peer.stats()]) {
      expect(stats).toMatchObject({ exportedReferences: 0, importedReferences: 0, pending: 0, running: 0 });
    }
  });
});

describe("what is neither a value nor exposed", () => {
  test("R12 is refused with its type and place", async () => {
    await using link = await pair(new House());
    class Plain {
      field = 1;
      method(): void {}
    }
    for (const thing of [new Plain(), new WeakMap(), Symbol("x"), Promise.resolve(1), /x/]) {
      const error = await failureOf(link.remote.keep({ thing }));
      const type =
        typeof thing === "symbol"
          ? "symbol"
          : thing instanceof Promise
            ? "a promise; await it first"
            : thing.constructor.name;
      expect(error.message).toContain(`argument 1 of "keep": `);
      expect(error.message).toContain(type);
      expect(error.message).toMatch(
        /no service and has no serializer; see extraSerializers, at thing$|no serializer for symbol, at thing$|a promise; await it first, at thing$/,
      );
      expect(error["place"]).toEqual(["thing"]);
    }
  });

  test("is left without a mark of ours", async () => {
    await using link = await pair(new House());
    await failureOf(link.remote.keep(new WeakMap()));
    await failureOf(link.remote.keep(new Stranger()));
    for (const prototype of [WeakMap.prototype, Stranger.prototype, Promise.prototype]) {
      expect(Object.getOwnPropertySymbols(prototype).map(String)).not.toContain("Symbol(colloquy.table)");
    }
  });
});

describe("two connections to one server", () => {
  class Givers extends Service {
    @expose give(name: string): () => string {
      return () => name;
    }
    @expose room(name: string): Room {
      return new Room(name);
    }
    @expose call(fn: () => Promise<string>): Promise<string> {
      return fn();
    }
    @expose titleOf(room: Remote<Room>): Promise<string> {
      return room.title();
    }
    @expose readonly hall = new Room("hall");
    @expose isHall(thing: unknown): boolean {
      return thing === this.hall;
    }
  }

  test("keep their references apart, and share what hangs under the root", async () => {
    await using server = await serve(newAddress(), new Givers());
    await using a = await connect<Givers>(server.address);
    await using b = await connect<Givers>(server.address);
    const [fromA, fromB] = [await a.remote.give("a"), await b.remote.give("b")];
    expect(await b.remote.call(fromA as never)).toBe("a");
    expect(await a.remote.call(fromB as never)).toBe("b");
    const [roomA, roomB] = [await a.remote.room("A"), await b.remote.room("B")];
    expect(await b.remote.titleOf(roomA)).toBe("A");
    expect(await a.remote.titleOf(roomB)).toBe("B");
    expect(await b.remote.isHall(a.remote.hall)).toBe(true);
  });
});
