import { ColloquyError, JsonCodec, serveChannels } from "@colloquy/core";
import type { Request } from "@colloquy/core";
import { expose, notify, sameRemote, withOptions } from "@colloquy/rpc";
import { describe, expect, it } from "vitest";
import { Agent, Container } from "../src/index.ts";
import {
  Child,
  Echo,
  Gate,
  Slow,
  failureOf,
  newAddress,
  newContainer,
  turns,
  unhandledDuring,
  until,
} from "./support.ts";

async function microtask(): Promise<void> {}

/** Writes down the numbers that it is called with. */
class Log extends Agent {
  readonly numbers: number[] = [];

  @expose add(number: number): void {
    this.numbers.push(number);
  }
}

/** A server without agents: what containers ask it, and the answers that the test wants. */
async function rawContainer(
  answer: (path: string, request: Request) => unknown = () => "Echo",
): Promise<AsyncDisposable & { address: string; asked: unknown[] }> {
  const asked: unknown[] = [];
  const server = await serveChannels(
    newAddress(),
    async (channel) => {
      for await (const request of channel) {
        asked.push(request.content);
        const [path] = request.content as [string];
        if (path === "$/hello") await request.fail("LookupError: $/hello");
        else {
          const result = answer(path, request);
          if (result !== undefined) await request.reply(result);
        }
      }
    },
    { codec: JsonCodec },
  );
  return { address: server.address, asked, [Symbol.asyncDispose]: async () => server.close({ graceMs: 0 }) };
}

describe("connect", () => {
  it("gives a proxy whose methods are the agent's", async () => {
    const [here, there] = [await newContainer(), await newContainer()];
    const agent = await there.spawn(new Echo());
    const proxy = await here.connect<Echo>(agent.address);
    expect(await proxy.where()).toBe(agent.address);
    expect(await proxy.echo({ a: [1, "b", null] })).toEqual({ a: [1, "b", null] });
    expect(await failureOf(proxy.fail("no"))).toMatchObject({
      code: "REMOTE_ERROR",
      remoteName: "RangeError",
      message: "no",
    });
  });

  it("works over TCP, both ways over one connection", async () => {
    const [here, there] = [await newContainer("tcp://127.0.0.1:0"), await newContainer("tcp://127.0.0.1:0")];
    const agent = await there.spawn(new Echo());
    expect(agent.address).toMatch(/^tcp:\/\/127\.0\.0\.1:[1-9]\d*\/0$/);
    const proxy = await here.connect<Echo>(agent.address);
    expect(await proxy.where()).toBe(agent.address);
    expect([here.connections.length, there.connections.length]).toEqual([1, 1]);
  });

  it("A7 says hello and then asks for the agent, before anything else", async () => {
    await using raw = await rawContainer();
    const here = await newContainer();
    const proxy = await here.connect<Echo>(`${raw.address}/17`);
    expect(raw.asked).toEqual([
      ["$/hello", [expect.objectContaining({ protocol: 1, serializers: ["DateTime"] })], {}],
      ["validate_aid", ["17"], {}],
    ]);
    await proxy.echo(1);
    expect(raw.asked[2]).toEqual(["agents/17/echo", [1], {}]);
  });

  it("asks for the agent first where the dialect knows no hello", async () => {
    await using raw = await rawContainer();
    const here = await newContainer(newAddress(), { dialect: "aiomas" });
    await here.connect(`${raw.address}/0`);
    expect(raw.asked).toEqual([["validate_aid", ["0"], {}]]);
  });

  it("A3 has one connection to a container, however many agents talk", async () => {
    const [here, there] = [await newContainer(), await newContainer()];
    const agents = [await there.spawn(new Echo()), await there.spawn(new Echo()), await there.spawn(new Echo())];
    const proxies = [];
    for (const { address } of agents)
      proxies.push(await here.connect<Echo>(address), await here.connect<Echo>(address));
    expect(await Promise.all(proxies.map(async (proxy) => proxy.where()))).toEqual(
      agents.flatMap(({ address }) => [address, address]),
    );
    expect([here.connections.length, there.connections.length]).toEqual([1, 1]);
    expect(sameRemote(proxies[0], proxies[1])).toBe(true);
    expect(sameRemote(proxies[0], proxies[2])).toBe(false);
  });

  it("A2 shares the attempt among all who connect at the same time", async () => {
    const [here, there] = [await newContainer(), await newContainer()];
    const { address } = await there.spawn(new Echo());
    let most = 0;
    const watched = Array.from({ length: 10 }, async () => here.connect<Echo>(address)).map(async (proxy) => {
      most = Math.max(most, there.connections.length);
      return proxy;
    });
    const proxies = await Promise.all(watched);
    expect([most, there.connections.length, here.connections.length]).toEqual([1, 1, 1]);
    expect(await proxies[9]!.where()).toBe(address);
  });

  it("takes one base address for the same, however it is written", async () => {
    const there = await newContainer("tcp://[::1]:0").catch(() => undefined);
    if (there === undefined) return; // No IPv6 here.
    const here = await newContainer();
    const agent = await there.spawn(new Echo());
    await here.connect(agent.address);
    await here.connect(agent.address.replace(/[[\]]/g, ""));
    expect(here.connections).toHaveLength(1);
  });

  it("to a foreign class name gives a proxy: only null says that there is no agent", async () => {
    await using raw = await rawContainer((path) => (path === "validate_aid" ? "" : 5));
    const here = await newContainer();
    const proxy = await here.connect<Echo>(`${raw.address}/0`);
    expect(await proxy.where()).toBe(5);
  });
});

