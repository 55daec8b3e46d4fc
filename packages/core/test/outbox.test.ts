import { beforeEach, describe, expect, it } from "vitest";
import type { ColloquyError } from "../src/errors.ts";
import { JsonCodec } from "../src/json-codec.ts";
import { DEFAULT_LIMITS } from "../src/limits.ts";
import type { Limits } from "../src/limits.ts";
import { Outbox } from "../src/outbox.ts";
import { PendingCalls } from "../src/pending.ts";
import type { PendingCall } from "../src/pending.ts";
import { StandardTypes } from "../src/standard-types.ts";
import { readFrames } from "./segment-support.ts";
import { HandTransport } from "./sending-support.ts";
import { thrownBy } from "./support.ts";

const LARGE = 40_000;
const HUGE = 5_000_000;

/** An outbox over a transport by hand, towards a peer that takes segments. */
class Sending {
  readonly transport = new HandTransport();
  readonly pending = new PendingCalls(1000);
  readonly told: string[] = [];
  readonly outbox: Outbox;
  takenBack = 0;

  constructor(limits: Partial<Limits> = {}) {
    const tell = (what: string) => (error: ColloquyError) => void this.told.push(`${what} ${error.code}`);
    const listener = { remoteAddress: "by hand", onBroken: tell("broken"), onIdle: () => {} };
    const handler = {
      onRequest: () => {},
      onNotification: () => {},
      onClosed: () => {},
      onLostNotification: tell("lost"),
      heldReferences: () => () => void this.takenBack++,
    };
    this.outbox = new Outbox(this.transport, this.pending, { ...DEFAULT_LIMITS, ...limits }, listener, handler);
    const codec = new JsonCodec();
    codec.setBuiltins(new StandardTypes(codec, "standard"));
    codec.segments.support = "segments";
    this.outbox.codec = codec;
    this.outbox.exceptionStyle = "map";
    this.outbox.maxSegmentBytes = 512_000_000;
    this.transport.onDrain = () => this.outbox.onDrain();
  }

  /** Sends a request; how it ends is told. */
  request(name: string, content: unknown): PendingCall {
    const call: PendingCall = {
      id: -1,
      onResult: () => void this.told.push(`${name} result`),
      onException: () => void this.told.push(`${name} exception`),
      onFailure: ({ code }) => void this.told.push(`${name} ${code}`),
    };
    this.outbox.request(call, content, false);
    return call;
  }

  /** What was written since the last time: the first letter of small messages, or the kind of the others. */
  sent(): string {
    this.outbox.frames.flush();
    return readFrames(this.transport.taken())
      .map((frame) => {
        if (frame.kind !== 0) return `${frame.kind}`;
        const [type, id, content] = JSON.parse(frame.payload.toString()) as [number, number, string | object];
        return typeof content === "string" ? content[0] : `${type}:${id}`;
      })
      .join("");
  }
}

async function isSettled(promise: Promise<unknown>): Promise<boolean> {
  let settled = false;
  void promise.then(() => (settled = true));
  await new Promise((resolve) => setImmediate(resolve));
  return settled;
}

let sending: Sending;
beforeEach(() => (sending = new Sending()));

