import { Readable } from "node:stream";
import { describe, expect, test } from "vitest";
import { MsgPackCodec, StructuredCloneCodec, codec } from "@colloquy/core";
import { Service, expose, notify, service, withOptions } from "../src/index.ts";
import type { CallContext } from "../src/index.ts";
import { Stranger, WirePeer, failureOf, pair, turns, unhandledDuring, until } from "./support.ts";
import type { AnyRemote } from "./support.ts";

/** A stream that says when it is left. */
class Tap implements AsyncIterable<number> {
  left = 0;
  readonly #to: number;

  constructor(to = 3) {
    this.#to = to;
  }

  [Symbol.asyncIterator](): AsyncIterator<number> {
    let number = 0;
    return {
      next: async () => (number < this.#to ? { value: number++, done: false } : { value: undefined, done: true }),
      return: async () => {
        this.left++;
        return { value: undefined, done: true };
      },
    };
  }
}

/** In promises, as codecs of one's own may work. */
const slowJson = codec({
  name: "slow-json",
  encode: async (value) => Buffer.from(JSON.stringify(value)),
  decode: (bytes) => JSON.parse(Buffer.from(bytes).toString()),
});

const nothingHeld = { exportedReferences: 0, importedReferences: 0 };

async function collected(stream: unknown): Promise<unknown[]> {
  const items: unknown[] = [];
  for await (const item of stream as AsyncIterable<unknown>) items.push(item);
  return items;
}

class Desk extends Service {
  readonly taps: Tap[] = [];
  cancelled = 0;
  finallies = 0;
  make: () => unknown = () => undefined;

  tap(): Tap {
    const tap = new Tap();
    this.taps.push(tap);
    return tap;
  }

  async *lines() {
    try {
      yield 1;
      yield 2;
    } finally {
      this.finallies++;
    }
  }

