import { mkdtempSync, rmSync } from "node:fs";
import { hostname, tmpdir } from "node:os";
import { join } from "node:path";
import { MsgPackCodec, connectChannel, serveChannels } from "@colloquy/core";
import type { SerializerFactory } from "@colloquy/core";
import { expose, sameRemote } from "@colloquy/rpc";
import type { Remote } from "@colloquy/rpc";
import { generate } from "selfsigned";
import { describe, expect, test } from "vitest";
import { Agent, Container, DateTime, ExternalClock, Manager, SystemClock, parseAgentAddress } from "../src/index.ts";
import type { ContainerOptions } from "../src/index.ts";
import { Echo, Gate, Slow, failureOf, newAddress, newContainer, until } from "./support.ts";

/*
 * What `docs/coming-from-aiomas.md` promises of agents and containers: the number at the beginning of a name is that of a row of
 * the list in `test/parity.test.ts`.
 */

const TCP = "tcp://127.0.0.1:0";

class Point {
  readonly x: number;
  constructor(x: number) {
    this.x = x;
  }
}
const point: SerializerFactory<Point> = () => [Point, ({ x }: Point) => x, (x: number) => new Point(x)];

/** Keeps what it is given, and calls others. */
class Clerk extends Agent {
  kept: unknown;
  readonly drawer = { open: expose(() => "open") };
  @expose keep(value: unknown): void {
    this.kept = value;
  }
  @expose give(): unknown {
    return this.kept;
  }
  @expose async ask(other: Remote<Echo>): Promise<string> {
    return other.where();
  }
  @expose isMe(value: unknown): boolean {
    return value === this;
  }
}

