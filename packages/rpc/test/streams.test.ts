import { getEventListeners } from "node:events";
import { Readable } from "node:stream";
import { setImmediate as turnOfLoop } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import { MsgPackCodec, StructuredCloneCodec } from "@colloquy/core";
import { RemoteNode, Service, expose, notify, release, service, withOptions } from "../src/index.ts";
import { collectGarbage } from "../src/collect.ts";
import type { CallContext, Connection } from "../src/index.ts";
import { Child, failureOf, pair, remoteOf, turns, until } from "./support.ts";

/** Pulls as a peer may that isn't this library. */
function pullOf(client: Connection): (...args: unknown[]) => Promise<unknown> {
  const node = new RemoteNode(client, "$/pull", undefined, false);
  return (...args) => client.call(node, args, undefined);
}

/** What became of the producers. */
class Log {
  readonly lines: string[] = [];
}

class Source extends Service {
  readonly log = new Log();
  given = 0;
  error: unknown;

  @expose async *count(to: number) {
    try {
      for (let number = 0; number < to; number++) {
        this.given = number + 1;
        yield number;
      }
      this.log.lines.push("end");
    } finally {
      this.log.lines.push("finally");
    }
  }

  @expose async *failing(after: number) {
    yield* this.count(after);
    throw this.error;
  }

  @expose({ context: true }) async *waiting(context: CallContext) {
    yield "first";
    await new Promise((resolve) => context.signal.addEventListener("abort", resolve));
    this.log.lines.push(`aborted: ${(context.signal.reason as Error).message}`);
  }

  @expose async sum(numbers: AsyncIterable<number>) {
    let sum = 0;
    for await (const number of numbers) sum += number;
    return sum;
  }

  @expose async first(items: AsyncIterable<unknown>) {
    let first: unknown;
    for await (const item of items) {
      first = item;
      if (first !== undefined) break;
    }
    return first;
  }

  @expose nested() {
    return { inner: [this.count(3), new Map([["k", this.count(2)]])] as const };
  }

  @expose lines() {
    return ReadableStream.from(["a", "b"]);
  }

  @expose literal() {
    const log = this.log;
    return {
      async *[Symbol.asyncIterator]() {
        yield "a";
        log.lines.push("end");
      },
    };
  }

  @expose readable() {
    return Readable.from(["a", "b", "c"]);
  }

  @expose callbacks() {
    const log = this.log;
    return (async function* () {
      yield (word: string) => void log.lines.push(word);
    })();
  }

  @expose plain() {
    return 5;
  }

  @expose same(stream: AsyncIterable<number>) {
    return stream;
  }
}

async function collected(stream: unknown): Promise<unknown[]> {
  const items: unknown[] = [];
  for await (const item of stream as AsyncIterable<unknown>) items.push(item);
  return items;
}

const noStreams = { exportedReferences: 0 };

