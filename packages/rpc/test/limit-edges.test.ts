import { describe, expect, test, vi } from "vitest";
import { Service, connect, expose, notify, serve } from "../src/index.ts";
import type { Connection, Limits } from "../src/index.ts";
import { WirePeer, newAddress, pair, turns, until, wireServer } from "./support.ts";

class Root extends Service {
  readonly ends: (() => void)[] = [];
  @expose echo(value: unknown): unknown {
    return value;
  }
  @expose count(...values: unknown[]): number {
    return values.length;
  }
  @expose hold(_value?: unknown): Promise<void> {
    return new Promise((resolve) => void this.ends.push(resolve));
  }
  @expose async *numbers(): AsyncGenerator<number> {
    for (let number = 0; ; number++) yield number;
  }
}

/** Resolves with a code where it is refused, and with undefined where it passes. */
type Attempt = (size: number, limits: Partial<Limits>) => Promise<string | undefined>;

async function codeOf(promise: Promise<unknown>): Promise<string | undefined> {
  return promise.then(
    () => undefined,
    (error: { readonly code: string }) => error.code,
  );
}

/** Of a request that a peer writes by hand. */
function onTheWire(contentOf: (size: number) => unknown): Attempt {
  return async (size, limits) => {
    await using server = await serve(newAddress(), new Root(), { limits });
    await using wire = await WirePeer.connect(server.address);
    await wire.hello();
    const [type, content] = await wire.ask(contentOf(size)).catch(() => [2, { code: "ENDED" }] as const);
    return type === 2 && content.code !== "NOT_FOUND" ? (content.code as string) : undefined;
  };
}

function called(act: (remote: any, size: number) => Promise<unknown>, side: "server" | "client" = "server"): Attempt {
  return async (size, limits) => {
    await using link = await pair(new Root(), side === "server" ? { serve: { limits } } : { limits });
    return await codeOf(act(link.remote, size));
  };
}

/** So many calls that run at the same time: what becomes of the last one. */
async function held(remote: any, size: number, value?: unknown): Promise<void> {
  for (let made = 1; made < size; made++) remote.hold(value).catch(() => {});
  const last: Promise<void> = remote.hold(value);
  last.catch(() => {});
  // What isn't refused before the answer to this one runs.
  await remote.echo(0).catch(() => {});
  await Promise.race([last, remote.echo(0).catch(() => {})]);
}

/**
 * As many calls that run at the same time, every third one a notification, over connections of which each second one is lost: what becomes of
 * the last one.
 */
async function onSeveral(size: number, limits: Partial<Limits>): Promise<string | undefined> {
  const root = new Root();
  await using server = await serve(newAddress(), root, { limits });
  for (let made = 1; made < size; made++) {
    const connection = await connect<Root>(server.address);
    if (made % 3 === 0) notify(connection.remote.hold)();
    else connection.remote.hold().catch(() => {});
    await until(() => root.ends.length === made);
    if (made % 2 === 0) connection.destroy();
  }
  await using connection = await connect<Root>(server.address);
  const last = await Promise.race([codeOf(connection.remote.hold()), until(() => root.ends.length === size)]);
  if (last === "RESOURCE_EXHAUSTED") {
    // A notification has no place either.
    notify(connection.remote.hold)();
    expect(await codeOf(connection.remote.echo(1))).toBe("RESOURCE_EXHAUSTED");
    expect(root.ends).toHaveLength(size - 1);
  }
  for (const end of root.ends.splice(0)) end();
  await until(() => server.stats().running === 0);
  expect(await codeOf(connection.remote.echo(1))).toBeUndefined();
  // All places are free again, and no more than there were.
  const most = limits.maxTotalRunningCount!;
  const again = Array.from({ length: most + 1 }, async () => codeOf(connection.remote.hold()));
  await until(() => root.ends.length === most);
  expect(await Promise.race(again)).toBe("RESOURCE_EXHAUSTED");
  for (const end of root.ends) end();
  expect((await Promise.all(again)).filter((code) => code !== undefined)).toEqual(["RESOURCE_EXHAUSTED"]);
  return last as string | undefined;
}

const json = (value: unknown): number => JSON.stringify(value).length;

