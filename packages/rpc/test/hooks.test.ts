import { subscribe, tracingChannel, unsubscribe } from "node:diagnostics_channel";
import { afterEach, describe, expect, test } from "vitest";
import { ColloquyError, RemoteError, Service, connect, expose, notify, serve } from "../src/index.ts";
import type { CallMessage, Connection } from "../src/index.ts";
import { WirePeer, failureOf, newAddress, pair, turns, until } from "./support.ts";

const CONNECTION = ["colloquy:connection:open", "colloquy:connection:hello", "colloquy:connection:close"];
const STREAM = ["colloquy:stream:start", "colloquy:stream:end"];

type Told = [name: string, message: Record<string, any>];
const ended: (() => void)[] = [];

afterEach(() => {
  for (const end of ended.splice(0)) end();
});

/** What is published from now on, each message as it is then. */
function listen(...names: readonly string[]): Told[] {
  const told: Told[] = [];
  for (const name of names) {
    const listener = (message: unknown): void => void told.push([name, { ...(message as object) }]);
    subscribe(name, listener);
    ended.push(() => unsubscribe(name, listener));
  }
  return told;
}

/** What is told of calls, or of requests. */
function listenToCalls(name: string): [event: string, message: CallMessage][] {
  const told: [string, CallMessage][] = [];
  const note =
    (event: string) =>
    (message: unknown): void =>
      void told.push([event, message as CallMessage]);
  const subscribers = {
    start: note("start"),
    end: note("end"),
    asyncStart: note("asyncStart"),
    asyncEnd: note("asyncEnd"),
    error: note("error"),
  };
  const traced = tracingChannel(name);
  traced.subscribe(subscribers);
  ended.push(() => traced.unsubscribe(subscribers));
  return told;
}

class Desk extends Service {
  waiting: (() => void)[] = [];

  @expose add(a: number, b: number): number {
    return a + b;
  }

  @expose async later(value: unknown): Promise<unknown> {
    await turns(2);
    return value;
  }

  @expose long(length: number): string {
    return "x".repeat(length);
  }

  @expose meetLimit(): never {
    throw new ColloquyError("RESOURCE_EXHAUSTED", "too many calls elsewhere", { limit: "maxPendingCount" });
  }

  @expose fail(text: string): never {
    throw new RangeError(text);
  }

  @expose async failLater(text: string): Promise<never> {
    await turns(2);
    throw new RangeError(text);
  }

  @expose async wait(): Promise<void> {
    await new Promise<void>((resolve) => this.waiting.push(resolve));
  }

  @expose callBack(f: () => unknown): unknown {
    return f();
  }

  @expose async *count(to: number): AsyncGenerator<number> {
    for (let number = 1; number <= to; number++) yield number;
  }

  @expose async *breaking(): AsyncGenerator<number> {
    yield 1;
    throw new RangeError("torn");
  }
}

describe("connections", () => {
  test("are told of when they open, have said hello, and close, on both sides", async () => {
    const told = listen(...CONNECTION);
    const link = await pair(new Desk());
    const { client, peer } = link;
    const names = (connection: unknown): unknown[] =>
      told
        .filter(([, message]) => message["connection"] === connection)
        .map(([name, message]) => [
          name,
          Object.fromEntries(Object.entries(message).filter(([key]) => key !== "connection")),
        ]);
    await link.client.close();
    await until(() => told.length === 6);
    const [open, hello, close] = CONNECTION;
    for (const side of [client, peer])
      expect(names(side)).toEqual([
        [open, {}],
        [hello, { isPlain: false }],
        [close, { error: undefined }],
      ]);
    await link[Symbol.asyncDispose]();
  });

  test("of plain peers, and the reason of a loss", async () => {
    const told = listen(...CONNECTION);
    await using server = await serve(newAddress(), new Desk());
    await using wire = await WirePeer.connect(server.address);
    expect(await wire.request("add", [1, 2])).toEqual([1, 3]);
    const [connection] = server.connections;
    connection!.destroy();
    await until(() => told.length === 3);
    expect(told.map(([, message]) => message["isPlain"])).toEqual([undefined, true, undefined]);
    expect(told.every(([, message]) => message["connection"] === connection)).toBe(true);
  });

  test("that break the protocol are told of as such, with the limit where that is one", async () => {
    const told = listen("colloquy:protocol-error", "colloquy:refusal", "colloquy:connection:close");
    await using server = await serve(newAddress(), new Desk(), { limits: { maxMessageBytes: 1000 } });
    await using wire = await WirePeer.connect(server.address);
    await wire.hello();
    wire.write(Buffer.from([0, 0, 0xff, 0xff]));
    await wire.closed;
    await until(() => told.length === 3);
    expect(told.map(([name]) => name)).toEqual([
      "colloquy:refusal",
      "colloquy:protocol-error",
      "colloquy:connection:close",
    ]);
    expect(told[0]![1]).toMatchObject({ limit: "maxMessageBytes" });
    expect(told[1]![1]["error"]).toMatchObject({ code: expect.stringMatching(/PROTOCOL_ERROR|CONNECTION_LOST/) });
    await using other = await WirePeer.connect(server.address);
    await other.hello();
    other.send([1, 7, "nobody asked"]);
    await other.closed;
    await until(() => told.length === 5);
    expect(told.slice(3).map(([name]) => name)).toEqual(["colloquy:protocol-error", "colloquy:connection:close"]);
  });
});