describe("A stream as a result", () => {
  test.each([[undefined], [MsgPackCodec], [StructuredCloneCodec]])("is read without an await, %o", async (codec) => {
    const source = new Source();
    const options = codec === undefined ? {} : { codec, serve: { codec } };
    await using link = await pair(source, options);
    let sum = 0;
    for await (const number of link.remote.count(10_000)) sum += number;
    expect(sum).toBe(49_995_000);
    expect(source.log.lines).toStrictEqual(["end", "finally"]);
    await until(() => link.peer.stats().exportedReferences === 0);
    expect(link.client.stats()).toMatchObject({ importedReferences: 0, pending: 0 });
  });

  test("is left by await using, without being awaited and without a loop", async () => {
    const source = new Source();
    await using link = await pair(source);
    {
      await using stream = link.remote.count(1_000_000);
      expect(await stream.next()).toStrictEqual({ value: 0, done: false });
    }
    await until(() => source.log.lines.length > 0, "the end of the producer");
    expect(source.log.lines).toStrictEqual(["finally"]);
  });

  test("is left by return() of the call, also before the answer is there", async () => {
    const source = new Source();
    await using link = await pair(source);
    const stream = link.remote.count(1_000_000);
    expect(await stream.return()).toStrictEqual({ value: undefined, done: true });
    expect(await stream.next()).toStrictEqual({ value: undefined, done: true });
    await until(() => link.peer.stats().exportedReferences === 0);
  });

  test("gives its items in order to next() of the call, of an iterator and of the awaited stream", async () => {
    await using link = await pair(new Source());
    const call = link.remote.count(4);
    const first = [call.next(), call[Symbol.asyncIterator]().next(), call.next()];
    expect((await Promise.all(first)).map(({ value }) => value)).toStrictEqual([0, 1, 2]);
    const stream = await call;
    const rest = [stream.next(), call.next()];
    expect((await Promise.all(rest)).map(({ value }) => value)).toStrictEqual([3, undefined]);
  });

  test("that fails is told by next(), and not by leaving it", async () => {
    await using link = await pair(new Source(), { limits: { maxPendingCount: 1 } });
    const busy = link.remote.sum(link.remote.count(2));
    const failed = link.remote.count(1);
    expect(await failureOf(failed.next())).toMatchObject({ code: "RESOURCE_EXHAUSTED" });
    await failed[Symbol.asyncDispose]();
    await busy.catch(() => {});
  });

  test("is the same once it is awaited", async () => {
    await using link = await pair(new Source());
    const stream = await link.remote.count(3);
    expect(await collected(stream)).toStrictEqual([0, 1, 2]);
    expect(await collected(stream)).toStrictEqual([]);
  });

  test("may stand at any depth", async () => {
    await using link = await pair(new Source());
    const { inner } = await link.remote.nested();
    expect(await collected(inner[0])).toStrictEqual([0, 1, 2]);
    expect(await collected(inner[1].get("k"))).toStrictEqual([0, 1]);
  });

  test("may be a ReadableStream, a Readable of Node, or any other async iterable", async () => {
    await using link = await pair(new Source());
    expect(await collected(link.remote.lines())).toStrictEqual(["a", "b"]);
    expect(await collected(link.remote.readable())).toStrictEqual(["a", "b", "c"]);
    expect(await collected(link.remote.literal())).toStrictEqual(["a"]);
  });

  test("may have functions among its items", async () => {
    const source = new Source();
    await using link = await pair(source);
    for await (const call of link.remote.callbacks()) await (call as (word: string) => Promise<void>)("called");
    expect(source.log.lines).toStrictEqual(["called"]);
  });

  test("fails where the method returns something else", async () => {
    await using link = await pair(new Source());
    const remote = link.remote as unknown as { plain(): AsyncIterable<unknown> };
    expect(await failureOf(collected(remote.plain()))).toMatchObject({
      code: "INVALID_ARGUMENT",
      message: "the result of this call is no stream: await it",
    });
    const nowhere = link.remote as unknown as { nowhere(): AsyncIterable<unknown> };
    expect(await failureOf(collected(nowhere.nowhere()))).toMatchObject({ code: "NOT_FOUND" });
  });

  test.each([[new RangeError("enough")], [undefined], [0], [{ a: 1 }]])(
    "ends with what its producer throws, after the items before it: %o",
    async (error) => {
      const source = new Source();
      await using link = await pair(source, { serve: { onMethodFailure: () => source.log.lines.push("told") } });
      source.error = error;
      const items: unknown[] = [];
      const failure = await failureOf(
        (async () => {
          for await (const item of link.remote.failing(40)) items.push(item);
        })(),
      );
      expect(items).toStrictEqual(Array.from({ length: 40 }, (_, index) => index));
      expect(failure).toMatchObject({ code: "REMOTE_ERROR", executed: "yes" });
      if (error instanceof Error) expect(failure).toMatchObject({ remoteName: "RangeError", message: "enough" });
      await until(() => link.peer.stats().exportedReferences === 0);
      expect(source.log.lines).toStrictEqual(["end", "finally", "told"]);
    },
  );
});

