import { getEventListeners } from "node:events";
import { describe, expect, it } from "vitest";
import { AttemptLimit } from "../src/attempt-limit.ts";
import { LocalNetwork } from "../src/local-transport.ts";
import { connectTransport } from "../src/transports.ts";
import { RawServer, rejectionOf } from "./support.ts";

describe("AttemptLimit", () => {
  it("ends once, with the first reason, and calls who waits then", () => {
    const limit = new AttemptLimit(undefined);
    let calls = 0;
    limit.whenEnded(() => calls++);
    expect(limit.ended).toBe(false);
    limit.end("first");
    limit.end("second");
    expect([limit.ended, limit.reason, calls]).toStrictEqual([true, "first", 1]);
  });

  it("calls the one who waits, not those before, and nobody who has taken it back", () => {
    for (const [last, expected] of [
      ["second", ["second"]],
      [undefined, []],
    ] as const) {
      const limit = new AttemptLimit(undefined);
      const told: string[] = [];
      limit.whenEnded(() => told.push("first"));
      limit.whenEnded(last === undefined ? undefined : () => told.push(last));
      limit.end("reason");
      expect(told).toStrictEqual(expected);
    }
  });

  it.each([
    ["a reason", "reason"],
    ["null", null],
    ["none", undefined],
  ])("ends with a signal that is aborted before, or later, with %s", (_what, reason) => {
    const before = new AttemptLimit(AbortSignal.abort(reason));
    const controller = new AbortController();
    const later = new AttemptLimit(controller.signal);
    let told = 0;
    later.whenEnded(() => told++);
    controller.abort(reason);
    expect([before.ended, later.ended, told]).toStrictEqual([true, true, 1]);
    expect(later.reason).toBe(controller.signal.reason);
  });

  it("leaves nothing on the signal when it is closed, and isn't ended by it any more", () => {
    const controller = new AbortController();
    const limit = new AttemptLimit(controller.signal);
    expect(getEventListeners(controller.signal, "abort")).toHaveLength(1);
    limit.close();
    expect(getEventListeners(controller.signal, "abort")).toHaveLength(0);
    controller.abort();
    expect(limit.ended).toBe(false);
  });
});

describe("connecting with a signal", () => {
  const { signal } = new AbortController();
  const listeners = (): number => getEventListeners(signal, "abort").length;

  it("leaves no listener on it, whether it succeeds or fails", async () => {
    await using server = await RawServer.listen();
    const transport = await connectTransport(server.address, { signal });
    expect(listeners()).toBe(0);
    transport.destroy();
    const network = new LocalNetwork();
    await rejectionOf(connectTransport("local://nobody", { signal, network }));
    await rejectionOf(connectTransport("local://nobody", { signal, network, timeout: 30 }));
    await rejectionOf(connectTransport("tcp://127.0.0.1:1", { signal }));
    expect(listeners()).toBe(0);
  });

  it("ends while it waits for the next attempt, at once and with the reason", async () => {
    const controller = new AbortController();
    const reason = new Error("enough");
    const start = performance.now();
    setTimeout(() => controller.abort(reason), 150);
    const options = { signal: controller.signal, network: new LocalNetwork(), timeout: Infinity };
    const error = await rejectionOf(connectTransport("local://nobody", options));
    expect(error).toMatchObject({ code: "CANCELLED", cause: reason });
    expect(performance.now() - start).toBeLessThan(1000);
  });

  it("isn't ended by one that is aborted when the connection is there", async () => {
    await using server = await RawServer.listen((peer) => setTimeout(() => peer.socket.write("later"), 20));
    const controller = new AbortController();
    const transport = await connectTransport(server.address, { signal: controller.signal });
    controller.abort();
    const chunk = await new Promise<string>((resolve, reject) => {
      transport.open({
        onChunk: (bytes) => resolve(bytes.toString()),
        onDrain: () => {},
        onClose: () => reject(new Error("closed")),
      });
    });
    expect(chunk).toBe("later");
    transport.destroy();
  });
});
