import { describe, expect, test } from "vitest";
import { ColloquyError, Service, connect, expose, notify, serve } from "../src/index.ts";
import type { Server } from "../src/index.ts";
import { failureOf, greeted, newAddress, pair, turns, until, wireServer } from "./support.ts";

interface Outcome {
  readonly server?: string;
  readonly error?: unknown;
}

class Worker extends Service {
  readonly name: string;
  readonly ran = new Map<number, number>();
  constructor(name: string) {
    super();
    this.name = name;
  }
  @expose async work(id: number): Promise<string> {
    this.ran.set(id, (this.ran.get(id) ?? 0) + 1);
    if (id % 3 === 0) await turns(id % 7);
    return this.name;
  }
  @expose async asks(question: () => Promise<string>): Promise<string> {
    return `${this.name} asked ${await question()}`;
  }
  @expose async sum(array: Float64Array): Promise<number> {
    return array.reduce((sum, value) => sum + value, 0);
  }
  @expose hang(): Promise<never> {
    return new Promise(() => undefined);
  }
}

/** Calls all the time until it is told to stop; returns how each call has ended. */
function load(call: (id: number) => Promise<string>): { stop(): Promise<Map<number, Outcome>> } {
  const outcomes = new Map<number, Outcome>();
  const calls: Promise<void>[] = [];
  const stopped = new AbortController();
  let id = 0;
  const one = async (mine: number): Promise<void> => {
    try {
      outcomes.set(mine, { server: await call(mine) });
    } catch (error) {
      outcomes.set(mine, { error });
    }
  };
  const ended = (async () => {
    while (!stopped.signal.aborted) {
      for (let count = 0; count < 5; count++) calls.push(one(id++));
      await turns(1);
    }
    await Promise.all(calls);
  })();
  return {
    stop: async () => {
      stopped.abort();
      await ended;
      return outcomes;
    },
  };
}

describe("servers on the same address in turn, under load", () => {
  test.each(["local", "tcp"])(
    "lose no call of a client that reconnects, and run none twice: over %s",
    async (kind) => {
      const workers = [new Worker("0")];
      let server: Server = await serve(kind === "tcp" ? "tcp://127.0.0.1:0" : newAddress(), workers[0]!);
      const { address } = server;
      const clients = await Promise.all(
        [1, 2, 3].map(() => connect<Worker>(address, { reconnect: { minMs: 1, maxMs: 10 } })),
      );
      const loads = clients.map(({ remote }, index) => load((id) => remote.work(id * 3 + index)));
      for (let round = 1; round <= 5; round++) {
        await turns(30);
        await server.close();
        workers.push(new Worker(String(round)));
        server = await serve(address, workers.at(-1)!);
        await until(() => clients.every(({ connected }) => connected), "all are back");
      }
      await turns(20);
      const outcomes = await Promise.all(loads.map((one) => one.stop()));
      const failures = outcomes.flatMap((one) => [...one.values()]).filter(({ error }) => error !== undefined);
      expect(failures).toEqual([]);
      const runs = new Map<number, number>();
      for (const { ran } of workers) for (const [id, count] of ran) runs.set(id, (runs.get(id) ?? 0) + count);
      expect(runs.size).toBe(outcomes.reduce((sum, one) => sum + one.size, 0));
      expect(Math.max(...runs.values())).toBe(1);
      for (const { ran } of workers) expect(ran.size).toBeGreaterThan(0);
      await Promise.all(clients.map((client) => client.close()));
      await server.close();
    },
    30_000,
  );
});

