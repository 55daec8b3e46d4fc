import { getEventListeners } from "node:events";
import * as fc from "fast-check";
import { describe, expect, test, vi } from "vitest";
import { ExternalClock } from "../src/external-clock.ts";

const START = "2020-01-01T00:00:00Z";

/** Runs `act` and returns what became an unhandled rejection from it. */
async function unhandledRejections(act: () => unknown): Promise<unknown[]> {
  const reasons: unknown[] = [];
  const listeners = process.listeners("unhandledRejection");
  process.removeAllListeners("unhandledRejection");
  process.on("unhandledRejection", (reason) => reasons.push(reason));
  await act();
  await new Promise((resolve) => setImmediate(() => setImmediate(resolve)));
  process.removeAllListeners("unhandledRejection");
  for (const listener of listeners) process.on("unhandledRejection", listener);
  return reasons;
}

describe("Clock, a sleep with a signal", () => {
  test("rejects with the signal's reason, whatever that is", async () => {
    const clock = new ExternalClock(START);
    for (const reason of [new Error("mine"), "text", 0, null]) {
      const controller = new AbortController();
      const sleeps = [clock.sleep(1, 1, controller), clock.sleepUntil(9, 1, controller)];
      controller.abort(reason);
      for (const sleep of sleeps) await expect(sleep).rejects.toBe(reason);
      await expect(clock.sleep(1, 1, controller)).rejects.toBe(reason);
    }
  });

  test("is woken as usual when nobody aborts, and doesn't mind a later abort", async () => {
    const clock = new ExternalClock(START);
    const controller = new AbortController();
    const sleep = clock.sleep(1, "result", controller);
    clock.setTime(1);
    controller.abort();
    expect(await sleep).toBe("result");
  });

  test("doesn't wake when its time comes after the abort", async () => {
    const clock = new ExternalClock(START);
    const controller = new AbortController();
    const sleep = clock.sleep(1, "result", controller);
    controller.abort("aborted");
    clock.setTime(1);
    await expect(sleep).rejects.toBe("aborted");
  });

  test("leaves no unhandled rejection when nobody awaits it any more", async () => {
    const clock = new ExternalClock(START);
    const rejections = await unhandledRejections(() => {
      const controller = new AbortController();
      void clock.sleep(1, 1, controller);
      void clock.every(1, controller).next();
      controller.abort();
      void clock.sleep(1, 1, controller);
      void clock.every(1, controller).next();
    });
    expect(rejections).toEqual([]);
  });

  test("is an unhandled rejection if it is awaited but not handled, and if its input is bad", async () => {
    const clock = new ExternalClock(START);
    const rejections = await unhandledRejections(() => {
      const controller = new AbortController();
      void (async () => clock.sleep(1, 1, controller))();
      controller.abort("awaited");
      void clock.sleep(0, 1, { signal: new AbortController().signal });
    });
    expect(rejections).toEqual([expect.objectContaining({ code: "INVALID_ARGUMENT" }), "awaited"]);
  });

  test("keeps one listener on the signal for all that waits, and none when nothing waits", async () => {
    const clock = new ExternalClock(START);
    const { signal } = new AbortController();
    const count = (): number => getEventListeners(signal, "abort").length;
    const warn = vi.spyOn(process, "emitWarning");
    const sleeps = Array.from({ length: 100 }, (_, index) => clock.sleep(index + 1, index, { signal }));
    const ticks = clock.every(1, { signal });
    expect(count()).toBe(1);
    const tick = ticks.next();
    clock.setTime(99);
    await Promise.all([...sleeps.slice(0, 99), tick]);
    expect(count()).toBe(1);
    clock.setTime(100);
    await Promise.all(sleeps);
    expect(count()).toBe(0);
    const again = clock.sleep(1, 1, { signal });
    expect(count()).toBe(1);
    await ticks.return?.();
    const beside = clock.sleep(1, 2, { signal });
    expect(count()).toBe(1);
    clock.setTime(101);
    expect(await Promise.all([again, beside])).toEqual([1, 2]);
    expect([count(), warn.mock.calls]).toEqual([0, []]);
  });

  test("ends beside others on its signal without touching those of another", async () => {
    const clock = new ExternalClock(START);
    const [one, two] = [new AbortController(), new AbortController()];
    const ended = Promise.allSettled([clock.sleep(1, 1, one), clock.sleep(2, 2, one), clock.every(1, one).next()]);
    const other = clock.sleep(1, "other", two);
    one.abort("one");
    expect((await ended).map((outcome) => outcome.status)).toEqual(["rejected", "rejected", "rejected"]);
    clock.setTime(1);
    expect(await other).toBe("other");
  });
});

