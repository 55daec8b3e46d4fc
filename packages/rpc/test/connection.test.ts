import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { describe, expect, test } from "vitest";
import { ColloquyError } from "@colloquy/core";
import { Service, connect, expose, notify, serve, service } from "../src/index.ts";
import type { CallContext, Connection } from "../src/index.ts";
import {
  Child,
  Stranger,
  WirePeer,
  failureOf,
  greeted,
  newAddress,
  pair,
  turns,
  until,
  wireServer,
} from "./support.ts";

class Office extends Service {
  readonly log: unknown[] = [];
  readonly contexts: CallContext[] = [];
  #finish: (() => void)[] = [];

  @expose write(entry: unknown): number {
    return this.log.push(entry);
  }
  @expose async wait(entry: string): Promise<string> {
    await new Promise<void>((resolve) => this.#finish.push(resolve));
    this.log.push(entry);
    return entry;
  }
  @expose finish(): void {
    for (const finish of this.#finish.splice(0)) finish();
  }
  @expose({ context: true }) async hang(context: CallContext): Promise<void> {
    this.contexts.push(context);
    await new Promise<void>((resolve) => context.signal.addEventListener("abort", () => resolve()));
  }
  get waiting(): number {
    return this.#finish.length;
  }
  letGo(): void {
    this.finish();
  }
}

describe("notify", () => {
  test("starts in order with calls, and sends no answer", async () => {
    const office = new Office();
    await using server = await serve(newAddress(), office);
    await using wire = await WirePeer.connect(server.address);
    await wire.hello();
    wire.notify("write", 1);
    wire.send([0, 5, ["write", [2], {}]]);
    wire.notify("write", 3);
    expect(await wire.next()).toEqual([1, 5, 2]);
    expect(await wire.rest()).toEqual([]);
    expect(office.log).toEqual([1, 2, 3]);
  });

  test("is one message of type 3, and returns nothing", async () => {
    await using server = await wireServer();
    const { connection, wire } = await greeted<Office>(server);
    expect(notify(connection.remote.write)("x")).toBeUndefined();
    expect(await wire.next()).toEqual([3, 0, ["write", ["x"], {}]]);
    expect(connection.stats().pending).toBe(0);
    connection.destroy();
  });

  test("that fails on either side is counted and published", async () => {
    const published: any[] = [];
    const onFailed = (message: unknown): void => void published.push(message);
    subscribe("colloquy:failed-notification", onFailed);
    const link = await pair(new Office());
    const remote = link.remote as unknown as Record<string, (...args: unknown[]) => Promise<unknown>>;
    notify(remote["none"]!)(1);
    await until(() => link.peer.stats().failedNotifications === 1);
    expect(() => notify(remote["write"]!)(new Stranger())).toThrow(
      "Stranger is no service and has no serializer; see extraSerializers, at [1][0]",
    );
    await link.client.close();
    notify(remote["write"]!)("after the end");
    unsubscribe("colloquy:failed-notification", onFailed);
    expect(link.client.stats().failedNotifications).toBe(1);
    expect(published.map(({ path, error }) => [path, error.code])).toEqual([
      ["none", "NOT_FOUND"],
      ["write", "CONNECTION_LOST"],
    ]);
    await link.server.close();
  });

  test("gives a context whose signal aborts when the connection ends", async () => {
    const office = new Office();
    await using link = await pair(office);
    notify(link.remote.hang)();
    await until(() => office.contexts.length === 1);
    expect(office.contexts[0]!.signal.aborted).toBe(false);
    await link.client.close();
    await link.peer.closed;
    expect(office.contexts[0]!.signal.reason).toMatchObject({ code: "CONNECTION_LOST" });
  });

  test("runs no more handlers at a time than calls may", async () => {
    const office = new Office();
    await using link = await pair(office, { serve: { limits: { maxRunningCount: 3 } } });
    for (let count = 0; count < 5; count++) notify(link.remote.wait)("x");
    await until(() => link.peer.stats().failedNotifications === 2);
    expect(office.waiting).toBe(3);
    office.letGo();
    await turns(3);
    notify(link.remote.wait)("y");
    await until(() => office.waiting === 1);
    expect(link.peer.stats().failedNotifications).toBe(2);
  });
});

describe.each(["local", "tcp"])("closing over %s", (kind) => {
  const address = (): string => (kind === "tcp" ? "tcp://127.0.0.1:0" : newAddress());

  test("lets calls finish in both directions, with the calls they need, and tells the other side", async () => {
    const [office, own] = [new Office(), new Office()];
    await using link = await pair<Office, Office>(office, { address: address(), service: own });
    const there = link.remote.wait("there");
    const back = link.back.wait("back");
    await until(() => office.waiting === 1 && own.waiting === 1);
    const closing = link.client.close();
    expect(link.client.usable).toBe(false);
    await until(() => !link.peer.usable, "goaway");
    await link.remote.write(1);
    await link.back.write(2);
    office.letGo();
    own.letGo();
    expect(await there).toBe("there");
    expect(await back).toBe("back");
    await closing;
    expect(await link.client.closed).toBeUndefined();
    expect(await link.peer.closed).toBeUndefined();
  });

  test("refuses new calls that no call under way can need", async () => {
    const [office, own] = [new Office(), new Office()];
    await using link = await pair<Office, Office>(office, { address: address(), service: own });
    const back = link.back.wait("back");
    await until(() => own.waiting === 1);
    const closing = link.client.close();
    await until(() => !link.peer.usable, "goaway");
    expect(await failureOf(link.back.write(1))).toMatchObject({ code: "UNAVAILABLE", executed: "no" });
    own.letGo();
    expect(await back).toBe("back");
    expect(await failureOf(link.remote.write(1))).toMatchObject({ executed: "no" });
    await closing;
  });

  test("waits for the grace time and no longer", async () => {
    const office = new Office();
    await using link = await pair(office, { address: address() });
    const call = failureOf(link.remote.wait("x"));
    await until(() => office.waiting === 1);
    const start = performance.now();
    await link.client.close({ graceMs: 30 });
    expect(performance.now() - start).toBeGreaterThanOrEqual(28);
    expect(performance.now() - start).toBeLessThan(2000);
    expect(await call).toMatchObject({ code: "CONNECTION_LOST", executed: "unknown" });
  });

  test("of a server closes its connections, whose calls under way finish", async () => {
    const office = new Office();
    await using link = await pair(office, { address: address() });
    const call = link.remote.wait("x");
    await until(() => office.waiting === 1);
    const closing = link.server.close();
    await until(() => !link.client.usable, "goaway");
    office.letGo();
    expect(await call).toBe("x");
    await closing;
    expect(link.server.connections.size).toBe(0);
    expect((await failureOf(link.remote.write(1))).code).toMatch(/CONNECTION_LOST|UNAVAILABLE/);
    expect((await failureOf(connect(link.server.address))).code).toBe("UNAVAILABLE");
  });

  test("R8 twice, or after the end, resolves as well", async () => {
    await using link = await pair(new Office(), { address: address() });
    await Promise.all([link.client.close(), link.client.close()]);
    await link.client.close();
    link.client.destroy();
    expect((await failureOf(link.remote.write(1))).code).toBe("CONNECTION_LOST");
  });

  test("on both sides at once ends both", async () => {
    await using link = await pair(new Office(), { address: address() });
    await Promise.all([link.client.close(), link.server.close(), link.peer.close()]);
    expect(link.server.connections.size).toBe(0);
  });
});

describe("onClose", () => {
  test("tells a listener once that was given twice", async () => {
    await using link = await pair(service({ ping: expose(() => 1) }));
    let told = 0;
    const listener = (): void => void told++;
    link.client.onClose(listener);
    link.client.onClose(listener);
    link.client.destroy();
    await link.client.closed;
    expect(told).toBe(1);
    link.client.onClose(listener);
    link.client.onClose(listener);
    await turns(2);
    expect(told).toBe(2);
  });

  test("and `closed` tell the same error, whenever they are asked", async () => {
    await using link = await pair(service({ ping: expose(() => 1) }));
    const early = link.client.closed;
    expect(link.client.closed).toBe(early);
    link.client.destroy(new ColloquyError("INTERNAL", "for a reason"));
    expect(await early).toMatchObject({ message: "for a reason" });
    link.peer.destroy();
    await until(() => !link.peer.usable);
    await turns(5);
    expect(await link.peer.closed).toBe(await link.peer.closed);
    expect(await new Promise((resolve) => link.client.onClose(resolve))).toBe(await early);
  });

  test("is called once, after all calls have settled, on both sides", async () => {
    const office = new Office();
    await using link = await pair<Office, Office>(office, { service: office });
    const order: string[] = [];
    for (const [name, end, remote] of [
      ["client", link.client, link.remote],
      ["server", link.peer, link.back],
    ] as const) {
      end.onClose(() => order.push(`${name} closed`));
      void (async () => {
        try {
          await remote.wait("x");
        } catch {
          order.push(`${name} call`);
        }
      })();
    }
    await until(() => office.waiting === 2);
    link.client.destroy();
    await Promise.all([link.client.closed, link.peer.closed]);
    expect(order.toSorted()).toEqual(["client call", "client closed", "server call", "server closed"]);
    expect(order.indexOf("client call")).toBeLessThan(order.indexOf("client closed"));
    expect(order.indexOf("server call")).toBeLessThan(order.indexOf("server closed"));
  });

  test("R9 gives the error that ended the connection, takes any number, can be taken back, and one may throw", async () => {
    await using link = await pair(new Office());
    const told: unknown[] = [];
    const warnings: unknown[] = [];
    const onWarning = (warning: unknown): void => void warnings.push(warning);
    process.on("warning", onWarning);
    link.client.onClose(() => {
      throw new Error("a listener that throws");
    });
    link.client.onClose((error) => told.push(error));
    link.client.onClose((error) => told.push(error));
    const takeBack = link.client.onClose(() => told.push("taken back"));
    takeBack();
    const { ColloquyError } = await import("../src/index.ts");
    const error = new ColloquyError("UNAUTHENTICATED", "go away");
    link.client.destroy(error);
    await until(() => warnings.length > 0);
    process.off("warning", onWarning);
    expect(told).toEqual([error, error]);
    expect(await link.client.closed).toBe(error);
  });

  test("after the end is called all the same", async () => {
    await using link = await pair(new Office());
    await link.client.close();
    expect(await new Promise((resolve) => link.client.onClose(resolve))).toBeUndefined();
  });
});

describe("the end of a connection", () => {
  /** A client made by hand, and the server's end. */
  async function visit(): Promise<[WirePeer, Connection, AsyncDisposable]> {
    const server = await serve(newAddress(), new Office());
    const wire = await WirePeer.connect(server.address);
    await until(() => server.connections.size === 1);
    return [wire, [...server.connections][0]!, server];
  }

  test("without a goodbye is CONNECTION_LOST where the peer said hello, for listeners, too", async () => {
    const [wire, peer, server] = await visit();
    await using _server = server;
    await wire.hello();
    const told: unknown[] = [];
    peer.onClose((error) => told.push(error));
    wire.close();
    const error = await peer.closed;
    expect(error).toMatchObject({ code: "CONNECTION_LOST" });
    expect(error!.message).toBe(`${peer.remoteAddress} has ended the connection without a goodbye`);
    expect(told).toEqual([error]);
  });

  test("after a goodbye is none", async () => {
    const [wire, peer, server] = await visit();
    await using _server = server;
    await wire.hello();
    wire.notify("$/goaway");
    await until(() => !peer.usable);
    wire.close();
    expect(await peer.closed).toBeUndefined();
  });

  test("is none with a plain peer, which has no goodbye, nor before the first message", async () => {
    for (const plain of [true, false]) {
      const [wire, peer, server] = await visit();
      await using _server = server;
      if (plain) await wire.request("write", [1]);
      wire.close();
      expect(await peer.closed).toBeUndefined();
    }
  });

  test("is none while this side closes, nor after its own `destroy`, which the other side sees as a loss", async () => {
    const office = new Office();
    const link = await pair(office);
    const [there, pending] = [link.peer.closed, failureOf(link.remote.wait("x"))];
    await until(() => office.waiting === 1);
    link.client.destroy();
    expect(await link.client.closed).toBeUndefined();
    expect(await there).toMatchObject({ code: "CONNECTION_LOST" });
    expect(await pending).toMatchObject({ code: "CONNECTION_LOST" });
    await link.server.close();
    const [wire, peer, server] = await visit();
    await using _server = server;
    await wire.hello();
    wire.send([0, 7, ["wait", ["x"], {}]]);
    await until(() => peer.stats().running === 1);
    const closing = peer.close();
    wire.close();
    await closing;
    expect(await peer.closed).toBeUndefined();
  });
});

describe("a connection that is lost", () => {
  test.each(["local", "tcp"])(
    "over %s fails what is pending with CONNECTION_LOST, and aborts handlers",
    async (kind) => {
      const office = new Office();
      await using link = await pair(office, { address: kind === "tcp" ? "tcp://127.0.0.1:0" : newAddress() });
      const calls = Array.from({ length: 20 }, () => failureOf(link.remote.hang()));
      await until(() => office.contexts.length === 20);
      link.peer.destroy();
      for (const error of await Promise.all(calls)) {
        expect(error).toMatchObject({ code: "CONNECTION_LOST", executed: "unknown" });
      }
      await link.client.closed;
      expect(link.client.stats()).toMatchObject({ pending: 0, waiting: 0 });
      for (const { signal } of office.contexts) expect(signal.reason).toMatchObject({ code: "CONNECTION_LOST" });
    },
  );

  test("because its process was killed rejects 1,000 calls in flight within a second", async () => {
    await using child = new Child("hanging-server.ts");
    const { address } = await child.line();
    const connection = await connect<any>(address);
    expect(await connection.remote.ready()).toBe(true);
    const closed = connection.closed.then(() => performance.now());
    let last = 0;
    const calls = Array.from({ length: 1000 }, async () => {
      const error = await failureOf(connection.remote.hang());
      last = performance.now();
      return error;
    });
    expect(await connection.remote.ready()).toBe(true);
    expect(connection.stats().pending).toBe(1000);
    const killed = performance.now();
    child.process.kill("SIGKILL");
    const errors = await Promise.all(calls);
    expect(errors.every((error) => error.code === "CONNECTION_LOST" && error.executed === "unknown")).toBe(true);
    expect(last - killed).toBeLessThan(1000);
    expect(await closed).toBeGreaterThanOrEqual(last);
    expect(await connection.closed).toMatchObject({
      code: "CONNECTION_LOST",
      message: expect.stringContaining("without a goodbye"),
    });
    expect(connection.stats()).toMatchObject({ pending: 0, running: 0, exportedReferences: 0 });
  });
});

describe("server.connections", () => {
  test("R14 has those that are open, and `onConnection` is told of each", async () => {
    const told: Connection[] = [];
    await using server = await serve(newAddress(), new Office(), {
      onConnection: (connection) => told.push(connection),
    });
    expect(server.connections.size).toBe(0);
    const first = await connect<Office>(server.address);
    const second = await connect<Office>(server.address);
    expect([...server.connections]).toEqual(told);
    expect(told.length).toBe(2);
    await first.close();
    await until(() => server.connections.size === 1);
    expect([...server.connections]).toEqual([told[1]]);
    second.destroy();
    await until(() => server.connections.size === 0);
  });
});

describe("stats", () => {
  test("count messages, bytes and what is under way", async () => {
    const office = new Office();
    await using link = await pair(office);
    const before = link.client.stats();
    const call = link.remote.wait("x");
    await until(() => office.waiting === 1);
    expect(link.client.stats()).toMatchObject({ pending: 1, sentMessages: before.sentMessages + 1 });
    expect(link.peer.stats()).toMatchObject({ running: 1, pending: 0 });
    office.letGo();
    await call;
    const after = link.client.stats();
    expect(after).toMatchObject({ pending: 0, receivedMessages: before.receivedMessages + 1 });
    expect(after.sentBytes).toBeGreaterThan(before.sentBytes);
    expect(link.peer.stats()).toMatchObject({
      running: 0,
      receivedBytes: after.sentBytes,
      sentBytes: after.receivedBytes,
    });
  });
});

describe("connect with a signal", () => {
  const reason = new Error("changed my mind");

  function cancelled(address: string): object {
    return { code: "CANCELLED", executed: "no", message: `connecting to ${address} was cancelled`, cause: reason };
  }

  test("that has aborted before is CANCELLED", async () => {
    await using server = await serve(newAddress(), new Office());
    const error = await failureOf(connect(server.address, { signal: AbortSignal.abort(reason) }));
    expect(error).toMatchObject({ code: "CANCELLED", cause: reason });
    await until(() => server.connections.size === 0);
  });

  test("that aborts while nobody listens is CANCELLED", async () => {
    const stop = new AbortController();
    const attempt = failureOf(connect(newAddress(), { signal: stop.signal, timeout: Infinity }));
    await turns(3);
    stop.abort(reason);
    expect(await attempt).toMatchObject({ code: "CANCELLED", cause: reason });
  });

  test.each(["local", "tcp"])("that aborts before hello is answered over %s is CANCELLED", async (kind) => {
    await using server = await wireServer(kind === "tcp" ? "tcp://127.0.0.1:0" : newAddress());
    const stop = new AbortController();
    const attempt = failureOf(connect(server.address, { signal: stop.signal }));
    const wire = await server.accepted();
    expect(await wire.next()).toMatchObject([0, 0, ["$/hello", expect.anything(), {}]]);
    stop.abort(reason);
    expect(await attempt).toMatchObject(cancelled(server.address));
    await wire.closed;
  });

  test("that aborts in the turn in which hello is answered is CANCELLED", async () => {
    await using server = await wireServer();
    const stop = new AbortController();
    const own = service({ abort: expose(() => stop.abort(reason)) });
    const attempt = failureOf(connect(server.address, { signal: stop.signal, service: own }));
    const wire = await server.accepted();
    await wire.next();
    // In one piece: the call runs before the promise of hello has told `connect`.
    wire.send([1, 0, { protocol: 1 }], [0, 0, ["abort", [], {}]]);
    expect(await attempt).toMatchObject(cancelled(server.address));
    await wire.closed;
  });

  test("that aborts later does nothing to the connection", async () => {
    await using server = await serve(newAddress(), new Office());
    const stop = new AbortController();
    await using connection = await connect<Office>(server.address, { signal: stop.signal });
    stop.abort(reason);
    expect(await connection.remote.write("still here")).toBe(1);
  });
});

describe("connect", () => {
  test('refuses the codec "auto", and addresses without a host', async () => {
    for (const [address, options] of [
      [newAddress(), { codec: "auto" as never }],
      ["tcp://:5555", {}],
    ] as const) {
      expect((await failureOf(connect(address, options))).code).toBe("INVALID_ARGUMENT");
    }
  });

  test("R1 refuses a service without anything exposed, and nothing is left open", async () => {
    await using server = await serve(newAddress(), service({ a: expose(() => 1) }));
    for (const wrong of [{}, { a: 1 }, new Map()]) {
      expect((await failureOf(connect(server.address, { service: wrong }))).code).toBe("INVALID_ARGUMENT");
    }
    await until(() => server.connections.size === 0);
  });
});