describe("A reader", () => {
  test("that leaves early ends the producer, whose `finally` runs", async () => {
    const source = new Source();
    await using link = await pair(source);
    for await (const number of link.remote.count(1_000_000)) if (number === 10) break;
    await until(() => source.log.lines.length > 0);
    expect(source.log.lines).toStrictEqual(["finally"]);
    expect(source.given).toBeLessThan(200);
    expect(link.peer.stats()).toMatchObject(noStreams);
  });

  test("that leaves aborts the signal of a producer that waits", async () => {
    const source = new Source();
    await using link = await pair(source);
    for await (const item of link.remote.waiting()) {
      if (item === "first") break;
    }
    await until(() => source.log.lines.length > 0);
    expect(source.log.lines).toStrictEqual(["aborted: the reader has left"]);
  });

  test("whose call has a signal is told at once when it aborts, and the producer ends", async () => {
    const source = new Source();
    await using link = await pair(source);
    const stop = new AbortController();
    const items: number[] = [];
    const reading = (async () => {
      for await (const item of withOptions(link.remote.count, { signal: stop.signal })(1_000_000)) {
        items.push(item);
        if (item === 5) stop.abort(new Error("enough"));
      }
    })();
    expect(await failureOf(reading)).toMatchObject({ code: "CANCELLED", cause: { message: "enough" } });
    expect(items).toStrictEqual([0, 1, 2, 3, 4, 5]);
    await until(() => source.log.lines.length > 0);
    expect(source.log.lines).toStrictEqual(["finally"]);
    expect(link.peer.stats()).toMatchObject(noStreams);
    expect(getEventListeners(stop.signal, "abort")).toStrictEqual([]);
    const again = new AbortController();
    const reader = withOptions(link.remote.waiting, { signal: again.signal })()[Symbol.asyncIterator]();
    expect((await reader.next()).value).toBe("first");
    const waiting = failureOf(reader.next());
    await turns(5);
    again.abort();
    expect(await waiting).toMatchObject({ code: "CANCELLED" });
    await until(() => source.log.lines.length > 1);
  });

  test("whose connection has ended isn't held by the signal of its call, and can be read until that aborts", async () => {
    await using link = await pair(new Source());
    const stop = new AbortController();
    const count = withOptions(link.remote.count, { signal: stop.signal });
    const unread = await count(3);
    const begun = await count(1000);
    expect((await begun.next()).value).toBe(0);
    await until(() => link.client.stats().pending === 0);
    link.client.destroy();
    await link.client.closed;
    expect(getEventListeners(stop.signal, "abort")).toStrictEqual([]);
    expect((await begun.next()).value).toBe(1);
    stop.abort();
    for (const stream of [begun, unread]) expect(await failureOf(stream.next())).toMatchObject({ code: "CANCELLED" });
  });

  test("that leaves before it has read lets go, too", async () => {
    let cancelled = false;
    const remote = await remoteOf(
      service({ open: expose(() => new ReadableStream({ cancel: () => void (cancelled = true) })) }),
    );
    release(await remote["open"]());
    await until(() => cancelled);
  });

  test("that is slow holds its producer back within the window", async () => {
    const source = new Source();
    await using link = await pair(source);
    const stream = (await link.remote.count(1_000_000)) as AsyncIterableIterator<number>;
    expect(await stream.next()).toStrictEqual({ value: 0, done: false });
    await turns(20);
    expect(source.given).toBeLessThanOrEqual(2 * 32 + 1);
    for (let count = 1; count < 1000; count++) expect((await stream.next()).value).toBe(count);
    await turns(20);
    expect(source.given).toBeLessThanOrEqual(1000 + 2 * 4096);
    await stream.return?.();
    expect(await stream.next()).toStrictEqual({ value: undefined, done: true });
  });

  test("may ask for several items at a time", async () => {
    await using link = await pair(new Source());
    const stream = (await link.remote.count(3)) as AsyncIterableIterator<number>;
    const results = await Promise.all([stream.next(), stream.next(), stream.next(), stream.next(), stream.next()]);
    expect(results.map(({ value }) => value as unknown)).toStrictEqual([0, 1, 2, undefined, undefined]);
    expect(results.map(({ done }) => done)).toStrictEqual([false, false, false, true, true]);
  });

  test("gets what has come when the connection is lost, then CONNECTION_LOST", async () => {
    const source = new Source();
    await using link = await pair(source);
    const stream = (await link.remote.count(1000)) as AsyncIterableIterator<number>;
    await stream.next();
    await turns(10);
    link.client.destroy();
    const items: unknown[] = [];
    const failure = await failureOf(
      (async () => {
        for await (const item of stream) items.push(item);
      })(),
    );
    expect(items.length).toBeGreaterThan(0);
    expect(failure).toMatchObject({ code: "CONNECTION_LOST" });
    await until(() => source.log.lines.length > 0);
    expect(source.log.lines).toStrictEqual(["finally"]);
  });

  test("is refused another stream over the limit", async () => {
    await using link = await pair(new Source(), { serve: { limits: { maxStreamCount: 2 } } });
    const streams = [await link.remote.count(1000), await link.remote.count(1000), await link.remote.count(1000)];
    const [first, second, third] = streams as AsyncIterableIterator<number>[];
    await first!.next();
    await second!.next();
    expect(await failureOf(third!.next())).toMatchObject({
      code: "RESOURCE_EXHAUSTED",
      message: "2 streams are open on this connection (maxStreamCount)",
    });
    await first!.return?.();
    expect(await collected(await link.remote.count(2))).toStrictEqual([0, 1]);
  });

  test("that dawdles doesn't delay calls beside it", async () => {
    await using link = await pair(new Source());
    const stream = (await link.remote.count(1_000_000)) as AsyncIterableIterator<number>;
    await stream.next();
    expect(await link.remote.plain()).toBe(5);
    await stream.return?.();
  });
});

