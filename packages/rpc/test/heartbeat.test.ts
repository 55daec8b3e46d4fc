import { Codec } from "@colloquy/core";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { Service, connect, expose } from "../src/index.ts";
import type { Connection, Limits } from "../src/index.ts";
import { LOOKS_PER_INTERVAL, startBeating, stopBeating } from "../src/pulse.ts";
import type { Beating } from "../src/pulse.ts";
import { Child, failureOf, greeted, pair, turns, until, wireServer } from "./support.ts";
import type { WirePeer } from "./support.ts";

class Root extends Service {
  @expose echo(value: unknown): unknown {
    return value;
  }
  @expose hang(): Promise<never> {
    return new Promise(() => undefined);
  }
}

function sleep(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}

/** Keeps the event loop from everything else. */
function stall(milliseconds: number): void {
  const until = performance.now() + milliseconds;
  while (performance.now() < until);
}

/** A connection with a peer made by hand, which has said hello. */
async function silentPeer(limits: Partial<Limits>) {
  return greeted<Root>(await wireServer(), { limits });
}

describe("a ping", () => {
  test("resolves with the milliseconds of a round trip, which the connection remembers", async () => {
    await using link = await pair(new Root());
    expect(link.client.roundTripMs).toBeUndefined();
    const milliseconds = await link.client.ping();
    expect(milliseconds).toBeGreaterThan(0);
    expect(milliseconds).toBeLessThan(5000);
    expect(link.client.roundTripMs).toBe(milliseconds);
    expect(await link.peer.ping()).toBeGreaterThan(0);
  });

  test("of a peer that said no hello is UNSUPPORTED, and of a closed connection CONNECTION_LOST", async () => {
    await using link = await pair(new Root(), { dialect: "aiomas" });
    expect(await failureOf(link.client.ping())).toMatchObject({ code: "UNSUPPORTED", executed: "no" });
    await using other = await pair(new Root());
    other.client.destroy();
    expect(await failureOf(other.client.ping())).toMatchObject({ code: "CONNECTION_LOST" });
  });
});

describe("a peer that shows no sign of life", () => {
  test("D12 is pinged within the interval, and given up after the time for an answer: all calls settle", async () => {
    const { connection, wire } = await silentPeer({ pingIntervalMs: 80, pingTimeoutMs: 120 });
    const start = performance.now();
    const call = failureOf(connection.remote.hang());
    expect(await wire.next()).toMatchObject([0, 1, ["hang", [], {}]]);
    expect(await wire.next()).toEqual([0, 2, ["$/ping", [], {}]]);
    expect(performance.now() - start).toBeLessThan(80 + 1000);
    const error = await connection.closed;
    expect(performance.now() - start).toBeLessThan(80 + 120 + 1000);
    expect(performance.now() - start).toBeGreaterThan(120);
    expect(error).toMatchObject({
      code: "CONNECTION_LOST",
      message: `no sign of life from ${connection.remoteAddress} for 120 ms after a ping (pingTimeoutMs)`,
    });
    expect(await call).toMatchObject({ code: "CONNECTION_LOST", executed: "unknown" });
    expect((await call).message).toContain("no sign of life");
  });

  test("is pinged and given up where as many calls wait as may, too", async () => {
    const { connection, wire } = await silentPeer({ pingIntervalMs: 80, pingTimeoutMs: 120, maxPendingCount: 1 });
    const call = failureOf(connection.remote.hang());
    expect(await failureOf(connection.remote.hang())).toMatchObject({ code: "RESOURCE_EXHAUSTED" });
    expect(await wire.next()).toMatchObject([0, 1, ["hang", [], {}]]);
    expect(await wire.next()).toEqual([0, 2, ["$/ping", [], {}]]);
    // A sign of life that is no answer: the next ping can't be sent, and is not the end of waiting for one.
    wire.send([3, 0, ["$/release", [[]], {}]]);
    await until(() => !connection.usable, "the end");
    expect(await call).toMatchObject({ code: "CONNECTION_LOST", executed: "unknown" });
    expect(await wire.rest()).toEqual([]);
  });

  test.each([
    ["an answer", (id: number) => [1, id, null]],
    ["a refusal", (id: number) => [2, id, { name: "E", message: "no", code: "UNAVAILABLE", executed: "no" }]],
    ["something else", () => [3, 0, ["$/release", [[]], {}]]],
  ])("is kept as long as %s comes", async (_name, answerTo) => {
    const { connection, wire } = await silentPeer({ pingIntervalMs: 40, pingTimeoutMs: 60 });
    for (let count = 0; count < 5; count++) {
      const [, id, [path]] = await wire.next();
      expect(path).toBe("$/ping");
      wire.send(answerTo(id));
    }
    expect(connection.usable).toBe(true);
    connection.destroy();
  });

  test("is never given up where pingTimeoutMs is Infinity, and never pinged where pingIntervalMs is", async () => {
    const pinged = await silentPeer({ pingIntervalMs: 20, pingTimeoutMs: Infinity });
    const left = await silentPeer({ pingIntervalMs: Infinity, pingTimeoutMs: 1 });
    await sleep(300);
    expect([pinged.connection.usable, left.connection.usable]).toEqual([true, true]);
    expect((await pinged.wire.rest()).length).toBeGreaterThan(2);
    expect(await left.wire.rest()).toEqual([]);
    pinged.connection.destroy();
    left.connection.destroy();
  });

  test("isn't pinged while something comes from it", async () => {
    const { connection, wire } = await silentPeer({ pingIntervalMs: 200, pingTimeoutMs: 1000 });
    for (let count = 0; count < 30; count++) {
      wire.notify("$/release", []);
      await sleep(15);
    }
    expect(await wire.rest()).toEqual([]);
    connection.destroy();
  });

  test("as a frozen process is noticed within interval + timeout + 1 s", async () => {
    await using child = new Child("hanging-server.ts");
    const { address } = await child.line();
    const connection = await connect(address, { limits: { pingIntervalMs: 200, pingTimeoutMs: 300 } });
    expect(await connection.ping()).toBeGreaterThan(0);
    child.process.kill("SIGSTOP");
    const start = performance.now();
    expect(await connection.closed).toMatchObject({ code: "CONNECTION_LOST" });
    expect(performance.now() - start).toBeLessThan(200 + 300 + 1000);
    child.process.kill("SIGCONT");
  }, 20_000);
});

