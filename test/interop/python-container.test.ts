import { Agent, Container, DateTime } from "@colloquy/container";
import { JsonCodec, MsgPackCodec, connect, expose, service } from "@colloquy/rpc";
import type { Remote, SerializerFactory } from "@colloquy/rpc";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { PythonPeer, pythonMissing } from "./driver.ts";

const missing = pythonMissing();
if (missing !== undefined) process.stdout.write(`${missing}\n`);

class Point {
  readonly x: number;
  readonly y: number;

  constructor(x: number, y: number) {
    this.x = x;
    this.y = y;
  }
}

const point: SerializerFactory<Point> = () => [
  Point,
  ({ x, y }) => ({ x, y }),
  (data) => new Point((data as Point).x, (data as Point).y),
];

/** A service of the Python side, as an agent here calls it. */
interface PythonClient {
  double(x: number): Promise<number>;
  greet(name: string): Promise<string>;
}

/** What agents of the Python side have. */
class PythonAgent extends Agent {
  declare add: (a: number, b: number) => number;
  declare echo: (x: unknown) => unknown;
  declare fail: (message: string) => void;
  declare keep: (service: unknown) => void;
  declare call_back: (service: unknown, method: string, ...args: unknown[]) => unknown;
  declare call_kept: (method: string, ...args: unknown[]) => unknown;
  declare give_kept: () => unknown;
  declare give: (path: string) => unknown;
  declare sleep: (seconds: number, value: unknown) => unknown;
}

/** Called by the Python side. */
class Tester extends Agent {
  kept: unknown;

  @expose echo(value: unknown): unknown {
    return value;
  }

  @expose nextDay(date: DateTime): DateTime {
    return date.plus({ days: 1 });
  }

  @expose async askBack(client: Remote<PythonClient & object>, x: number): Promise<unknown> {
    const remote = client as unknown as PythonClient;
    return [await remote.double(x), await remote.greet("Ada")];
  }

  @expose keep(value: unknown): void {
    this.kept = value;
  }

  @expose me(): this {
    return this;
  }

  @expose other(): unknown {
    return { neighbour: this.container.agents[1] };
  }

  @expose override fail(message: string): never {
    throw new RangeError(message);
  }

  @expose double(x: number): number {
    return x * 2;
  }
}

/** What ends with a test, and what several tests share. */
const open: AsyncDisposable[] = [];
const shared: AsyncDisposable[] = [];

async function dispose(list: AsyncDisposable[]): Promise<void> {
  for (const one of list.splice(0).toReversed()) await one[Symbol.asyncDispose]();
}

afterEach(async () => dispose(open));

function keep<T extends AsyncDisposable>(one: T, list = open): T {
  list.push(one);
  return one;
}

