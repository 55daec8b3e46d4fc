import net from "node:net";
import { MsgPackCodec } from "@colloquy/core";
import { expose, notify, sameRemote, service, withOptions } from "@colloquy/rpc";
import type { CallContext, Remote } from "@colloquy/rpc";
import { generate } from "selfsigned";
import { describe, expect, it, vi } from "vitest";
import { Agent } from "../src/index.ts";
import type { Container, ContainerOptions } from "../src/index.ts";
import { Echo, Gate, Slow, failureOf, newContainer, turns, until } from "./support.ts";

/** All that crosses between agents. */
class Peer extends Agent {
  readonly heard: unknown[] = [];
  readonly aborted = new Gate<unknown>();
  readonly entered = new Gate();
  lastArgument: unknown;
  readonly #inner = service({ double: expose((n: number) => n * 2) });

  @expose keep(value: unknown): unknown {
    this.lastArgument = value;
    return value;
  }

  @expose hear(value: unknown): void {
    this.heard.push(value);
  }

  @expose heardSoFar(): unknown[] {
    return this.heard;
  }

  @expose override fail(): never {
    throw new RangeError("out of range");
  }

  @expose async callBack(back: (n: number) => number): Promise<number> {
    return back(20);
  }

  @expose inner(): object {
    return this.#inner;
  }

  @expose isMe(proxy: unknown): boolean {
    return proxy === this;
  }

  @expose async *count(n: number): AsyncGenerator<number> {
    for (let index = 0; index < n; index++) yield index;
  }

  @expose named(first: number, second: number): number[] {
    return [first, second];
  }

  @expose({ context: true }) async hang(context: CallContext): Promise<void> {
    this.entered.open();
    // It goes on all the same: an answer could come in time.
    await new Promise<void>(() => {
      context.signal.addEventListener("abort", () => this.aborted.open(context.signal.reason));
    });
  }

  @expose({ context: true }) who(context: CallContext): unknown {
    return [context.connection.identity, context.path, context.metadata];
  }
}

type Remotely = Record<string, any>;

interface Setting {
  readonly here: Container;
  readonly agent: Peer;
  readonly proxy: Remotely;
}

async function set(name: string, options: ContainerOptions = {}): Promise<Setting> {
  const there = await newContainer("tcp://127.0.0.1:0", options);
  const here = name === "another container" ? await newContainer("tcp://127.0.0.1:0", options) : there;
  const agent = await there.spawn(new Peer());
  const url =
    name === "its own container, by its socket" ? agent.address.replace("127.0.0.1", "localhost") : agent.address;
  return { here, agent, proxy: await here.connect<Peer>(url) };
}

async function certificate(): Promise<{ cert: string; key: string }> {
  const made = await generate([{ name: "commonName", value: "both" }], {
    keyType: "ec",
    algorithm: "sha256",
    extensions: [
      { name: "basicConstraints", cA: true },
      {
        name: "subjectAltName",
        altNames: [
          { type: 7, ip: "127.0.0.1" },
          { type: 2, value: "localhost" },
        ],
      },
    ],
  });
  return { cert: made.cert, key: made.private };
}

const WAYS = ["another container", "its own container, by its socket", "its own container, in process"];