describe("calls", () => {
  test("are told of at both ends, without arguments and results, and the message stays the same object", async () => {
    await using link = await pair(new Desk());
    const calls = listenToCalls("colloquy:call");
    const requests = listenToCalls("colloquy:request");
    expect(await link.remote.add(20, 22)).toBe(42);
    expect(await link.remote.later("secret")).toBe("secret");
    for (const [told, connection] of [
      [calls, link.client],
      [requests, link.peer],
    ] as const) {
      expect(told.map(([event, { path }]) => `${event} ${path}`)).toEqual([
        "start add",
        "asyncEnd add",
        "start later",
        "asyncEnd later",
      ]);
      expect(told[1]![1]).toBe(told[0]![1]);
      expect(told[0]![1]).toStrictEqual({ connection, path: "add", isNotification: false });
    }
  });

  test("that fail have the error, once", async () => {
    await using link = await pair(new Desk());
    const calls = listenToCalls("colloquy:call");
    const requests = listenToCalls("colloquy:request");
    for (const method of ["fail", "failLater"] as const) {
      await failureOf(link.remote[method]("no luck"));
      expect(calls.splice(0).map(([event]) => event)).toEqual(["start", "error", "asyncEnd"]);
      const [, [, failed]] = requests.splice(0) as [unknown, [string, CallMessage]];
      expect(failed.error).toBeInstanceOf(RangeError);
    }
    const lost = link.remote.wait();
    await until(() => requests.length === 1);
    link.client.destroy();
    await failureOf(lost);
    expect(calls.map(([event]) => event)).toEqual(["start", "error", "asyncEnd"]);
    expect(calls[1]![1].error).toMatchObject({ code: "CONNECTION_LOST" });
  });

  test("that fail have the stack of who awaits them, also where somebody listens", async () => {
    await using link = await pair(new Desk());
    listenToCalls("colloquy:call");
    async function someCaller(): Promise<void> {
      await link.remote.fail("no luck");
    }
    const error = await failureOf(someCaller());
    expect(error).toBeInstanceOf(RemoteError);
    expect(error.stack).toContain("someCaller");
  });

  test("on received functions are told of too, and stay nobody's to await", async () => {
    await using link = await pair(new Desk());
    const requests = listenToCalls("colloquy:request");
    const calls = listenToCalls("colloquy:call");
    expect(await link.remote.callBack(() => 5)).toBe(5);
    expect(calls.map(([event, { path }]) => `${event} ${path}`)).toEqual([
      "start callBack",
      expect.stringMatching(/^start \$\/ref\/\d+$/),
      expect.stringMatching(/^asyncEnd \$\/ref\/\d+$/),
      "asyncEnd callBack",
    ]);
    expect(requests).toHaveLength(4);
  });

  test("that want no answer are told of where they are carried out", async () => {
    await using link = await pair(new Desk());
    const requests = listenToCalls("colloquy:request");
    notify(link.remote.fail)("quietly");
    notify(link.remote.later)(1);
    await until(() => requests.length === 5);
    expect(requests.map(([event, { path, isNotification }]) => [event, path, isNotification])).toEqual([
      ["start", "fail", true],
      ["error", "fail", true],
      ["asyncEnd", "fail", true],
      ["start", "later", true],
      ["asyncEnd", "later", true],
    ]);
  });

  test("of the protocol's own are not", async () => {
    await using link = await pair(new Desk());
    const calls = listenToCalls("colloquy:call");
    const requests = listenToCalls("colloquy:request");
    await link.client.ping();
    for await (const _ of link.remote.count(3));
    expect(calls.map(([event, { path }]) => `${event} ${path}`)).toEqual(["start count", "asyncEnd count"]);
    expect(requests).toHaveLength(2);
  });
});