test("a peer that works on a last call while this side closes isn't given up, however quiet it is", async () => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "setInterval", "clearInterval", "performance"] });
  try {
    const { connection, wire } = await silentPeer({ pingIntervalMs: 100, pingTimeoutMs: 100 });
    const call = connection.remote.echo(5);
    const [, id] = await wire.next();
    const closing = connection.close({ graceMs: 60_000 });
    expect(await wire.next()).toMatchObject([3, 0, ["$/goaway", [], {}]]);
    const [, ping, [path]] = await wire.next();
    expect(path).toBe("$/ping");
    wire.send([1, ping, null]);
    for (let step = 0; step < 100; step++) {
      await vi.advanceTimersByTimeAsync(10);
      await turns(2);
    }
    expect(await wire.rest()).toEqual([]);
    wire.send([1, id, 5]);
    expect(await call).toBe(5);
    await closing;
    expect(await connection.closed).toBeUndefined();
  } finally {
    vi.useRealTimers();
  }
});

/** JSON that takes its time where there is "slow" in a message: as long as the test says. */
class HeldCodec extends Codec {
  static #held: (() => void)[] = [];
  static release(): void {
    for (const release of this.#held.splice(0)) release();
  }
  override async encode(value: unknown): Promise<Uint8Array> {
    const text = JSON.stringify(this.serialize(value));
    await HeldCodec.#hold(text);
    return Buffer.from(text);
  }
  override async decode(bytes: Uint8Array): Promise<unknown> {
    const text = Buffer.from(bytes).toString();
    await HeldCodec.#hold(text);
    return this.deserialize(JSON.parse(text));
  }
  static async #hold(text: string): Promise<void> {
    if (text.includes("slow")) await new Promise<void>((resolve) => this.#held.push(resolve));
  }
}

/** Virtual milliseconds, with turns of the event loop in between. */
async function pass(milliseconds: number): Promise<void> {
  for (let step = 0; step < milliseconds; step += 50) {
    await vi.advanceTimersByTimeAsync(50);
    await turns(3);
  }
}

/** Reads until there is a ping, and answers it. */
async function answerPing(connection: Connection<Root>, wire: WirePeer): Promise<void> {
  for (;;) {
    const [, id, [path]] = await wire.next();
    if (path !== "$/ping") continue;
    wire.send([1, id, null]);
    return until(() => connection.roundTripMs !== undefined, "the answer");
  }
}

describe("a living peer", () => {
  const limits = { pingIntervalMs: 1000, pingTimeoutMs: 2000, writeStallMs: Infinity, messageTimeoutMs: Infinity };

  beforeEach(() => void vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "setInterval", "clearInterval"] }));
  afterEach(() => void vi.useRealTimers());

  test("isn't taken for dead while what this side has sent waits for it", async () => {
    const { connection, wire } = await silentPeer({ ...limits, maxQueuedBytes: Infinity });
    wire.pause();
    // More than sockets take.
    for (let sent = 0; sent < 6; sent++) connection.remote.echo("x".repeat(4 << 20)).catch(() => {});
    await pass(10_000);
    expect(connection.usable).toBe(true);
    wire.resume();
    await answerPing(connection, wire);
    await pass(5000);
    expect(await connection.closed).toMatchObject({ code: "CONNECTION_LOST", limit: "pingTimeoutMs" });
  });

  test("isn't taken for dead while this side encodes what it is sent before the ping", async () => {
    const { connection, wire } = await greeted<Root>(await wireServer(), { codec: HeldCodec, limits });
    connection.remote.echo("slow").catch(() => {});
    await pass(10_000);
    expect(connection.usable).toBe(true);
    HeldCodec.release();
    await answerPing(connection, wire);
    await pass(5000);
    expect(await connection.closed).toMatchObject({ code: "CONNECTION_LOST", limit: "pingTimeoutMs" });
  });

  test("isn't taken for dead while this side is behind with what it has sent", async () => {
    const { connection, wire } = await greeted<Root>(await wireServer(), { codec: HeldCodec, limits });
    wire.send([3, 0, ["slow", [], {}]], [3, 0, ["behind", [], {}]]);
    await pass(10_000);
    expect(connection.usable).toBe(true);
    HeldCodec.release();
    await answerPing(connection, wire);
    await pass(5000);
    expect(await connection.closed).toMatchObject({ code: "CONNECTION_LOST", limit: "pingTimeoutMs" });
  });
});