describe.skipIf(missing !== undefined).each([
  ["json", JsonCodec],
  ["msgpack", MsgPackCodec],
] as const)("a Python peer that speaks %s", (codec, codecClass) => {
  interface Ours {
    readonly container: Container;
    readonly agent: Tester;
  }

  async function ours(options: object = {}, list = open): Promise<Ours> {
    const container = keep(
      await Container.create("tcp://127.0.0.1:0", { codec: codecClass, limits: { closeGraceMs: 500 }, ...options }),
      list,
    );
    return { container, agent: await container.spawn(new Tester()) };
  }

  describe("at a container of ours", () => {
    async function client(
      options: object = {},
      containerOptions: object = {},
      list = open,
    ): Promise<Ours & { python: PythonPeer }> {
      const { container, agent } = await ours(containerOptions, list);
      const address = container.address.slice("tcp://".length);
      const python = keep(
        await PythonPeer.start({ mode: "client", codec, address, container: true, ...options }),
        list,
      );
      return { python, agent, container };
    }

    let common: Awaited<ReturnType<typeof client>>;
    beforeAll(async () => (common = await client({}, {}, shared)));
    afterAll(async () => dispose(shared));

    it("asks for agents by their ids", async () => {
      const { python } = common;
      expect(await python.remote("validate_aid", "0")).toBe("Tester");
      expect(await python.remote("validate_aid", "9")).toBe(null);
      expect(await python.remote("validate_aid", 0)).toBe(null);
    });

    it("calls agents", async () => {
      const { python } = common;
      expect(await python.remote("agents/0/echo", { a: [1, "b", null, true, 2.5] })).toEqual({
        a: [1, "b", null, true, 2.5],
      });
      expect(await python.remote("agents/0/keep", 5)).toBe(null);
    });

    it("sends and gets dates, type 0", async () => {
      const { python, agent } = common;
      const date = { $date: "2016-02-28T12:00:00+01:00" };
      expect(await python.remote("agents/0/nextDay", date)).toEqual({ $date: "2016-02-29T12:00:00+01:00" });
      await python.remote("agents/0/keep", { $date: "2016-01-01T00:00:00.123456+00:00" });
      expect(agent.kept).toBeInstanceOf(DateTime);
      expect((agent.kept as DateTime).toMillis()).toBe(1_451_606_400_123);
    });

    it("sends and gets extra types, from 1 on", async () => {
      const { python, agent } = await client({ extra: ["point"], record: true }, { extraSerializers: [point] });
      const sent = { $point: { x: 1, y: 2.5 } };
      expect(await python.remote("agents/0/echo", sent)).toEqual(sent);
      await python.remote("agents/0/keep", sent);
      expect(agent.kept).toEqual(new Point(1, 2.5));
    });

    it("passes a service of its own, which the agent calls while the call is under way", async () => {
      const { python } = common;
      expect(await python.remote("agents/0/askBack", { $service: "client" }, 21)).toEqual([42, "Hello Ada"]);
    });

    it("is called by a proxy that the agent has kept", async () => {
      const { python, agent } = common;
      await python.remote("agents/0/keep", { $service: "client" });
      expect(await (agent.kept as PythonClient).double(4)).toBe(8);
    });

    it("gets agents, as proxies that it can call", async () => {
      const { python, container } = common;
      await container.spawn(new Tester());
      const me = await python.remote("agents/0/me");
      expect(me).toMatchObject({ path: "agents/0" });
      expect(await python.result({ op: "call", target: me, path: "double", args: [4] })).toBe(8);
      expect(await python.remote("agents/0/other")).toMatchObject({ neighbour: { path: "agents/1" } });
    });

    it("gets exceptions as text", async () => {
      const { python } = common;
      const { exception } = await python.call({ op: "call", path: "agents/0/fail", args: ["too much"] });
      expect(exception).toMatchObject({ form: "string", text: expect.stringContaining("RangeError: too much") });
      const unknown = await python.call({ op: "call", path: "agents/9/fail" });
      expect(unknown.exception).toMatchObject({ form: "string", text: expect.stringContaining('agent "9"') });
      const hidden = await python.call({ op: "call", path: "agents/0/stop" });
      expect(hidden.exception).toMatchObject({ form: "string", text: expect.stringContaining("stop") });
    });

    it("is served by a container that takes any codec", async () => {
      const { python } = await client({}, { codec: "auto" });
      expect(await python.remote("agents/0/double", 4)).toBe(8);
    });

    it("says hello and is a peer like our own", async () => {
      const { container } = await ours();
      const address = container.address.slice("tcp://".length);
      const hello = { protocol: 1, serializers: ["DateTime"] };
      const python = keep(await PythonPeer.start({ mode: "client", codec, address, container: true, hello }));
      expect(await python.remote("agents/0/double", 4)).toBe(8);
      const { exception } = await python.call({ op: "call", path: "agents/0/fail", args: ["too much"] });
      expect(exception).toMatchObject({ form: "map", content: { name: "RangeError", message: "too much" } });
    });

    it("may leave at any time", async () => {
      const { python, container } = await client();
      await python.remote("agents/0/keep", { $service: "client" });
      await python.kill();
      const again = await PythonPeer.start({
        mode: "client",
        codec,
        address: container.address.slice("tcp://".length),
        container: true,
      });
      expect(await again.remote("agents/0/double", 1)).toBe(2);
      await again.close();
    });
  });

  describe("that is a container", () => {
    async function server(
      options: object = {},
      containerOptions: object = {},
      list = open,
    ): Promise<Ours & { python: PythonPeer; base: string }> {
      const python = keep(await PythonPeer.start({ mode: "server", codec, container: true, ...options }), list);
      return { python, base: python.address, ...(await ours(containerOptions, list)) };
    }

    let common: Awaited<ReturnType<typeof server>>;
    beforeAll(async () => (common = await server({}, {}, shared)));
    afterAll(async () => dispose(shared));

    it("has agents that ours connect to and call", async () => {
      const { container, base } = common;
      const [zero, one] = [
        await container.connect<PythonAgent>(`${base}/0`),
        await container.connect<PythonAgent>(`${base}/1`),
      ];
      expect(await Promise.all([zero.add(3, 4), one.echo(["a", null])])).toEqual([7, ["a", null]]);
      expect(container.connections).toHaveLength(1);
    });

    it("is asked for the agent first; one that it doesn't have is NOT_FOUND", async () => {
      const { container, base, python } = await server({ record: true });
      await expect(container.connect(`${base}/7`)).rejects.toMatchObject({ code: "NOT_FOUND" });
      const proxy = await container.connect<PythonAgent>(`${base}/0`);
      expect(await proxy.add(1, 1)).toBe(2);
      const frames = (await python.result({ op: "frames" })) as [string, string][];
      const came = frames.filter(([way]) => way === "in").map(([, text]) => Buffer.from(text, "hex"));
      const requests = came.map((payload) => new codecClass().decode(payload));
      expect(requests).toEqual([
        [0, 0, ["$/hello", [expect.anything()], {}]],
        [0, 1, ["validate_aid", ["7"], {}]],
        [0, 2, ["validate_aid", ["0"], {}]],
        [0, 3, ["agents/0/add", [1, 1], {}]],
      ]);
    });

    it("hears nothing but its own base protocol in the aiomas dialect", async () => {
      const { container, base, python } = await server({ record: true }, { dialect: "aiomas" });
      await container.connect<PythonAgent>(`${base}/0`);
      const [first] = (await python.result({ op: "frames" })) as [string, string][];
      expect(new codecClass().decode(Buffer.from(first![1], "hex"))).toEqual([0, 0, ["validate_aid", ["0"], {}]]);
    });

    it("gets and sends dates", async () => {
      const { container, base } = common;
      const proxy = await container.connect<PythonAgent>(`${base}/0`);
      const date = DateTime.fromISO("2024-07-01T12:30:00.250+02:00", { setZone: true });
      const [arrived] = (await proxy.echo([date])) as [DateTime];
      expect(arrived.toISO()).toBe(date.toISO());
    });

    it("gets and sends extra types behind dates", async () => {
      const { container, base } = await server({ extra: ["point"] }, { extraSerializers: [point] });
      const proxy = await container.connect<PythonAgent>(`${base}/0`);
      expect(await proxy.echo([new Point(1, 2), DateTime.utc(2020, 1, 2)])).toEqual([
        new Point(1, 2),
        expect.any(DateTime),
      ]);
    });

    it("is given an agent of ours and calls it back", async () => {
      const { container, base, agent } = common;
      const proxy = await container.connect<PythonAgent>(`${base}/0`);
      expect(await proxy.call_back(agent, "double", 21)).toBe(42);
      await proxy.keep(agent);
      expect(await proxy.call_kept("double", 4)).toBe(8);
    });

    it("gives its agents as results, which are called", async () => {
      const { container, base } = common;
      const proxy = await container.connect<PythonAgent>(`${base}/0`);
      const itself = (await proxy.give("")) as Remote<PythonAgent>;
      expect(await itself.add(2, 2)).toBe(4);
    });

    it("tells of failures with their text", async () => {
      const { container, base } = common;
      const proxy = await container.connect<PythonAgent>(`${base}/0`);
      await expect(proxy.fail("no luck")).rejects.toMatchObject({
        code: "REMOTE_ERROR",
        message: expect.stringContaining("no luck"),
        remoteStack: expect.stringContaining("ValueError"),
      });
    });

    it("that ends fails the calls under way, and a new one on its port is found by the same proxy", async () => {
      const { container, base, python } = await server();
      const proxy = await container.connect<PythonAgent>(`${base}/0`);
      const asleep = proxy.sleep(60, 1);
      const lost = expect(asleep).rejects.toMatchObject({ code: "CONNECTION_LOST", executed: "unknown" });
      await proxy.add(1, 1);
      await python.kill();
      await lost;
      await expect(proxy.add(1, 1)).rejects.toMatchObject({ code: "UNAVAILABLE", executed: "no" });
      keep(await PythonPeer.start({ mode: "server", codec, container: true, listen: base.slice("tcp://".length) }));
      expect(await proxy.add(1, 2)).toBe(3);
    });
  });

  it("is also called by a plain rpc client with the serializers of a container", async () => {
    const python = keep(await PythonPeer.start({ mode: "server", codec, container: true }));
    const base = python.address;
    const dates: SerializerFactory<DateTime> = () => [
      DateTime,
      (date) => date.toISO(),
      (text) => DateTime.fromISO(text as string),
    ];
    const connection = keep(
      await connect<any>(base, {
        codec: codecClass,
        extraSerializers: [dates],
        service: service({ seven: expose(() => 7) }),
      }),
    );
    expect(await (connection.remote as any).agents["0"].add(1, 2)).toBe(3);
  });
});