describe("A stream that nobody reads to its end", () => {
  class Files extends Service {
    readonly made: Readable[] = [];
    @expose open() {
      const made = Readable.from(["a"]);
      this.made.push(made);
      return made;
    }
    @expose bad() {
      return [this.open(), Symbol("no value")];
    }
    @expose broken() {
      return {
        async *[Symbol.asyncIterator]() {},
        get then(): undefined {
          return undefined;
        },
      };
    }
    @expose async accessor() {
      return {
        get [Symbol.asyncIterator](): never {
          throw new RangeError("accessor");
        },
      };
    }
    @expose odd() {
      return {
        [Symbol.asyncIterator]: () => ({
          next: async () => ({
            get done(): never {
              throw new RangeError("done");
            },
          }),
        }),
      };
    }
  }

  test("is closed where it is released, or the result of a notification", async () => {
    const files = new Files();
    await using link = await pair(files);
    release(await link.remote.open());
    notify(link.remote.open)();
    await until(() => files.made.length === 2 && files.made.every(({ destroyed }) => destroyed));
  });

  test("fails where its getters throw, and nothing else does", async () => {
    await using link = await pair(new Files());
    const remote = link.remote as unknown as { accessor(): Promise<unknown>; odd(): AsyncIterable<unknown> };
    expect(await failureOf(remote.accessor())).toMatchObject({ remoteName: "RangeError", message: "accessor" });
    expect(await failureOf(collected(remote.odd()))).toMatchObject({ remoteName: "RangeError", message: "done" });
  });

  test.each(["client", "peer"] as const)("doesn't keep a connection open that its %s closes", async (side) => {
    await using link = await pair(new Source());
    const stream = (await link.remote.waiting()) as AsyncIterableIterator<string>;
    await stream.next();
    const next = failureOf(stream.next());
    await turns(5);
    const start = performance.now();
    await link[side].close();
    expect(performance.now() - start).toBeLessThan(2000);
    expect((await next).code).toMatch(/^(UNAVAILABLE|CONNECTION_LOST)$/);
  });
});