describe("an event loop that stalls", () => {
  test("takes no living peer for dead, in this process or in another", async () => {
    const limits = { pingIntervalMs: 40, pingTimeoutMs: 60 };
    await using child = new Child("hanging-server.ts");
    const { address } = await child.line();
    const far = await connect(address, { limits });
    await using near = await pair(new Root(), { limits, serve: { limits } });
    await using tcp = await pair(new Root(), { limits, serve: { limits }, address: "tcp://127.0.0.1:0" });
    for (const milliseconds of [100, 30, 400, 70, 1500, 100]) {
      await sleep(50);
      stall(milliseconds);
      await sleep(5);
      stall(milliseconds);
    }
    await sleep(200);
    expect([far, near.client, near.peer, tcp.client, tcp.peer].map(({ usable }) => usable)).toEqual(
      Array.from({ length: 5 }, () => true),
    );
    await far.close({ graceMs: 0 });
  }, 30_000);
});

describe("time in which the event loop stalled", () => {
  test("doesn't count for the peer: it has the rest of its time afterwards", async () => {
    const { connection, wire } = await silentPeer({ pingIntervalMs: 80, pingTimeoutMs: 400 });
    for (let count = 0; count < 3; count++) {
      const [, id] = await wire.next();
      stall(500);
      await sleep(100);
      expect(connection.usable).toBe(true);
      wire.send([1, id, null]);
    }
    connection.destroy();
  });

  test("is read first: what has come before the time was over counts", async () => {
    const { connection, wire } = await silentPeer({ pingIntervalMs: 80, pingTimeoutMs: 40 });
    for (let count = 0; count < 5; count++) {
      const [, id] = await wire.next();
      for (let step = 0; step < 6; step++) {
        stall(30);
        if (step === 2) wire.send([1, id, null]);
        await new Promise((resolve) => setImmediate(resolve));
      }
      expect(connection.usable).toBe(true);
    }
    connection.destroy();
  });
});

describe("one timer", () => {
  test("looks after all that beat in the same interval, several times in it, and stops with the last", async () => {
    const looks: number[] = [0, 0];
    const members: Beating[] = looks.map((_, index) => ({ look: () => void looks[index]!++ }));
    const timers = (): number => process.getActiveResourcesInfo().filter((name) => name === "Timeout").length;
    const before = timers();
    for (const member of members) startBeating(member, 83);
    // It is no reason for a process to go on.
    expect(timers()).toBe(before);
    await until(() => looks[0]! >= LOOKS_PER_INTERVAL);
    stopBeating(members[0]!, 83);
    const [first, second] = looks as [number, number];
    await until(() => looks[1]! > second + 2);
    expect(looks[0]).toBe(first);
    stopBeating(members[1]!, 83);
    const last = looks[1];
    await sleep(60);
    expect(looks[1]).toBe(last);
  });
});
