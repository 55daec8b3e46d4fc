import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { Service, connect, expose, pipeline, serve, withOptions } from "../src/index.ts";
import type { CallContext, Connection } from "../src/index.ts";
import { newAddress, turns, until } from "./support.ts";

class Root extends Service {
  readonly held: (() => void)[] = [];
  @expose echo(value: unknown): unknown {
    return value;
  }
  @expose({ context: true }) hold({ signal }: CallContext): Promise<void> {
    return new Promise((resolve) => {
      this.held.push(resolve);
      signal.addEventListener("abort", () => resolve());
    });
  }
  @expose callback(): () => number {
    return () => 1;
  }
  @expose async *numbers(): AsyncGenerator<number> {
    for (let number = 0; ; number++) yield number;
  }
}

/** Timers of Node that have been set since, and have neither fired nor been cleared. */
const timers = new Set<unknown>();

beforeEach(() => {
  timers.clear();
  const { setTimeout: setOnce, setInterval: setAgain, clearTimeout: clearOnce, clearInterval: clearAgain } = globalThis;
  const kept = <T>(timer: T): T => {
    timers.add(timer);
    return timer;
  };
  vi.spyOn(globalThis, "setTimeout").mockImplementation(((act: (...args: unknown[]) => void, ...rest: unknown[]) => {
    const timer: unknown = kept(
      setOnce(
        (...args: unknown[]) => {
          timers.delete(timer);
          act(...args);
        },
        ...(rest as []),
      ),
    );
    return timer;
  }) as typeof setTimeout);
  vi.spyOn(globalThis, "setInterval").mockImplementation((...args: Parameters<typeof setInterval>) =>
    kept(setAgain(...args)),
  );
  for (const [name, clear] of [
    ["clearTimeout", clearOnce],
    ["clearInterval", clearAgain],
  ] as const) {
    vi.spyOn(globalThis, name).mockImplementation((timer) => {
      timers.delete(timer);
      clear(timer);
    });
  }
});

afterEach(() => void vi.restoreAllMocks());

/** Begins one of each that keeps something, and returns what settles with the end. */
async function occupy({ remote }: Connection<Root>): Promise<Promise<unknown>[]> {
  const stop = new AbortController();
  const calls: Promise<unknown>[] = [
    withOptions(remote.hold, { timeout: 60_000 })(),
    withOptions(remote.hold, { signal: stop.signal })(),
    remote.echo(stop.signal),
    pipeline(remote.callback())(),
    remote.echo(() => 1),
  ];
  const left = (await remote.numbers())[Symbol.asyncIterator]();
  await left.next();
  await left.return?.();
  const reader = (await remote.numbers())[Symbol.asyncIterator]();
  await reader.next();
  calls.push(reader.next());
  return calls.map(async (call) => call.catch(() => undefined));
}

/** What of it isn't empty. The others count what has been, not what is. */
function entriesOf(connection: Pick<Connection, "stats">): unknown {
  const past = /^(received|sent|failed|late)/;
  return Object.fromEntries(
    Object.entries(connection.stats()).filter(([name, count]) => count !== 0 && !past.test(name)),
  );
}

describe("once close() has resolved, no timer and no entry of a table is left", () => {
  test.each([
    ["server", { pingIntervalMs: 50 }],
    ["client", { pingIntervalMs: 50 }],
    ["server", { closeGraceMs: 10 }],
    ["client", { closeGraceMs: 10 }],
  ] as const)("of what the %s closes, with %j", async (who, limits) => {
    const root = new Root();
    const server = await serve(newAddress(), root, { limits });
    const client = await connect<Root>(server.address, { limits });
    const [peer] = [...server.connections] as [Connection];
    const ended = await occupy(client);
    await until(() => root.held.length === 2);
    expect(timers.size).toBeGreaterThan(0);
    const closing = who === "server" ? server.close() : client.close();
    await turns(3);
    if (!("closeGraceMs" in limits)) for (const end of root.held) end();
    await closing;
    expect(entriesOf(who === "server" ? peer : client)).toEqual({});
    await (who === "server" ? client.closed : server.close());
    await Promise.all(ended);
    expect([entriesOf(peer), entriesOf(client), server.connections.size]).toEqual([{}, {}, 0]);
    expect([...timers]).toEqual([]);
  });
});