describe("a failed connect", () => {
  it("has the stack of whoever awaits it, for each of several", async () => {
    const here = await newContainer();
    const url = `${newAddress()}/0`;
    async function first(): Promise<void> {
      await here.connect(url);
    }
    async function second(): Promise<void> {
      await here.connect(url);
    }
    const [one, two] = await Promise.all([failureOf(first()), failureOf(second())]);
    expect(one).toMatchObject({ code: "UNAVAILABLE", message: two.message });
    expect(one.stack).toContain("first");
    expect(two.stack).toContain("second");
  });

  it("leaves nothing behind: the next one works", async () => {
    const here = await newContainer();
    const base = newAddress();
    const failures = await Promise.all([failureOf(here.connect(`${base}/0`)), failureOf(here.connect(`${base}/0`))]);
    expect(failures.map(({ code }) => code)).toEqual(["UNAVAILABLE", "UNAVAILABLE"]);
    expect(here.connections).toEqual([]);
    const there = await newContainer(base);
    const agent = await there.spawn(new Echo());
    expect(await (await here.connect<Echo>(agent.address)).where()).toBe(agent.address);
  });

  it("D2 for an unknown agent poisons neither the address nor the id", async () => {
    const [here, there] = [await newContainer(), await newContainer()];
    const failure = await failureOf(here.connect(`${there.address}/0`));
    expect(failure).toMatchObject({
      code: "NOT_FOUND",
      executed: "no",
      message: expect.stringContaining(there.address),
    });
    const agent = await there.spawn(new Echo());
    expect(await (await here.connect<Echo>(agent.address)).where()).toBe(agent.address);
    expect(here.connections).toHaveLength(1);
  });

  it("for a peer that is no container says so, and doesn't poison", async () => {
    let isReady = false;
    await using raw = await rawContainer((_path, request) => {
      if (isReady) return "Echo";
      void request.fail("AttributeError: validate_aid");
      return undefined;
    });
    const here = await newContainer();
    expect(await failureOf(here.connect(`${raw.address}/0`))).toMatchObject({ code: "REMOTE_ERROR" });
    isReady = true;
    await here.connect(`${raw.address}/0`);
  });

  it.each(["tcp://127.0.0.1", "spam", "tcp://127.0.0.1:1"])(
    "for the malformed URL %s is INVALID_ARGUMENT",
    async (url) => {
      const here = await newContainer();
      expect(await failureOf(here.connect(url))).toMatchObject({ code: "INVALID_ARGUMENT" });
    },
  );

  it.each([[-1], [Number.NaN], ["5"]])("for the malformed timeout %j is INVALID_ARGUMENT", async (timeout) => {
    const here = await newContainer();
    expect(await failureOf(here.connect(`${newAddress()}/0`, { timeout: timeout as number }))).toMatchObject({
      code: "INVALID_ARGUMENT",
    });
  });
});