describe("containers", () => {
  test("A1 a container is made of an address, a clock, a codec, extra serializers and certificates", async () => {
    const clock = new ExternalClock("2026-01-01");
    const options = { codec: MsgPackCodec, extraSerializers: [point], clock };
    const [here, there] = [await newContainer(TCP, options), await newContainer(TCP, options)];
    expect(there.address).toMatch(/^tcp:\/\/127\.0\.0\.1:\d+$/);
    expect(there.clock).toBe(clock);
    const proxy = await here.connect<Echo>((await there.spawn(new Echo())).address);
    expect(await proxy.echo(new Point(5))).toEqual(new Point(5));
    // It does speak MsgPack.
    await using channel = await connectChannel(there.address, { codec: MsgPackCodec });
    expect(await channel.send(["agents/0/echo", [1], {}])).toBe(1);
    expect((await newContainer()).clock).toBeInstanceOf(SystemClock);
  });

  test("A2 connects share one connection and one attempt, and proxies of one agent are the same remote", async () => {
    const [here, there] = [await newContainer(), await newContainer(TCP)];
    const { address } = await there.spawn(new Echo());
    const proxies = await Promise.all(Array.from({ length: 5 }, async () => here.connect<Echo>(address)));
    expect(here.connections).toHaveLength(1);
    expect(there.connections).toHaveLength(1);
    expect(proxies.every((proxy) => sameRemote(proxy, proxies[0]))).toBe(true);
  });

  test("A2 connect takes the time to try for, and a lost connection is opened again by the next call", async () => {
    const here = await newContainer();
    const base = newAddress();
    const connecting = here.connect<Echo>(`${base}/0`, { timeout: 8000 });
    expect(await failureOf(here.connect(`${base}/0`))).toMatchObject({ code: "UNAVAILABLE" });
    const there = await Container.create(base);
    await there.spawn(new Echo());
    const proxy = await connecting;
    here.connections[0]!.destroy();
    await until(() => here.connections.length === 0);
    expect(await proxy.where()).toBe(`${base}/0`);
    await there.shutdown();
  });

  test("A3 a container has one connection to each other one, however many agents call", async () => {
    const [here, there, third] = [await newContainer(TCP), await newContainer(TCP), await newContainer(TCP)];
    const clerks = [await here.spawn(new Clerk()), await here.spawn(new Clerk())];
    for (const target of [there, third]) {
      const agents = [await target.spawn(new Echo()), await target.spawn(new Echo())];
      for (const clerk of clerks)
        for (const { address } of agents)
          expect(await clerk.container.connect<Echo>(address).then((proxy) => proxy.where())).toBe(address);
    }
    expect(here.connections.map(({ remoteAddress }) => remoteAddress)).toEqual([there.address, third.address]);
    expect([there.connections.length, third.connections.length]).toEqual([1, 1]);
  });

  test("A4 a container connects to itself as to another one: copies, errors, references", async () => {
    const container = await newContainer(TCP);
    const [clerk, echo] = [await container.spawn(new Clerk()), await container.spawn(new Echo())];
    const proxy = await container.connect<Clerk>(clerk.address);
    const sent = { list: [1, 2] };
    await proxy.keep(sent);
    expect(clerk.kept).toEqual(sent);
    expect(clerk.kept).not.toBe(sent);
    // Its proxy comes home; the agent itself arrives as a proxy, as from elsewhere.
    expect(await Promise.all([proxy.isMe(proxy), proxy.isMe(clerk)])).toEqual([true, false]);
    expect(await proxy.ask(echo)).toBe(echo.address);
    const other = await container.connect<Echo>(echo.address);
    expect(await failureOf(other.fail("no"))).toMatchObject({ code: "REMOTE_ERROR", remoteName: "RangeError" });
    expect(await failureOf(proxy.keep(new Point(1)))).toMatchObject({ code: "SERIALIZATION_ERROR" });
  });

  test("A5 an agent has its container, its address and a text", async () => {
    const container = await newContainer(TCP);
    const agent = await container.spawn(new Echo());
    expect(agent.container).toBe(container);
    expect(agent.address).toBe(`${container.address}/0`);
    expect(String(agent)).toBe(`Echo('${agent.address}')`);
  });

  test("A6 an agent that is stopped is gone, and its number isn't given again", async () => {
    const [here, there] = [await newContainer(), await newContainer()];
    const agents = [await there.spawn(new Echo()), await there.spawn(new Echo(), { name: "echo" })];
    expect(agents.map(({ id }) => id)).toEqual(["0", "1"]);
    const proxy = await here.connect<Echo>(`${there.address}/echo`);
    expect(await proxy.where()).toBe(agents[1]!.address);
    await agents[1]!.stop();
    expect(await failureOf(proxy.where())).toMatchObject({ code: "NOT_FOUND" });
    expect((await there.spawn(new Echo())).id).toBe("2");
  });

  test("A7 validate_aid answers with the name of the class or null, and connect with NOT_FOUND for null", async () => {
    const [here, there] = [await newContainer(), await newContainer(TCP)];
    await there.spawn(new Echo());
    await using channel = await connectChannel(there.address);
    expect(await channel.send(["validate_aid", ["0"], {}])).toBe("Echo");
    expect(await channel.send(["validate_aid", ["1"], {}])).toBeNull();
    expect(await failureOf(here.connect(`${there.address}/1`))).toMatchObject({ code: "NOT_FOUND", executed: "no" });
  });

  test("A8 C18 certificates are for both directions, and a container without one is refused", async () => {
    const certificate = async (name: string): Promise<{ cert: string; key: string }> => {
      const extensions = [
        { name: "basicConstraints" as const, cA: true },
        { name: "subjectAltName" as const, altNames: [{ type: 7 as const, ip: "127.0.0.1" }] },
      ];
      const made = await generate([{ name: "commonName", value: name }], { keyType: "ec", extensions });
      return { cert: made.cert, key: made.private };
    };
    const [ours, theirs, stranger] = await Promise.all(["ours", "theirs", "stranger"].map(certificate));
    const ca = [ours!.cert, theirs!.cert];
    const here = await newContainer(TCP, { tls: { ca, ...ours! } });
    const there = await newContainer(TCP, { tls: { ca, ...theirs! } });
    const [echo, clerk] = [await here.spawn(new Echo()), await there.spawn(new Clerk())];
    expect(await (await here.connect<Clerk>(clerk.address)).ask(echo)).toBe(echo.address);
    expect(await (await there.connect<Echo>(echo.address)).where()).toBe(echo.address);
    const bad = await newContainer(TCP, { tls: { ca, ...stranger! } });
    expect(["UNAVAILABLE", "CONNECTION_LOST"]).toContain((await failureOf(bad.connect(clerk.address))).code);
  });

  test("A9 shutdown lets handlers finish, stops agents and their tasks, and closes both directions", async () => {
    const ended: string[] = [];
    class Worker extends Slow {
      protected override onStart(): void {
        this.task(async (signal) => {
          await new Promise((resolve) => signal.addEventListener("abort", resolve));
          ended.push("task");
        });
      }
      protected override onStop(reason: string): void {
        ended.push(reason);
      }
    }
    const [here, there] = [await newContainer(TCP), await newContainer(TCP)];
    const worker = await there.spawn(new Worker());
    const echo = await here.spawn(new Echo());
    await there.connect(echo.address);
    const call = (await here.connect<Worker>(worker.address)).wait();
    await worker.entered.promise;
    const shutting = there.shutdown();
    worker.gate.open("finished");
    expect(await call).toBe("finished");
    await shutting;
    expect(ended).toEqual(["task", "shutdown"]);
    expect([there.agents, there.connections]).toEqual([[], []]);
    await until(() => here.connections.length === 0);
    expect(await failureOf(here.connect(worker.address))).toMatchObject({ code: "UNAVAILABLE" });
  });

  test("K6 dates cross containers, as ISO text of the type 0", async () => {
    const [here, there] = [await newContainer(TCP), await newContainer(TCP)];
    const clerk = await there.spawn(new Clerk());
    const proxy = await here.connect<Clerk>(clerk.address);
    const date = DateTime.fromISO("2026-01-02T03:04:05.678+02:00", { setZone: true });
    await proxy.keep({ at: date });
    const { at } = clerk.kept as { at: DateTime };
    expect(at).toBeInstanceOf(DateTime);
    expect(at.toISO()).toBe("2026-01-02T03:04:05.678+02:00");
    // As Python sees it.
    await using plain = await connectChannel(there.address, {
      extraSerializers: [() => [Object, () => "", (text: unknown) => ({ text })] as const] as never,
    });
    expect(await plain.send(["agents/0/give", [], {}])).toEqual({ at: { text: "2026-01-02T03:04:05.678+02:00" } });
  });
});