describe.each(WAYS)("A4: an agent of %s", (way) => {
  it("gets copies of values, and gives copies", async () => {
    const { agent, proxy } = await set(way);
    const given = { list: [1, { deep: true }] };
    const got = await proxy.keep(given);
    expect(got).toEqual(given);
    expect(agent.lastArgument).toEqual(given);
    for (const other of [got, agent.lastArgument]) expect(other).not.toBe(given);
    expect(got).not.toBe(agent.lastArgument);
  });

  it("refuses what has no serializer, and names the place", async () => {
    const { proxy } = await set(way);
    class Stranger {}
    expect(await failureOf(proxy.keep([new Stranger()]))).toMatchObject({
      code: "SERIALIZATION_ERROR",
      executed: "no",
      message: expect.stringContaining('argument 1 of "agents/0/keep"'),
    });
  });

  it("fails with errors as they cross, with the caller's own stack", async () => {
    const { proxy } = await set(way);
    const failure = await failureOf(proxy.fail());
    expect(failure).toMatchObject({ code: "REMOTE_ERROR", remoteName: "RangeError", message: "out of range" });
    expect(failure).not.toBeInstanceOf(RangeError);
    expect(failure.stack).toContain("own-container.test.ts");
  });

  it("says what isn't there and what isn't exposed", async () => {
    const { proxy } = await set(way);
    expect(await failureOf(proxy.nothing())).toMatchObject({ code: "NOT_FOUND", executed: "no" });
    expect(await failureOf(proxy.lastArgument())).toMatchObject({ code: "NOT_EXPOSED", executed: "no" });
    expect(await failureOf(proxy.onStart())).toMatchObject({ code: "NOT_EXPOSED" });
  });

  it("calls functions back, hands services out and knows itself", async () => {
    const { here, agent, proxy } = await set(way);
    expect(await proxy.callBack((n: number) => n + 1)).toBe(21);
    expect(await (await proxy.inner()).double(21)).toBe(42);
    expect(await proxy.isMe(proxy)).toBe(true);
    expect(sameRemote(proxy, await here.connect(agent.address))).toBe(true);
  });

  it("gives streams, and leaves them with their reader", async () => {
    const { proxy } = await set(way);
    const got: number[] = [];
    for await (const n of proxy.count(1000)) {
      got.push(n as number);
      if (n === 300) break;
    }
    expect(got).toHaveLength(301);
  });

  it("takes keyword arguments and metadata", async () => {
    const { proxy } = await set(way);
    expect(await withOptions(proxy.named, { kwargs: { second: 2, first: 1 } })()).toEqual([1, 2]);
    const [, path, metadata] = await withOptions(proxy.who, { metadata: { user: "ada" } })();
    expect([path, { ...metadata }]).toEqual(["agents/0/who", { user: "ada" }]);
  });

  it("starts calls and notifications in the order in which they were made, in a later turn", async () => {
    const { agent, proxy } = await set(way);
    const calls = Array.from({ length: 50 }, (_, index) => {
      if (index % 3 === 0) return notify(proxy.hear)(index);
      return proxy.hear(index);
    });
    expect(agent.heard).toEqual([]);
    await Promise.resolve();
    expect(agent.heard).toEqual([]);
    await Promise.all(calls);
    expect(await proxy.heardSoFar()).toEqual(Array.from({ length: 50 }, (_, index) => index));
  });

  it("learns that a caller has left, by its signal or its time", async () => {
    const { agent, proxy } = await set(way);
    const abort = new AbortController();
    const call = failureOf(withOptions(proxy.hang, { signal: abort.signal })());
    await agent.entered.promise;
    abort.abort("enough");
    expect(await call).toMatchObject({ code: "CANCELLED", cause: "enough" });
    expect(await agent.aborted.promise).toMatchObject({ code: "CANCELLED" });
    expect(await failureOf(withOptions(proxy.hang, { timeout: 15 })())).toMatchObject({ code: "DEADLINE_EXCEEDED" });
  });

  it("holds the limits of both sides", async () => {
    const { proxy } = await set(way, { limits: { maxMessageBytes: 10_000, maxRunningCount: 2 } });
    expect(await proxy.keep("x".repeat(9000))).toHaveLength(9000);
    expect(await failureOf(proxy.keep("x".repeat(11_000)))).toMatchObject({
      code: "RESOURCE_EXHAUSTED",
      executed: "no",
    });
    const running = [proxy.hang(), proxy.hang()].map(failureOf);
    expect(await failureOf(proxy.hang())).toMatchObject({ code: "RESOURCE_EXHAUSTED", executed: "no" });
    void Promise.all(running);
  });

  it("sees who calls, and is called through the interceptors of both sides", async () => {
    const seen: string[] = [];
    const { proxy } = await set(way, {
      credentials: "secret",
      authenticate: (shown) => (shown === "secret" ? { name: "us" } : null),
      interceptors: {
        incoming: (call, next) => {
          seen.push(`in ${call.path}`);
          return next();
        },
        outgoing: (call, next) => {
          seen.push(`out ${call.path}`);
          return next();
        },
      },
    });
    seen.length = 0;
    expect((await proxy.who())[0]).toEqual({ name: "us" });
    expect(seen).toEqual(["out agents/0/who", "in agents/0/who"]);
  });

  it("isn't reached without the credentials that it asks for", async () => {
    const there = await newContainer("tcp://127.0.0.1:0", { authenticate: (shown) => shown === "secret" });
    const here = way === "another container" ? await newContainer("tcp://127.0.0.1:0") : there;
    const agent = await there.spawn(new Peer());
    const url = way.endsWith("socket") ? agent.address.replace("127.0.0.1", "localhost") : agent.address;
    expect(await failureOf(here.connect(url))).toMatchObject({ code: "UNAUTHENTICATED" });
    await until(() => here.connections.length === 0, "the end of the connection");
  });

  it.each(["aiomas", "mosaik"] as const)("is called in the dialect %s", async (dialect) => {
    const { proxy } = await set(way, { dialect });
    expect(await proxy.named(1, 2)).toEqual([1, 2]);
    expect(await proxy.hear(1)).toBe(null);
    expect(await failureOf(proxy.fail())).toMatchObject({ code: "REMOTE_ERROR" });
  });

  it("is called in any codec, bytes by value", async () => {
    const { agent, proxy } = await set(way, { codec: MsgPackCodec });
    const bytes = new Uint8Array(3_000_000).fill(7);
    const got = await proxy.keep(bytes);
    expect(got.byteLength).toBe(3_000_000);
    bytes[0] = 8;
    expect([(agent.lastArgument as Uint8Array)[0], got[0]]).toEqual([7, 7]);
    const auto = await set(way, { codec: "auto" });
    expect(await auto.proxy.keep([1])).toEqual([1]);
  });

  it("is called with TLS switched on", async () => {
    const pem = await certificate();
    const { proxy } = await set(way, { tls: { ca: [pem.cert], ...pem } });
    expect(await proxy.keep("safe")).toBe("safe");
  });

  it("is reached again after the connection was lost", async () => {
    const { here, proxy } = await set(way);
    const lost = failureOf(proxy.hang());
    await turns(10);
    for (const connection of here.connections) connection.destroy();
    expect(await lost).toMatchObject({ code: "CONNECTION_LOST", executed: "unknown" });
    expect(await proxy.keep(1)).toBe(1);
  });

  it("shows in connections and their stats", async () => {
    const { here, agent, proxy } = await set(way);
    await Promise.all([proxy.keep(1), proxy.keep(2)]);
    const isOwn = way !== "another container";
    expect(here.connections).toHaveLength(isOwn ? 2 : 1);
    const outgoing = here.connections.at(-1)!;
    const base = agent.address.slice(0, -2);
    expect(outgoing.remoteAddress.replace("localhost", "127.0.0.1")).toBe(base);
    const stats = outgoing.stats();
    expect(stats).toMatchObject({ pending: 0, failedNotifications: 0 });
    expect(stats.receivedBytes).toBeGreaterThan(20);
    const incoming = agent.container === here ? here.connections[0]! : (agent.container as Container).connections[0]!;
    expect(incoming.stats().receivedBytes).toBe(stats.sentBytes);
  });

  it("finishes what runs when its container shuts down, and takes no more", async () => {
    const there = await newContainer("tcp://127.0.0.1:0");
    const here = way === "another container" ? await newContainer("tcp://127.0.0.1:0") : there;
    const slow = await there.spawn(new Slow());
    const url = way.endsWith("socket") ? slow.address.replace("127.0.0.1", "localhost") : slow.address;
    const proxy = await here.connect<Slow>(url);
    const running = proxy.wait();
    await slow.entered.promise;
    const down = there.shutdown();
    await turns(5);
    expect((await failureOf(proxy.quick())).executed).toBe("no");
    slow.gate.open("finished");
    expect(await running).toBe("finished");
    await down;
    expect(there.connections).toEqual([]);
    expect(await failureOf(here.connect(url))).toMatchObject({ code: "UNAVAILABLE" });
  });
});