describe("timeout", () => {
  it("tries until the container appears", async () => {
    const here = await newContainer();
    const base = newAddress();
    const connected = here.connect<Echo>(`${base}/0`, { timeout: 8000 });
    await turns(20);
    const there = await Container.create(base);
    // The agent is there in the same turn: nobody has asked for it in between.
    const agent = await there.spawn(new Echo());
    expect(await (await connected).where()).toBe(agent.address);
    await there.shutdown();
  });

  it("ends with UNAVAILABLE when it is over", async () => {
    const here = await newContainer();
    const start = performance.now();
    expect(await failureOf(here.connect(`${newAddress()}/0`, { timeout: 60 }))).toMatchObject({ code: "UNAVAILABLE" });
    expect(performance.now() - start).toBeGreaterThan(55);
  });

  it("of one isn't that of another who connects meanwhile", async () => {
    const here = await newContainer();
    const base = newAddress();
    const patient = here.connect<Echo>(`${base}/0`, { timeout: Infinity });
    await turns(5);
    expect(await failureOf(here.connect(`${base}/0`, { timeout: 30 }))).toMatchObject({ code: "UNAVAILABLE" });
    expect(await failureOf(here.connect(`${base}/0`))).toMatchObject({ code: "UNAVAILABLE" });
    const there = await newContainer(base);
    const agent = await there.spawn(new Echo());
    expect(await (await patient).where()).toBe(agent.address);
  });

  it("that is longer goes on where a shorter one has ended", async () => {
    const here = await newContainer();
    const base = newAddress();
    const short = failureOf(here.connect(`${base}/0`, { timeout: 20 }));
    const long = here.connect<Echo>(`${base}/0`, { timeout: 8000 });
    expect(await short).toMatchObject({ code: "UNAVAILABLE" });
    const there = await newContainer(base);
    const agent = await there.spawn(new Echo());
    expect(await (await long).where()).toBe(agent.address);
  });

  it("without an end is ended by shutdown", async () => {
    const here = await newContainer();
    const connected = failureOf(here.connect(`${newAddress()}/0`, { timeout: Infinity }));
    await turns(5);
    const start = performance.now();
    await here.shutdown();
    expect(await connected).toMatchObject({ code: "UNAVAILABLE" });
    expect(performance.now() - start).toBeLessThan(2000);
  });
});

describe("a peer that accepts and says nothing", () => {
  it("holds up neither a signal nor shutdown", async () => {
    const asked = new Gate();
    const silent = await serveChannels("tcp://127.0.0.1:0", async (channel) => {
      for await (const request of channel) {
        asked.open();
        void request;
      }
    });
    const here = await newContainer();
    const abort = new AbortController();
    const cancelled = failureOf(here.connect(`${silent.address}/0`, { signal: abort.signal }));
    const connected = failureOf(here.connect(`${silent.address}/0`));
    await asked.promise;
    abort.abort("enough");
    expect(await cancelled).toMatchObject({ code: "CANCELLED", cause: "enough" });
    const start = performance.now();
    await here.shutdown();
    expect(await connected).toMatchObject({ code: "UNAVAILABLE" });
    expect(performance.now() - start).toBeLessThan(2000);
    await until(() => silent.channels.size === 0, "the end of the connection");
    await silent.close({ graceMs: 0 });
  });
});

