import { describe, expect, test, vi } from "vitest";
import { Service, connect, expose, notify, serve, service, withOptions } from "../src/index.ts";
import type { ReconnectOptions, ReconnectingConnection, Remote, Server } from "../src/index.ts";
import { failureOf, newAddress, pair, turns, until, wireServer } from "./support.ts";

class Counter extends Service {
  count = 0;
  @expose next(): number {
    return ++this.count;
  }
}

class Root extends Service {
  readonly heard: unknown[] = [];
  readonly name: string;
  readonly own = new Counter();
  constructor(name = "root") {
    super();
    this.name = name;
  }
  @expose readonly sub: Counter = new Counter();
  @expose who(): string {
    return this.name;
  }
  @expose hear(value: unknown): unknown {
    this.heard.push(value);
    return value;
  }
  @expose hang(): Promise<never> {
    this.heard.push("hang");
    return new Promise(() => undefined);
  }
  go: () => void = () => undefined;
  @expose wait(): Promise<void> {
    this.heard.push("wait");
    return new Promise((resolve) => (this.go = resolve));
  }
  @expose counter(): Counter {
    return new Counter();
  }
  @expose getSub(): Counter {
    return this.sub;
  }
  @expose fn(): () => string {
    return () => this.name;
  }
  @expose async ask(question: () => Promise<string>): Promise<string> {
    return question();
  }
  @expose isSub(value: unknown): boolean {
    return value === this.sub;
  }
}

const FAST: ReconnectOptions = { minMs: 1, maxMs: 20 };

interface Client extends AsyncDisposable {
  readonly address: string;
  readonly root: Root;
  readonly connection: ReconnectingConnection<Root>;
  readonly remote: Remote<Root>;
  /** Cuts the connection on the server's side; `stop` ends the server first. */
  cut(stop?: boolean): Promise<void>;
  restart(root?: Root): Promise<void>;
}

/** A client that reconnects, and its server. */
async function client(options: ReconnectOptions = FAST, limits = {}): Promise<Client> {
  const address = newAddress();
  const root = new Root("first");
  let server: Server = await serve(address, root);
  const connection = await connect<Root>(address, { reconnect: options, limits });
  const cut = async (stop = false): Promise<void> => {
    const all = [...server.connections];
    const closing = stop ? server.close({ graceMs: 0 }) : undefined;
    for (const one of all) one.destroy();
    await closing;
    await until(() => !connection.connected, "the loss");
  };
  return {
    address,
    root,
    connection,
    remote: connection.remote,
    cut,
    restart: async (next = root) => void (server = await serve(address, next)),
    [Symbol.asyncDispose]: async () => {
      await connection.close({ graceMs: 0 });
      await server.close({ graceMs: 0 });
    },
  };
}