describe("A connection that closes", () => {
  class Desk extends Service {
    left = 0;
    readonly told: unknown[] = [];
    @expose idle() {
      let given = false;
      return {
        [Symbol.asyncIterator]: () => ({
          next: async () => {
            if (given) await new Promise(() => {});
            given = true;
            return { value: "first", done: false };
          },
          return: async () => {
            this.left++;
            return { value: "", done: false };
          },
        }),
      };
    }
    @expose echo(input: AsyncIterable<string>) {
      void collected(input).catch(() => {});
      return this.idle();
    }
    @expose async sum(numbers: AsyncIterable<number>) {
      let sum = 0;
      for await (const number of numbers) sum += number;
      return sum;
    }
    @expose async slow() {
      await turns(20);
    }
  }

  const sides = ["client", "peer"] as const;

  async function desks() {
    const [near, far] = [new Desk(), new Desk()];
    const link = await pair<Desk, Desk>(far, {
      service: near,
      onMethodFailure: (error) => void near.told.push(error),
      // More than a test may take: what waits for it fails.
      limits: { closeGraceMs: 60_000 },
      serve: { onMethodFailure: (error) => void far.told.push(error), limits: { closeGraceMs: 60_000 } },
    });
    return { near, far, link };
  }

  test.each(sides)(
    "doesn't wait for streams in both directions; all are ended, and none has failed: %s",
    async (side) => {
      const { near, far, link } = await desks();
      const output = (await link.remote.echo(near.idle())) as AsyncIterableIterator<string>;
      await output.next();
      const waiting = failureOf(output.next());
      await until(() => link.client.stats().running === 1 && link.peer.stats().running === 1);
      await link[side].close();
      expect((await waiting).code).toMatch(/^(UNAVAILABLE|CONNECTION_LOST)$/);
      await until(() => near.left === 1 && far.left === 1);
      expect([...near.told, ...far.told]).toStrictEqual([]);
      await link[Symbol.asyncDispose]();
    },
  );

  test.each(sides)("waits for its own calls, not for streams that are read then: %s", async (side) => {
    const { far, link } = await desks();
    const output = (await link.remote.idle()) as AsyncIterableIterator<string>;
    await output.next();
    const waiting = failureOf(output.next());
    const calls = [link.back.slow(), link.remote.slow()];
    await until(() => link.client.stats().running === 1 && link.peer.stats().running === 2);
    await link[side].close();
    expect((await waiting).code).toMatch(/^(UNAVAILABLE|CONNECTION_LOST)$/);
    await Promise.all(calls);
    await until(() => far.left === 1);
    await link[Symbol.asyncDispose]();
  });

  test.each(sides)("lets calls finish that read streams: %s", async (side) => {
    const { link } = await desks();
    const numbers = async function* () {
      for (let number = 0; number < 200; number++) {
        if (number % 10 === 0) await turnOfLoop();
        yield number;
      }
    };
    const calls = Promise.all([link.remote.sum(numbers()), link.back.sum(numbers())]);
    await until(() => link.client.stats().running >= 2 && link.peer.stats().running >= 2);
    await link[side].close();
    expect(await calls).toStrictEqual([19_900, 19_900]);
    await link[Symbol.asyncDispose]();
  });
});

