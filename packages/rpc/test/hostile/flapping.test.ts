import { getEventListeners } from "node:events";
import { describe, expect, test, vi } from "vitest";
import { JsonCodec, MsgPackCodec } from "@colloquy/core";
import { Service, connect, expose, notify, serve, service, withOptions } from "../../src/index.ts";
import type { CallOptions, ColloquyError, ReconnectingConnection, Server } from "../../src/index.ts";
import { Child, failureOf, newAddress, turn, turns, unhandledDuring, until, wireServer } from "../support.ts";
import type { WirePeer } from "../support.ts";

const FAST = { minMs: 1, maxMs: 5 };
const HELLO = [1, 0, { protocol: 1 }];

class Desk extends Service {
  /** How often each call has run, over all servers. */
  readonly runs: Map<number, number>;
  constructor(runs = new Map<number, number>()) {
    super();
    this.runs = runs;
  }
  #run(id: number): number {
    this.runs.set(id, (this.runs.get(id) ?? 0) + 1);
    return id;
  }
  @expose once(id: number): number {
    return this.#run(id);
  }
  @expose async slow(id: number): Promise<number> {
    await turns(id % 11);
    return this.#run(id);
  }
  @expose({ idempotent: true }) async again(id: number): Promise<number> {
    await turns(id % 5);
    return this.#run(id);
  }
  @expose hang(): Promise<never> {
    return new Promise(() => {});
  }
}

interface Outcome {
  readonly settledCount: number;
  readonly value?: unknown;
  readonly error?: ColloquyError;
}

/** Calls whose ends are counted. */
class Watched {
  readonly outcomes: Outcome[] = [];
  readonly #calls: Promise<void>[] = [];

  watch(call: Promise<unknown>): void {
    const index = this.outcomes.push({ settledCount: 0 }) - 1;
    const settle = (end: object): void => {
      this.outcomes[index] = { settledCount: this.outcomes[index]!.settledCount + 1, ...end };
    };
    this.#calls.push(
      call.then(
        (value) => settle({ value }),
        (error: ColloquyError) => settle({ error }),
      ),
    );
  }

  async settled(): Promise<void> {
    await Promise.all(this.#calls);
  }
}

function timerCount(): number {
  return process.getActiveResourcesInfo().filter((name) => name === "Timeout").length;
}

/** A server that comes and goes on one address, and never loses its count of what ran. */
class Flapping {
  readonly address: string;
  readonly runs = new Map<number, number>();
  server: Server | undefined;
  constructor(address: string) {
    this.address = address;
  }
  async start(): Promise<void> {
    this.server = await serve(this.address, new Desk(this.runs));
  }
  /** Without a goodbye, or with one. */
  async stop(cut: boolean): Promise<void> {
    if (cut) for (const one of this.server!.connections) one.destroy();
    await this.server!.close({ graceMs: 0 });
  }
}

describe("a server that flaps a hundred times", () => {
  test.each(["local", "tcp"])(
    "settles 1,000 calls once each, and runs none twice unasked: over %s",
    { timeout: 60_000 },
    async (kind) => {
      let address = newAddress();
      if (kind === "tcp") {
        const first = await serve("tcp://127.0.0.1:0", new Desk());
        ({ address } = first);
        await first.close();
      }
      const flapping = new Flapping(address);
      await flapping.start();
      const client = await connect<Desk>(address, { reconnect: FAST });
      const watched = new Watched();
      const stop = new AbortController();
      const unhandled = await unhandledDuring(async () => {
        const flaps = (async () => {
          for (let flap = 0; flap < 100; flap++) {
            await turns(flap % 9);
            await flapping.stop(flap % 3 !== 0);
            await turns(flap % 5);
            await flapping.start();
            if (flap % 4 === 0) await until(() => client.connected, "the next connection");
          }
        })();
        for (let id = 0; id < 1000; id++) {
          watched.watch(callOf(client, id, stop.signal));
          if (id % 10 === 9) await turn();
        }
        await flaps;
        await until(() => client.connected);
        await watched.settled();
      });
      expect(unhandled).toEqual([]);
      for (const [id, { settledCount, value, error }] of watched.outcomes.entries()) {
        const runs = flapping.runs.get(id) ?? 0;
        expect(settledCount).toBe(1);
        if (error === undefined) expect([value, runs >= 1]).toEqual([id, true]);
        else {
          expect(["CONNECTION_LOST", "UNAVAILABLE", "DEADLINE_EXCEEDED"]).toContain(error.code);
          expect(["no", "unknown"]).toContain(error.executed);
          if (error.executed === "no") expect([id, runs]).toEqual([id, 0]);
        }
        // Idempotent ones alone may run again.
        if (id % 5 !== 4) expect([id, runs <= 1]).toEqual([id, true]);
      }
      const codes = watched.outcomes.map(({ error }) => error?.code ?? "result");
      expect(codes).toContain("result");
      expect(codes).toContain("CONNECTION_LOST");
      expect(client.stats()).toMatchObject({ pending: 0, waiting: 0, waitingForConnection: 0 });
      expect(getEventListeners(stop.signal, "abort")).toEqual([]);
      await client.close();
      await flapping.stop(false);
      await until(() => flapping.server!.connections.size === 0);
    },
  );
});