describe("streams", () => {
  test("are told of where they begin to be read, and at their end with how much has left", async () => {
    await using link = await pair(new Desk());
    const told = listen(...STREAM);
    for await (const _ of link.remote.count(100));
    const [start, end] = STREAM;
    expect(told).toEqual([
      [start, { connection: link.peer, path: "count", itemCount: 0 }],
      [end, { connection: link.peer, path: "count", itemCount: 100 }],
    ]);
  });

  test("that break, or are left, say why", async () => {
    await using link = await pair(new Desk());
    const told = listen(...STREAM);
    const items = link.remote.breaking();
    await failureOf(
      (async () => {
        for await (const _ of items);
      })(),
    );
    const left = link.remote.count(1e6);
    await left.next();
    await left.return();
    await until(() => told.length === 4);
    expect(told[1]![1]).toMatchObject({ path: "breaking", itemCount: 1, error: { message: "torn" } });
    expect(told[3]![1]).toMatchObject({ path: "count", error: { code: "CANCELLED" } });
    const kept = link.remote.count(1e6);
    await kept.next();
    link.client.destroy();
    await until(() => told.length === 6);
    expect(told[5]![1]).toMatchObject({ error: { code: "CONNECTION_LOST" } });
  });
});

describe("refusals", () => {
  test("name the limit, and only what this side has refused", async () => {
    const desk = new Desk();
    const limits = {
      maxRunningCount: 1,
      maxArgumentCount: 2,
      maxStreamCount: 1,
      maxMessageBytes: 4000,
      maxReferenceCount: 1,
    };
    await using link = await pair(desk, { serve: { limits } });
    const told = listen("colloquy:refusal");
    const { remote } = link;
    const limit = (): unknown[] => told.splice(0).map(([, message]) => [message["connection"], message["limit"]]);
    const waiting = remote.wait();
    await failureOf(remote.add(1, 2));
    expect(limit()).toEqual([[link.peer, "maxRunningCount"]]);
    await until(() => desk.waiting.length === 1);
    desk.waiting[0]!();
    await waiting;
    await failureOf((remote.add as (...args: number[]) => unknown)(1, 2, 3));
    expect(limit()).toEqual([[link.peer, "maxArgumentCount"]]);
    // A method that fails is none, whatever it has met elsewhere, nor is a name that isn't there.
    await failureOf(remote.meetLimit());
    await failureOf(remote.fail("(maxRunningCount)"));
    await failureOf((remote as unknown as Record<string, () => unknown>)["(maxRunningCount)"]!());
    expect(limit()).toEqual([]);
  });

  test("of notifications are told of, too", async () => {
    const desk = new Desk();
    await using link = await pair(desk, { serve: { limits: { maxRunningCount: 1 } } });
    const told = listen("colloquy:refusal");
    notify(link.remote.wait)();
    notify(link.remote.wait)();
    await until(() => told.length === 1);
    expect(told[0]![1]).toMatchObject({
      limit: "maxRunningCount",
      error: { code: "RESOURCE_EXHAUSTED", limit: "maxRunningCount" },
    });
    for (const go of desk.waiting) go();
  });

  test("of a result that is too large", async () => {
    await using link = await pair(new Desk(), { serve: { limits: { maxMessageBytes: 4000 } } });
    const told = listen("colloquy:refusal");
    const error = await failureOf(link.remote.long(5000));
    expect(error.code).toBe("RESOURCE_EXHAUSTED");
    expect(told.map(([, message]) => message["limit"])).toEqual(["maxMessageBytes"]);
  });
});

test("a listener that throws harms nothing here but its own process, as anywhere on diagnostics channels", async () => {
  await using link = await pair(new Desk());
  const thrown: unknown[] = [];
  const listeners = process.listeners("uncaughtException");
  process.removeAllListeners("uncaughtException");
  process.on("uncaughtException", (error) => void thrown.push(error));
  const listener = (): never => {
    throw new Error("of the listener");
  };
  subscribe("tracing:colloquy:call:start", listener);
  try {
    expect(await link.remote.add(1, 2)).toBe(3);
    await turns(5);
  } finally {
    unsubscribe("tracing:colloquy:call:start", listener);
    process.removeAllListeners("uncaughtException");
    for (const one of listeners) process.on("uncaughtException", one);
  }
  expect(thrown).toEqual([new Error("of the listener")]);
});

test("who begins to listen later misses nothing of what begins then", async () => {
  await using link = await pair(new Desk());
  const first = link.remote.later(1);
  const calls = listenToCalls("colloquy:call");
  const second = link.remote.later(2);
  expect(await Promise.all([first, second])).toEqual([1, 2]);
  expect(calls.map(([event]) => event)).toEqual(["start", "asyncEnd"]);
  expect((calls[0]![1].connection as Connection).usable).toBe(true);
  await connect(link.server.address).then((connection) => connection.close());
});