describe("a connection that reconnects", () => {
  test("comes back after it was lost, and says so; proxies of the root and below go on", async () => {
    await using it = await client();
    const { sub } = it.remote;
    const received = await it.remote.getSub();
    expect([await sub.next(), await received.next()]).toEqual([1, 2]);
    const told: unknown[] = [];
    it.connection.onDisconnect((error) => told.push(error?.code));
    it.connection.onReconnect(() => told.push("back"));
    for (const count of [1, 2]) {
      await it.cut();
      await until(() => it.connection.connected);
      expect(it.connection.stats().reconnects).toBe(count);
    }
    expect(told).toEqual(["CONNECTION_LOST", "back", "CONNECTION_LOST", "back"]);
    it.connection.onClose(() => told.push("closed"));
    expect([await sub.next(), await received.next(), await it.remote.sub.next()]).toEqual([3, 4, 5]);
    // A proxy that goes home is the object itself, also over another connection than it came on.
    expect(await it.remote.isSub(received)).toBe(true);
    expect(await it.connection.ping()).toBe(it.connection.roundTripMs);
    // Its own end is no loss.
    await it.connection.close();
    expect(told.slice(4)).toEqual(["closed"]);
  });

  test("rejects where the first connection can't be had, as without", async () => {
    expect(await failureOf(connect(newAddress(), { reconnect: true }))).toMatchObject({ code: "UNAVAILABLE" });
  });

  test.each([
    [1, /option reconnect of connect is 1; it takes true, false or an object/],
    ["yes", /option reconnect of connect is "yes"/],
    [{ whileAway: "sleep" }, /whileAway is "sleep"; it takes "wait" or "fail"/],
    [{ giveUpAfterMs: 0 }, /option giveUpAfterMs of reconnect is 0; it takes milliseconds above 0, or Infinity/],
    [{ minMs: -1 }, /minMs is -1/],
  ])("refuses %j", async (reconnect, message) => {
    const error = await failureOf(connect(newAddress(), { reconnect: reconnect as never }));
    expect(error).toMatchObject({ code: "INVALID_ARGUMENT", message: expect.stringMatching(message) });
  });

  test("takes serializers that can be walked once only", async () => {
    class Point {}
    function* once() {
      yield () => [Point, () => 1, () => new Point()] as const;
    }
    const address = newAddress();
    const extraSerializers = [...once()] as never;
    await using server = await serve(address, service({ echo: expose((value: unknown) => value) }), {
      extraSerializers,
    });
    await using connection = await connect<any>(address, { reconnect: FAST, extraSerializers: once() as never });
    for (const one of server.connections) one.destroy();
    await until(() => connection.stats().reconnects === 1);
    expect(await connection.remote.echo(new Point())).toBeInstanceOf(Point);
  });

  test("fails the calls that were under way, and sends none of them again", async () => {
    await using it = await client();
    const call = failureOf(it.remote.hang());
    await until(() => it.root.heard.length === 1);
    await it.cut();
    expect(await call).toMatchObject({ code: "CONNECTION_LOST", executed: "unknown" });
    await until(() => it.connection.connected);
    await it.remote.who();
    expect(it.root.heard).toEqual(["hang"]);
  });
});

describe("calls while there is no connection", () => {
  test("wait for it, and leave in their order, before later ones", async () => {
    await using it = await client();
    await it.cut(true);
    const results = [1, 2, 3].map((value) => it.remote.hear(value));
    notify(it.remote.hear)(4);
    const last = it.remote.hear(5);
    expect(it.connection.stats().waitingForConnection).toBe(5);
    expect(it.connection.usable).toBe(true);
    await it.restart();
    expect(await Promise.all([...results, last])).toEqual([1, 2, 3, 5]);
    expect(it.root.heard).toEqual([1, 2, 3, 4, 5]);
    expect(it.connection.stats().waitingForConnection).toBe(0);
  });

  test("leave after those that listeners of onReconnect make", async () => {
    await using it = await client();
    await it.cut(true);
    const waiting = it.remote.hear("waited");
    it.connection.onReconnect(() => void it.remote.hear("listener"));
    it.connection.onReconnect(() => {
      throw new Error("a listener that throws");
    });
    await it.restart();
    await waiting;
    expect(it.root.heard).toEqual(["listener", "waited"]);
  });

  test("fail at their timeout or signal with executed no, and never start", async () => {
    await using it = await client();
    await it.cut(true);
    const abort = new AbortController();
    const expired = failureOf(withOptions(it.remote.hear, { timeout: 30 })(1));
    const cancelled = failureOf(withOptions(it.remote.hear, { signal: abort.signal })(2));
    abort.abort("enough");
    expect(await cancelled).toMatchObject({ code: "CANCELLED", executed: "no", cause: "enough" });
    const error = await expired;
    expect(error).toMatchObject({ code: "DEADLINE_EXCEEDED", executed: "no" });
    expect(error.message).toBe(`no connection for ${it.address}/hear within 30 ms`);
    await it.restart();
    expect(await it.remote.who()).toBe("first");
    expect(it.root.heard).toEqual([]);
    const late = failureOf(withOptions(it.remote.hear, { signal: AbortSignal.abort() })(3));
    expect((await late).code).toBe("CANCELLED");
  });

  test("have what is left of their time once there is a connection", async () => {
    await using it = await client();
    await it.cut(true);
    const start = performance.now();
    const call = failureOf(withOptions(it.remote.hang, { timeout: 300 })());
    await new Promise((resolve) => setTimeout(resolve, 150));
    await it.restart();
    expect((await call).code).toBe("DEADLINE_EXCEEDED");
    expect(it.root.heard).toEqual(["hang"]);
    expect(performance.now() - start).toBeLessThan(450);
  });

  test("fail at once where that is asked for, by the call or by connect", async () => {
    await using waits = await client();
    await using fails = await client({ ...FAST, whileAway: "fail" });
    await waits.cut(true);
    await fails.cut(true);
    const failure = { code: "UNAVAILABLE", executed: "no", message: expect.stringContaining("lost, and not yet back") };
    expect(await failureOf(withOptions(waits.remote.who, { whileAway: "fail" })())).toMatchObject(failure);
    expect(await failureOf(fails.remote.who())).toMatchObject(failure);
    expect(await failureOf(fails.connection.ping())).toMatchObject(failure);
    notify(fails.remote.hear)(1);
    expect(fails.connection.stats().failedNotifications).toBe(1);
    const call = withOptions(fails.remote.who, { whileAway: "wait" })();
    await fails.restart();
    expect(await call).toBe("first");
  });

  test.each([2, 3, 4])("are as many as maxPendingCount, with %i calls and a limit of 3", async (count) => {
    await using it = await client(FAST, { maxPendingCount: 3 });
    await it.cut(true);
    const calls = Array.from({ length: count }, (_, index) => it.remote.hear(index));
    if (count === 4) {
      expect(await failureOf(calls.pop())).toMatchObject({
        code: "RESOURCE_EXHAUSTED",
        executed: "no",
        message: expect.stringContaining("3 calls wait for a connection"),
      });
    }
    await it.restart();
    expect(await Promise.all(calls)).toHaveLength(Math.min(count, 3));
  });

  test("hold their arrays until they have left", async () => {
    await using it = await client();
    await it.cut(true);
    const call = it.remote.hear(new Uint8Array(3));
    let flushed = false;
    const flushing = it.connection.flushed().then(() => (flushed = true));
    await turns(5);
    expect(flushed).toBe(false);
    await it.restart();
    await flushing;
    expect(await call).toEqual(new Uint8Array(3));
  });
});