const KINDS: readonly CallOptions[] = [
  {},
  { timeout: 30_000 },
  { timeout: 4 },
  { retries: 3 },
  { retries: 3, idempotent: true },
];

function callOf({ remote }: ReconnectingConnection<Desk>, id: number, signal: AbortSignal): Promise<number> {
  const options = KINDS[id % KINDS.length]!;
  const method = options.idempotent === true ? remote.again : id % 2 === 0 ? remote.once : remote.slow;
  return withOptions(method, { ...options, ...(id % 3 === 0 && { signal }) })(id);
}

/** A client that reconnects to a server made by hand; the first connection has said hello. */
async function toWire(limits = {}) {
  const server = await wireServer();
  const connecting = connect<any>(server.address, { reconnect: FAST, limits });
  const next = async (greets = true): Promise<WirePeer> => {
    const wire = await server.accepted();
    await wire.next();
    if (greets) wire.send(HELLO);
    return wire;
  };
  const wire = await next();
  const client = await connecting;
  const dispose = async (): Promise<void> => {
    await client.close({ graceMs: 0 });
    await server[Symbol.asyncDispose]();
  };
  return { server, client, wire, next, [Symbol.asyncDispose]: dispose };
}

/** Half a frame: it says that 100 bytes follow. */
const HALF = Buffer.from([0, 0, 0, 100, 0x5b]);

const DEATHS: Record<string, (wire: WirePeer) => unknown> = {
  "at once": (wire) => wire.close(),
  "before hello, after a turn": async (wire) => {
    await turn();
    wire.close();
  },
  "in the middle of hello": async (wire) => {
    await wire.next();
    wire.write(HALF);
    await turn();
    wire.close();
  },
  "with its hello": async (wire) => {
    await wire.next();
    wire.send(HELLO);
    wire.close();
  },
  "after its hello": async (wire) => {
    await wire.next();
    wire.send(HELLO);
    await turns(3);
    wire.close();
  },
  "with a goodbye right behind its hello": async (wire) => {
    await wire.next();
    wire.send(HELLO, [3, 0, ["$/goaway", [], {}]]);
    await turns(3);
    wire.close();
  },
  "when it is called": async (wire) => {
    await wire.next();
    wire.send(HELLO);
    await wire.next();
    wire.close();
  },
  "in the middle of an answer": async (wire) => {
    await wire.next();
    wire.send(HELLO);
    await wire.next();
    wire.write(HALF);
    await turn();
    wire.close();
  },
};

describe("a server that dies again and again", () => {
  test.each(Object.keys(DEATHS))("%s, leaves every call with one end, and is found again", async (death) => {
    await using it = await toWire();
    const watched = new Watched();
    const told: string[] = [];
    it.client.onDisconnect(() => told.push("away"));
    it.client.onReconnect(() => told.push("back"));
    const sent: unknown[] = [];
    const unhandled = await unhandledDuring(async () => {
      it.wire.close();
      for (let round = 0; round < 5; round++) {
        await until(() => !it.client.connected, "the loss");
        watched.watch(it.client.remote.f(round));
        watched.watch(withOptions(it.client.remote.f, { timeout: 60_000 })(round));
        const wire = await it.server.accepted();
        await DEATHS[death]!(wire);
        await wire.closed;
      }
      const wire = await it.next();
      await until(() => it.client.connected);
      const answering = (async () => {
        for (;;) {
          const [type, id, content] = await wire.next();
          if (type === 0 && content[0] === "f") {
            sent.push(content[1][0]);
            wire.send([1, id, content[1][0]]);
          }
        }
      })().catch(() => {});
      watched.watch(it.client.remote.f("last"));
      await watched.settled();
      wire.close();
      await answering;
    });
    expect(unhandled).toEqual([]);
    expect(watched.outcomes.at(-1)).toMatchObject({ settledCount: 1, value: "last" });
    const outcomes = watched.outcomes.map(({ settledCount, value, error }) => [settledCount, value ?? error?.executed]);
    for (const [count, end] of outcomes) expect([count, end]).toEqual([1, expect.anything()]);
    // What has ended by itself isn't sent again.
    expect(sent).toHaveLength(outcomes.filter(([, end]) => end !== "no" && end !== "unknown").length);
    expect(told.every((what, index) => what === (index % 2 === 0 ? "away" : "back"))).toBe(true);
  });
});

