import { setTimeout as sleep } from "node:timers/promises";
import { JsonCodec, codec, compressed } from "@colloquy/core";
import { describe, expect, test } from "vitest";
import { connect, expose, notify, serve, service, withOptions } from "../src/index.ts";
import type { Connection, ConnectOptions } from "../src/index.ts";
import { WirePeer, greeted, newAddress, until, wireServer } from "./support.ts";

const noise = Array.from({ length: 60_000 }, (_, index) => String.fromCharCode(33 + ((index * index * 31) % 90))).join(
  "",
);

/** A server whose answer comes behind many notifications, and a client that takes more than a millisecond for each of them. */
async function behind(count: number, first: string, options: ConnectOptions = {}) {
  /** From `quickAt` on they take no time. */
  const handled = { count: 0, quickAt: Infinity };
  const client = service({
    work: expose((_text: string) => {
      handled.count++;
      for (const start = performance.now(); performance.now() < Math.min(start + 1.2, handled.quickAt););
    }),
  });
  const rootOf = (connection: Connection) =>
    service({
      ask: expose(() => {
        const { work } = connection.remote as unknown as { work(text: string): void };
        notify(work)(first);
        for (let sent = 0; sent < count; sent++) notify(work)("x".repeat(200));
        return "answer";
      }),
    });
  const server = await serve(newAddress(), rootOf, { codec: options.codec });
  const connection = await connect<{ ask(): string }>(server.address, { ...options, service: client });
  const dispose = async (): Promise<void> => {
    await connection.close({ graceMs: 0 });
    await server.close({ graceMs: 0 });
  };
  return { connection, handled, [Symbol.asyncDispose]: dispose };
}

describe("What has come in time, behind other work", () => {
  // Where the system gives this process no turn for a while there is nothing to be behind of.
  test("is an answer in time, though it is handled in a later turn", { retry: 2 }, async () => {
    await using field = await behind(300, "");
    const start = performance.now();
    field.handled.quickAt = start + 330;
    expect(await withOptions(field.connection.remote.ask, { timeout: 300 })()).toBe("answer");
    expect(field.handled.count).toBe(301);
    expect(performance.now() - start).toBeGreaterThan(300);
  });

  test("is a sign of life, also behind a message that is decoded in a promise", async () => {
    const codec = compressed(JsonCodec, { algorithm: "deflate" });
    const limits = { pingIntervalMs: 60, pingTimeoutMs: 80 };
    await using field = await behind(250, noise, { codec, limits });
    expect(await field.connection.remote.ask()).toBe("answer");
    expect(field.handled.count).toBe(251);
    expect(field.connection.usable).toBe(true);
  });

  test("leaves a peer alive while one message is decoded for longer than a ping may take", async () => {
    const slow = codec({
      name: "slow",
      encode: (value) => Buffer.from(JSON.stringify(value)),
      decode: async (bytes: Uint8Array) => {
        const text = Buffer.from(bytes).toString();
        if (text.includes("take your time")) await sleep(400);
        return JSON.parse(text) as unknown;
      },
    });
    const root = service({ say: expose(() => "take your time") });
    await using server = await serve(newAddress(), root, { codec: slow });
    const limits = { pingIntervalMs: 50, pingTimeoutMs: 60 };
    await using connection = await connect<typeof root>(server.address, { codec: slow, limits });
    expect(await connection.remote.say()).toBe("take your time");
    expect(connection.usable).toBe(true);
  });

  test("keeps no deadline from passing for longer than it takes", async () => {
    await using field = await behind(40, "");
    const silent = service({ never: expose(() => new Promise<void>(() => {})) });
    await using server = await serve(newAddress(), silent);
    await using connection = await connect<{ never(): Promise<void> }>(server.address);
    const asked = field.connection.remote.ask();
    await expect(withOptions(connection.remote.never, { timeout: 20 })()).rejects.toMatchObject({
      code: "DEADLINE_EXCEEDED",
    });
    expect(await asked).toBe("answer");
  });
});

describe("A peer that is read more slowly", () => {
  test("isn't taken for dead meanwhile", async () => {
    const limits = { pingIntervalMs: 50, pingTimeoutMs: 60, maxOverheadPerSecond: 10 };
    await using server = await serve(newAddress(), service({ add: expose((a: number) => a) }), { limits });
    await using wire = await WirePeer.connect(server.address);
    await wire.hello();
    wire.send([0, 1, ["add", [{ __type__: [99, "x".repeat(60_000)] }], {}]]);
    expect(await wire.next()).toMatchObject([2, 1, { code: "SERIALIZATION_ERROR" }]);
    await sleep(500);
    expect(server.connections.size).toBe(1);
    await until(() => server.connections.size === 0, "the end of a peer that answers no ping once it is read again");
  });

  test("isn't slower for large answers that this side can't read", async () => {
    await using server = await wireServer();
    const { connection, wire } = await greeted<{ odd(): unknown }>(server, { limits: { maxOverheadPerSecond: 10 } });
    const start = performance.now();
    for (let made = 0; made < 4; made++) {
      const call = connection.remote.odd();
      const [, id] = await wire.next();
      wire.send([1, id, { __type__: [99, "x".repeat(500_000)] }]);
      await expect(call).rejects.toMatchObject({ code: "SERIALIZATION_ERROR" });
    }
    expect(performance.now() - start).toBeLessThan(4000);
    connection.destroy();
  });
});
