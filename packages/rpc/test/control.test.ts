import { describe, expect, test } from "vitest";
import { Service, expose, serve } from "../src/index.ts";
import type { CallContext } from "../src/index.ts";
import { WirePeer, newAddress, pair, until } from "./support.ts";

class Station extends Service {
  readonly signals: AbortSignal[] = [];
  @expose({ context: true }) async wait({ signal }: CallContext): Promise<unknown> {
    this.signals.push(signal);
    await new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve()));
    return "aborted";
  }
  @expose({ context: true }) async refuse({ signal }: CallContext): Promise<never> {
    this.signals.push(signal);
    await new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve()));
    throw new RangeError("stopped half-way");
  }
  @expose fn(): unknown {
    return () => 1;
  }
}

async function visited(root: Station = new Station()): Promise<WirePeer> {
  const server = await serve(newAddress(), root);
  const wire = await WirePeer.connect(server.address);
  await wire.hello();
  return wire;
}

describe("the service `$`", () => {
  test("answers a ping with null", async () => {
    await using wire = await visited();
    expect(await wire.request("$/ping")).toEqual([1, null]);
    expect(await wire.request("$/ping", [1, 2], { a: 3 })).toEqual([1, null]);
  });

  test("tells counters of the connection, and nothing else", async () => {
    await using wire = await visited();
    await wire.request("fn");
    const [type, stats] = await wire.request("$/stats");
    expect(type).toBe(1);
    expect(stats).toMatchObject({ exportedReferences: 1, importedReferences: 0, pending: 0, receivedMessages: 3 });
    for (const value of Object.values(stats as object)) expect(typeof value).toBe("number");
  });

  test.each(["$/none", "$/describe", "$/", "$/toString", "$/__proto__", "$/constructor/x", "$/release", "$/cancel"])(
    "has no %s to request",
    async (path) => {
      await using wire = await visited();
      const [type, content] = await wire.request(path, [1]);
      expect(type).toBe(2);
      expect(content).toMatchObject({ code: "NOT_FOUND", message: "no such name in $", executed: "no" });
      expect(await wire.request("$/ping")).toEqual([1, null]);
    },
  );

  test("cancels the call with that id only, and its answer still comes", async () => {
    const station = new Station();
    await using wire = await visited(station);
    wire.send([0, 20, ["wait", [], {}]], [0, 21, ["wait", [], {}]]);
    await until(() => station.signals.length === 2);
    wire.notify("$/cancel", 21);
    expect(await wire.next()).toEqual([1, 21, "aborted"]);
    expect(station.signals[0]!.aborted).toBe(false);
    expect(station.signals[1]!.reason).toMatchObject({ code: "CANCELLED" });
    for (const id of [99, -1, 0.5, "20", null]) wire.notify("$/cancel", id);
    wire.notify("$/cancel");
    expect(await wire.request("$/ping")).toEqual([1, null]);
    expect(station.signals[0]!.aborted).toBe(false);
  });

  test("cancels a call whose time is over at its caller, before it is over here", async () => {
    const station = new Station();
    await using wire = await visited(station);
    wire.send([0, 20, ["wait", [], {}, { deadline: 60_000 }]], [0, 21, ["wait", [], {}]], [0, 22, ["wait", [], {}]]);
    await until(() => station.signals.length === 3);
    wire.send(
      [3, 0, ["$/cancel", [20, "DEADLINE_EXCEEDED"], {}]],
      [3, 0, ["$/cancel", [21, "CANCELLED"], {}]],
      [3, 0, ["$/cancel", [22, { DEADLINE_EXCEEDED: 1 }], {}]],
    );
    expect([await wire.next(), await wire.next(), await wire.next()]).toHaveLength(3);
    const codes = station.signals.map(({ reason }) => (reason as { code: unknown }).code);
    expect(codes).toEqual(["DEADLINE_EXCEEDED", "CANCELLED", "CANCELLED"]);
  });

  test("what a method throws after its time is no answer in time", async () => {
    const station = new Station();
    await using wire = await visited(station);
    wire.send([0, 20, ["refuse", [], {}, { deadline: 5 }]], [0, 21, ["wait", [], {}, { deadline: 5 }]]);
    const answers = [await wire.next(), await wire.next()];
    expect(answers.find(([, id]) => id === 20)).toMatchObject([
      2,
      20,
      {
        code: "DEADLINE_EXCEEDED",
        executed: "yes",
        cause: { name: "RangeError", message: "stopped half-way", executed: "yes" },
      },
    ]);
    // A result is one, however late.
    expect(answers.find(([, id]) => id === 21)).toEqual([1, 21, "aborted"]);
    wire.send([0, 22, ["refuse", [], {}, { deadline: 60_000 }]]);
    await until(() => station.signals.length === 3);
    wire.notify("$/cancel", 22);
    expect(await wire.next()).toMatchObject([2, 22, { name: "RangeError", code: "REMOTE_ERROR" }]);
  });

  test("a flood of cancels for calls that are over leaves nothing behind", async () => {
    const station = new Station();
    await using link = await pair(station);
    await using wire = await WirePeer.connect(link.server.address);
    await wire.hello();
    for (let id = 100; id < 1100; id++) wire.send([0, id, ["$/ping", [], {}]], [3, 0, ["$/cancel", [id], {}]]);
    await until(() => [...link.server.connections].at(-1)!.stats().receivedMessages === 2001);
    expect([...link.server.connections].at(-1)!.stats()).toMatchObject({ running: 0, failedNotifications: 0 });
  });

  test("is told when this side closes, and no new calls are taken then", async () => {
    const station = new Station();
    const server = await serve(newAddress(), station);
    await using wire = await WirePeer.connect(server.address);
    await wire.hello();
    wire.send([0, 20, ["wait", [], {}]]);
    await until(() => station.signals.length === 1);
    const closing = server.close();
    expect(await wire.next()).toEqual([3, 0, ["$/goaway", [], {}]]);
    expect(await wire.next()).toEqual([0, 0, ["$/ping", [], {}]]);
    // Sent before the goodbye was read: carried out.
    wire.send([0, 21, ["wait", [], {}]], [1, 0, null], [0, 22, ["wait", [], {}]]);
    expect(await wire.next()).toMatchObject([2, 22, { code: "UNAVAILABLE", executed: "no" }]);
    expect(station.signals).toHaveLength(2);
    wire.notify("$/cancel", 21);
    expect(await wire.next()).toEqual([1, 21, "aborted"]);
    wire.notify("$/cancel", 20);
    expect(await wire.next()).toEqual([1, 20, "aborted"]);
    await closing;
    await wire.closed;
  });
});
