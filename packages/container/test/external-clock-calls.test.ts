import { AsyncLocalStorage } from "node:async_hooks";
import { ColloquyError } from "@colloquy/core";
import { describe, expect, test, vi } from "vitest";
import { caught, clockAt, invalidArgument, startDate } from "./external-clock-support.ts";

describe("ExternalClock, sleeping and calling", () => {
  test("sleeps until just that time and resolves with the result", async () => {
    const clock = clockAt();
    const results: unknown[] = [];
    const sleeps = [clock.sleep(1, "a"), clock.sleepUntil(1, "b"), clock.sleepUntil(startDate.plus(1000), "c")];
    for (const sleep of sleeps) void sleep.then((result) => results.push(result));
    clock.setTime(0.999);
    await Promise.resolve();
    expect(results).toEqual([]);
    clock.setTime(1);
    await Promise.all(sleeps);
    expect(results).toEqual(["a", "b", "c"]);
    const plain = clock.sleep(1);
    clock.setTime(2);
    expect(await plain).toBeUndefined();
  });

  test.each([0, -0, -1])("takes no dt of %s", async (dt) => {
    const clock = clockAt(5);
    const refusal = invalidArgument(`dt must be > 0 but is ${dt}`);
    await expect(clock.sleep(dt)).rejects.toEqual(refusal);
    expect(caught(() => clock.callIn(dt, () => {}))).toEqual(refusal);
    expect(caught(() => clock.every(dt))).toEqual(refusal);
  });

  test("takes the smallest dt that moves the time, and says of a smaller one that it is in the past", async () => {
    const clock = clockAt(1);
    const calls: number[] = [];
    clock.callIn(Number.EPSILON, () => calls.push(clock.time()));
    const tooSmall = invalidArgument("Time 1 is in the past: the clock is at 1 and dt 1e-17 too small to move it");
    await expect(clock.sleep(1e-17)).rejects.toEqual(tooSmall);
    clock.setTime(1 + Number.EPSILON);
    expect(calls).toEqual([1 + Number.EPSILON]);
  });

  test("calls a time at or before now in the past and names both", async () => {
    const clock = clockAt(5);
    for (const t of [5, 4, -1]) {
      const refusal = invalidArgument(`Time ${t} is in the past: the clock is at 5`);
      const sleeping = clock.sleepUntil(t);
      await expect(sleeping).rejects.toEqual(refusal);
      await expect(sleeping).rejects.toBeInstanceOf(ColloquyError);
      expect(caught(() => clock.callAt(t, () => {}))).toEqual(refusal);
    }
  });

  test("calls a date at or before now in the past and names both", async () => {
    const clock = clockAt(5);
    const now = clock.utcnow();
    for (const date of [now, now.toJSDate(), now.setZone("UTC+2")]) {
      const refusal = invalidArgument(
        "Date 2020-01-01T00:00:05.000Z is in the past: the clock is at 2020-01-01T00:00:05.000Z",
      );
      await expect(clock.sleepUntil(date)).rejects.toEqual(refusal);
      expect(caught(() => clock.callAt(date, () => {}))).toEqual(refusal);
    }
    await expect(clock.sleepUntil(now.minus(1))).rejects.toEqual(invalidArgument(/in the past/));
    const calls: number[] = [];
    clock.callAt(now.plus(1), () => calls.push(clock.time()));
    clock.setTime(5.001);
    expect(calls).toEqual([5.001]);
  });

  test("calls its own utcnow() in the past, also between two milliseconds", () => {
    const clock = clockAt();
    for (const t of [0.0004, 0.0006, 0.0014, 0.57, 1.0005, 1e9 + 0.0007]) {
      clock.setTime(t);
      expect(caught(() => clock.callAt(clock.utcnow(), () => {}))).toEqual(invalidArgument(/in the past/));
    }
  });

  test("converts a date without loss: it fires at the decimal time that it stands for", () => {
    const clock = clockAt(0.1);
    const calls: string[] = [];
    clock.callAt(startDate.plus(300), () => calls.push("0.3"));
    clock.setTime(0.3);
    expect(calls).toEqual(["0.3"]);
  });

  test.each([Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY])(
    "refuses %s everywhere",
    async (value) => {
      const clock = clockAt();
      for (const sleep of [clock.sleep(value), clock.sleepUntil(value)]) {
        const words = new RegExp(`must be a finite number of seconds but is ${value}$`);
        await expect(sleep).rejects.toEqual(invalidArgument(words));
      }
      for (const act of [
        () => clock.callIn(value, () => {}),
        () => clock.callAt(value, () => {}),
        () => clock.every(value),
      ]) {
        expect(caught(act)).toEqual(invalidArgument(/must be a finite number of seconds/));
      }
      await expect(clock.advanceTo(value)).rejects.toEqual(invalidArgument(/^t must be a finite number/));
    },
  );

  test("refuses a dt beyond all numbers, and a callback that is none", () => {
    const clock = clockAt(0);
    clock.callIn(Number.MAX_VALUE, () => {});
    expect(caught(() => clock.callIn(1, "f" as never))).toEqual(invalidArgument("f must be a function but is string"));
  });

  test("hands on the arguments of a call, and runs it in the async context of its caller", () => {
    const clock = clockAt();
    const context = new AsyncLocalStorage<string>();
    const calls: unknown[] = [];
    const note = (...args: unknown[]): unknown => calls.push([...args, context.getStore()]);
    context.run("in", () => clock.callIn(1, note, 1, "x"));
    context.run("at", () => clock.callAt(1, note));
    context.run("setter", () => clock.setTime(1));
    expect(calls).toEqual([[1, "x", "in"], ["at"]]);
  });

  test("never makes a cancelled call, and takes a second or late cancel", () => {
    const clock = clockAt();
    const call = vi.fn<() => void>();
    const handle = clock.callIn(1, call);
    handle.cancel();
    handle.cancel();
    clock.setTime(1);
    expect(call).not.toHaveBeenCalled();
    const late = clock.callIn(1, call);
    clock.setTime(2);
    late.cancel();
    expect(call).toHaveBeenCalledOnce();
  });

  test("lets a callback cancel one that is due at the same moment, and itself", () => {
    const clock = clockAt();
    const fired: string[] = [];
    const own = clock.callAt(1, () => {
      fired.push("canceller");
      own.cancel();
      other.cancel();
    });
    const other = clock.callAt(1, () => fired.push("cancelled"));
    clock.callAt(1, () => fired.push("after"));
    clock.setTime(1);
    expect(fired).toEqual(["canceller", "after"]);
  });
});