describe("the signal of connect", () => {
  it("ends the waiting with CANCELLED and the reason", async () => {
    const here = await newContainer();
    const abort = new AbortController();
    const connected = failureOf(here.connect(`${newAddress()}/0`, { timeout: Infinity, signal: abort.signal }));
    await turns(3);
    abort.abort("enough");
    expect(await connected).toMatchObject({ code: "CANCELLED", cause: "enough" });
    expect(await failureOf(here.connect(`${newAddress()}/0`, { signal: abort.signal }))).toMatchObject({
      code: "CANCELLED",
    });
  });

  it("of one doesn't end the attempt for the others", async () => {
    const here = await newContainer();
    const base = newAddress();
    const abort = new AbortController();
    const first = failureOf(here.connect(`${base}/0`, { timeout: 8000, signal: abort.signal }));
    const second = here.connect<Echo>(`${base}/0`, { timeout: 8000 });
    await turns(3);
    abort.abort();
    expect(await first).toMatchObject({ code: "CANCELLED" });
    const there = await newContainer(base);
    const agent = await there.spawn(new Echo());
    expect(await (await second).where()).toBe(agent.address);
  });

  it("of one who leaves doesn't cancel one who comes in the same turn", async () => {
    const [here, there] = [await newContainer(), await newContainer()];
    const agent = await there.spawn(new Echo());
    const abort = new AbortController();
    const first = failureOf(here.connect(agent.address, { signal: abort.signal }));
    abort.abort();
    const second = here.connect<Echo>(agent.address);
    expect(await first).toMatchObject({ code: "CANCELLED" });
    expect(await (await second).where()).toBe(agent.address);
  });

  it.each([0, 1, 2, 3, 4, 5, 6, 8, 10, 15])(
    "of the last who leaves cancels nobody who comes %d microtasks later",
    async (count) => {
      const [here, there] = [await newContainer(), await newContainer("tcp://127.0.0.1:0")];
      const agent = await there.spawn(new Echo());
      const abort = new AbortController();
      const first = failureOf(here.connect(agent.address, { signal: abort.signal, timeout: 5000 }));
      await turns(1);
      abort.abort();
      for (let index = 0; index < count; index++) await microtask();
      const second = here.connect<Echo>(agent.address, { timeout: 5000 });
      expect(await first).toMatchObject({ code: "CANCELLED" });
      expect(await (await second).where()).toBe(agent.address);
    },
  );

  it("also ends the question for the agent", async () => {
    const asked = new Gate();
    await using raw = await rawContainer((path) => {
      if (path === "validate_aid") asked.open();
      return undefined;
    });
    const here = await newContainer();
    const abort = new AbortController();
    const connected = failureOf(here.connect(`${raw.address}/0`, { signal: abort.signal }));
    await asked.promise;
    abort.abort("enough");
    expect(await connected).toMatchObject({ code: "CANCELLED" });
    await here.shutdown({ graceMs: 10 });
  });

  it("leaves no listener behind", async () => {
    const [here, there] = [await newContainer(), await newContainer()];
    const agent = await there.spawn(new Echo());
    const abort = new AbortController();
    const { signal } = abort;
    let count = 0;
    const [add, remove] = [signal.addEventListener.bind(signal), signal.removeEventListener.bind(signal)];
    signal.addEventListener = (...args: Parameters<typeof add>) => {
      count++;
      add(...args);
    };
    signal.removeEventListener = (...args: Parameters<typeof remove>) => {
      count--;
      remove(...args);
    };
    await here.connect(agent.address, { signal });
    expect(count).toBe(0);
  });
});