describe("A stream as an argument", () => {
  test("is read by the callee", async () => {
    await using link = await pair(new Source());
    const numbers = async function* () {
      for (let number = 0; number < 1000; number++) {
        if (number % 100 === 0) await turnOfLoop();
        yield number;
      }
    };
    expect(await link.remote.sum(numbers())).toBe(499_500);
    await until(() => link.client.stats().exportedReferences === 0);
  });

  test("is ended where the callee leaves it", async () => {
    const source = new Source();
    await using link = await pair(new Source());
    expect(await link.remote.first(source.count(1000))).toBe(0);
    await until(() => source.log.lines.length > 0);
    expect(source.log.lines).toStrictEqual(["finally"]);
  });

  test("comes home as what it was", async () => {
    await using link = await pair(new Source());
    const stream = new Source().count(3);
    expect(await link.remote.same(stream)).toBe(stream);
  });

  test("that goes home is held by its caller until the call is over", async () => {
    await using child = new Child("home-stream.ts", [], ["--expose-gc"]);
    expect(await child.line()).toEqual({ alone: 6, inside: 6, waiting: 6, left: 0 });
  });

  test("may come from a third side", async () => {
    const source = new Source();
    await using far = await pair(source);
    await using near = await pair(new Source());
    expect(await near.remote.sum((await far.remote.count(100)) as AsyncIterable<number>)).toBe(4950);
    expect(source.log.lines).toStrictEqual(["end", "finally"]);
  });

  test("may be what a call to the same peer will return", async () => {
    await using link = await pair(new Source());
    expect(await link.remote.sum(link.remote.count(100))).toBe(4950);
    // Its caller has it, too, and hasn't looked at it: collection lets go of it.
    await until(() => {
      collectGarbage(performance.now());
      return link.peer.stats().exportedReferences === 0;
    });
  });

  test("may be what a call to another peer will return, and is no plain value", async () => {
    await using link = await pair(new Source());
    await using other = await pair(new Source());
    expect(await link.remote.sum(other.remote.count(100))).toBe(4950);
    const remote = link.remote as unknown as { sum(numbers: unknown): Promise<number>; plain(): Promise<number> };
    expect(await failureOf(remote.sum(remote.plain()))).toMatchObject({ remoteName: "TypeError" });
    expect(await failureOf(remote.sum(Promise.resolve(5)))).toMatchObject({ code: "SERIALIZATION_ERROR" });
  });
});

describe("A peer", () => {
  test("that pulls what is no stream, or twice at a time, fails with INVALID_ARGUMENT", async () => {
    const source = new Source();
    await using link = await pair(source);
    const pull = pullOf(link.client);
    for (const args of [[], [1], [1, 0, 5], ["1", 1, 1], [1, 1.5, 1]]) {
      expect(await failureOf(pull(...args))).toMatchObject({ code: "INVALID_ARGUMENT" });
    }
    expect(await failureOf(pull(77, 1, 1))).toMatchObject({ code: "REFERENCE_RELEASED" });
    await link.remote.count(1_000_000);
    const [items, ended] = (await pull(1, Number.MAX_SAFE_INTEGER, Number.MAX_SAFE_INTEGER)) as [number[], boolean];
    expect([items.length, ended]).toStrictEqual([4096, false]);
    await link.remote.waiting();
    expect(await pull(2, 8, 1000)).toStrictEqual([["first"], false]);
    const waits = pull(2, 8, 1000);
    expect(await failureOf(pull(2, 8, 1000))).toMatchObject({ code: "INVALID_ARGUMENT" });
    link.client.destroy();
    expect(await failureOf(waits)).toMatchObject({ code: "CONNECTION_LOST" });
  });

  test("that pulls behind the end gets nothing, also of what could be walked anew", async () => {
    let walks = 0;
    const letters: AsyncIterable<string> = {
      async *[Symbol.asyncIterator]() {
        walks++;
        yield* ["a", "b"];
      },
    };
    await using link = await pair(service({ letters: expose(() => letters) }));
    const pull = pullOf(link.client);
    const first = await link.remote.letters();
    expect(await pull(1, 10, 1000)).toStrictEqual([["a", "b"], true]);
    for (let count = 0; count < 3; count++) expect(await pull(1, 10, 1000)).toStrictEqual([[], true]);
    expect(walks).toBe(1);
    release(first);
    await turns(2);
    // Sent anew it has another number.
    await link.remote.letters();
    expect(await pull(2, 10, 1000)).toStrictEqual([["a", "b"], true]);
    expect(await pull(2, 10, 1000)).toStrictEqual([[], true]);
    expect(walks).toBe(2);
  });

  test("that is handed what can be walked anew walks it for each reference", async () => {
    const letters: AsyncIterable<string> = {
      async *[Symbol.asyncIterator]() {
        yield* ["a", "b"];
      },
    };
    await using link = await pair(service({ letters: expose(() => letters) }));
    for (let count = 0; count < 3; count++) {
      const items: string[] = [];
      for await (const item of await link.remote.letters()) items.push(item);
      expect(items).toStrictEqual(["a", "b"]);
    }
  });
});
