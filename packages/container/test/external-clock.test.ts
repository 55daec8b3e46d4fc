import { DateTime } from "luxon";
import { describe, expect, test } from "vitest";
import { ExternalClock } from "../src/external-clock.ts";
import { caught, clockAt, invalidArgument, START, startDate } from "./external-clock-support.ts";

describe("ExternalClock, the time", () => {
  test("begins at utcStart and time 0", () => {
    const clock = new ExternalClock(START);
    expect([clock.time(), clock.utcnow().toISO()]).toEqual([0, START]);
  });

  test("gives utcStart and time() seconds as the date, also with an initTime", () => {
    const clock = clockAt(10);
    expect([clock.time(), clock.utcnow().toISO()]).toEqual([10, "2020-01-01T00:00:10.000Z"]);
    // 16.1 s are 16,100.000000000002 ms, and 32.3 s are 32,299.999999999996 ms.
    for (const [t, seconds] of [
      [16.1, "16.100"],
      [32.3, "32.300"],
    ] as const) {
      clock.setTime(t);
      expect([clock.time(), clock.utcnow().toISO()]).toEqual([t, `2020-01-01T00:00:${seconds}Z`]);
    }
  });

  test("takes a negative initTime", () => {
    expect(clockAt(-60).utcnow().toISO()).toBe("2019-12-31T23:59:00.000Z");
  });

  test.each([
    ["a DateTime in another zone", DateTime.fromISO("2020-01-01T02:00:00+02:00", { setZone: true })],
    ["a Date", new Date(START)],
    ["ISO text with an offset", "2020-01-01T02:00:00+02:00"],
    ["ISO text without a zone, as UTC", "2020-01-01T00:00:00"],
    ["an ISO date", "2020-01-01"],
  ])("takes %s as utcStart", (_, utcStart) => {
    const now = new ExternalClock(utcStart).utcnow();
    expect([now.toISO(), now.zoneName]).toEqual([START, "UTC"]);
  });

  test.each([
    ["text that is no date", "yesterday"],
    ["a time of day, which would be today's", "12:00"],
    ["an empty text", ""],
    ["an invalid Date", new Date(Number.NaN)],
    ["an invalid DateTime", DateTime.invalid("test")],
    ["a number", 0 as unknown as Date],
    ["null", null as unknown as Date],
  ])("refuses %s as utcStart", (_, utcStart) => {
    expect(caught(() => new ExternalClock(utcStart))).toEqual(invalidArgument(/must be/));
  });

  test.each([Number.NaN, Number.POSITIVE_INFINITY, "1" as unknown as number])("refuses %s as initTime", (initTime) => {
    expect(caught(() => clockAt(initTime))).toEqual(invalidArgument(/^initTime must be a finite number of seconds/));
  });

  test("takes the last moment that has a date, and none after it", () => {
    const last = (8.64e15 - startDate.toMillis()) / 1000;
    expect(caught(() => clockAt().setTime(last + 1))).toEqual(invalidArgument(/too far from 2020-01-01T00:00:00.000Z/));
    expect(caught(() => clockAt(-1e300))).toEqual(invalidArgument(/too far/));
    const clock = clockAt();
    clock.setTime(last);
    expect(clock.utcnow().toMillis()).toBe(8.64e15);
  });
});