describe("addresses", () => {
  test("U1 addresses of agents are read, IPv6 with and without brackets", () => {
    expect(
      ["tcp://host:5555/0", "tcp://[::1]:5555/1", "tcp://::1:5555/1", "ipc://[/tmp/a]/2", "local://name/id"].map(
        (url) => Object.values(parseAgentAddress(url)),
      ),
    ).toEqual([
      ["tcp://host:5555", "0"],
      ["tcp://[::1]:5555", "1"],
      ["tcp://[::1]:5555", "1"],
      ["ipc://[/tmp/a]", "2"],
      ["local://name", "id"],
    ]);
  });

  test.each(["spam", "tcp://host/0", "tcp://host:5555", "ipc:///tmp/a/0", "local://name", "http://host:5555/0"])(
    "U1 %s is no address of an agent",
    async (url) => {
      expect(await failureOf((await newContainer()).connect(url))).toMatchObject({
        code: "INVALID_ARGUMENT",
        message: expect.stringContaining(`cannot parse agent URL "${url}"`),
      });
    },
  );

  test("U1 agents have addresses of each kind", async () => {
    const folder = mkdtempSync(join(tmpdir(), "colloquy-parity-"));
    const here = await newContainer();
    for (const base of [TCP, `ipc://[${join(folder, "a.sock")}]`, newAddress()]) {
      const there = await newContainer(base);
      const agent = await there.spawn(new Echo());
      if (base !== TCP) expect(agent.address).toBe(`${base}/0`);
      expect(await (await here.connect<Echo>(agent.address)).where()).toBe(agent.address);
      await there.shutdown();
    }
    rmSync(folder, { recursive: true, force: true });
  });

  test.each(["tcp://0.0.0.0:0", "tcp://:0", "tcp://[::]:0"])(
    "U2 with %s the name of this machine is in the addresses",
    async (address) => {
      const container = await newContainer(address, { dangerouslyAllowPlaintext: true }).catch(() => undefined);
      if (container === undefined) return; // No IPv6 here.
      const agent = await container.spawn(new Echo());
      expect(agent.address).toMatch(/^tcp:\/\/.+:\d+\/0$/);
      expect(agent.address).toContain(`//${hostname()}:`);
    },
  );

  test("U2 another name is set with advertise", async () => {
    const container = await newContainer("tcp://0.0.0.0:0", {
      advertise: "localhost",
      dangerouslyAllowPlaintext: true,
    });
    const agent = await container.spawn(new Echo());
    expect(agent.address).toMatch(/^tcp:\/\/localhost:\d+\/0$/);
    expect(await (await (await newContainer()).connect<Echo>(agent.address)).where()).toBe(agent.address);
  });
});