describe("a server that closes while calls come", () => {
  test("carries out what was sent before its goodbye had arrived, with notifications", async () => {
    const worker = new Worker("two");
    await using server = await serve(newAddress(), worker);
    const client = await connect<Worker>(server.address);
    const closing = server.close();
    // The goodbye is under way; nothing of it is known here.
    const calls = [1, 2, 3].map((id) => client.remote.work(id));
    notify(client.remote.work)(4);
    expect(await Promise.all(calls)).toEqual(["two", "two", "two"]);
    await closing;
    expect([...worker.ran.keys()]).toEqual([1, 2, 3, 4]);
    expect(await client.closed).toBeUndefined();
  });

  test.each(["local", "tcp"])("waits for the large arrays that were on their way: over %s", async (kind) => {
    const server = await serve(kind === "tcp" ? "tcp://127.0.0.1:0" : newAddress(), new Worker("only"));
    const client = await connect<Worker>(server.address);
    for (let round = 0; round < 3; round++) await client.remote.work(round);
    const calls = [1, 2, 3].map((value) => client.remote.sum(new Float64Array(2_000_000).fill(value)));
    await turns(2);
    await server.close();
    expect(await Promise.all(calls)).toEqual([2_000_000, 4_000_000, 6_000_000]);
  });

  test("leaves no call without `executed`: each is answered, or says whether it ran", async () => {
    for (let round = 0; round < 10; round++) {
      const worker = new Worker("only");
      const server = await serve(newAddress(), worker);
      const client = await connect<Worker>(server.address);
      const calling = load((id) => client.remote.work(id));
      const hanging = failureOf(client.remote.hang());
      await turns(round);
      await server.close({ graceMs: round * 3 });
      await turns(5);
      const outcomes = await calling.stop();
      expect(outcomes.size).toBeGreaterThan(0);
      for (const [id, { server: by, error }] of outcomes) {
        if (by !== undefined) continue;
        expect(error).toBeInstanceOf(ColloquyError);
        const { executed } = error as ColloquyError;
        expect(["no", "unknown"]).toContain(executed);
        if (executed === "no") expect(worker.ran.has(id)).toBe(false);
      }
      expect((await hanging).executed).toBe("unknown");
    }
  });

  test("has its own new calls refused at once, while it waits for the peer", async () => {
    await using link = await pair(new Worker("a"), { service: new Worker("b") });
    const closing = link.peer.close();
    expect(await failureOf(link.back.work(1))).toMatchObject({ code: "UNAVAILABLE", executed: "no" });
    await closing;
  });

  test("doesn't wait longer than its grace for a peer that answers nothing", async () => {
    await using server = await wireServer();
    const { connection, wire } = await greeted(server);
    const start = performance.now();
    const closing = connection.close({ graceMs: 50 });
    expect(await wire.next()).toEqual([3, 0, ["$/goaway", [], {}]]);
    await closing;
    expect(performance.now() - start).toBeLessThan(1000);
  });
});

describe("a client that reconnects, whose server says goodbye", () => {
  test("lets calls under way finish there, with the calls that they need, and makes new ones elsewhere", async () => {
    const address = newAddress();
    const old = await serve(address, new Worker("old"));
    const client = await connect<Worker>(address, { reconnect: { minMs: 1, maxMs: 5 } });
    const abort = new AbortController();
    let asked = false;
    const answer = client.remote.asks(async () => {
      asked = true;
      await new Promise((resolve) => abort.signal.addEventListener("abort", resolve));
      // There is no other server yet: the one that waits for this takes it.
      return client.remote.work(1);
    });
    await until(() => asked);
    const closing = old.close();
    await until(() => !client.connected);
    abort.abort();
    expect(await answer).toBe("old asked old");
    await closing;
    await using next = await serve(address, new Worker("next"));
    expect(await client.remote.work(2)).toBe("next");
    expect(next.connections.size).toBe(1);
    await client.close();
  });

  test("closes both, the one that ends and the one that is new", async () => {
    const address = newAddress();
    const old = await serve(address, new Worker("old"));
    const client = await connect<Worker>(address, { reconnect: { minMs: 1, maxMs: 5 } });
    const hanging = failureOf(client.remote.hang());
    await turns(5);
    const closing = old.close();
    await until(() => !client.connected);
    await using next = await serve(address, new Worker("next"));
    expect(await client.remote.work(1)).toBe("next");
    expect([old.connections.size, next.connections.size]).toEqual([1, 1]);
    await client.close({ graceMs: 20 });
    expect(await hanging).toMatchObject({ code: "CONNECTION_LOST", executed: "unknown" });
    await closing;
    await until(() => old.connections.size + next.connections.size === 0);
  });
});