describe("ExternalClock, advanceTo", () => {
  test("stops at each due moment and ends at its target", async () => {
    const clock = clockAt();
    const seen: number[] = [];
    for (const due of [3, 1, 2.5]) clock.callAt(due, () => seen.push(clock.time()));
    await clock.advanceTo(4);
    expect([seen, clock.time()]).toEqual([[1, 2.5, 3], 4]);
  });

  test("lets the continuations of one moment run before the next, however many awaits they have", async () => {
    const clock = clockAt();
    const seen: string[] = [];
    const agent = async (name: string, dt: number): Promise<void> => {
      for (let round = 0; round < 3; round++) {
        await clock.sleep(dt);
        for (let hop = 0; hop < 50; hop++) await Promise.resolve();
        seen.push(`${name}${clock.time()}`);
      }
    };
    const agents = [agent("a", 2), agent("b", 3)];
    await clock.advanceTo(9);
    await Promise.all(agents);
    expect(seen).toEqual(["a2", "b3", "a4", "b6", "a6", "b9"]);
  });

  test("lets what is pending run before the first moment", async () => {
    const clock = clockAt();
    const seen: number[] = [];
    const late = async (): Promise<void> => {
      for (let hop = 0; hop < 10; hop++) await Promise.resolve();
      await clock.sleep(1);
      seen.push(clock.time());
    };
    const task = late();
    await clock.advanceTo(5);
    await task;
    expect(seen).toEqual([1]);
  });

  test("has run what follows from its last moment when it resolves", async () => {
    const clock = clockAt();
    const seen: string[] = [];
    void clock.sleep(5).then(async () => {
      await Promise.resolve();
      seen.push("continued");
    });
    await clock.advanceTo(5);
    expect(seen).toEqual(["continued"]);
  });

  test("goes on to the end when callbacks throw, then rejects with their errors", async () => {
    const clock = clockAt();
    const errors = [new Error("1"), new Error("2")];
    const seen: number[] = [];
    for (const [index, error] of errors.entries()) {
      clock.callAt(index + 1, () => {
        throw error;
      });
    }
    clock.callAt(3, () => seen.push(3));
    const outcome = await clock.advanceTo(4).catch((error: unknown) => error);
    expect((outcome as AggregateError).errors).toEqual(errors);
    expect([seen, clock.time()]).toEqual([[3], 4]);
    clock.callAt(5, () => {
      throw errors[0];
    });
    await expect(clock.advanceTo(6)).rejects.toBe(errors[0]);
  });

  test("takes only a time after now", async () => {
    const clock = clockAt(5);
    for (const t of [5, 4]) {
      await expect(clock.advanceTo(t)).rejects.toEqual(invalidArgument(`Time must be > 5 but is ${t}`));
    }
  });

  test("is the only one that sets the time until it has settled", async () => {
    const clock = clockAt();
    const advance = clock.advanceTo(2);
    const refusal = invalidArgument("the clock can't be set to 3 while it is on its way to 2: await advanceTo");
    expect(caught(() => clock.setTime(3))).toEqual(refusal);
    await expect(clock.advanceTo(3)).rejects.toEqual(refusal);
    await advance;
    clock.setTime(3);
    expect(clock.time()).toBe(3);
  });

  test("passes ten thousand moments", async () => {
    const clock = clockAt();
    let ticks = 0;
    const task = (async () => {
      for await (const t of clock.every(1)) {
        ticks++;
        expect(t).toBe(clock.time());
        if (t === 10_000) break;
      }
    })();
    await clock.advanceTo(10_000);
    await task;
    expect(ticks).toBe(10_000);
  });

  test("goes on where a test has replaced the timers", async () => {
    vi.useFakeTimers();
    try {
      const clock = clockAt();
      await clock.advanceTo(5);
      expect(clock.time()).toBe(5);
    } finally {
      vi.useRealTimers();
    }
  });
});
