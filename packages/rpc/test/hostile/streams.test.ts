import { describe, expect, test } from "vitest";
import { MsgPackCodec } from "@colloquy/core";
import { Service, expose, service, withOptions } from "../../src/index.ts";
import type { ServeOptions } from "../../src/index.ts";
import { PackPeer, failureOf, greeted, pair, turns, unhandledDuring, until, wireServer } from "../support.ts";
import type { AnyRemote } from "../support.ts";

/** Gives numbers without end. */
class Numbers implements AsyncIterable<number> {
  given = 0;
  left = 0;

  [Symbol.asyncIterator](): AsyncIterator<number> {
    return {
      next: async () => ({ value: this.given++, done: false }),
      return: async () => {
        this.left++;
        return { value: undefined, done: true };
      },
    };
  }
}

class Source extends Service {
  readonly opened: Numbers[] = [];

  @expose count() {
    const numbers = new Numbers();
    this.opened.push(numbers);
    return numbers;
  }
  @expose async later() {
    await turns(3);
    return { inner: [this.count()] };
  }
  @expose async *nested() {
    for (;;) yield [this.count()];
  }
  @expose async *idle() {
    yield 1;
    await new Promise(() => {});
  }
  @expose callback() {
    return () => 1;
  }

  get left(): number {
    return this.opened.filter(({ left }) => left === 1).length;
  }
}

const calm = { exportedReferences: 0, importedReferences: 0, pending: 0, running: 0 };