describe("Outbox", () => {
  it("lets pieces and small messages take turns where more of both wait than leaves", () => {
    const { transport, outbox } = sending;
    transport.keeps = true;
    outbox.notify(new Uint8Array(HUGE));
    // Each is 100 KB. Pieces have 16 KiB while such messages leave, and are confirmed.
    for (let count = 0; count < 40; count++) outbox.notify(`s${"x".repeat(100_000)}`);
    const written: string[] = [];
    for (let count = 0; count < 12; count++) {
      written.push(sending.sent());
      if (written.at(-1)!.startsWith("2")) outbox.segments.onReceipt(16_384);
      transport.leave();
    }
    expect(written.join(" ")).toBe("1sss 2sss sss 2sss sss 2sss sss 2sss sss 2sss sss 2sss");
  });

  it("keeps more of them where no piece waits", () => {
    const { transport, outbox } = sending;
    transport.keeps = true;
    for (let count = 0; count < 12; count++) outbox.notify(`s${"x".repeat(100_000)}`);
    expect(sending.sent()).toBe("s".repeat(12));
  });

  it("refuses notifications where too many large values wait", () => {
    const limited = new Sending({ maxPendingCount: 3 });
    limited.transport.keeps = true;
    for (let count = 0; count < 3; count++) expect(limited.outbox.notify(new Uint8Array(LARGE))).toBeUndefined();
    expect(thrownBy(() => limited.outbox.notify(new Uint8Array(LARGE)))).toMatchObject({
      code: "RESOURCE_EXHAUSTED",
      message: "3 notifications with large values are on their way (maxPendingCount)",
    });
    // Others go on; so do large ones once these have left.
    expect(limited.outbox.notify("small")).toBeUndefined();
    for (let count = 0; count < 4; count++) limited.transport.leave();
    limited.outbox.segments.onReceipt(LARGE);
    for (let count = 0; count < 8; count++) limited.transport.leave();
    expect(limited.outbox.notify(new Uint8Array(LARGE))).toBeUndefined();
  });

  it("takes what the protocol has to tell where as many messages wait as may, until it is far too much", () => {
    const limited = new Sending({ maxPendingCount: 2, maxQueuedBytes: 1 });
    const { outbox, transport } = limited;
    transport.keeps = true;
    outbox.notify("a".repeat(5000));
    for (const text of ["b", "c"]) expect(outbox.notify(text)).toBeUndefined();
    expect(outbox.notify("d")).toMatchObject({ code: "RESOURCE_EXHAUSTED" });
    expect(outbox.notify("e", true)).toBeUndefined();
    expect(outbox.waitingCount).toBe(3);
    expect(limited.sent()).toBe("a");
    let sent = "";
    for (let count = 0; count < 4; count++) {
      transport.leave();
      sent += limited.sent();
    }
    expect(sent).toBe("bce");
    outbox.notify("a".repeat(5000));
    for (let count = 0; count < 16_386; count++) outbox.notify("e", true);
    expect(limited.told).toStrictEqual([]);
    outbox.notify("e", true);
    expect(limited.told).toStrictEqual(["broken CONNECTION_LOST"]);
  });

  it("says when the memory of what waits to be encoded is the caller's again, too", async () => {
    const { transport, outbox } = sending;
    expect(await isSettled(outbox.flushed())).toBe(true);
    outbox.hold();
    outbox.notify("small");
    const flushed = outbox.flushed();
    outbox.notify(new Uint8Array(LARGE));
    const both = outbox.flushed();
    expect(await isSettled(Promise.race([flushed, both]))).toBe(false);
    transport.keeps = true;
    outbox.unhold();
    expect(await isSettled(both)).toBe(false);
    transport.leave();
    expect(await isSettled(both)).toBe(false);
    transport.leave();
    expect(await isSettled(Promise.all([flushed, both]))).toBe(true);
    outbox.hold();
    outbox.notify("never sent");
    const last = outbox.flushed();
    expect(await isSettled(last)).toBe(false);
    outbox.close();
    expect(await isSettled(last)).toBe(true);
  });

  it("fails what has lost its memory: a call, a notification; a result becomes an exception, in its turn", () => {
    const { transport, outbox, told } = sending;
    transport.keeps = true;
    const mine = Array.from({ length: 3 }, () => new Uint8Array(LARGE));
    const call = sending.request("call", mine[0]);
    outbox.notify(mine[1]);
    outbox.result(7, mine[2]);
    for (const { buffer } of mine) structuredClone(buffer, { transfer: [buffer] });
    expect(sending.sent()).toBe("111");
    let sent = "";
    for (let count = 0; count < 5; count++) {
      transport.leave();
      sent += sending.sent();
    }
    expect(told).toStrictEqual(["call INVALID_ARGUMENT", "lost INVALID_ARGUMENT"]);
    // Three withdrawals, and the exception.
    expect(sent).toBe("3332:7");
    expect(sending.pending.liveCount).toBe(0);
    expect(call.id).toBeGreaterThanOrEqual(0);
    expect(sending.takenBack).toBe(3);
    expect(outbox.idle).toBe(true);
  });

  it("takes a request back that isn't complete, and an answer, in whose place it says so", () => {
    const { transport, outbox } = sending;
    transport.keeps = true;
    const call = sending.request("call", new Uint8Array(HUGE));
    outbox.result(7, new Uint8Array(HUGE));
    expect(outbox.waitingAnswerCount).toBe(1);
    expect(outbox.isUnsent(call.id)).toBe(true);
    outbox.withdraw(call.id);
    outbox.withdraw(call.id);
    expect(outbox.isUnsent(call.id)).toBe(false);
    outbox.withdrawAnswer(7);
    outbox.withdrawAnswer(7);
    outbox.withdrawAnswer(8);
    expect(sending.sent()).toBe("11332:7");
    expect(outbox.waitingAnswerCount).toBe(0);
    expect(outbox.idle).toBe(true);
  });

  it("returns at its end the calls that can't have been carried out, in order", () => {
    const { transport, outbox } = sending;
    const sent = sending.request("sent", new Uint8Array(LARGE));
    transport.keeps = true;
    const begun = sending.request("begun", new Uint8Array(HUGE));
    transport.leave();
    const small = sending.request("small", "s");
    const waiting = [sending.request("waits", "w"), sending.request("waits, too", new Uint8Array(LARGE))];
    expect(sent.id).toBe(0);
    const { calls: unsent } = outbox.close();
    expect(unsent[0]).toBe(begun);
    expect(unsent).toStrictEqual([begun, ...[small, ...waiting].filter(({ id }) => id < 0)]);
    expect(sending.pending.take(sent.id)).toBe(sent);
  });

  it("counts messages with large values as sent", () => {
    sending.outbox.notify(new Uint8Array(LARGE));
    sending.outbox.notify("small");
    expect(sending.outbox.sentMessages).toBe(2);
  });
});