describe("references", () => {
  test("end with the connection that they came on, say so by name, and never lead to another object", async () => {
    await using it = await client();
    const counter = await it.remote.counter();
    const fn = await it.remote.fn();
    expect([await counter.next(), await fn()]).toEqual([1, "first"]);
    await it.cut(true);
    const next = new Root("second");
    await it.restart(next);
    await until(() => it.connection.connected);
    // The numbers are given again, to other objects.
    const another = await it.remote.counter();
    const other = await it.remote.fn();
    expect([await another.next(), await other()]).toEqual([1, "second"]);
    for (const call of [counter.next(), fn(), withOptions(counter.next, { retries: 3 })()]) {
      expect(await failureOf(call)).toMatchObject({
        code: "REFERENCE_RELEASED",
        executed: "no",
        message: expect.stringMatching(/\$\/ref\/\d(?:\/next)? has ended with the connection that it came on/),
      });
    }
    // Passed on, it is as dead.
    const passed = await failureOf(it.remote.ask(fn));
    expect(passed.message).toContain("has ended with the connection");
    expect(await another.next()).toBe(2);
  });
});

describe("the end of a connection that reconnects", () => {
  test("by close() is told once, fails what waits with UNAVAILABLE, and ends the attempts", async () => {
    const it = await client();
    const told: unknown[] = [];
    it.connection.onClose((error) => told.push(error));
    await it.cut(true);
    const waiting = failureOf(it.remote.who());
    await Promise.all([it.connection.close(), it.connection.close()]);
    expect(await waiting).toMatchObject({ code: "UNAVAILABLE", executed: "no" });
    expect(await failureOf(it.remote.who())).toMatchObject({
      code: "UNAVAILABLE",
      executed: "no",
      message: `the connection to ${it.address} is closed`,
    });
    expect(await it.connection.closed).toBeUndefined();
    expect(told).toEqual([undefined]);
    expect(it.connection.usable).toBe(false);
    await using server = await serve(it.address, new Root());
    await new Promise((resolve) => setTimeout(resolve, 60));
    expect(server.connections.size).toBe(0);
  });

  test("is told once, after all calls have settled", async () => {
    await using it = await client();
    const told: string[] = [];
    it.connection.onClose(() => told.push("closed"));
    void it.connection.closed.then(() => told.push("closed"));
    const answered = it.remote.wait().then(() => told.push("answered"));
    const cut = failureOf(it.remote.hang()).then(() => told.push("cut"));
    await until(() => it.root.heard.length === 2);
    const closing = it.connection.close({ graceMs: 60_000 });
    await turns(5);
    expect(told).toEqual([]);
    it.root.go();
    await answered;
    it.connection.destroy();
    await Promise.all([closing, cut]);
    await turns(5);
    expect(told).toEqual(["answered", "cut", "closed", "closed"]);
  });

  test("by destroy() fails calls under way", async () => {
    await using it = await client();
    const call = failureOf(it.remote.hang());
    await until(() => it.root.heard.length === 1);
    it.connection.destroy();
    expect(await call).toMatchObject({ code: "CONNECTION_LOST", executed: "unknown" });
    expect(await it.connection.closed).toBeUndefined();
  });

  test("comes after giveUpAfterMs without a connection", async () => {
    await using it = await client({ ...FAST, giveUpAfterMs: 100 });
    await it.cut(true);
    const start = performance.now();
    const waiting = failureOf(it.remote.who());
    const error = await it.connection.closed;
    expect(error).toMatchObject({ code: "UNAVAILABLE" });
    expect(error!.message).toMatch(/nobody listens|ECONNREFUSED/);
    expect(performance.now() - start).toBeGreaterThan(80);
    expect(await waiting).toMatchObject({ code: "UNAVAILABLE", executed: "no" });
    await it.restart();
  });

  test("comes at once where the next server doesn't fit: another attempt would end in the same way", async () => {
    await using it = await client();
    await it.cut(true);
    const waiting = failureOf(it.remote.who());
    const extraSerializers = [() => [URLSearchParams, String, () => new URLSearchParams()] as never];
    await using other = await serve(it.address, new Root(), { extraSerializers });
    expect(other.connections.size).toBe(0);
    expect(await it.connection.closed).toMatchObject({ code: "UNAVAILABLE", cause: { code: "PROTOCOL_ERROR" } });
    expect(await waiting).toMatchObject({ code: "UNAVAILABLE", executed: "no" });
  });
});

