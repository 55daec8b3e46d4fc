import { describe, expect, test } from "vitest";
import { MsgPackCodec, connectChannel, serveChannels } from "@colloquy/core";
import type { Channel, CodecClass, Request } from "@colloquy/core";
import { JsonCodec, Service, connect, expose, notify, pipeline, serve, service, withOptions } from "../src/index.ts";
import type { Connection } from "../src/index.ts";
import { WirePeer, failureOf, newAddress, turns, until, wireServer } from "./support.ts";

class Desk extends Service {
  kept: any;
  @expose readonly sub = service({ deep: new Deep() });
  @expose add(a: number, b: number): number {
    return a + b;
  }
  @expose nothing(): void {}
  @expose fail(message: string): never {
    throw new RangeError(message);
  }
  @expose giveService(): object {
    return new Deep();
  }
  @expose giveSub(): object {
    return this.sub.deep;
  }
  @expose giveFunction(): unknown {
    return { nested: [() => 1] };
  }
  @expose keep(thing: unknown): void {
    this.kept = thing;
  }
}

class Deep extends Service {
  @expose whoami(): string {
    return "deep";
  }
}

/** A server that knows paths and nothing else, as aiomas is one. */
async function plainServer(answer: (request: Request) => unknown, codec: CodecClass = JsonCodec) {
  const contents: unknown[] = [];
  const channels: Channel[] = [];
  const server = await serveChannels(
    newAddress(),
    async (channel) => {
      channels.push(channel);
      for await (const request of channel) {
        contents.push(request.content);
        const path = (request.content as [string])[0];
        if (path.startsWith("$")) await request.fail(`LookupError: Name "${path}" not found`);
        else await request.reply(await answer(request));
      }
    },
    { codec },
  );
  return { server, contents, channels };
}

describe.each([
  ["json", JsonCodec],
  ["msgpack", MsgPackCodec],
] as const)("a plain client, %s", (_name, codec) => {
  test("calls by path, and gets results, null for none, and exceptions as texts", async () => {
    await using server = await serve(newAddress(), new Desk(), { codec });
    await using channel = await connectChannel(server.address, { codec });
    expect(await channel.send(["add", [3, 4], {}])).toBe(7);
    expect(await channel.send(["add", [], { b: 4, a: 3 }])).toBe(7);
    expect(await channel.send(["sub/deep/whoami", [], {}])).toBe("deep");
    expect(await channel.send(["nothing", [], {}])).toBeNull();
    expect(await failureOf(channel.send(["fail", ["too far"], {}]))).toMatchObject({
      remoteName: "RangeError",
      message: "too far",
      remoteStack: "RangeError: too far",
    });
    expect((await failureOf(channel.send(["none", [], {}]))).message).toBe('name "none" not found in the root service');
  });

  test("gets services as paths: those under the root by their own, others by number", async () => {
    await using server = await serve(newAddress(), new Desk(), { codec });
    const path = () => [Object, () => "", (text: unknown) => ({ path: text })] as const;
    await using channel = await connectChannel(server.address, { codec, extraSerializers: [path as never] });
    expect(await channel.send(["giveSub", [], {}])).toEqual({ path: "sub/deep" });
    expect(await channel.send(["giveService", [], {}])).toEqual({ path: "$/ref/1" });
    expect(await channel.send(["$/ref/1/whoami", [], {}])).toBe("deep");
  });

  test("is refused functions with a text that says why, and `$` is nothing to it", async () => {
    await using server = await serve(newAddress(), new Desk(), { codec });
    await using channel = await connectChannel(server.address, { codec });
    const error = await failureOf(channel.send(["giveFunction", [], {}]));
    expect(error.message).toContain("a plain peer takes services only, this one said no hello");
    expect([...server.connections][0]!.stats().exportedReferences).toBe(0);
    for (const path of ["$/ping", "$/stats", "$/describe", "$/cancel"]) {
      expect((await failureOf(channel.send([path, [], {}]))).message).toContain("not found");
    }
  });

  test("is called back by the path of a service that it passes", async () => {
    const desk = new Desk();
    await using server = await serve(newAddress(), desk, { codec });
    class Mine {}
    const mine = () => [Object, () => "client/mine", () => new Mine()] as const;
    await using channel = await connectChannel(server.address, { codec, extraSerializers: [mine as never] });
    await channel.send(["keep", [new Mine()], {}]);
    const call = desk.kept.greet("ada");
    const request = await channel.recv();
    expect(request.content).toEqual(["client/mine/greet", ["ada"], {}]);
    await request.reply("hello ada");
    expect(await call).toBe("hello ada");
  });

  test("gets a notification as a call, whose answer nobody waits for", async () => {
    const connections: Connection<any>[] = [];
    const root = (connection: Connection): object => {
      connections.push(connection);
      // Before the client's first message nobody knows what it is.
      notify((connection.remote as any).early)(0);
      return new Desk();
    };
    await using server = await serve(newAddress(), root, { codec });
    await using channel = await connectChannel(server.address, { codec });
    await channel.send(["nothing", [], {}]);
    notify(connections[0]!.remote.keep)(1);
    const early = await channel.recv();
    expect(early.content).toEqual(["early", [0], {}]);
    await early.fail("NameError: early");
    const second = await channel.recv();
    expect(second.content).toEqual(["keep", [1], {}]);
    await second.reply(null);
    await until(() => connections[0]!.stats().pending === 0);
    expect(connections[0]!.stats().failedNotifications).toBe(1);
  });
});

