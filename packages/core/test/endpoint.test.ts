import { describe, expect, it, vi } from "vitest";
import { Codec } from "../src/codec.ts";
import type { CodecClass } from "../src/codec.ts";
import { Endpoint } from "../src/endpoint.ts";
import type { EndpointHandler } from "../src/endpoint-handler.ts";
import type { ColloquyError } from "../src/errors.ts";
import { JsonCodec } from "../src/json-codec.ts";
import { DEFAULT_LIMITS } from "../src/limits.ts";
import type { Limits } from "../src/limits.ts";
import { LocalNetwork } from "../src/local-transport.ts";
import { MsgPackCodec } from "../src/msgpack-codec.ts";
import type { PendingCall } from "../src/pending.ts";
import { shapeFunctions } from "../src/shape-functions.ts";
import type { Transport } from "../src/transport.ts";
import { HandTransport } from "./sending-support.ts";
import { greeted, thrownBy, until } from "./support.ts";

/** A call that records its one outcome. */
class Call implements PendingCall {
  id = -1;
  readonly outcomes: unknown[] = [];
  onResult(value: unknown): void {
    this.outcomes.push(["result", value]);
  }
  onException(content: unknown): void {
    this.outcomes.push(["exception", content]);
  }
  onFailure(error: ColloquyError): void {
    this.outcomes.push(["failure", error.code, error.executed]);
  }
}

class Side implements EndpointHandler {
  readonly requests: [number, unknown][] = [];
  readonly notifications: unknown[] = [];
  readonly lostNotifications: ColloquyError[] = [];
  readonly ends: (ColloquyError | undefined)[] = [];
  readonly endpoint: Endpoint;
  onEncoded?: (succeeded: boolean) => void;

  constructor(transport: Transport, codec: Codec, limits: Partial<Limits>) {
    this.endpoint = new Endpoint(transport, codec, this, { ...DEFAULT_LIMITS, ...limits });
    this.endpoint.open();
  }
  onRequest(id: number, content: unknown, error: ColloquyError | undefined): void {
    if (error === undefined) this.requests.push([id, content]);
    else this.endpoint.fail(id, error);
  }
  onNotification(content: unknown): void {
    this.notifications.push(content);
  }
  onLostNotification(error: ColloquyError): void {
    this.lostNotifications.push(error);
  }
  onClosed(error: ColloquyError | undefined): void {
    this.ends.push(error);
  }
}

function pair({ limits = {}, codec = JsonCodec }: { limits?: Partial<Limits>; codec?: CodecClass } = {}): {
  near: Side;
  far: Side;
} {
  const network = new LocalNetwork();
  let far!: Side;
  network.listen("x", (transport) => (far = new Side(transport, new codec(), limits)));
  const near = new Side(network.connect("x")!, new codec(), limits);
  return { near, far };
}

/** Encodes in a promise of several turns. */
class Slow extends Codec {
  override async encode(value: unknown): Promise<Uint8Array> {
    const text = JSON.stringify(this.serialize(value));
    for (let turn = 0; turn < 3; turn++) await new Promise((resolve) => setImmediate(resolve));
    return Buffer.from(text);
  }
  override decode(bytes: Uint8Array): unknown {
    return this.deserialize(JSON.parse(Buffer.from(bytes).toString()));
  }
}

