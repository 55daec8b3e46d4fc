// The clocks of aiomas, sentence by sentence. The number in front of each name is the row that it stands for.
import { withOptions } from "@colloquy/rpc";
import { describe, expect, test } from "vitest";
import { Agent, DateTime, ExternalClock, SystemClock } from "../src/index.ts";
import { START, caught, clockAt, invalidArgument, startDate } from "./external-clock-support.ts";
import { newContainer, rejectionOf, turn } from "./support.ts";

describe("what both clocks do", () => {
  test.each([
    ["SystemClock", () => new SystemClock()],
    ["ExternalClock", () => clockAt(3)],
  ])("T1 time() of %s is seconds that never go back, utcnow() a date in UTC", (_name, make) => {
    const clock = make();
    const first = clock.time();
    expect(Number.isFinite(first)).toBe(true);
    expect(clock.time()).toBeGreaterThanOrEqual(first);
    expect(clock.utcnow().zoneName).toBe("UTC");
    expect(clock.utcnow().isValid).toBe(true);
  });

  test("T1 sleep(dt, result) resolves with the result once dt has passed", async () => {
    const clock = clockAt();
    const slept = clock.sleep(2, "result").then((result) => [result, clock.time()]);
    clock.setTime(1);
    clock.setTime(2);
    expect(await slept).toEqual(["result", 2]);
  });

  test("T1 sleepUntil takes a time or a date, and a result", async () => {
    const clock = clockAt();
    const byTime = clock.sleepUntil(2, "time");
    const byDate = clock.sleepUntil(startDate.plus({ seconds: 2 }), "date");
    clock.setTime(2);
    expect(await Promise.all([byTime, byDate])).toEqual(["time", "date"]);
  });

  test("T1 callIn and callAt pass their arguments on when it is time, and cancel() takes a call back", () => {
    const clock = clockAt();
    const calls: unknown[] = [];
    clock.callIn(1, (...args: unknown[]) => calls.push(args), 1, "a");
    clock.callAt(2, (...args: unknown[]) => calls.push(args), 2);
    clock.callAt(startDate.plus({ seconds: 3 }), (...args: unknown[]) => calls.push(args), 3);
    const handle = clock.callIn(1, () => calls.push("cancelled"));
    handle.cancel();
    for (const t of [1, 2, 3]) clock.setTime(t);
    expect(calls).toEqual([[1, "a"], [2], [3]]);
  });

  test("T1 every(dt) ticks at multiples of dt, and a signal ends it and every sleep", async () => {
    const clock = clockAt();
    const controller = new AbortController();
    const { signal } = controller;
    const ticks = clock.every(2, { signal });
    const [first, second] = [ticks.next(), ticks.next()];
    const sleeping = clock.sleep(9, undefined, { signal });
    await clock.advanceTo(4);
    expect([(await first).value, (await second).value]).toEqual([2, 4]);
    const third = ticks.next();
    controller.abort(new Error("enough"));
    expect(await rejectionOf(third)).toBe(signal.reason);
    expect(await rejectionOf(sleeping)).toBe(signal.reason);
    expect(clock.nextDue).toBeUndefined();
  });

  test.each([
    ["SystemClock", () => new SystemClock()],
    ["ExternalClock", () => clockAt(3)],
  ])("T2 a time or date at or before now is in the past for %s", async (_name, make) => {
    const clock = make();
    const inThePast = invalidArgument(/in the past/);
    for (const moment of [clock.time(), clock.time() - 1, clock.utcnow(), clock.utcnow().minus({ seconds: 1 })]) {
      expect(caught(() => clock.callAt(moment, () => {}))).toEqual(inThePast);
      await expect(clock.sleepUntil(moment)).rejects.toEqual(inThePast);
    }
  });

  test("T3 sleep and callIn of SystemClock take 0 and less, and mean the next turn", async () => {
    const clock = new SystemClock();
    const order: string[] = [];
    clock.callIn(0, () => order.push("zero"));
    clock.callIn(-5, () => order.push("less"));
    expect(order).toEqual([]);
    expect(await clock.sleep(-1, "slept")).toBe("slept");
    expect(order).toEqual(["zero", "less"]);
  });
});