const edges: readonly (readonly [name: keyof Limits, limit: number, code: string, attempt: Attempt])[] = [
  [
    "maxMessageBytes",
    2000,
    "ENDED",
    onTheWire((size) => ["echo", ["x".repeat(size - json([0, 1, ["echo", [""], {}]]))], {}]),
  ],
  ["maxSegmentBytes", 50_000, "RESOURCE_EXHAUSTED", called((remote, size) => remote.echo(new Uint8Array(size)))],
  ["maxPathBytes", 20, "INVALID_ARGUMENT", onTheWire((size) => ["ü".repeat(size >> 1) + "x".repeat(size & 1), [], {}])],
  [
    "maxPathPartCount",
    5,
    "INVALID_ARGUMENT",
    onTheWire((size) => [Array.from({ length: size }, () => "a").join("/"), [], {}]),
  ],
  [
    "maxArgumentCount",
    6,
    "INVALID_ARGUMENT",
    onTheWire((size) => ["count", Array.from({ length: size }, () => 0), {}]),
  ],
  ["maxRunningCount", 4, "RESOURCE_EXHAUSTED", called(held)],
  ["maxTotalRunningCount", 6, "RESOURCE_EXHAUSTED", onSeveral],
  ["maxPendingCount", 4, "RESOURCE_EXHAUSTED", called(held, "client")],
  [
    "maxReferenceCount",
    5,
    "SERIALIZATION_ERROR",
    called((remote, size) => remote.count(...Array.from({ length: size }, () => () => 0)), "client"),
  ],
  [
    "maxStreamCount",
    3,
    "RESOURCE_EXHAUSTED",
    called(async (remote, size) => {
      for (let made = 0; made < size; made++) {
        const stream: AsyncIterable<number> = await remote.numbers();
        await stream[Symbol.asyncIterator]().next();
      }
    }),
  ],
  ["maxHopCount", 5, "RESOURCE_EXHAUSTED", onTheWire((size) => ["count", [], {}, { hops: size }])],
];

describe("limits at their edges, and doubled:", () => {
  test.each(edges)("%s", async (name, limit, code, attempt) => {
    const found = [];
    for (const size of [limit - 1, limit, limit + 1]) found.push(await attempt(size, { [name]: limit }));
    found.push(await attempt(limit + 1, { [name]: 2 * limit }));
    expect(found).toEqual([undefined, undefined, code, undefined]);
  });
});

/** Begins what ends after the time. */
type Beginning = (limits: Partial<Limits>) => Promise<Connection | { readonly closed: Promise<unknown> }>;

/** Serves with `limits`; the other side is a peer by hand that has connected. */
async function served(limits: Partial<Limits>): Promise<{ connection: Connection; wire: WirePeer }> {
  let found: Connection | undefined;
  const root = (connection: Connection): Root => {
    found = connection;
    return new Root();
  };
  const server = await serve(newAddress(), root, { limits });
  const wire = await WirePeer.connect(server.address);
  await until(() => found !== undefined);
  return { connection: found!, wire };
}

const QUIET: Partial<Limits> = { pingIntervalMs: Infinity };

const times: readonly (readonly [name: keyof Limits, begin: Beginning])[] = [
  ["helloTimeoutMs", async (limits) => (await served({ ...QUIET, ...limits })).connection],
  [
    "messageTimeoutMs",
    async (limits) => {
      const { connection, wire } = await served({ ...QUIET, ...limits });
      await wire.hello();
      wire.write(Buffer.from([0, 0, 0, 9, 0x5b]));
      return connection;
    },
  ],
  [
    "closeGraceMs",
    async (limits) => {
      const { connection, wire } = await served({ ...QUIET, ...limits });
      await wire.hello();
      wire.send([0, 1, ["hold", [], {}]]);
      await until(() => connection.stats().running === 1);
      void connection.close();
      return connection;
    },
  ],
  [
    "pingTimeoutMs",
    async (limits) => {
      const { connection, wire } = await served({ pingIntervalMs: 40, ...limits });
      await wire.hello();
      return connection;
    },
  ],
  [
    "pingIntervalMs",
    async (limits) => {
      const { wire } = await served(limits);
      await wire.hello();
      return { closed: wire.next() };
    },
  ],
  [
    "writeStallMs",
    async (limits) => {
      const server = await wireServer();
      const connecting = connect(server.address, { limits: { ...QUIET, maxMessageBytes: 64 << 20, ...limits } });
      const wire = await server.accepted();
      await wire.next();
      wire.send([1, 0, { protocol: 1 }]);
      const connection = await connecting;
      wire.pause();
      for (let sent = 0; sent < 4; sent++) (connection.remote as any).take("x".repeat(8 << 20)).catch(() => {});
      return connection;
    },
  ],
];

/** Steps of virtual time, and turns of the event loop for each, in which sockets carry what a step has brought about. */
const STEP_MS = 10;
const TURNS_PER_STEP = 5;

/** Virtual milliseconds until it has ended. */
async function timeOf(begin: Beginning, limits: Partial<Limits>): Promise<number> {
  const ends: unknown[] = [];
  const { closed } = await begin(limits);
  void closed.then((end) => ends.push(end));
  await turns(20);
  const start = performance.now();
  while (ends.length === 0) {
    await vi.advanceTimersByTimeAsync(STEP_MS);
    await turns(TURNS_PER_STEP);
  }
  return performance.now() - start;
}

describe("limits that are times end what they bound, not before, and not later either:", () => {
  test.each(times)("%s", async (name, begin) => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "setInterval", "clearInterval", "performance"] });
    try {
      const passed = await timeOf(begin, { [name]: 1000 });
      // A ping leaves after seven eighths of the interval at the earliest.
      expect(passed).toBeGreaterThan(800);
      expect(passed).toBeLessThan(1500);
    } finally {
      vi.useRealTimers();
    }
  });
});