describe("A peer that pulls", () => {
  const serve: ServeOptions = { codec: MsgPackCodec };

  test.each([
    ["fewer items than none", [1, -1, 5]],
    ["no items", [1, 0, 5]],
    ["half an item", [1, 1.5, 5]],
    ["NaN items", [1, NaN, 5]],
    ["infinitely many", [1, Infinity, 5]],
    ["more than can be counted", [1, 2 ** 60, 5]],
    ["fewer bytes than none", [1, 5, -1]],
    ["NaN bytes", [1, 5, NaN]],
    ["from a text", ["1", 1, 1]],
    ["from an array", [[1], 1, 1]],
    ["from a map", [{}, 1, 1]],
    ["from half a stream", [1.5, 1, 1]],
    ["from below", [-1, 1, 1]],
    ["from a function", [2, 1, 1]],
    ["with nothing", []],
  ])("%s is refused, and the stream is as it was", async (_what, args) => {
    const source = new Source();
    await using link = await pair(source, { codec: MsgPackCodec, serve });
    await using wire = await PackPeer.connect(link.server.address);
    await wire.hello();
    await wire.request("count");
    await wire.request("callback");
    expect(await wire.request("$/pull", args)).toMatchObject([2, { code: "INVALID_ARGUMENT", executed: "no" }]);
    expect(source.opened[0]!.given).toBe(0);
    expect(await wire.request("$/pull", [1, 1, 0])).toStrictEqual([1, [[0], false]]);
  });

  test("what it doesn't have, or as much as there is, or many times at once, gets an answer to each", async () => {
    const source = new Source();
    await using link = await pair(source, { codec: MsgPackCodec, serve });
    await using wire = await PackPeer.connect(link.server.address);
    await wire.hello();
    const peer = [...link.server.connections].at(-1)!;
    expect(await wire.request("$/pull", [7, 1, 1])).toMatchObject([2, { code: "REFERENCE_RELEASED" }]);
    await wire.request("count");
    const most = Number.MAX_SAFE_INTEGER;
    const [, [items]] = (await wire.request("$/pull", [1, most, most])) as [number, [unknown[], boolean]];
    expect(items.length).toBe(4096);
    expect(source.opened[0]!.given).toBeLessThanOrEqual(4097);
    await wire.request("idle");
    expect(await wire.request("$/pull", [2, 1, 1])).toStrictEqual([1, [[1], false]]);
    const pulls = Array.from({ length: 100 }, (_, index) => [0, 1000 + index, ["$/pull", [2, 1, 1], {}]]);
    wire.send(...pulls);
    const refused = await wire.rest();
    expect(refused.length).toBe(99);
    for (const answer of refused) expect(answer).toMatchObject([2, expect.any(Number), { code: "INVALID_ARGUMENT" }]);
    wire.notify("$/pull", 2, 1, 1);
    wire.notify("$/release", [
      [2, 1],
      [1, 1],
    ]);
    expect(await wire.rest()).toStrictEqual([[1, 1000, [[], true]]]);
    expect(source.left).toBe(1);
    expect(peer.stats()).toMatchObject({ ...calm, failedNotifications: 1 });
  });

  test("as many bytes as there are gets about 4 MiB of them", async () => {
    const root = service({
      texts: expose(async function* () {
        for (;;) yield "x".repeat(100_000);
      }),
    });
    await using link = await pair(root, { codec: MsgPackCodec, serve });
    await using wire = await PackPeer.connect(link.server.address);
    await wire.hello();
    await wire.request("texts");
    const [, [items]] = (await wire.request("$/pull", [1, 4096, 2 ** 40])) as [number, [unknown[], boolean]];
    expect(items.length).toBe(Math.ceil(4_194_304 / 100_009));
  });

  test("and lets go, or says of signals, what isn't so: nothing happens", async () => {
    const source = new Source();
    await using link = await pair(source, { codec: MsgPackCodec, serve });
    await using wire = await PackPeer.connect(link.server.address);
    await wire.hello();
    const peer = [...link.server.connections].at(-1)!;
    await wire.request("count");
    const releases = [[[[99, 1]]], [[[1, 0]]], [[[1, -1]]], [[[-1, 1]]], ["x"], [[1]], [[[1]]], [[[1, 1.5]]], []];
    const aborts = [[1], [99, "reason"], [-1, 1], [1.5], ["x"], [], [2 ** 60]];
    wire.send(...releases.map((args) => [3, 0, ["$/release", args, {}]]));
    wire.send(...aborts.map((args) => [3, 0, ["$/abort", args, {}]]));
    wire.send(...Array.from({ length: 20_000 }, (_, id) => [3, 0, ["$/abort", [id, "reason"], {}]]));
    expect(await wire.request("$/pull", [1, 1, 0])).toStrictEqual([1, [[0], false]]);
    expect(peer.stats()).toMatchObject({ exportedReferences: 1, failedNotifications: 12 });
    wire.notify("$/release", [[1, 1_000_000]]);
    await until(() => source.left === 1);
    expect(peer.stats()).toMatchObject(calm);
  });

  test("and goes away in the middle leaves nothing behind", async () => {
    const source = new Source();
    const unhandled = await unhandledDuring(async () => {
      await using link = await pair(source, { codec: MsgPackCodec, serve });
      for (let round = 0; round < 20; round++) {
        const wire = await PackPeer.connect(link.server.address);
        await wire.hello();
        for (let count = 0; count < 5; count++) await wire.request("count");
        wire.send(...[1, 2, 3].map((id) => [0, 100 + id, ["$/pull", [id, 4096, 4_000_000], {}]]));
        if (round % 2 === 0) await turns(1);
        wire.close();
      }
      await until(() => source.left === source.opened.length);
    });
    expect(unhandled).toStrictEqual([]);
    expect(source.opened.length).toBeGreaterThanOrEqual(60);
  });
});