describe("a plain server", () => {
  test("is recognized by its exception as the answer to hello, and called by path", async () => {
    const { server, contents } = await plainServer((request) => request.content);
    await using connection = await connect<any>(server.address);
    expect(await connection.remote.agents["0"].add(1, 2)).toEqual(["agents/0/add", [1, 2], {}]);
    expect((contents[0] as unknown[])[0]).toBe("$/hello");
    expect(contents.length).toBe(2);
    await server.close();
  });

  test.each([
    ["a text", 'Traceback\nLookupError: Name "$" not found'],
    ["a list", ["LookupError", "no $", "line"]],
    ["null", null],
  ])("is recognized by %s as that exception", async (_what, exception) => {
    await using server = await wireServer();
    const connecting = connect<any>(server.address);
    const wire = await server.accepted();
    await wire.next();
    wire.send([2, 0, exception]);
    const connection = await connecting;
    notify(connection.remote.hear)("x");
    expect(await wire.next()).toEqual([0, 1, ["hear", ["x"], {}]]);
    connection.destroy();
  });

  test("gets no functions, no undefined and nothing on `$`; services by path", async () => {
    const { server, contents } = await plainServer(() => null);
    class Client extends Service {
      @expose readonly sub = new Deep();
    }
    const root = new Client();
    const connection = await connect<any>(server.address, { service: root });
    const { remote } = connection;
    const error = await failureOf(remote.subscribe(() => 1));
    expect(error).toMatchObject({ code: "SERIALIZATION_ERROR", executed: "no" });
    expect(error.message).toContain("function: a plain peer takes services only, this one said no hello");
    expect((await failureOf(remote.set(undefined))).message).toContain(
      "undefined: the peer said no hello, so it takes no built-in types",
    );
    expect(connection.stats().exportedReferences).toBe(0);
    const late = new AbortController();
    const call = withOptions(remote.slow, { signal: late.signal })();
    late.abort();
    expect((await failureOf(call)).code).toBe("CANCELLED");
    await connection.close();
    await server.close();
    expect(contents.map((content) => (content as unknown[])[0])).toEqual(["$/hello", "slow"]);
  });

  test("is told of in the words for streams and signals, which it doesn't take", async () => {
    const { server } = await plainServer(() => null);
    await using _server = server;
    await using connection = await connect<Desk>(server.address);
    const { remote } = connection;
    const items = async function* () {
      yield 1;
    };
    for (const stream of [items(), new ReadableStream(), { list: [items()] }])
      expect((await failureOf(remote.keep(stream))).message).toContain(
        'argument 1 of "keep": a stream: the peer said no hello, so it takes none; collect the items in an array',
      );
    expect(await failureOf(remote.keep(new AbortController().signal))).toMatchObject({
      code: "SERIALIZATION_ERROR",
      message: 'argument 1 of "keep": AbortSignal: the peer said no hello, so it takes no signals',
    });
  });

  test("gets results of other calls among arguments once they are there", async () => {
    const sum = ({ content }: Request): number => (content as [string, number[]])[1].reduce((a, b) => a + b);
    const { server } = await plainServer(sum);
    await using _server = server;
    await using connection = await connect<Desk>(server.address);
    const { remote } = connection;
    expect(await remote.add(pipeline(remote.add(1, 2)), 4)).toBe(7);
    expect(await remote.add(remote.add(1, 2), remote.add(1, 1))).toBe(5);
  });

  test("that calls its client before it answers hello is plain as well", async () => {
    await using server = await wireServer();
    const root = service({ add: expose((a: number, b: number) => a + b) });
    const connecting = connect<any>(server.address, { service: root });
    const wire = await server.accepted();
    wire.send([0, 0, ["add", [1, 2], {}]]);
    const [, helloId] = await wire.next();
    expect(await wire.next()).toEqual([1, 0, 3]);
    wire.send([2, helloId, "LookupError: $"]);
    const connection = await connecting;
    void connection.remote.hear().catch(() => {});
    expect(await wire.next()).toEqual([0, 1, ["hear", [], {}]]);
    connection.destroy();
  });
});

