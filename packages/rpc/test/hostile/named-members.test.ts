import { setTimeout as sleep } from "node:timers/promises";
import { ColloquyError } from "@colloquy/core";
import { describe, expect, test } from "vitest";
import { Service, connect, expose, notify, pipeline, release, serve, service, withOptions } from "../../src/index.ts";
import type { CallContext, Connection, IncomingCall, Interceptor, ServeOptions, Server } from "../../src/index.ts";
import { failureOf, newAddress, until } from "../support.ts";
import type { AnyRemote } from "../support.ts";

/** At a third peer. */
class Vault extends Service {
  wiped = 0;
  running = 0;
  readonly aborted: unknown[] = [];
  readonly notes: string[] = [];

  @expose({ context: true }) wipe(_value: unknown, { metadata }: CallContext): unknown {
    this.wiped++;
    return metadata["tenant"] ?? "wiped";
  }
  @expose({ context: true }) slow({ signal }: CallContext): Promise<void> {
    this.running++;
    signal.addEventListener("abort", () => this.aborted.push((signal.reason as ColloquyError).code));
    return new Promise(() => {});
  }
  @expose note(text: string): void {
    this.notes.push(text);
  }
  @expose async *lines(): AsyncGenerator<string> {
    yield* ["a", "b"];
  }
  @expose readonly room = service({ title: expose(() => "room") });
}

/** Has `act` called with what a client names. */
class Gateway extends Service {
  act: (given: any) => unknown = () => undefined;
  readonly #vault: () => object;
  constructor(vault: () => object) {
    super();
    this.#vault = vault;
  }
  @expose vault(): object {
    return this.#vault();
  }
  @expose use(given: unknown): unknown {
    return this.act(given);
  }
}

interface Third extends AsyncDisposable {
  readonly vault: Vault;
  readonly gateway: Gateway;
  readonly server: Server;
  readonly client: Connection<any>;
  readonly remote: AnyRemote;
  /** Paths of the calls that came to the gateway. */
  readonly seen: string[];
}

/** A client of a gateway, which hands out what a third peer has. */
async function third({ denied, ...options }: ServeOptions & { denied?: string } = {}): Promise<Third> {
  const vault = new Vault();
  const back = await serve(newAddress(), service({ vault }), { limits: { maxRunningCount: 100_000 } });
  const behind = await connect<any>(back.address);
  const gateway = new Gateway(() => behind.remote.vault);
  const seen: string[] = [];
  const permit: Interceptor<IncomingCall> = ({ path }, next) => {
    seen.push(path);
    if (denied !== undefined && path.endsWith(denied)) throw new ColloquyError("PERMISSION_DENIED", `may not ${path}`);
    return next();
  };
  const server = await serve(newAddress(), gateway, { interceptors: { incoming: permit }, ...options });
  const client = await connect<any>(server.address);
  const dispose = async (): Promise<void> => {
    for (const one of [client, server, behind, back]) await one.close({ graceMs: 0 });
  };
  return { vault, gateway, server, client, remote: client.remote, seen, [Symbol.asyncDispose]: dispose };
}