describe("ExternalClock", () => {
  test("T4 begins at initTime, 0 by default, and utcnow() is utcStart and time()", () => {
    expect(new ExternalClock(START).time()).toBe(0);
    const clock = new ExternalClock(START, { initTime: 5 });
    expect(clock.utcnow().toMillis()).toBe(startDate.toMillis() + 5000);
    clock.setTime(7.5);
    expect(clock.utcnow()).toEqual(DateTime.fromISO("2020-01-01T00:00:07.500Z", { zone: "utc" }));
  });

  test("T4 setTime takes a time after now only", () => {
    const clock = clockAt(4);
    for (const t of [4, 3, Number.NaN]) expect(caught(() => clock.setTime(t))).toEqual(invalidArgument(/Time|t must/));
    expect(clock.time()).toBe(4);
  });

  test("T4 setTime sets the time first and fires what is due by (due, insertion); all see the new time", () => {
    const clock = clockAt();
    const seen: [string, number][] = [];
    for (const [name, due] of [
      ["c", 3],
      ["a", 1],
      ["b", 2],
      ["a2", 1],
      ["late", 9],
    ] as const) {
      clock.callAt(due, () => seen.push([name, clock.time()]));
    }
    clock.setTime(5);
    expect(seen).toEqual([
      ["a", 5],
      ["a2", 5],
      ["b", 5],
      ["c", 5],
    ]);
    expect(clock.nextDue).toBe(9);
  });

  test("T4 dt must be more than 0", async () => {
    const clock = clockAt();
    for (const dt of [0, -1]) {
      expect(caught(() => clock.callIn(dt, () => {}))).toEqual(invalidArgument(`dt must be > 0 but is ${dt}`));
      await expect(clock.sleep(dt)).rejects.toEqual(invalidArgument(/must be > 0/));
      expect(caught(() => clock.timeoutSignal(dt))).toEqual(invalidArgument(/must be > 0/));
    }
  });

  test("T4 advanceTo goes event by event: each sleeper sees the very time that it asked for", async () => {
    const clock = clockAt();
    const seen: number[] = [];
    const sleeper = async (): Promise<void> => {
      for (const dt of [1, 0.5, 2]) {
        await clock.sleep(dt);
        seen.push(clock.time());
      }
    };
    void sleeper();
    await clock.advanceTo(10);
    expect(seen).toEqual([1, 1.5, 3.5]);
    expect(clock.time()).toBe(10);
  });

  test("sets the time in one phase and fires in another", () => {
    const clock = clockAt();
    const seen: number[] = [];
    clock.callIn(1, () => seen.push(clock.time()));
    clock.prepare(2);
    expect([clock.time(), seen, clock.nextDue]).toEqual([2, [], 1]);
    clock.fire();
    expect(seen).toEqual([2]);
    clock.fire();
    expect(seen).toEqual([2]);
    expect(caught(() => clock.prepare(2))).toEqual(invalidArgument("Time must be > 2 but is 2"));
  });

  test("never goes back on the way of advanceTo to what prepare has passed by", async () => {
    const clock = clockAt();
    const seen: number[] = [];
    clock.callIn(1, () => seen.push(clock.time()));
    clock.prepare(2);
    await clock.advanceTo(3);
    expect(seen).toEqual([2]);
  });

  test("waits in advanceTo for what busy was told of, between two moments", async () => {
    const clock = clockAt();
    const seen: [string, number][] = [];
    let finish!: (value: string) => void;
    const work = new Promise<string>((resolve) => (finish = resolve));
    clock.callIn(1, () => void clock.busy(work, "a file").then((value) => seen.push([value, clock.time()])));
    clock.callIn(2, () => seen.push(["second", clock.time()]));
    const advanced = clock.advanceTo(5);
    for (let count = 0; count < 5; count++) await turn();
    expect([clock.time(), clock.busyWork.labels]).toEqual([1, ["a file"]]);
    finish("read");
    await advanced;
    expect(seen).toEqual([
      ["read", 1],
      ["second", 2],
    ]);
    expect(clock.busyWork.size).toBe(0);
  });

  test("hands the failure of busy work on", async () => {
    const clock = clockAt();
    const failure = new Error("no such file");
    expect(await rejectionOf(clock.busy(Promise.reject(failure)))).toBe(failure);
    expect(clock.busyWork.size).toBe(0);
    expect(await new SystemClock().busy(Promise.resolve(1), "nothing")).toBe(1);
  });
});

describe("timeoutSignal", () => {
  test("aborts when its time on the clock has come, with DEADLINE_EXCEEDED", () => {
    const clock = clockAt();
    const signal = clock.timeoutSignal(2);
    clock.setTime(1);
    expect(signal.aborted).toBe(false);
    clock.setTime(2);
    expect(signal.reason).toMatchObject({ code: "DEADLINE_EXCEEDED", message: expect.stringContaining("2 s") });
  });

  test("ends with a clock that ends before", () => {
    const controller = new AbortController();
    const clock = new SystemClock({ signal: controller.signal });
    const signal = clock.timeoutSignal(1000);
    controller.abort(new Error("over"));
    expect(signal.reason).toBe(controller.signal.reason);
    expect(clock.timeoutSignal(1).aborted).toBe(true);
  });

  test("is the deadline of a call in the time of a simulation", async () => {
    class Sleeper extends Agent {
      static exposed = ["nap"];
      async nap(dt: number): Promise<void> {
        await this.container.clock.sleep(dt);
      }
    }
    const clock = clockAt();
    const container = await newContainer(undefined, { clock });
    const sleeper = await container.spawn(new Sleeper());
    const proxy = await container.connect<Sleeper>(sleeper.address);

    const failed = rejectionOf(withOptions(proxy.nap, { signal: clock.timeoutSignal(2) })(5));
    clock.setTime(2);
    expect(await failed).toMatchObject({ code: "CANCELLED", cause: { code: "DEADLINE_EXCEEDED" } });
  });
});