describe("Clock, every", () => {
  test("ticks every dt seconds from the call on", async () => {
    const clock = new ExternalClock(START, { initTime: 100 });
    const ticks = clock.every(0.1);
    const seen: unknown[] = [];
    for (let index = 1; index <= 30; index++) {
      const tick = ticks.next();
      clock.setTime(100 + index * 0.1);
      seen.push((await tick).value);
    }
    expect(seen).toEqual(Array.from({ length: 30 }, (_, index) => 100 + (index + 1) * 0.1));
  });

  test("doesn't tick before its time", async () => {
    const clock = new ExternalClock(START);
    const seen: unknown[] = [];
    void clock
      .every(2)
      .next()
      .then(({ value }) => seen.push(value));
    clock.setTime(1.999);
    await Promise.resolve();
    expect(seen).toEqual([]);
  });

  test("gives only the latest tick of those that a jump has passed, then the next one at its time", async () => {
    const clock = new ExternalClock(START);
    const ticks = clock.every(1);
    const jumped = ticks.next();
    clock.setTime(10.5);
    expect(await jumped).toEqual({ done: false, value: 10 });
    const next = ticks.next();
    clock.setTime(11);
    expect((await next).value).toBe(11);
  });

  test("gives a tick that a slow consumer has missed at once", async () => {
    const clock = new ExternalClock(START);
    const ticks = clock.every(1);
    const first = ticks.next();
    clock.setTime(1);
    await first;
    clock.setTime(3.5);
    expect((await ticks.next()).value).toBe(3);
    const next = ticks.next();
    clock.setTime(4);
    expect((await next).value).toBe(4);
  });

  test("gives the last tick that isn't later than the time, however numbers are rounded", async () => {
    const times = fc.record({
      start: fc.oneof(fc.constant(0), fc.double({ min: -1e6, max: 1e6, noNaN: true })),
      dt: fc.constantFrom(0.1, 0.7, 1 / 3, 1e-3, 5, 0.3),
      count: fc.integer({ min: 1, max: 100_000 }),
      shift: fc.constantFrom(-1, 0, 1),
    });
    await fc.assert(
      fc.asyncProperty(times, async ({ start, dt, count, shift }) => {
        const dueOf = (tick: number): number => start + tick * dt;
        const due = dueOf(count);
        const now = due + shift * Math.abs(due) * Number.EPSILON;
        fc.pre(now >= dueOf(1));
        const clock = new ExternalClock(START, { initTime: start });
        const tick = clock.every(dt).next();
        clock.setTime(now);
        const expected = [count + 1, count, count - 1].map(dueOf).find((moment) => moment <= now);
        expect((await tick).value).toBe(expected);
      }),
      { numRuns: 2000 },
    );
  });

  test("answers several requests with one tick each, in order", async () => {
    const clock = new ExternalClock(START);
    const ticks = clock.every(1);
    const requests = [ticks.next(), ticks.next(), ticks.next()];
    await clock.advanceTo(3);
    expect((await Promise.all(requests)).map((tick) => tick.value)).toEqual([1, 2, 3]);
  });

  test("ends with break, and leaves nothing in the clock", async () => {
    const clock = new ExternalClock(START);
    const seen: number[] = [];
    const loop = (async () => {
      for await (const t of clock.every(1)) {
        seen.push(t);
        if (t === 2) break;
      }
    })();
    await clock.advanceTo(5);
    await loop;
    expect(seen).toEqual([1, 2]);
  });

  test("ends at once with return() while ticks are awaited", async () => {
    const clock = new ExternalClock(START);
    const ticks = clock.every(1);
    const requests = [ticks.next(), ticks.next()];
    const done = { done: true, value: undefined };
    expect(await ticks.return?.()).toEqual(done);
    expect(await Promise.all(requests)).toEqual([done, done]);
    clock.setTime(5);
    expect(await ticks.next()).toEqual(done);
  });

  test("throws the signal's reason in the loop, also when it is aborted between two ticks", async () => {
    const clock = new ExternalClock(START);
    const controller = new AbortController();
    const loop = (async () => {
      for await (const t of clock.every(1, controller)) if (t === 2) controller.abort("between");
    })();
    const ended = expect(loop).rejects.toBe("between");
    await clock.advanceTo(5);
    await ended;
  });

  test("rejects the first of several requests with the signal's reason and ends the others", async () => {
    const clock = new ExternalClock(START);
    const controller = new AbortController();
    const ticks = clock.every(1, controller);
    const requests = Promise.allSettled([ticks.next(), ticks.next()]);
    controller.abort("reason");
    expect(await requests).toEqual([
      { status: "rejected", reason: "reason" },
      { status: "fulfilled", value: { done: true, value: undefined } },
    ]);
    expect(await ticks.next()).toEqual({ done: true, value: undefined });
  });

  test("refuses a dt that the clock can't tell from nothing", async () => {
    const clock = new ExternalClock(START, { initTime: 1 });
    await expect(clock.every(1e-20).next()).rejects.toMatchObject({ code: "INVALID_ARGUMENT", message: /too small/ });
    const atZero = new ExternalClock(START).every(1e-20);
    expect((await Promise.race([atZero.next(), Promise.resolve({ value: "waits" })])).value).toBe("waits");
  });

  test("doesn't hang with a dt that becomes too small on the way", async () => {
    const clock = new ExternalClock(START);
    const ticks = clock.every(1e-20);
    const first = ticks.next();
    clock.setTime(1);
    await first;
    await expect(ticks.next()).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
  });
});