/** States of a connection that reconnects, each with one call that waits or runs. */
const STATES: Record<string, (it: Awaited<ReturnType<typeof toWire>>) => unknown> = {
  connected: () => {},
  "backing off": async ({ wire, client }) => {
    wire.close();
    await until(() => !client.connected);
  },
  "waiting for hello": async ({ wire, client, next }) => {
    wire.close();
    await until(() => !client.connected);
    await next(false);
  },
  "left by a goodbye": async ({ wire, client }) => {
    wire.send([3, 0, ["$/goaway", [], {}]]);
    await until(() => !client.connected);
  },
  "connected anew beside the one that ends": async ({ wire, client, next }) => {
    wire.send([3, 0, ["$/goaway", [], {}]]);
    await until(() => !client.connected);
    await next();
    await until(() => client.connected);
  },
};

const ENDS: Record<string, (client: ReconnectingConnection) => unknown> = {
  "close()": (client) => client.close({ graceMs: 20 }),
  "close() from a listener": (client) => {
    client.onDisconnect(() => void client.close({ graceMs: 20 }));
    client.connection?.destroy();
    return client.close({ graceMs: 20 });
  },
  "destroy()": (client) => client.destroy(),
  "destroy() during close()": (client) => {
    void client.close({ graceMs: 60_000 });
    client.destroy();
  },
  "close() twice, the second time without grace": (client) => {
    void client.close({ graceMs: 60_000 });
    return client.close({ graceMs: 0 });
  },
};

describe.each(Object.keys(STATES))("a client that is %s", (state) => {
  test.each(Object.keys(ENDS))("ends by %s, with its calls, told once, and nothing is left", async (end) => {
    const before = timerCount();
    const server = await toWire();
    const { client, wire } = server;
    const watched = new Watched();
    const told: unknown[] = [];
    client.onClose((error) => told.push(error));
    const stop = new AbortController();
    const limits = { timeout: 60_000, signal: stop.signal };
    watched.watch(client.remote.f("under way"));
    await turns(3);
    await STATES[state]!(server);
    watched.watch(withOptions(client.remote.f, limits)("with limits"));
    notify(client.remote.f)("noted");
    const unhandled = await unhandledDuring(async () => {
      await ENDS[end]!(client);
      await client.closed;
      await watched.settled();
    });
    expect(unhandled).toEqual([]);
    expect(told).toEqual([undefined]);
    expect(await failureOf(client.remote.f())).toMatchObject({ code: "UNAVAILABLE", executed: "no" });
    for (const { settledCount, error } of watched.outcomes)
      expect([settledCount, error?.executed]).toEqual([1, expect.stringMatching(/no|unknown/)]);
    const waited = state === "backing off" || state === "waiting for hello" || state === "left by a goodbye";
    if (waited) expect(watched.outcomes[1]!.error).toMatchObject({ code: "UNAVAILABLE", executed: "no" });
    expect(client.stats()).toMatchObject({ pending: 0, waiting: 0, waitingForConnection: 0 });
    expect(getEventListeners(stop.signal, "abort")).toEqual([]);
    await until(() => wire.isClosed, "the end of the first connection");
    await server[Symbol.asyncDispose]();
    await until(() => timerCount() <= before, "the end of the timers");
  });
});

test("a server that says goodbye with its hello, and takes its time, is left for the next, and closed with it", async () => {
  await using it = await toWire();
  const told: string[] = [];
  it.client.onReconnect(() => told.push("back"));
  it.wire.close();
  await until(() => !it.client.connected);
  const call = it.client.remote.f(1);
  const leaving = await it.server.accepted();
  await leaving.next();
  leaving.send(HELLO, [3, 0, ["$/goaway", [], {}]]);
  const next = await it.next();
  const [, id, content] = await next.next();
  next.send([1, id, content[1][0]]);
  expect(await call).toBe(1);
  expect([told, it.client.stats().reconnects, leaving.isClosed]).toEqual([["back"], 1, false]);
  await it.client.close({ graceMs: 0 });
  await Promise.all([leaving.closed, next.closed]);
});