describe("A peer that answers pulls", () => {
  const stream = { __type__: [-14, "$/ref/1"] };

  test.each([
    ["with more than was asked for", [1, [Array.from({ length: 33 }, () => 1), false]]],
    ["with nothing, and no end", [1, [[], false]]],
    ["with a map", [1, { 0: [], 1: true, length: 2 }]],
    ["with three things", [1, [[1], false, 1]]],
    ["with an end that is none", [1, [[1], 1]]],
    ["with null", [1, null]],
    ["with other streams in what is none", [1, { inner: { __type__: [-14, "$/ref/2"] } }]],
    ["with an exception", [2, "Bad: so"]],
  ])("%s fails that stream, and lets go of it", async (_what, [type, content]) => {
    const unhandled = await unhandledDuring(async () => {
      await using server = await wireServer();
      const { connection, wire } = await greeted<AnyRemote>(server);
      const call = (connection.remote as AnyRemote)["count"]();
      await wire.next();
      wire.send([1, 1, stream]);
      const reading = (await call) as AsyncIterableIterator<unknown>;
      const [first, second] = [failureOf(reading.next()), reading.next()];
      const [, id] = await wire.next();
      wire.send([type, id, content]);
      expect((await first).code).toMatch(/^(PROTOCOL_ERROR|REMOTE_ERROR)$/);
      expect(await second).toStrictEqual({ value: undefined, done: true });
      const released = (await wire.rest()).flatMap(([, , [path, args]]) => (path === "$/release" ? args : []));
      expect(released.flat()).toContainEqual([1, 1]);
      expect(connection.usable).toBe(true);
      expect(connection.stats()).toMatchObject(calm);
      connection.destroy();
    });
    expect(unhandled).toStrictEqual([]);
  });

  test("with the stream itself, twice, or after it was left, disturbs nothing else", async () => {
    await using server = await wireServer();
    const { connection, wire } = await greeted<AnyRemote>(server);
    const call = (connection.remote as AnyRemote)["count"]();
    await wire.next();
    wire.send([1, 1, stream]);
    const reading = (await call) as AsyncIterableIterator<unknown>;
    const first = reading.next();
    const [, id] = await wire.next();
    wire.send([1, id, [[stream, stream], false]]);
    expect((await first).value).toBe(reading);
    const waiting = reading.next();
    expect((await waiting).value).toBe(reading);
    const pull = await wire.next();
    await reading.return?.();
    wire.send([1, pull[1], [[stream, 5], false]]);
    expect(await reading.next()).toStrictEqual({ value: undefined, done: true });
    await until(() => connection.stats().pending === 0 && connection.stats().importedReferences === 0);
    wire.send([1, pull[1], [[5], false]]);
    expect(await connection.closed).toMatchObject({ code: "PROTOCOL_ERROR" });
  });
});

describe("Readers", () => {
  test("by the thousand that leave in every way leave nothing behind", async () => {
    const source = new Source();
    await using link = await pair(source);
    const { remote } = link;
    const ways = [
      async () => {
        for await (const number of remote.count()) if (number === 0) break;
      },
      async () => {
        const reader = remote.count()[Symbol.asyncIterator]();
        const all = [reader.next(), reader.next(), reader.return(), reader.next()];
        await Promise.all(all);
      },
      async () => {
        const reader = (await remote.count()) as AsyncIterableIterator<number>;
        const items = Array.from({ length: 100 }, () => reader.next());
        await reader.return!();
        for (const item of await Promise.all(items)) expect(item.done).toBe(true);
      },
      async () => {
        const reader = (await remote.count()) as AsyncIterableIterator<number>;
        await reader.return!();
        await reader.return!();
        expect(await reader.next()).toStrictEqual({ value: undefined, done: true });
      },
    ];
    const unhandled = await unhandledDuring(async () => {
      for (let round = 0; round < 10; round++)
        await Promise.all(Array.from({ length: 200 }, (_, index) => ways[index % ways.length]!()));
      await until(() => source.left === 2000 && link.client.stats().pending === 0);
    });
    expect(unhandled).toStrictEqual([]);
    expect(link.peer.stats()).toMatchObject(calm);
    expect(link.client.stats()).toMatchObject(calm);
  });

  test("that ask for many items at once get each in its turn", async () => {
    await using link = await pair(new Source());
    const reader = (await link.remote.count()) as AsyncIterableIterator<number>;
    const items = await Promise.all(Array.from({ length: 10_000 }, () => reader.next()));
    expect(items.map(({ value }) => value as number)).toStrictEqual(
      Array.from({ length: 10_000 }, (_, index) => index),
    );
    await reader.return!();
  });

  test("that have given their call up before it brings a stream end it, and keep what they have from another", async () => {
    const source = new Source();
    await using link = await pair(source);
    const stop = new AbortController();
    const failing = failureOf(withOptions(link.remote.later, { signal: stop.signal })());
    await until(() => link.peer.stats().running === 1);
    stop.abort();
    await failing;
    await until(() => source.left === 1);
    expect(link.client.stats()).toMatchObject(calm);
    const shared = new Numbers();
    await using other = await pair(
      service({
        now: expose(() => shared),
        later: expose(async () => {
          await turns(3);
          return shared;
        }),
      }),
    );
    const reader = (await (other.remote as AnyRemote)["now"]()) as AsyncIterableIterator<number>;
    const again = new AbortController();
    const given = failureOf(withOptions((other.remote as AnyRemote)["later"], { signal: again.signal })());
    await until(() => other.peer.stats().running === 1);
    again.abort();
    await given;
    await until(() => other.client.stats().lateAnswers === 1);
    expect((await reader.next()).value).toBe(0);
    await reader.return!();
    await until(() => other.peer.stats().exportedReferences === 0);
  });

  test("that leave a stream of streams end those that they haven't read, and those on their way", async () => {
    const source = new Source();
    await using link = await pair(source);
    const outer = link.remote.nested()[Symbol.asyncIterator]();
    const [first] = (await outer.next()).value as unknown as [AsyncIterable<number>];
    await outer.return();
    await until(() => link.peer.stats().exportedReferences === 1 && link.client.stats().pending === 0);
    await until(() => source.left === source.opened.length - 1);
    const reader = first[Symbol.asyncIterator]();
    expect((await reader.next()).value).toBe(0);
    await reader.return!();
    await until(() => source.left === source.opened.length);
  });
});

