import { setImmediate as nextTurn, setTimeout as sleep } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { Codec } from "../src/codec.ts";
import type { CodecClass } from "../src/codec.ts";
import { Endpoint } from "../src/endpoint.ts";
import type { EndpointHandler } from "../src/endpoint-handler.ts";
import type { ColloquyError } from "../src/errors.ts";
import { JsonCodec } from "../src/json-codec.ts";
import { DEFAULT_LIMITS } from "../src/limits.ts";
import { HandTransport } from "./sending-support.ts";
import { frame, until } from "./support.ts";

function spin(milliseconds: number): void {
  for (const start = performance.now(); performance.now() - start < milliseconds;);
}

/** Decodes in a promise. */
class Later extends Codec {
  override encode(value: unknown): Uint8Array {
    return Buffer.from(JSON.stringify(this.serialize(value)));
  }
  override decode(bytes: Uint8Array): unknown {
    const text = Buffer.from(bytes).toString();
    return sleep(text.includes('"first"') ? 5 : 0).then(() => this.deserialize(JSON.parse(text)));
  }
}

/** Decodes in a promise that is there in the same turn. */
class Soon extends Later {
  override decode(bytes: Uint8Array): unknown {
    return Promise.resolve().then(() => this.deserialize(JSON.parse(Buffer.from(bytes).toString())));
  }
}

/** Decodes the first in a promise, and the others at once. */
class FirstLater extends Later {
  override decode(bytes: Uint8Array): unknown {
    const text = Buffer.from(bytes).toString();
    return text.includes('"first"') ? super.decode(bytes) : this.deserialize(JSON.parse(text));
  }
}

/** An endpoint whose handler takes a while for each notification. */
class Busy implements EndpointHandler {
  readonly transport = new HandTransport();
  readonly endpoint: Endpoint;
  readonly taken: unknown[] = [];
  readonly ends: (ColloquyError | undefined)[] = [];
  isPaused = false;
  inTurn = 0;
  mostInTurn = 0;
  onEach: (content: unknown) => void = () => {};

  constructor(codec: CodecClass = JsonCodec) {
    this.transport.pause = () => void (this.isPaused = true);
    this.transport.resume = () => void (this.isPaused = false);
    this.endpoint = new Endpoint(this.transport, new codec(), this, DEFAULT_LIMITS);
  }

  onRequest(): void {}
  onLostNotification(): void {}
  onNotification(content: unknown, error: ColloquyError | undefined): void {
    if (error !== undefined) throw error;
    if ((content as { readonly isQuick?: true }).isQuick === true) return;
    if (++this.inTurn === 1) setImmediate(() => (this.inTurn = 0));
    this.mostInTurn = Math.max(this.mostInTurn, this.inTurn);
    this.taken.push((content as { readonly number: unknown }).number);
    spin(1.2);
    this.onEach(content);
  }
  onClosed(error: ColloquyError | undefined): void {
    this.ends.push(error);
  }
}

const COUNT = 20;
const numbers = Array.from({ length: COUNT }, (_, number) => number);
/** Each is as much as may be handled before the clock is looked at. */
const chunk = Buffer.concat(numbers.map((number) => frame(JSON.stringify([3, 0, { number, text: "x".repeat(2100) }]))));