describe("a method of a third peer that a peer has named", () => {
  test("is called through the interceptors of that peer, by a reference and by a result", async () => {
    await using link = await third({ denied: "wipe" });
    link.gateway.act = (wipe) => Promise.all([1, 2].map((each) => wipe(each)));
    const vault = await link.remote["vault"]();
    expect(await failureOf(link.remote["use"](vault.wipe))).toMatchObject({ code: "PERMISSION_DENIED" });
    const pipelined = pipeline<AnyRemote>(link.remote["vault"]());
    expect(await failureOf(link.remote["use"](pipelined["wipe"]))).toMatchObject({ code: "PERMISSION_DENIED" });
    expect(link.vault.wiped).toBe(0);
    expect(link.seen.filter((path) => path.endsWith("wipe"))).toEqual(Array(4).fill("$/ref/1/wipe"));
  });

  test("runs as often at a time as its peer may call", async () => {
    await using link = await third({ limits: { maxRunningCount: 5 } });
    const failures: unknown[] = [];
    link.gateway.act = (slow) => {
      for (let count = 0; count < 50; count++) slow().catch((error: ColloquyError) => failures.push(error.code));
    };
    const vault = await link.remote["vault"]();
    await link.remote["use"](vault.slow);
    await until(() => link.vault.running === 5 && failures.length === 45);
    expect(new Set(failures)).toEqual(new Set(["RESOURCE_EXHAUSTED"]));
  });

  test("is used as any function of a peer: with a time limit, a signal, metadata, as a notification, as a stream", async () => {
    await using link = await third();
    const { gateway, remote, vault } = link;
    const handed = await remote["vault"]();
    gateway.act = (slow) => withOptions(slow, { timeout: 20 })();
    expect(await failureOf(remote["use"](handed.slow))).toMatchObject({ code: "DEADLINE_EXCEEDED" });
    gateway.act = (slow) => {
      const abort = new AbortController();
      const called = withOptions(slow, { signal: abort.signal })() as Promise<unknown>;
      void until(() => vault.running === 2).then(() => abort.abort());
      return called;
    };
    expect(await failureOf(remote["use"](handed.slow))).toMatchObject({ code: "CANCELLED" });
    await until(() => vault.aborted.length === 2);
    gateway.act = (wipe) => withOptions(wipe, { metadata: { tenant: "acme" } })(1);
    expect(await remote["use"](handed.wipe)).toBe("acme");
    gateway.act = (note) => notify(note)("a");
    await remote["use"](handed.note);
    await until(() => vault.notes.length === 1);
    gateway.act = async (lines) => {
      const read: string[] = [];
      for await (const line of lines()) read.push(line);
      return read;
    };
    expect(await remote["use"](handed.lines)).toEqual(["a", "b"]);
    gateway.act = (lines) => lines();
    expect(await (await remote["use"](handed.lines)).next()).toEqual({ done: false, value: "a" });
  });

  test("may be a service, and releasing it takes nothing from others", async () => {
    await using link = await third();
    link.gateway.act = async (room) => {
      const title = await room.title();
      release(room);
      return title;
    };
    const handed = await link.remote["vault"]();
    expect(await link.remote["use"](handed.room)).toBe("room");
    expect(await handed.room.title()).toBe("room");
    expect(link.seen.filter((path) => path.endsWith("title"))).toEqual(Array(2).fill("$/ref/1/room/title"));
  });

  test("is handed on to others, who call it as the peer that has named it", async () => {
    await using link = await third({ denied: "wipe" });
    const kept: unknown[] = [];
    link.gateway.act = (given) => (given === undefined ? kept : kept.push(given));
    const handed = await link.remote["vault"]();
    await link.remote["use"](handed.wipe);
    await link.remote["use"](handed.room);
    await using other = await connect<any>(link.server.address);
    const [wipe, room] = await other.remote.use();
    expect(await failureOf(wipe(1))).toMatchObject({ code: "PERMISSION_DENIED" });
    expect(await room.title()).toBe("room");
    await link.client.close();
    await until(() => link.server.connections.size === 1);
    expect(await failureOf(room.title())).toMatchObject({ code: "CONNECTION_LOST" });
  });

  test("that fails as a notification is counted", async () => {
    await using link = await third({ denied: "wipe" });
    const handed = await link.remote["vault"]();
    link.gateway.act = (wipe) => notify(wipe)(1);
    await link.remote["use"](handed.wipe);
    const [connection] = link.server.connections;
    await until(() => connection!.stats().failedNotifications === 1);
    expect(link.vault.wiped).toBe(0);
  });
});

class Room extends Service {
  knocks = 0;
  @expose knock(): number {
    return ++this.knocks;
  }
}

/** Its room is behind an accessor. */
class House extends Service {
  reads = 0;
  readonly #room = new Room();
  act: (given: any) => unknown = () => undefined;
  @expose get room(): Room {
    this.reads++;
    return this.#room;
  }
  @expose open(): Room {
    return this.#room;
  }
  @expose self(): this {
    return this;
  }
  @expose use(given: unknown): unknown {
    return this.act(given);
  }
  isOwn(given: unknown): boolean {
    return given === this.#room;
  }
}

