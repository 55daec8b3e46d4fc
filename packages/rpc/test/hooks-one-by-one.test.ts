import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { ProtocolError } from "@colloquy/core";
import { describe, expect, test, vi } from "vitest";
import { Service, connect, expose, notify, serve } from "../src/index.ts";
import { WirePeer, failureOf, newAddress, pair, until } from "./support.ts";

/** What is published on one channel while `act` runs. No other one has a subscriber. */
async function toldOn(name: string, act: () => Promise<unknown>): Promise<Record<string, any>[]> {
  const told: Record<string, any>[] = [];
  const listener = (message: unknown): void => void told.push(message as Record<string, any>);
  subscribe(name, listener);
  try {
    await act();
  } finally {
    unsubscribe(name, listener);
  }
  return told;
}

class Desk extends Service {
  call: (() => unknown) | undefined;
  readonly waiting: (() => void)[] = [];

  @expose echo(value: unknown): unknown {
    return value;
  }
  @expose fail(): never {
    throw new RangeError("no luck");
  }
  @expose keep(call: () => unknown): void {
    this.call = call;
  }
  @expose async wait(): Promise<void> {
    await new Promise<void>((resolve) => this.waiting.push(resolve));
  }
  @expose async *count(to: number): AsyncGenerator<number> {
    for (let number = 1; number <= to; number++) yield number;
  }
}

/** The two ends of one connection. */
interface Ends {
  readonly client: unknown;
  readonly peer: unknown;
}

/** A session in which everything happens that is told of a connection and its calls, but for its loss and breaches of the protocol. */
async function session(): Promise<Ends> {
  const desk = new Desk();
  await using link = await pair(desk, { serve: { limits: { maxRunningCount: 1 } } });
  const { remote, client, peer } = link;
  expect(await remote.echo(1)).toBe(1);
  await failureOf(remote.fail());
  notify(remote.fail)();
  for await (const _ of remote.count(3));
  await remote.keep(() => {
    throw new RangeError("of the subscriber");
  });
  desk.call!();
  await until(() => peer.stats().failedFunctionCalls === 1);
  const waiting = remote.wait();
  await failureOf(remote.echo(2));
  desk.waiting[0]!();
  await waiting;
  await client.close();
  await peer.closed;
  return { client, peer };
}

const BOTH = ["client", "peer"];
const CALLED = ["client echo", "client fail", "client count", "client keep", "peer $/ref/1", "client wait"];
const CARRIED_OUT = ["peer echo", "peer fail", "peer fail", "peer count", "peer keep", "client $/ref/1", "peer wait"];
const THROWN = ["peer fail", "peer fail", "client $/ref/1"];

/** Where each message was told, and of what, in the order of the texts. */
const channels: readonly (readonly [name: string, told: readonly string[]])[] = [
  ["colloquy:connection:open", BOTH],
  ["colloquy:connection:hello", BOTH],
  ["colloquy:connection:close", BOTH],
  ["tracing:colloquy:call:start", [...CALLED, "client echo"]],
  ["tracing:colloquy:call:error", ["client fail", "peer $/ref/1", "client echo"]],
  ["tracing:colloquy:call:asyncEnd", [...CALLED, "client echo"]],
  ["tracing:colloquy:request:start", CARRIED_OUT],
  ["tracing:colloquy:request:error", THROWN],
  ["tracing:colloquy:request:asyncEnd", CARRIED_OUT],
  ["colloquy:stream:start", ["peer count"]],
  ["colloquy:stream:end", ["peer count"]],
  ["colloquy:refusal", ["peer maxRunningCount"]],
  ["colloquy:failed-method", THROWN],
  ["colloquy:failed-notification", ["peer fail"]],
  ["colloquy:failed-function-call", ["peer $/ref/1"]],
];

describe("a channel that alone is listened to has all its messages, with their connections and paths:", () => {
  test.each(channels)("%s", async (name, expected) => {
    let ends!: Ends;
    const told = await toldOn(name, async () => (ends = await session()));
    const found = told.map(({ connection, path, limit }) =>
      [connection === ends.client ? "client" : connection === ends.peer ? "peer" : "?", path ?? limit].join(" ").trim(),
    );
    expect(found.toSorted()).toEqual(expected.toSorted());
  });
});

describe("the end of a connection", () => {
  test("that is lost is told with the reason, before those who wait for it are told the same", async () => {
    const link = await pair(new Desk());
    const { client, peer } = link;
    const order: unknown[] = [];
    peer.onClose((error) => order.push(error));
    const told = await toldOn("colloquy:connection:close", async () => {
      const name = "colloquy:connection:close";
      const listener = (message: unknown): void => {
        if ((message as { connection: unknown }).connection === peer) order.push("published");
      };
      subscribe(name, listener);
      client.destroy();
      await peer.closed;
      unsubscribe(name, listener);
      await until(() => order.length === 2);
    });
    const reason = await peer.closed;
    expect(reason).toMatchObject({ code: "CONNECTION_LOST" });
    expect(order).toEqual(["published", reason]);
    expect(told.find(({ connection }) => connection === peer)!["error"]).toBe(reason);
    expect(told.find(({ connection }) => connection === client)!["error"]).toBeUndefined();
    await link[Symbol.asyncDispose]();
  });

  test("that breaks the protocol is told as that, also where it breaks no limit", async () => {
    const told = await toldOn("colloquy:protocol-error", async () => {
      await using server = await serve(newAddress(), new Desk());
      await using wire = await WirePeer.connect(server.address);
      await wire.hello();
      const [connection] = server.connections;
      wire.send([1, 7, "nobody asked"]);
      expect(await connection!.closed).toBeInstanceOf(ProtocolError);
      await wire.closed;
    });
    expect(told.map(({ error }) => error)).toEqual([expect.any(ProtocolError)]);
  });
});

describe("a limit of this side", () => {
  test("that slows a peer down is told once for each pause", async () => {
    let connection: unknown;
    const told = await toldOn("colloquy:refusal", async () => {
      await using server = await serve(newAddress(), new Desk(), { limits: { maxOverheadPerSecond: 100 } });
      await using wire = await WirePeer.connect(server.address);
      await wire.hello();
      [connection] = server.connections;
      // 500 are free.
      for (let id = 1; id <= 530; id++) wire.send([0, id, ["$/ping", [], {}]]);
      for (let id = 1; id <= 530; id++) await wire.next();
    });
    expect(told.length).toBeGreaterThan(0);
    expect(told.length).toBeLessThan(30);
    for (const message of told)
      expect(message).toMatchObject({
        connection,
        limit: "maxOverheadPerSecond",
        error: { code: "RESOURCE_EXHAUSTED", limit: "maxOverheadPerSecond" },
      });
  });

  test("that turns a client away is told by its server, which has no connection to tell it of", async () => {
    let address = "";
    const warned = vi.spyOn(process, "emitWarning").mockReturnValue();
    const told = await toldOn("colloquy:connection:turned-away", async () => {
      await using server = await serve("tcp://127.0.0.1:0", new Desk(), { limits: { maxConnectionCount: 1 } });
      ({ address } = server);
      await using client = await connect<Desk>(address);
      for (const _ of [1, 2]) expect((await failureOf(connect(address))).code).toBe("UNAVAILABLE");
      expect(await client.remote.echo(1)).toBe(1);
    });
    const error = expect.objectContaining({ code: "RESOURCE_EXHAUSTED", limit: "maxConnectionCount" });
    expect(told).toEqual([1, 2].map(() => ({ address, limit: "maxConnectionCount", error })));
    expect(warned).toHaveBeenCalledTimes(1);
  });
});
