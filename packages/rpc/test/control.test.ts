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