describe("a server that says nothing", () => {
  test("is given up in the time of hello, tried again, and named as the cause", async () => {
    await using it = await toWire({ helloTimeoutMs: 40 });
    it.wire.close();
    await until(() => !it.client.connected);
    const waiting = failureOf(withOptions(it.client.remote.f, { timeout: 150 })());
    const silent = [await it.next(false), await it.next(false)];
    expect(await waiting).toMatchObject({ code: "DEADLINE_EXCEEDED", executed: "no", cause: { code: "UNAVAILABLE" } });
    expect(it.client.failure).toMatchObject({ message: expect.stringContaining("helloTimeoutMs") });
    expect(await failureOf(withOptions(it.client.remote.f, { whileAway: "fail" })())).toMatchObject({
      code: "UNAVAILABLE",
      cause: it.client.failure,
    });
    await until(() => silent.every(({ isClosed }) => isClosed));
    // Others may have run out of their time meanwhile.
    while (!it.client.connected) {
      const wire = await it.server.accepted();
      wire.send(HELLO);
      await turns(5);
    }
    expect(it.client.failure).toBeUndefined();
  });
});

describe("a server that comes back", () => {
  test("with another root goes on, though proxies of its paths lead to what is there now", async () => {
    const address = newAddress();
    let server = await serve(address, service({ a: service({ who: expose(() => "first a") }), old: expose(() => 1) }));
    await using client = await connect<any>(address, { reconnect: FAST });
    const { a, old } = client.remote;
    expect([await a.who(), await old(), client.root]).toEqual(["first a", 1, expect.any(String)]);
    const { root } = client;
    await server.close();
    server = await serve(address, service({ a: service({ who: expose(() => "second a") }) }));
    expect(await a.who()).toBe("second a");
    expect(await failureOf(old())).toMatchObject({ code: "NOT_FOUND", executed: "no" });
    expect(client.root).not.toBe(root);
    await server.close({ graceMs: 0 });
  });

  test("with another codec is final", async () => {
    const address = newAddress();
    const first = await serve(address, new Desk(), { codec: JsonCodec });
    const client = await connect<Desk>(address, { reconnect: FAST, codec: JsonCodec });
    await first.close();
    const waiting = failureOf(client.remote.once(1));
    await using second = await serve(address, new Desk(), { codec: MsgPackCodec });
    const error = await client.closed;
    expect(error).toMatchObject({ code: "UNAVAILABLE", executed: "no" });
    expect(await waiting).toMatchObject({ code: "UNAVAILABLE", executed: "no", message: error!.message });
    expect(client.failure).toBe(error!.cause);
    await until(() => second.connections.size === 0);
  });
});

test(
  "a process with a client that reconnects keeps nothing of lost connections, and ends once it is closed",
  { timeout: 60_000 },
  async () => {
    await using child = new Child("flapping.ts", [], ["--expose-gc"]);
    const { perFlap, ...left } = await child.line();
    expect(perFlap).toBeLessThan(1000);
    expect(left).toEqual({ pending: 0, waiting: 0, importedReferences: 0 });
    expect(await child.line()).toEqual({ ends: ["UNAVAILABLE", "UNAVAILABLE", "UNAVAILABLE"], isSame: true });
    expect(await child.exited).toBe(0);
    expect(child.stderr).toBe("");
  },
);

describe("a listener of onReconnect", () => {
  test("that ends the connection that it is told of leaves what waits for the next one", async () => {
    const flapping = new Flapping(newAddress());
    await flapping.start();
    await using client = await connect<Desk>(flapping.address, { reconnect: FAST });
    let left = 3;
    const made: Promise<unknown>[] = [];
    client.onReconnect(() => {
      made.push(failureOf(client.remote.hang()));
      if (left-- > 0) client.connection!.destroy();
      throw new Error("and throws");
    });
    const warned = vi.spyOn(process, "emitWarning").mockImplementation(() => {});
    await flapping.stop(true);
    await until(() => !client.connected);
    const waiting = [1, 2, 3].map((id) => client.remote.once(id));
    await flapping.start();
    expect(await Promise.all(waiting)).toEqual([1, 2, 3]);
    expect([...flapping.runs.values()]).toEqual([1, 1, 1]);
    expect(client.stats().reconnects).toBe(4);
    expect(warned).toHaveBeenCalledTimes(4);
    warned.mockRestore();
    client.destroy();
    await Promise.all(made);
    await flapping.stop(false);
  });

  test("that closes the client fails what waits, and nothing is opened after", async () => {
    const flapping = new Flapping(newAddress());
    await flapping.start();
    const client = await connect<Desk>(flapping.address, { reconnect: FAST });
    client.onReconnect(() => void client.close());
    await flapping.stop(true);
    await until(() => !client.connected);
    const waiting = failureOf(client.remote.once(1));
    await flapping.start();
    expect(await waiting).toMatchObject({ code: "UNAVAILABLE", executed: "no" });
    expect(await client.closed).toBeUndefined();
    await turns(20);
    expect([flapping.runs.size, flapping.server!.connections.size]).toEqual([0, 0]);
    await flapping.stop(false);
  });
});