  @expose give() {
    return this.make();
  }
  @expose async giveLater() {
    await turns(1);
    return this.make();
  }
  @expose take(...given: unknown[]) {
    return given.length;
  }
  @expose read(_extra: unknown, stream: AsyncIterable<unknown>) {
    return collected(stream);
  }
}

const codecs = [["the default"], [MsgPackCodec], [StructuredCloneCodec], [slowJson]] as const;

describe("Streams in an answer that can't be encoded", () => {
  test.each(codecs)("are ended, before and behind what can't be, at any depth, with %o", async (given) => {
    const options = typeof given === "string" ? {} : { codec: given, serve: { codec: given } };
    const desk = new Desk();
    await using link = await pair(desk, options);
    const started = desk.lines();
    await started.next();
    const file = Readable.from(["a"]);
    const source = new ReadableStream({ cancel: () => void desk.cancelled++ });
    desk.make = () => ({
      first: desk.tap(),
      lines: [started, () => 5],
      map: new Map<unknown, unknown>([["file", file]]),
      bad: new Stranger(),
      later: [new Set([desk.tap(), source])],
    });
    const unhandled = await unhandledDuring(async () => {
      const failure = await failureOf(link.remote.give());
      expect(failure).toMatchObject({ code: "SERIALIZATION_ERROR", executed: "yes" });
      expect(failure.message).toContain("at bad");
      await until(() => desk.cancelled === 1 && desk.finallies === 1 && file.destroyed);
    });
    expect(unhandled).toStrictEqual([]);
    expect(desk.taps.map(({ left }) => left)).toStrictEqual([1, 1]);
    expect(link.peer.stats()).toMatchObject(nothingHeld);
    expect(link.client.stats()).toMatchObject(nothingHeld);
    desk.make = () => desk.tap();
    expect(await collected(await link.remote.give())).toStrictEqual([0, 1, 2]);
  });

  test("are ended where the table of references is full, those too that have a place in it", async () => {
    const desk = new Desk();
    await using link = await pair(desk, { serve: { limits: { maxReferenceCount: 2 } } });
    desk.make = () => [desk.tap(), desk.tap(), desk.tap(), desk.tap()];
    const failure = await failureOf(link.remote.giveLater());
    expect(failure).toMatchObject({ code: "SERIALIZATION_ERROR" });
    expect(failure.message).toContain("maxReferenceCount");
    await until(() => desk.taps.every(({ left }) => left === 1));
    expect(link.peer.stats()).toMatchObject(nothingHeld);
    expect(link.client.stats()).toMatchObject(nothingHeld);
  });

  test("stay where the other side has them from another answer, or has given them", async () => {
    const desk = new Desk();
    await using link = await pair(desk);
    const tap = desk.tap();
    desk.make = () => tap;
    const held = await link.remote.give();
    desk.make = () => [tap, new Stranger()];
    await failureOf(link.remote.give());
    await turns(5);
    expect(tap.left).toBe(0);
    expect(await collected(held)).toStrictEqual([0, 1, 2]);
    const own = new Tap();
    const back = service({ same: expose((stream: unknown) => [stream, new Stranger()]) });
    await using other = await pair(back);
    await failureOf((other.remote as AnyRemote)["same"](own));
    await turns(5);
    expect(own.left).toBe(0);
  });

  test("are ended where a serializer has put them there", async () => {
    class Report {
      readonly tap = new Tap();
    }
    const extraSerializers = [() => [Report, (report: Report) => [report.tap], () => new Report()] as const] as never;
    const desk = new Desk();
    await using link = await pair(desk, { extraSerializers, serve: { extraSerializers } });
    const report = new Report();
    desk.make = () => [report, new Stranger()];
    await failureOf(link.remote.give());
    await until(() => report.tap.left === 1);
    expect(link.peer.stats()).toMatchObject(nothingHeld);
  });

  test("are ended where only getters and cycles stand beside them", async () => {
    const desk = new Desk();
    await using link = await pair(desk);
    desk.make = () => {
      const cyclic: Record<string, unknown> = { tap: desk.tap() };
      cyclic["self"] = cyclic;
      return {
        get broken(): never {
          throw new RangeError("a getter");
        },
        cyclic,
        odd: {
          get [Symbol.asyncIterator](): never {
            throw new RangeError("another getter");
          },
        },
      };
    };
    const unhandled = await unhandledDuring(async () => {
      await failureOf(link.remote.give());
      await until(() => desk.taps[0]!.left === 1);
    });
    expect(unhandled).toStrictEqual([]);
  });

  test("are ended where one that fails to end stands before them; its failure is told", async () => {
    const told: unknown[] = [];
    const desk = new Desk();
    await using link = await pair(desk, { serve: { onMethodFailure: (error) => told.push((error as Error).message) } });
    const stubborn = {
      [Symbol.asyncIterator]: () => ({
        next: async () => ({ value: 1, done: false }),
        return: () => {
          throw new RangeError("never");
        },
      }),
    };
    desk.make = () => [stubborn, desk.tap(), new Stranger()];
    await failureOf(link.remote.give());
    await until(() => desk.taps[0]!.left === 1 && told.length === 1);
    expect(told).toStrictEqual(["never"]);
  });
});

describe("Streams that no answer takes along", () => {
  test("are ended where they are in the result of a notification", async () => {
    const desk = new Desk();
    await using link = await pair(desk);
    desk.make = () => ({ deep: [desk.tap()] });
    notify(link.remote.give)();
    notify(link.remote.giveLater)();
    await until(() => desk.taps.length === 2 && desk.taps.every(({ left }) => left === 1));
  });

  test("are ended where the method ends after its connection", async () => {
    const desk = new Desk();
    await using link = await pair(desk);
    desk.make = () => ({ deep: [desk.tap()] });
    const failing = failureOf(link.remote.giveLater());
    await until(() => link.peer.stats().running === 1);
    link.peer.destroy();
    await failing;
    await until(() => desk.taps.length === 1 && desk.taps[0]!.left === 1);
  });

  test("are ended where the answer waits for room as the connection ends", async () => {
    const desk = new Desk();
    await using link = await pair(desk, { serve: { limits: { maxQueuedBytes: 1000 } } });
    await using wire = await WirePeer.connect(link.server.address);
    await wire.hello();
    wire.pause();
    const peer = [...link.server.connections].at(-1)!;
    desk.make = () => "x".repeat(100_000);
    for (let id = 10; peer.stats().waiting === 0; id++) {
      wire.send([0, id, ["give", [], {}]]);
      await turns(2);
    }
    desk.make = () => [desk.tap()];
    wire.send([0, 2, ["give", [], {}]]);
    await until(() => desk.taps.length === 1);
    expect(peer.stats().exportedReferences).toBe(0);
    expect(desk.taps[0]!.left).toBe(0);
    peer.destroy();
    await until(() => desk.taps[0]!.left === 1);
  });

  test("are ended where the caller has given up an answer with large values, of which the rest stays here", async () => {
    const desk = new Desk();
    await using link = await pair(desk, { codec: MsgPackCodec, serve: { codec: MsgPackCodec } });
    await link.remote.take();
    desk.make = () => {
      const bytes = new ArrayBuffer(100_000_000);
      return [new Uint8Array(bytes), desk.tap()];
    };
    const stop = new AbortController();
    const failing = failureOf(withOptions(link.remote.give, { signal: stop.signal })());
    await until(() => desk.taps.length === 1);
    stop.abort();
    await failing;
    await until(() => desk.taps[0]!.left === 1);
    await until(() => link.peer.stats().exportedReferences === 0);
  });
});

describe("Streams in arguments that can't be encoded", () => {
  test.each(codecs)("stay the caller's, and can be sent then, with %o", async (given) => {
    const options = typeof given === "string" ? {} : { codec: given, serve: { codec: given } };
    await using link = await pair(new Desk(), options);
    const tap = new Tap();
    expect(await failureOf(link.remote.read(new Stranger(), tap))).toMatchObject({ code: "SERIALIZATION_ERROR" });
    expect(await failureOf(link.remote.take(tap, () => 1, new Stranger()))).toMatchObject({
      code: "SERIALIZATION_ERROR",
      executed: "no",
    });
    await turns(5);
    expect(tap.left).toBe(0);
    expect(link.client.stats()).toMatchObject(nothingHeld);
    expect(await link.remote.read(0, tap)).toStrictEqual([0, 1, 2]);
    await until(() => link.client.stats().exportedReferences === 0);
  });

  test("stay the caller's where the table of references is full, and in notifications", async () => {
    await using link = await pair(new Desk(), { limits: { maxReferenceCount: 2 } });
    const tap = new Tap();
    const failure = await failureOf(link.remote.take(tap, () => 1, new Tap()));
    expect(failure.message).toContain("maxReferenceCount");
    expect(() => notify(link.remote.take)(tap, new Stranger())).toThrow("Stranger");
    await turns(5);
    expect([tap.left, link.client.stats().exportedReferences]).toStrictEqual([0, 0]);
    expect(await link.remote.read(0, tap)).toStrictEqual([0, 1, 2]);
  });
});

describe("An item that can't be encoded", () => {
  class Feed extends Service {
    finallies = 0;
    aborted = 0;
    readonly taps: Tap[] = [];

    @expose async *items(before: number, slowly: boolean) {
      try {
        for (let number = 0; number < before; number++) {
          if (slowly) await turns(1);
          yield number;
        }
        yield { when: [new Stranger()] };
        yield "behind";
      } finally {
        this.finallies++;
      }
    }
    @expose async *streams() {
      try {
        for (let count = 0; count < 3; count++) {
          const tap = new Tap();
          this.taps.push(tap);
          yield count === 1 ? [tap, new Stranger()] : [tap];
        }
      } finally {
        this.finallies++;
      }
    }
    @expose({ context: true }) async *waiting(context: CallContext) {
      yield new Stranger();
      await new Promise((resolve) => context.signal.addEventListener("abort", resolve));
      this.aborted++;
    }
    @expose async *many(count: number, size: number) {
      for (let number = 0; number < count; number++) yield `${number}`.padEnd(size);
    }
    @expose last() {
      let number = 0;
      const next = async () => (number++ < 2 ? { value: number === 2 ? new Stranger() : 0 } : { done: true });
      return { [Symbol.asyncIterator]: () => ({ next }) };
    }
    @expose async *references(count: number) {
      for (let number = 0; number < count; number++) yield () => number;
    }
    @expose async readAll(stream: AsyncIterable<unknown>) {
      const items: unknown[] = [];
      try {
        for await (const item of stream) items.push(item);
      } catch (error) {
        return [items.length, (error as Error).message];
      }
      return [items.length, ""];
    }
  }

  async function read(stream: unknown): Promise<{ items: unknown[]; failure: { code: string; message: string } }> {
    const items: unknown[] = [];
    const failure = await failureOf(
      (async () => {
        for await (const item of stream as AsyncIterable<unknown>) items.push(item);
      })(),
    );
    return { items, failure };
  }

  test.each(codecs.flatMap(([given]) => [0, 1, 40, 3000].flatMap((before) => [[before, false, given] as const])))(
    "fails the stream behind the %d items before it; its producer is ended (slowly: %o, %o)",
    async (before, slowly, given) => {
      const told: unknown[] = [];
      const feed = new Feed();
      const onMethodFailure = (error: unknown): void => void told.push(error);
      const coded = typeof given === "string" ? {} : { codec: given };
      await using link = await pair(feed, { ...coded, serve: { ...coded, onMethodFailure } });
      const unhandled = await unhandledDuring(async () => {
        const { items, failure } = await read(link.remote.items(before, slowly));
        expect(items).toStrictEqual(Array.from({ length: before }, (_, index) => index));
        expect(failure).toMatchObject({ code: "SERIALIZATION_ERROR", executed: "yes" });
        expect(failure.message).toMatch(
          new RegExp(`^item ${before + 1} of the stream can't be sent: Stranger .*, at when\\[0\\]$`),
        );
        await until(() => feed.finallies === 1);
      });
      expect(unhandled).toStrictEqual([]);
      expect(told).toStrictEqual([]);
      await until(() => link.peer.stats().exportedReferences === 0);
      expect(link.client.stats()).toMatchObject({ ...nothingHeld, pending: 0 });
    },
  );

  test("fails a stream in arguments the same way", async () => {
    const own = new Feed();
    await using link = await pair(new Feed());
    expect(await link.remote.readAll(own.items(5, true))).toStrictEqual([
      5,
      expect.stringMatching(/^item 6 of the stream can't be sent: .*, at when\[0\]$/),
    ]);
    await until(() => own.finallies === 1);
    await until(() => link.client.stats().exportedReferences === 0);
  });

  test("is the last one: the end behind it is no end", async () => {
    await using link = await pair(new Feed());
    const { items, failure } = await read(link.remote.last());
    expect(items).toStrictEqual([0]);
    expect(failure.message).toMatch(/^item 2 of the stream/);
  });

  test("takes streams with it that are in it and behind it, and none before it", async () => {
    const feed = new Feed();
    await using link = await pair(feed);
    const { items, failure } = await read(link.remote.streams());
    expect(failure.message).toMatch(/^item 2 of the stream/);
    const [[first]] = items as [[AsyncIterable<number>]];
    expect(await collected(first)).toStrictEqual([0, 1, 2]);
    await until(() => feed.finallies === 1);
    const lefts = feed.taps.slice(1).map(({ left }) => left);
    expect(lefts.length).toBeGreaterThan(0);
    expect(lefts.every((left) => left === 1)).toBe(true);
    expect(feed.taps[0]!.left).toBe(0);
    await until(() => link.peer.stats().exportedReferences === 0);
  });

  test("aborts the signal of its producer", async () => {
    const feed = new Feed();
    await using link = await pair(feed);
    expect((await read(link.remote.waiting())).failure.message).toMatch(/^item 1 of the stream/);
    await until(() => feed.aborted === 1);
  });

  test("finds no room in the table of references: those before it arrive", async () => {
    await using link = await pair(new Feed(), { serve: { limits: { maxReferenceCount: 5 } } });
    const { items, failure } = await read(link.remote.references(20));
    expect(items.length).toBe(4);
    expect(await (items[3] as () => Promise<number>)()).toBe(3);
    expect(failure.message).toMatch(/^item 5 of the stream can't be sent: no room for a reference/);
  });

  test("is no item where several are too large together: each is sent as far as it can be", async () => {
    const limits = { maxMessageBytes: 50_000 };
    await using link = await pair(new Feed(), { limits, serve: { limits } });
    expect((await collected(link.remote.many(100, 20_000))).length).toBe(100);
    const items = await collected(link.remote.many(100, 5000));
    expect(items).toStrictEqual(Array.from({ length: 100 }, (_, number) => `${number}`.padEnd(5000)));
    const { items: none, failure } = await read(link.remote.many(2, 60_000));
    expect(none).toStrictEqual([]);
    expect(failure).toMatchObject({ code: "RESOURCE_EXHAUSTED" });
    expect(failure.message).toMatch(/^item 1 of the stream can't be sent: /);
    await until(() => link.peer.stats().exportedReferences === 0);
  });

  test("may stand in an answer that the reader leaves: nothing stays", async () => {
    const feed = new Feed();
    await using link = await pair(feed);
    for await (const item of link.remote.items(3, true)) if (item === 1) break;
    await until(() => feed.finallies === 1);
    await until(() => link.peer.stats().exportedReferences === 0 && link.client.stats().pending === 0);
    expect(link.client.stats()).toMatchObject(nothingHeld);
  });
});
