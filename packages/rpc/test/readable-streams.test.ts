import { describe, expect, test } from "vitest";
import { Service, expose, release } from "../src/index.ts";
import { failureOf, pair, turns, until } from "./support.ts";

/** A `ReadableStream` without end that says what it is asked for, and why it is cancelled. */
class Spring {
  pulled = 0;
  cancels = 0;
  readonly stream: ReadableStream<number>;

  constructor(to = Infinity) {
    this.stream = new ReadableStream<number>(
      {
        pull: (controller) => {
          if (this.pulled === to) controller.close();
          else controller.enqueue(this.pulled++);
        },
        cancel: () => void this.cancels++,
      },
      { highWaterMark: 0 },
    );
  }
}

class Desk extends Service {
  spring = new Spring();
  kept: AsyncIterable<number> | undefined;

  @expose open() {
    return this.spring.stream;
  }
  @expose deep() {
    return { inner: [new Map([["k", this.spring.stream]])] };
  }
  @expose async firstOf(given: { readonly inner: readonly AsyncIterable<number>[] }, count: number) {
    const items: number[] = [];
    for await (const item of given.inner[0]!) if (items.push(item) === count) break;
    return items;
  }
  @expose keep(stream: AsyncIterable<number>) {
    this.kept = stream;
  }
  @expose failing() {
    let count = 0;
    const pull = (controller: ReadableStreamDefaultController<number>): void => {
      if (count === 2) controller.error(new RangeError("dry"));
      else controller.enqueue(count++);
    };
    return new ReadableStream<number>({ pull }, { highWaterMark: 0 });
  }
}

async function firstOf(stream: AsyncIterable<number>, count: number): Promise<number[]> {
  const items: number[] = [];
  for await (const item of stream) if (items.push(item) === count) break;
  return items;
}

describe("A ReadableStream", () => {
  test.each(["open", "deep"] as const)("as a result is cancelled where its reader leaves: %s", async (method) => {
    const desk = new Desk();
    await using link = await pair(desk);
    const result = await link.remote[method]();
    const stream = ("inner" in result ? result.inner[0]!.get("k")! : result) as AsyncIterable<number>;
    expect(await firstOf(stream, 5)).toStrictEqual([0, 1, 2, 3, 4]);
    await until(() => desk.spring.cancels === 1);
    const { pulled } = desk.spring;
    expect(pulled).toBeLessThan(200);
    await turns(5);
    expect([desk.spring.pulled, desk.spring.cancels]).toStrictEqual([pulled, 1]);
    expect(link.peer.stats().exportedReferences).toBe(0);
  });

  test("as a result is cancelled where it is released, unread or half read", async () => {
    const desk = new Desk();
    await using link = await pair(desk);
    release(await link.remote.open());
    await until(() => desk.spring.cancels === 1);
    desk.spring = new Spring();
    const half = (await link.remote.open()) as AsyncIterableIterator<number>;
    await half.next();
    release(half);
    await until(() => desk.spring.cancels === 1);
    expect(link.peer.stats().exportedReferences).toBe(0);
  });

  test("as an argument is cancelled where the callee leaves it, at any depth, and read to its end else", async () => {
    await using link = await pair(new Desk());
    const left = new Spring();
    expect(await link.remote.firstOf({ inner: [left.stream] }, 2)).toStrictEqual([0, 1]);
    await until(() => left.cancels === 1);
    const whole = new Spring(100);
    expect((await link.remote.firstOf({ inner: [whole.stream] }, 1000)).length).toBe(100);
    await until(() => link.client.stats().exportedReferences === 0);
    expect(whole.cancels).toBe(0);
  });

  test("crosses in calls of the other side, too", async () => {
    const [near, far] = [new Desk(), new Desk()];
    await using link = await pair<Desk, Desk>(far, { service: near });
    expect(await firstOf((await link.back.open()) as AsyncIterable<number>, 3)).toStrictEqual([0, 1, 2]);
    await until(() => near.spring.cancels === 1);
    const given = new Spring();
    expect(await link.back.firstOf({ inner: [given.stream] }, 2)).toStrictEqual([0, 1]);
    await until(() => given.cancels === 1);
    expect([link.client.stats().exportedReferences, link.peer.stats().exportedReferences]).toStrictEqual([0, 0]);
  });

  test("is cancelled where the connection ends, on either side", async () => {
    const desk = new Desk();
    await using link = await pair(desk);
    const stream = (await link.remote.open()) as AsyncIterableIterator<number>;
    const given = new Spring();
    await link.remote.keep(given.stream);
    await stream.next();
    await (desk.kept as AsyncIterableIterator<number>).next();
    link.client.destroy();
    await until(() => desk.spring.cancels === 1 && given.cancels === 1);
  });

  test("that fails does so behind its items", async () => {
    await using link = await pair(new Desk());
    const stream = (await link.remote.failing()) as AsyncIterableIterator<number>;
    expect([(await stream.next()).value, (await stream.next()).value]).toStrictEqual([0, 1]);
    expect(await failureOf(stream.next())).toMatchObject({ remoteName: "RangeError", message: "dry" });
    expect(await stream.next()).toStrictEqual({ value: undefined, done: true });
    await until(() => link.peer.stats().exportedReferences === 0);
  });

  test("can be made of a stream that has come; cancelling it leaves that one", async () => {
    const desk = new Desk();
    await using link = await pair(desk);
    const made = ReadableStream.from((await link.remote.open()) as AsyncIterable<number>);
    const reader = made.getReader();
    expect(await reader.read()).toStrictEqual({ value: 0, done: false });
    await reader.cancel();
    await until(() => desk.spring.cancels === 1);
  });

  test("that somebody else reads fails as what a producer throws, and stays the reader's", async () => {
    const desk = new Desk();
    const told: unknown[] = [];
    await using link = await pair(desk, { serve: { onMethodFailure: (error) => told.push(error) } });
    const reader = desk.spring.stream.getReader();
    const stream = (await link.remote.open()) as AsyncIterableIterator<number>;
    expect(await failureOf(stream.next())).toMatchObject({ remoteName: "TypeError" });
    expect(await reader.read()).toStrictEqual({ value: 0, done: false });
    await until(() => link.peer.stats().exportedReferences === 0);
    expect([told.length, desk.spring.cancels]).toStrictEqual([1, 0]);
  });
});

describe("A second reader", () => {
  test("at the same time shares the items: each goes to one of them; who leaves ends the stream for both", async () => {
    const desk = new Desk();
    await using link = await pair(desk);
    const stream = (await link.remote.open()) as AsyncIterable<number>;
    const seen: number[] = [];
    const read = async (count: number): Promise<void> => {
      let read = 0;
      for await (const item of stream) {
        seen.push(item);
        if (++read === count) break;
      }
    };
    await Promise.all([read(10), read(Infinity)]);
    expect(seen.toSorted((a, b) => a - b)).toStrictEqual(Array.from({ length: seen.length }, (_, index) => index));
    expect(seen.length).toBeGreaterThan(10);
    await until(() => desk.spring.cancels === 1);
  });

  test("of a ReadableStream that was given twice gets the same stream, or none of its items", async () => {
    const desk = new Desk();
    desk.spring = new Spring(3);
    await using link = await pair(desk);
    const [first, second] = [await link.remote.open(), await link.remote.open()];
    expect(first).toBe(second);
    expect(await firstOf(first as AsyncIterable<number>, 10)).toStrictEqual([0, 1, 2]);
    expect(await firstOf((await link.remote.open()) as AsyncIterable<number>, 10)).toStrictEqual([]);
    await until(() => link.peer.stats().exportedReferences === 0);
  });
});