describe("A producer", () => {
  const one = async () => ({ value: 1, done: false });
  const stream = (make: () => unknown) => () => ({ [Symbol.asyncIterator]: make });
  const fail = (): never => {
    throw new RangeError("of the producer");
  };

  test.each([
    ["throws where it is opened", stream(fail), 1],
    ["is opened as nothing", stream(() => undefined), 1],
    ["is opened as a number", stream(() => 5), 1],
    ["has no next()", stream(() => ({})), 1],
    ["throws in next()", stream(() => ({ next: fail })), 1],
    ["gives a number", stream(() => ({ next: () => 5 })), 1],
    ["rejects in next()", stream(() => ({ next: async () => fail() })), 1],
    ["throws in return()", stream(() => ({ next: one, return: fail })), 1],
    ["rejects in return()", stream(() => ({ next: one, return: async () => fail() })), 1],
    [
      "has a return() that can't be read",
      stream(() => Object.defineProperty({ next: one }, "return", { get: fail })),
      1,
    ],
    ["never settles return()", stream(() => ({ next: one, return: () => new Promise(() => {}) })), 0],
    ["never settles next()", stream(() => ({ next: () => new Promise(() => {}) })), 0],
    ["gives promises", stream(() => ({ next: async () => ({ value: Promise.resolve(3), done: false }) })), 0],
    [
      "settles twice",
      stream(() => ({ next: () => ({ then: (on: (r: unknown) => void) => (on(one()), on(one())) }) })),
      0,
    ],
  ])("that %s leaves nothing behind, and is told of as far as it throws", async (_what, make, toldCount) => {
    const told: unknown[] = [];
    const onMethodFailure = (error: unknown): void => void told.push(error);
    const unhandled = await unhandledDuring(async () => {
      await using link = await pair(service({ open: expose(make as () => unknown) }), { serve: { onMethodFailure } });
      const reader = (await (link.remote as AnyRemote)["open"]()) as AsyncIterableIterator<unknown>;
      const reading = reader.next().catch(() => undefined);
      await turns(10);
      await reader.return!();
      await reading;
      await until(() => link.client.stats().pending === 0);
      await until(() => link.peer.stats().exportedReferences === 0 && told.length === toldCount);
      expect(link.peer.stats()).toMatchObject(calm);
      expect(link.client.stats()).toMatchObject(calm);
    });
    expect(unhandled).toStrictEqual([]);
    expect(told.length).toBe(toldCount);
  });
});