describe("a dialect", () => {
  test.each([
    ["aiomas", "ValueError: wrong"],
    ["mosaik", ["ValueError", "wrong", "ValueError: wrong"]],
  ] as const)("%s says no hello and writes exceptions in its own form", async (dialect, exception) => {
    await using server = await wireServer();
    class ValueError extends Error {
      override name = "ValueError";
    }
    const root = service({
      init: expose(() => ({ api_version: "3.0" })),
      fail: expose(() => {
        throw new ValueError("wrong");
      }),
    });
    const connection = await connect<any>(server.address, { dialect, service: root });
    const wire = await server.accepted();
    expect(await wire.rest()).toEqual([]);
    expect(await wire.request("init", ["sid"])).toEqual([1, { api_version: "3.0" }]);
    expect(await wire.request("fail")).toEqual([2, exception]);
    const call = connection.remote.get_progress();
    expect(await wire.next()).toEqual([0, 0, ["get_progress", [], {}]]);
    wire.send([2, 0, ["SimulationError", "stopped", "line 1\n", "line 2"]]);
    expect(await failureOf(call)).toMatchObject({
      remoteName: "SimulationError",
      message: "stopped",
      remoteStack: "line 1\nline 2",
      code: "REMOTE_ERROR",
    });
    connection.destroy();
  });

  test.each(["aiomas", "mosaik"] as const)("%s on a server takes no hello and calls at once", async (dialect) => {
    const root = (connection: Connection): object => {
      void (connection.remote as any).init("sid").catch(() => {});
      return new Desk();
    };
    await using server = await serve(newAddress(), root, { dialect });
    await using wire = await WirePeer.connect(server.address);
    expect(await wire.next()).toEqual([0, 0, ["init", ["sid"], {}]]);
    const [type] = await wire.request("$/hello", [{ protocol: 1 }]);
    expect(type).toBe(2);
    expect(await wire.request("add", [1, 2])).toEqual([1, 3]);
    await turns(5);
  });

  test("has no time limit for a first message", async () => {
    await using server = await serve(newAddress(), new Desk(), { dialect: "aiomas", limits: { helloTimeoutMs: 20 } });
    await using wire = await WirePeer.connect(server.address);
    await new Promise((resolve) => setTimeout(resolve, 60));
    expect(await wire.request("add", [1, 2])).toEqual([1, 3]);
  });
});