describe("what isn't the server answers at its address", () => {
  test("is tried again until the server is there", async () => {
    await using it = await client();
    await it.cut(true);
    const waiting = it.remote.who();
    const other = await wireServer(it.address);
    for (let count = 0; count < 2; count++) {
      const wire = await other.accepted();
      wire.write(Buffer.from("HTTP/1.1 502 Bad Gateway\r\n\r\n"));
      await until(() => String(it.connection.failure).includes("doesn't speak this protocol"));
      wire.close();
    }
    await other[Symbol.asyncDispose]();
    await it.restart();
    expect(await waiting).toBe(await it.remote.who());
  });
});

describe("a server that closes connections as soon as they are made", () => {
  test("is tried more and more seldom", async () => {
    const address = newAddress();
    const server = await wireServer(address);
    const random = vi.spyOn(Math, "random").mockReturnValue(0.99);
    const connecting = connect(address, { reconnect: { minMs: 30, maxMs: 1000, factor: 3 } });
    const times: number[] = [];
    for (let count = 0; count < 4; count++) {
      const wire = await server.accepted();
      times.push(performance.now());
      await wire.next();
      wire.send([1, 0, { protocol: 1 }]);
      await turns(5);
      wire.close();
    }
    const connection = await connecting;
    random.mockRestore();
    expect(connection.stats().reconnects).toBeGreaterThanOrEqual(2);
    const pauses = times.slice(1).map((time, index) => time - times[index]!);
    for (const [index, boundMs] of [30, 90, 270].entries()) expect(pauses[index]).toBeGreaterThan(boundMs * 0.9);
    await connection.close({ graceMs: 0 });
    await server[Symbol.asyncDispose]();
  });
});

test("connections without it are as before: a lost one stays lost, and its references say CONNECTION_LOST", async () => {
  await using link = await pair(new Root());
  const counter = await link.remote.counter();
  link.peer.destroy();
  await link.client.closed;
  expect((await failureOf(link.remote.who())).code).toBe("CONNECTION_LOST");
  expect((await failureOf(counter.next())).code).toBe("CONNECTION_LOST");
});