describe("a lost connection", () => {
  it("is opened again by a call whose result is a stream, which needs no await", async () => {
    class Counter extends Agent {
      @expose async *count(limit: number): AsyncGenerator<number> {
        for (let number = 1; number <= limit; number++) yield number;
      }
    }
    const there = await newContainer();
    const here = await newContainer();
    const counter = await here.connect<Counter>((await there.spawn(new Counter())).address);
    here.connections[0]!.destroy();
    await until(() => here.connections.length === 0);
    const numbers: number[] = [];
    for await (const number of counter.count(3)) numbers.push(number);
    expect(numbers).toEqual([1, 2, 3]);
  });

  it("A2 is forgotten, and opened again by the next call through the same proxy", async () => {
    const here = await newContainer();
    const base = newAddress();
    const first = await newContainer(base);
    await first.spawn(new Echo());
    const proxy = await here.connect<Echo>(`${base}/0`);
    first.connections[0]!.destroy();
    await until(() => here.connections.length === 0, "the end of the connection");
    expect(await proxy.where()).toBe(`${base}/0`);
    expect([here.connections.length, first.connections.length]).toEqual([1, 1]);
  });

  it("fails calls under way, and calls while nobody is there; a restarted container is found again", async () => {
    const here = await newContainer();
    const first = await newContainer("tcp://127.0.0.1:0");
    const slow = await first.spawn(new Slow());
    const base = first.address;
    const proxy = await here.connect<Slow>(slow.address);
    const waiting = failureOf(proxy.wait());
    await slow.entered.promise;
    first.connections[0]!.destroy();
    expect(await waiting).toMatchObject({ code: "CONNECTION_LOST", executed: "unknown" });
    expect(await proxy.quick()).toBe("quick");
    await first.shutdown({ graceMs: 0 });
    await until(() => here.connections.length === 0, "the end of the connection");
    expect(await failureOf(proxy.quick())).toMatchObject({ code: "UNAVAILABLE", executed: "no" });
    const second = await newContainer(base);
    expect(await failureOf(proxy.quick())).toMatchObject({ code: "NOT_FOUND" });
    await second.spawn(new Slow());
    expect(await proxy.quick()).toBe("quick");
    expect(here.connections).toHaveLength(1);
  });

  it("is no unhandled rejection of a promise among the arguments, where the caller takes its own call's", async () => {
    const unhandled = await unhandledDuring(async () => {
      await using here = await newContainer();
      const home = await newContainer();
      const proxy = await here.connect<Echo>((await home.spawn(new Echo())).address);
      await proxy.echo(1);
      await home.shutdown();
      expect(await failureOf(proxy.echo(proxy.echo(1)))).toMatchObject({ code: "UNAVAILABLE" });
      notify(proxy.echo)(proxy.echo(1));
    });
    expect(unhandled).toEqual([]);
  });

  it("is bridged by retries: a call finds the container that is started again", async () => {
    const here = await newContainer();
    const base = newAddress();
    const first = await newContainer(base);
    await first.spawn(new Echo());
    const proxy = await here.connect<Echo>(`${base}/0`);
    await first.shutdown({ graceMs: 0 });
    await until(() => here.connections.length === 0, "the end of the connection");
    const call = withOptions(proxy.where, { retries: Infinity, timeout: 5000 })();
    await turns(5);
    const second = await newContainer(base);
    await second.spawn(new Echo());
    expect(await call).toBe(`${base}/0`);
  });

  it("that is closing isn't used for new calls", async () => {
    const here = await newContainer();
    const base = newAddress();
    const first = await newContainer(base);
    const slow = await first.spawn(new Slow());
    const proxy = await here.connect<Slow>(slow.address);
    const waiting = proxy.wait();
    await slow.entered.promise;
    const down = first.shutdown();
    await turns(5);
    const second = await newContainer(base);
    await second.spawn(new Slow());
    expect(await proxy.quick()).toBe("quick");
    slow.gate.open("finished");
    expect(await waiting).toBe("finished");
    await down;
    expect(await proxy.quick()).toBe("quick");
  });

  it("keeps the order of calls and notifications that wait for the new one", async () => {
    const [here, there] = [await newContainer(), await newContainer("tcp://127.0.0.1:0")];
    const log = await there.spawn(new Log());
    const proxy = await here.connect<Log>(log.address);
    there.connections[0]!.destroy();
    await until(() => here.connections.length === 0, "the end of the connection");
    let next = 0;
    const calls: Promise<unknown>[] = [];
    // One call in each turn of the microtask queue, through the moment in which the connection is there.
    while (log.numbers.length < 20) {
      for (let count = 0; count < 10; count++) {
        if (next % 3 === 2) notify(proxy.add)(next++);
        else if (next % 4 === 3) calls.push(withOptions(proxy.add, { timeout: 5000 })(next++));
        else calls.push(proxy.add(next++));
        await microtask();
      }
      await turns(1);
    }
    await Promise.all(calls);
    await proxy.add(next++);
    expect(log.numbers).toEqual(Array.from({ length: next }, (_, index) => index));
  });

  it("doesn't keep a call longer than its own time limit and signal", async () => {
    const here = await newContainer();
    await using raw = await rawContainer();
    const proxy = await here.connect<Echo>(`${raw.address}/0`);
    // Others have taken the address; they accept, and never answer hello.
    await raw[Symbol.asyncDispose]();
    await until(() => here.connections.length === 0, "the end of the connection");
    const silent = await serveChannels(raw.address, async (channel) => {
      for await (const request of channel) void request;
    });
    const abort = new AbortController();
    const cancelled = failureOf(withOptions(proxy.where, { signal: abort.signal })());
    expect(await failureOf(withOptions(proxy.where, { timeout: 30 })())).toMatchObject({
      code: "DEADLINE_EXCEEDED",
      executed: "no",
    });
    abort.abort("enough");
    expect(await cancelled).toMatchObject({ code: "CANCELLED", executed: "no" });
    await silent.close({ graceMs: 0 });
  });

  it("that can't be opened again isn't an unhandled rejection of a notification", async () => {
    const here = await newContainer();
    const there = await newContainer();
    const log = await there.spawn(new Log());
    const proxy = await here.connect<Log>(log.address);
    await there.shutdown();
    notify(proxy.add)(1);
    await turns(20);
    expect(await failureOf(proxy.add(2))).toMatchObject({ code: "UNAVAILABLE" });
  });
});