describe("what was broken in aiomas", () => {
  test("D2 neither a failed connect nor an unknown agent poisons the address", async () => {
    const here = await newContainer();
    const base = newAddress();
    expect(await failureOf(here.connect(`${base}/0`))).toMatchObject({ code: "UNAVAILABLE" });
    const there = await newContainer(base);
    expect(await failureOf(here.connect(`${base}/0`))).toMatchObject({ code: "NOT_FOUND" });
    await there.spawn(new Echo());
    expect(await (await here.connect<Echo>(`${base}/0`)).where()).toBe(`${base}/0`);
  });

  test("D3 lost connections are forgotten on both sides", async () => {
    const [here, there] = [await newContainer(TCP), await newContainer(TCP)];
    const { address } = await there.spawn(new Echo());
    for (let round = 0; round < 5; round++) {
      const proxy = await here.connect<Echo>(address);
      expect(await proxy.where()).toBe(address);
      expect([here.connections.length, there.connections.length]).toEqual([1, 1]);
      (round % 2 === 0 ? here : there).connections[0]!.destroy();
      await until(() => here.connections.length === 0 && there.connections.length === 0, "both ends");
    }
  });

  test.each([
    "agents/0/container/validate_aid",
    "agents/0/container/address",
    "agents/0/kept/where",
    "agents/0/drawer/open",
    "agents/0/stop",
    "agents/0/task",
    "agents/0/onStop",
    "agents/spawn",
    "clock/setTime",
  ])("D5 the path %s leads nowhere", async (path) => {
    const [there, third] = [await newContainer(TCP), await newContainer()];
    const clerk = await there.spawn(new Clerk());
    // A proxy that the agent stores.
    clerk.kept = await there.connect<Echo>((await third.spawn(new Echo())).address);
    await using channel = await connectChannel(there.address);
    const error = await failureOf(channel.send([path, [], {}]));
    expect(error.message).toMatch(/not found|is not exposed/);
    expect(there.agents).toEqual([clerk]);
  });

  test("D6 an agent's proxy is passed on to a third container and works there", async () => {
    const [first, middle, third] = [await newContainer(), await newContainer(), await newContainer()];
    const echo = await first.spawn(new Echo());
    const clerk = await middle.spawn(new Clerk());
    clerk.kept = await middle.connect<Echo>(echo.address);
    const passed = (await (await third.connect<Clerk>(clerk.address)).give()) as Remote<Echo>;
    expect(await passed.where()).toBe(echo.address);
  });

  test.each(["node:fs:rmSync", "./parity.test.ts:Clerk", "House:constructor", "__proto__"])(
    "D11 a manager imports no module: %s",
    async (name) => {
      const [here, there] = [await newContainer(), await newContainer()];
      const { address } = await there.spawn(new Manager({ factories: { House: () => new Echo() } }));
      const manager = await here.connect<Manager>(address);
      expect(await failureOf(manager.spawn(name))).toMatchObject({ code: "NOT_FOUND" });
      expect(there.agents).toHaveLength(1);
    },
  );

  test("D12 a container that has gone silent is noticed, and connected to anew", async () => {
    let silent = true;
    const asked = new Gate();
    await using raw = await serveChannels(TCP, async (channel) => {
      for await (const request of channel) {
        const [path] = request.content as [string];
        if (path === "$/hello") await request.reply({ protocol: 1 });
        else if (path === "validate_aid") await request.reply("Echo");
        else if (!silent) await request.reply(path);
        else if (path.endsWith("where")) asked.open();
      }
    });
    const options: ContainerOptions = { limits: { pingIntervalMs: 40, pingTimeoutMs: 60 } };
    const here = await newContainer(newAddress(), options);
    const proxy = await here.connect<Echo>(`${raw.address}/0`);
    const call = failureOf(proxy.where());
    await asked.promise;
    expect(await call).toMatchObject({ code: "CONNECTION_LOST", executed: "unknown" });
    await until(() => here.connections.length === 0);
    silent = false;
    expect(await proxy.where()).toBe("agents/0/where");
    await raw.close({ graceMs: 0 });
  });
});

describe("around containers", () => {
  test("R12 agents are passed as arguments from container to container", async () => {
    const [here, there] = [await newContainer(), await newContainer()];
    const [echo, clerk] = [await here.spawn(new Echo()), await there.spawn(new Clerk())];
    expect(await (await here.connect<Clerk>(clerk.address)).ask(echo)).toBe(echo.address);
  });
});