describe("ExternalClock, setTime", () => {
  test("takes only a time after now, and names both times", () => {
    const clock = clockAt(5);
    for (const t of [5, 4.999]) {
      expect(caught(() => clock.setTime(t))).toEqual(invalidArgument(`Time must be > 5 but is ${t}`));
    }
    clock.setTime(5.000001);
    expect(clock.time()).toBe(5.000001);
  });

  test.each([Number.NaN, Number.POSITIVE_INFINITY, "9" as unknown as number])("refuses %s", (t) => {
    const clock = clockAt();
    expect(caught(() => clock.setTime(t))).toEqual(invalidArgument(/^t must be a finite number of seconds but is/));
    expect(clock.time()).toBe(0);
  });

  test("fires callbacks in the order of their due times", () => {
    const clock = clockAt();
    const fired: string[] = [];
    clock.callAt(3, () => fired.push("3"));
    clock.callIn(1, () => fired.push("1"));
    clock.callAt(startDate.plus({ seconds: 2 }), () => fired.push("2"));
    clock.callAt(4, () => fired.push("4"));
    clock.setTime(3);
    expect(fired).toEqual(["1", "2", "3"]);
  });

  test("fires callbacks that are due at the same moment in the order in which they were scheduled", () => {
    const clock = clockAt();
    const fired: number[] = [];
    for (let index = 0; index < 20; index++) clock.callAt(1, () => fired.push(index));
    clock.setTime(1);
    expect(fired).toEqual(Array.from({ length: 20 }, (_, index) => index));
  });

  test("fires what is due exactly at the new time, and nothing that is due just after it", () => {
    const clock = clockAt();
    const fired: number[] = [];
    const justAfter = 1 + Number.EPSILON;
    for (const due of [justAfter, 1]) clock.callAt(due, () => fired.push(due));
    clock.setTime(1);
    expect(fired).toEqual([1]);
    clock.setTime(justAfter);
    expect(fired).toEqual([1, justAfter]);
  });

  test("sets the time first, so that all callbacks see the new one", () => {
    const clock = clockAt();
    const seen: unknown[] = [];
    for (const due of [1, 2, 7]) clock.callAt(due, () => seen.push(clock.time(), clock.utcnow().toISO()));
    clock.setTime(7);
    const date = "2020-01-01T00:00:07.000Z";
    expect(seen).toEqual([7, date, 7, date, 7, date]);
  });

  test("lets promise continuations run after it, in the order in which they are due", async () => {
    const clock = clockAt();
    const woken: number[] = [];
    const sleeps = [3, 1, 2].map(async (dt) => {
      await clock.sleep(dt);
      woken.push(dt, clock.time());
    });
    clock.setTime(3);
    expect(woken).toEqual([]);
    await Promise.all(sleeps);
    expect(woken).toEqual([1, 3, 2, 3, 3, 3]);
  });

  test("refuses the new time itself to a callback that schedules, as now is in the past", () => {
    const clock = clockAt();
    const errors: unknown[] = [];
    clock.callAt(1, () => {
      for (const t of [1, 2]) errors.push(caught(() => clock.callAt(t, () => {})));
    });
    clock.setTime(2);
    expect(errors).toEqual([1, 2].map((t) => invalidArgument(`Time ${t} is in the past: the clock is at 2`)));
  });

  test("leaves what a callback schedules for later to a later call", () => {
    const clock = clockAt();
    const fired: number[] = [];
    clock.callAt(1, () => clock.callIn(0.5, () => fired.push(clock.time())));
    clock.setTime(2);
    expect(fired).toEqual([]);
    clock.setTime(2.5);
    expect(fired).toEqual([2.5]);
  });

  test("within a callback fires what is due by the later time before it returns, and nothing twice", () => {
    const clock = clockAt();
    const fired: string[] = [];
    clock.callAt(1, () => {
      clock.setTime(3);
      fired.push("setter");
    });
    for (const t of [2, 3, 4]) clock.callAt(t, () => fired.push(`${t} at ${clock.time()}`));
    clock.setTime(2);
    expect(fired).toEqual(["2 at 3", "3 at 3", "setter"]);
    expect(clock.time()).toBe(3);
  });

  test("fires all others when a callback throws, then throws its error as it is", () => {
    const clock = clockAt();
    const fired: number[] = [];
    const error = new Error("mine");
    clock.callAt(1, () => fired.push(1));
    clock.callAt(2, () => {
      throw error;
    });
    clock.callAt(3, () => fired.push(3));
    expect(caught(() => clock.setTime(3))).toBe(error);
    expect([fired, clock.time()]).toEqual([[1, 3], 3]);
  });

  test("throws the errors of several callbacks as an AggregateError in their order", () => {
    const clock = clockAt();
    for (const thrown of ["a", undefined, 0]) {
      clock.callIn(1, () => {
        throw thrown;
      });
    }
    const error = caught(() => clock.setTime(1)) as AggregateError;
    expect(error).toBeInstanceOf(AggregateError);
    expect([error.errors, error.message]).toEqual([["a", undefined, 0], "3 callbacks threw on the way to time 1"]);
  });

  test("throws undefined if that is what a callback threw", () => {
    const clock = clockAt();
    clock.callIn(1, () => {
      throw undefined;
    });
    expect(caught(() => clock.setTime(1))).toBeUndefined();
  });

  test("fires a hundred thousand timers in order", () => {
    const clock = clockAt();
    const fired: number[] = [];
    for (let index = 0; index < 100_000; index++) {
      const due = ((index * 7919) % 100_003) + 1;
      clock.callAt(due, () => fired.push(due));
    }
    clock.setTime(200_000);
    expect(fired).toHaveLength(100_000);
    expect(fired.every((due, index) => index === 0 || due > fired[index - 1]!)).toBe(true);
  });
});