describe("A connection that brings much work at once", () => {
  it("has its share of each turn, in order, and is read again behind it", async () => {
    const busy = new Busy();
    busy.endpoint.onChunk(chunk);
    expect([busy.taken, busy.isPaused]).toStrictEqual([[0], true]);
    await nextTurn();
    expect(busy.taken).toStrictEqual([0, 1]);
    // The transport may deliver what it had read before it was paused.
    busy.endpoint.onChunk(Buffer.concat([frame(JSON.stringify([3, 0, { number: "last" }]))]));
    await until(() => busy.taken.length === COUNT + 1);
    expect(busy.taken).toStrictEqual([...numbers, "last"]);
    expect(busy.mostInTurn).toBeLessThanOrEqual(2);
    await nextTurn();
    expect(busy.isPaused).toBe(false);
    expect(busy.endpoint.stats().receivedMessages).toBe(COUNT + 1);
  });

  it("has no more of it where its messages are small", async () => {
    const busy = new Busy();
    const small = numbers.map((number) => frame(JSON.stringify([3, 0, { number }])));
    busy.endpoint.onChunk(Buffer.concat(small));
    expect(busy.taken).toStrictEqual([0]);
    await until(() => busy.taken.length === COUNT);
    expect(busy.taken).toStrictEqual(numbers);
    expect(busy.mostInTurn).toBeLessThanOrEqual(2);
  });

  it("has up to 16 small messages in order among connections where both ends are in this process", async () => {
    const busy = new Busy();
    Object.assign(busy.transport, { isOwn: true });
    busy.endpoint.onChunk(Buffer.concat(numbers.map((number) => frame(JSON.stringify([3, 0, { number }])))));
    expect(busy.taken.length).toBeGreaterThanOrEqual(15);
    expect(busy.taken.length).toBeLessThanOrEqual(17);
    await until(() => busy.taken.length === COUNT);
    expect(busy.taken).toStrictEqual(numbers);
  });

  it("has no more than four of it behind small ones that were quick", async () => {
    const busy = new Busy();
    const quick = Array.from({ length: 100 }, () => frame(JSON.stringify([3, 0, { isQuick: true }])));
    const small = numbers.map((number) => frame(JSON.stringify([3, 0, { number }])));
    busy.endpoint.onChunk(Buffer.concat([...quick, ...small]));
    await until(() => busy.taken.length === COUNT);
    expect(busy.mostInTurn).toBeLessThanOrEqual(5);
  });

  it("knows what is still to be handled", async () => {
    const busy = new Busy();
    const first = frame(JSON.stringify([3, 0, { number: 0, text: "x".repeat(2100) }]));
    busy.endpoint.onChunk(chunk);
    expect(busy.endpoint.stats().receivedBytes).toBe(chunk.length);
    expect(busy.endpoint.reading.unhandledBytes).toBe(chunk.length - first.length);
    expect(busy.endpoint.isAtRest).toBe(false);
    await nextTurn();
    await nextTurn();
    expect(busy.endpoint.reading.behindMs).toBeGreaterThan(2);
    await until(() => busy.taken.length === COUNT);
    await sleep(60);
    const { unhandledBytes, behindMs } = busy.endpoint.reading;
    expect([unhandledBytes, behindMs, busy.endpoint.isAtRest]).toStrictEqual([0, 0, true]);
  });

  it("has all of it handled where the peer has gone meanwhile", async () => {
    const busy = new Busy();
    busy.endpoint.onChunk(chunk);
    busy.endpoint.onClose(undefined);
    expect(busy.ends).toStrictEqual([]);
    await until(() => busy.ends.length === 1);
    expect(busy.taken).toStrictEqual(numbers);
  });

  it("has nothing handled any more once this side has ended it", async () => {
    const busy = new Busy();
    busy.onEach = (content) => (content as { number: number }).number === 3 && busy.endpoint.destroy();
    busy.endpoint.onChunk(chunk);
    await sleep(50);
    expect(busy.taken).toStrictEqual([0, 1, 2, 3]);
    expect(busy.ends).toHaveLength(1);
  });

  it("ends with what a handler throws, in a later turn too", async () => {
    const busy = new Busy();
    busy.onEach = (content) => {
      if ((content as { number: number }).number === 2) throw new Error("no");
    };
    busy.endpoint.onChunk(chunk);
    await until(() => busy.ends.length === 1);
    expect(busy.taken).toStrictEqual([0, 1, 2]);
    expect(busy.ends[0]).toMatchObject({ code: "INTERNAL", message: "unexpected failure while reading: no" });
  });

  it.each([Later, Soon, FirstLater])(
    "has its share behind a message too that is decoded in a promise (%o)",
    async (codec) => {
      const busy = new Busy(codec);
      busy.endpoint.onChunk(Buffer.concat([frame(JSON.stringify([3, 0, { number: "first" }])), chunk]));
      expect([busy.taken, busy.isPaused]).toStrictEqual([[], true]);
      await until(() => busy.taken.length === COUNT + 1);
      expect(busy.taken).toStrictEqual(["first", ...numbers]);
      expect(busy.mostInTurn).toBeLessThanOrEqual(5);
      await until(() => !busy.isPaused);
      expect(busy.endpoint.isAtRest).toBe(true);
    },
  );
});