async function visitHouse(options: ServeOptions = {}) {
  const house = new House();
  const server = await serve(newAddress(), house, options);
  const client = await connect<any>(server.address);
  const dispose = async (): Promise<void> => {
    await client.close({ graceMs: 0 });
    await server.close({ graceMs: 0 });
  };
  return { house, remote: client.remote as AnyRemote, [Symbol.asyncDispose]: dispose };
}

describe("what is named through an accessor", () => {
  const closed: Interceptor<IncomingCall> = ({ path }, next) => {
    if (path.startsWith("room")) throw new ColloquyError("PERMISSION_DENIED", `may not ${path}`);
    return next();
  };
  const WAYS: [string, (remote: AnyRemote) => AnyRemote][] = [
    ["by its path", (remote) => remote],
    ["by a result", (remote) => pipeline<AnyRemote>(remote["self"]())],
  ];

  test.each(WAYS)("%s is read when it is called, behind the interceptors", async (_way, from) => {
    await using link = await visitHouse({ interceptors: { incoming: closed } });
    link.house.act = (given) => typeof given;
    expect(await link.remote["use"](from(link.remote)["room"])).toBe("function");
    expect(await link.remote["use"](from(link.remote)["room"]["knock"])).toBe("function");
    link.house.act = (room) => room.knock();
    expect(await failureOf(link.remote["use"](from(link.remote)["room"]))).toMatchObject({
      code: "PERMISSION_DENIED",
    });
    link.house.act = (knock) => knock();
    expect(await failureOf(link.remote["use"](from(link.remote)["room"]["knock"]))).toMatchObject({
      code: "PERMISSION_DENIED",
    });
    expect(link.house.reads).toBe(0);
  });

  test.each(WAYS)("%s is called as it is", async (_way, from) => {
    await using link = await visitHouse();
    link.house.act = (room) => room.knock();
    expect(await link.remote["use"](from(link.remote)["room"])).toBe(1);
    link.house.act = (knock) => knock();
    expect(await link.remote["use"](from(link.remote)["room"]["knock"])).toBe(2);
    link.house.act = (room) => room.nothing();
    expect(await failureOf(link.remote["use"](from(link.remote)["room"]))).toMatchObject({ code: "NOT_FOUND" });
    link.house.act = (room) => withOptions(room.knock, { timeout: 1000 })();
    expect(await link.remote["use"](from(link.remote)["room"])).toBe(3);
  });

  test("arrives as the original where the peer has got it", async () => {
    await using link = await visitHouse();
    const room = await link.remote["open"]();
    const { reads } = link.house;
    link.house.act = (given) => link.house.isOwn(given);
    expect(await link.remote["use"](room)).toBe(true);
    expect(link.house.reads).toBe(reads);
  });

  test("gives up a call whose time is over, which may have run", async () => {
    await using link = await visitHouse();
    const aborted: unknown[] = [];
    const slow = expose(
      async ({ signal }: CallContext) => {
        signal.addEventListener("abort", () => aborted.push((signal.reason as ColloquyError).code));
        await sleep(60_000, undefined, { signal, ref: false });
      },
      { context: true },
    );
    const map = service({});
    Object.defineProperty(map, "slow", { enumerable: true, get: () => slow });
    link.house.act = (given) => withOptions(given, { timeout: 20 })();
    const root = await serve(newAddress(), service({ map, use: expose((given: any) => link.house.act(given)) }));
    const client = await connect<any>(root.address);
    const failure = await failureOf(client.remote.use(client.remote.map.slow));
    expect(failure).toMatchObject({ code: "DEADLINE_EXCEEDED" });
    await until(() => aborted.length === 1);
    expect(aborted).toEqual(["DEADLINE_EXCEEDED"]);
    await client.close({ graceMs: 0 });
    await root.close({ graceMs: 0 });
  });
});