it("D3 keeps next to nothing of containers that it has met, and that are gone", async () => {
  await using child = new Child("met-and-gone.ts");
  const { bytes } = (await child.line()) as { bytes: number };
  expect(bytes).toBeLessThan(4000);
});

describe("an accepted connection", () => {
  it("D3 is forgotten when its other side has gone, in order or not", async () => {
    const there = await newContainer("tcp://127.0.0.1:0");
    const agent = await there.spawn(new Echo());
    const [polite, rude] = [await newContainer(), await newContainer()];
    await polite.connect(agent.address);
    await rude.connect(agent.address);
    expect(there.connections).toHaveLength(2);
    await polite.shutdown();
    rude.connections[0]!.destroy();
    await until(() => there.connections.length === 0, "the end of both connections");
  });
});

describe("after shutdown", () => {
  it("connects and calls are UNAVAILABLE", async () => {
    const [here, there] = [await newContainer(), await newContainer()];
    const agent = await there.spawn(new Echo());
    const proxy = await here.connect<Echo>(agent.address);
    await here.shutdown();
    expect(await failureOf(here.connect(agent.address))).toMatchObject({ code: "UNAVAILABLE", executed: "no" });
    expect(await failureOf(proxy.where())).toMatchObject({ code: "UNAVAILABLE", executed: "no" });
    expect(await failureOf(here.connect(agent.address, { timeout: Infinity }))).toBeInstanceOf(ColloquyError);
  });
});

describe("containers with interceptors and credentials", () => {
  it("let those in that they know, and stand around calls of agents", async () => {
    const paths: string[] = [];
    const there = await newContainer(newAddress(), {
      authenticate: (credentials) => credentials === "sesame" && { name: "here" },
      interceptors: {
        incoming: (call, next) => {
          paths.push(`${call.path} by ${JSON.stringify(call.connection.identity)}`);
          return next();
        },
      },
    });
    const agent = await there.spawn(new Echo());
    const here = await newContainer(newAddress(), { credentials: "sesame" });
    const proxy = await here.connect<Echo>(agent.address);
    expect(await proxy.echo(1)).toBe(1);
    expect(paths).toEqual(['validate_aid by {"name":"here"}', 'agents/0/echo by {"name":"here"}']);
    const stranger = await newContainer();
    expect(await failureOf(stranger.connect(agent.address))).toMatchObject({ code: "UNAUTHENTICATED" });
  });
});