describe("A3: containers that call each other", () => {
  it("have one server socket each, and one outgoing connection for each remote container, itself among them", async () => {
    const homes = [];
    for (let count = 0; count < 3; count++) homes.push(await newContainer("tcp://127.0.0.1:0"));
    const agents = [];
    for (const home of homes) agents.push(await home.spawn(new Echo()), await home.spawn(new Echo()));
    for (const home of homes) {
      const proxies = await Promise.all(agents.map(async ({ address }) => home.connect<Echo>(address)));
      await Promise.all(proxies.map(async (proxy) => proxy.where()));
    }
    // Both ends of the one to itself, and two to the others and from them.
    for (const home of homes) expect(home.connections).toHaveLength(2 + 2 * 2);
    const servers = process.getActiveResourcesInfo().filter((name) => name === "TCPServerWrap");
    expect(servers).toHaveLength(3);
  });
});

describe("A4: a container that connects to itself", () => {
  class Relay extends Agent {
    @expose async pass(other: Remote<Echo>): Promise<string> {
      return other.where();
    }
  }

  it("takes no socket", async () => {
    const container = await newContainer("tcp://127.0.0.1:0");
    const agent = await container.spawn(new Echo());
    const connecting = vi.spyOn(net.Socket.prototype, "connect");
    const proxy = await container.connect<Echo>(agent.address);
    expect(await proxy.where()).toBe(agent.address);
    expect(connecting).not.toHaveBeenCalled();
    expect(container.connections.map(({ remoteAddress }) => remoteAddress)).toEqual([
      container.address,
      container.address,
    ]);
  });

  it("does so under the name that it advertises, which need not lead anywhere", async () => {
    const container = await newContainer("tcp://127.0.0.1:0", { advertise: "nowhere.invalid" });
    const agent = await container.spawn(new Echo());
    expect(agent.address).toMatch(/^tcp:\/\/nowhere\.invalid:\d+\/0$/);
    expect(await (await container.connect<Echo>(agent.address)).where()).toBe(agent.address);
  });

  it("does so with an IPv6 address, with and without brackets", async () => {
    const container = await newContainer("tcp://[::1]:0").catch(() => undefined);
    if (container === undefined) return; // No IPv6 here.
    const agent = await container.spawn(new Echo());
    await container.connect(agent.address);
    await container.connect(agent.address.replace(/[[\]]/g, ""));
    expect(container.connections.map(({ remoteAddress }) => remoteAddress)).toEqual([
      container.address,
      container.address,
    ]);
  });

  it("passes proxies of its own agents on to others, where they work", async () => {
    const [here, there] = [await newContainer("tcp://127.0.0.1:0"), await newContainer("tcp://127.0.0.1:0")];
    const [echo, relay] = [await here.spawn(new Echo()), await there.spawn(new Relay())];
    const own = await here.connect<Echo>(echo.address);
    expect(await (await here.connect<Relay>(relay.address)).pass(own)).toBe(echo.address);
  });

  it("is told of an agent that isn't there, and finds it later", async () => {
    const container = await newContainer("tcp://127.0.0.1:0");
    expect(await failureOf(container.connect(`${container.address}/0`))).toMatchObject({ code: "NOT_FOUND" });
    const agent = await container.spawn(new Echo());
    const proxy = await container.connect<Echo>(agent.address);
    await agent.stop();
    expect(await failureOf(proxy.where())).toMatchObject({ code: "NOT_FOUND", executed: "no" });
  });

  it("ends both ends with shutdown, in which it can't be reached any more", async () => {
    const container = await newContainer("tcp://127.0.0.1:0");
    const agent = await container.spawn(new Echo());
    await container.connect(agent.address);
    const ends = container.connections.map(async ({ closed }) => closed);
    expect(ends).toHaveLength(2);
    await container.shutdown();
    expect(await Promise.all(ends)).toEqual([undefined, undefined]);
    await until(() => container.connections.length === 0, "the end");
  });
});