describe("Endpoint", () => {
  it.each(["near", "far"] as const)(
    "counts no functions of shapes any more when the %s end was closed",
    async (end) => {
      const sides = pair({ codec: MsgPackCodec });
      const { near, far } = sides;
      const { shapes } = near.endpoint.codec!;
      shapes!.maxSentCount = 256;
      near.onEncoded = () => shapes!.define({ tell: (id, keys) => far.endpoint.codec!.shapes!.receive(id, [...keys]) });
      for (let x = 0; x < 600; x++) near.endpoint.notify({ x });
      await until(() => far.notifications.length === 600);
      expect(far.notifications.at(-1)).toStrictEqual({ x: 599 });
      expect(shapeFunctions.usedCount).toBe(2);
      sides[end].endpoint.destroy();
      await until(() => near.ends.length + far.ends.length === 2);
      expect(shapeFunctions.usedCount).toBe(0);
    },
  );

  it("carries notifications in order with requests", async () => {
    const { near, far } = pair();
    near.endpoint.notify(1);
    near.endpoint.request(new Call(), 2);
    near.endpoint.notify(3);
    await until(() => far.notifications.length === 2);
    expect(far.notifications).toStrictEqual([1, 3]);
    expect(far.requests).toStrictEqual([[0, 2]]);
  });

  it("throws for a notification that can't be encoded, and drops one that had to wait", async () => {
    const { near, far } = pair();
    expect(thrownBy(() => near.endpoint.notify(new Date()))).toMatchObject({ code: "SERIALIZATION_ERROR" });
    near.endpoint.hold();
    expect(near.endpoint.notify(new Date())).toBeUndefined();
    expect(near.endpoint.notify("fine")).toBeUndefined();
    near.endpoint.unhold();
    await until(() => far.notifications.length === 1);
    expect(far.notifications).toStrictEqual(["fine"]);
    expect(near.lostNotifications).toMatchObject([{ code: "SERIALIZATION_ERROR" }]);
    near.endpoint.destroy();
    expect(near.endpoint.notify("late")).toMatchObject({ code: "CONNECTION_LOST", executed: "no" });
  });

  it("drops a notification that a slow codec can't encode, without an unhandled rejection", async () => {
    const { near, far } = pair({ codec: Slow });
    expect(near.endpoint.notify(new Date())).toBeUndefined();
    expect(near.endpoint.notify("fine")).toBeUndefined();
    await until(() => far.notifications.length === 1);
    expect(far.notifications).toStrictEqual(["fine"]);
  });

  it("takes so many messages that wait, and no more", () => {
    const { near } = pair({ limits: { maxPendingCount: 5 } });
    near.endpoint.hold();
    const calls = Array.from({ length: 6 }, () => new Call());
    for (const call of calls) near.endpoint.request(call, 1);
    expect(calls.at(5)!.outcomes).toStrictEqual([["failure", "RESOURCE_EXHAUSTED", "no"]]);
    const message = "5 messages wait to be sent already (maxPendingCount)";
    expect(near.endpoint.notify(1)).toMatchObject({ code: "RESOURCE_EXHAUSTED", message });
    near.endpoint.destroy();
    for (const call of calls.slice(0, 5)) expect(call.outcomes).toStrictEqual([["failure", "CONNECTION_LOST", "no"]]);
  });

  it("lets urgent requests pass while others are held, as often as they are", async () => {
    const { near, far } = pair();
    near.endpoint.hold();
    near.endpoint.hold();
    near.endpoint.request(new Call(), "later");
    near.endpoint.request(new Call(), "first", true);
    near.endpoint.unhold();
    await until(() => far.requests.length === 1);
    near.endpoint.unhold();
    await until(() => far.requests.length === 2);
    expect(far.requests).toStrictEqual([
      [0, "first"],
      [1, "later"],
    ]);
  });

  it("D1 drops the late answer to a call that was given up, and counts it", async () => {
    const { near, far } = pair();
    const call = new Call();
    near.endpoint.request(call, 1);
    expect(near.endpoint.giveUp(call)).toBe(0);
    expect(near.endpoint.giveUp(call)).toBe(0);
    expect(near.endpoint.stats().pending).toBe(0);
    await until(() => far.requests.length === 1);
    far.endpoint.reply(0, "late");
    await until(() => near.endpoint.stats().lateAnswers === 1);
    expect(call.outcomes).toStrictEqual([]);
    expect(near.ends).toStrictEqual([]);
  });

  it("has forgotten a call that is given up before its withdrawal leaves, which may end the connection", () => {
    const transport = new HandTransport();
    transport.keeps = true;
    const side = new Side(transport, greeted(new MsgPackCodec()), {});
    side.endpoint.extend({
      software: "by hand",
      maxMessageBytes: Infinity,
      maxReferenceCount: 1,
      maxSegmentBytes: 1e9,
      receiptBytes: 1,
      shapeCount: 0,
      root: undefined,
      link: undefined,
    });
    const [call, next] = [new Call(), new Call()];
    side.endpoint.request(call, new Uint8Array(5_000_000));
    side.endpoint.request(next, new Uint8Array(5_000_000));
    transport.leave();
    const write = vi.spyOn(transport, "write").mockImplementation(() => {
      side.endpoint.destroy();
      return true;
    });
    expect(side.endpoint.giveUp(call)).toBe(-1);
    expect(write).toHaveBeenCalled();
    expect(side.ends).toHaveLength(1);
    expect([call.outcomes, next.outcomes]).toStrictEqual([[], [["failure", "CONNECTION_LOST", "no"]]]);
  });

  it("never sends a call that was given up while it waited, or while it was being encoded", async () => {
    const { near, far } = pair({ codec: Slow });
    const [encoding, waiting, kept] = [new Call(), new Call(), new Call()];
    near.endpoint.request(encoding, "encoding");
    near.endpoint.request(waiting, "waiting");
    near.endpoint.request(kept, "kept");
    expect(near.endpoint.giveUp(encoding)).toBe(-1);
    expect(near.endpoint.giveUp(waiting)).toBe(-1);
    await until(() => far.requests.length === 1);
    expect(far.requests).toStrictEqual([[0, "kept"]]);
    near.endpoint.destroy();
    expect([encoding.outcomes, waiting.outcomes]).toStrictEqual([[], []]);
    expect(kept.outcomes).toStrictEqual([["failure", "CONNECTION_LOST", "unknown"]]);
  });

  it("gives up many waiting calls in a time that grows with their number only", () => {
    const { near } = pair();
    near.endpoint.hold();
    const calls = Array.from({ length: 50_000 }, () => new Call());
    for (const call of calls) near.endpoint.request(call, 1);
    const start = performance.now();
    for (const call of calls) near.endpoint.giveUp(call);
    expect(performance.now() - start).toBeLessThan(5000);
    near.endpoint.destroy();
    expect(calls.every(({ outcomes }) => outcomes.length === 0)).toBe(true);
  });

  it("tells the listener how each encoding has ended", async () => {
    const { near } = pair();
    const ended: boolean[] = [];
    near.onEncoded = (succeeded) => void ended.push(succeeded);
    near.endpoint.request(new Call(), 1);
    near.endpoint.request(new Call(), new Date());
    near.endpoint.notify(2);
    expect(ended).toStrictEqual([true, false, true]);
  });

  it("sends what its handler sends with notifyNow while it is told directly behind that message", async () => {
    const { near, far } = pair();
    let follow = true;
    near.onEncoded = (succeeded) => {
      if (!follow || !succeeded) return;
      follow = false;
      expect(near.endpoint.notifyNow("behind the first")).toBe(true);
      follow = true;
    };
    const sent = ["first", "second", "third"];
    far.onRequest = (id, content) => {
      far.notifications.push(content);
      far.endpoint.reply(id, null);
    };
    near.endpoint.request(new Call(), sent[0]);
    follow = false;
    for (const content of sent.slice(1)) near.endpoint.request(new Call(), content);
    await until(() => far.notifications.length === 4);
    expect(far.notifications).toStrictEqual(["first", "behind the first", "second", "third"]);
  });

  it("sends nothing with notifyNow that would have to wait, or that can't be encoded", async () => {
    const { near, far } = pair();
    near.endpoint.hold();
    near.endpoint.request(new Call(), 1);
    expect(near.endpoint.notifyNow("held")).toBe(false);
    const told: boolean[] = [];
    near.onEncoded = () => {
      near.onEncoded = () => {};
      told.push(near.endpoint.notifyNow("while one waits"));
    };
    near.endpoint.request(new Call(), 2);
    near.endpoint.unhold();
    expect(told).toStrictEqual([false]);
    expect(near.endpoint.notifyNow(new Date())).toBe(false);
    expect(near.endpoint.notifyNow("sent")).toBe(true);
    await until(() => far.notifications.length > 0);
    expect(far.notifications).toStrictEqual(["sent"]);
    near.endpoint.destroy();
    expect(near.endpoint.notifyNow("after the end")).toBe(false);
  });

  it("answers each request once, whatever its handler does", async () => {
    const { near, far } = pair();
    const call = new Call();
    near.endpoint.request(call, 1);
    await until(() => far.requests.length === 1);
    far.endpoint.reply(0, "first");
    far.endpoint.reply(0, "second");
    far.endpoint.fail(0, new Error("third"));
    far.endpoint.reply(99, "never asked");
    const next = new Call();
    near.endpoint.request(next, 2);
    await until(() => far.requests.length === 2);
    far.endpoint.fail(1, new Error("no"));
    await until(() => next.outcomes.length === 1);
    expect(call.outcomes).toStrictEqual([["result", "first"]]);
    expect(next.outcomes).toStrictEqual([["exception", "Error: no"]]);
  });

  it("ends the connection, not the process, when a handler throws", async () => {
    const { near, far } = pair();
    far.onRequest = () => {
      throw new TypeError("a fault of the handler");
    };
    const call = new Call();
    near.endpoint.request(call, 1);
    await until(() => call.outcomes.length === 1);
    expect(call.outcomes).toStrictEqual([["failure", "CONNECTION_LOST", "unknown"]]);
    expect(far.ends).toMatchObject([{ code: "INTERNAL", cause: new TypeError("a fault of the handler") }]);
  });

  it("writes exceptions in the style of the peer", async () => {
    for (const [style, content] of [
      ["text", "TypeError: no"],
      ["list", ["TypeError", "no", "TypeError: no"]],
      ["map", { name: "TypeError", message: "no", code: "REMOTE_ERROR", executed: "yes" }],
    ] as const) {
      const { near, far } = pair();
      far.endpoint.exceptionStyle = style;
      const call = new Call();
      near.endpoint.request(call, 1);
      await until(() => far.requests.length === 1);
      far.endpoint.fail(0, new TypeError("no"));
      await until(() => call.outcomes.length === 1);
      expect(call.outcomes).toStrictEqual([["exception", content]]);
    }
  });

  it.each([
    ["at once", 0, 1000],
    ["after the time for calls under way", 1, 2000],
  ])(
    "cuts a peer that never ends its socket as long after its own end, which comes %s",
    async (_when, count, wholeMs) => {
      vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
      try {
        const { endpoint, ends } = new Side(new HandTransport(), new JsonCodec(), {});
        for (let made = 0; made < count; made++) endpoint.request(new Call(), made);
        const closing = endpoint.close(1000);
        await vi.advanceTimersByTimeAsync(wholeMs - 1);
        expect(ends).toStrictEqual([]);
        await vi.advanceTimersByTimeAsync(1);
        expect(ends).toStrictEqual([undefined]);
        await closing;
      } finally {
        vi.useRealTimers();
      }
    },
  );

  it("tells its handler once that it has ended, after every call has settled", () => {
    const { near } = pair();
    const call = new Call();
    near.endpoint.request(call, 1);
    let settled = 0;
    near.onClosed = () => (settled = call.outcomes.length);
    near.endpoint.destroy();
    expect(settled).toBe(1);
    settled = 0;
    near.endpoint.destroy();
    expect(settled).toBe(0);
    const late = new Call();
    near.endpoint.request(late, 1);
    expect(late.outcomes).toStrictEqual([["failure", "CONNECTION_LOST", "no"]]);
  });
});
