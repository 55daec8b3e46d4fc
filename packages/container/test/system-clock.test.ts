import { execFile } from "node:child_process";
import { AsyncLocalStorage } from "node:async_hooks";
import { promisify } from "node:util";
import { DateTime } from "luxon";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { SystemClock } from "../src/system-clock.ts";

const run = promisify(execFile);

describe("SystemClock on Node's timers", () => {
  test("counts monotonic seconds", async () => {
    const clock = new SystemClock();
    const [before, start] = [performance.now(), clock.time()];
    await new Promise((resolve) => setTimeout(resolve, 20));
    const seconds = clock.time() - start;
    expect(seconds).toBeGreaterThanOrEqual(0.018);
    expect(seconds).toBeLessThanOrEqual((performance.now() - before) / 1000);
  });

  test("gives the date in UTC", () => {
    const before = Date.now();
    const now = new SystemClock().utcnow();
    expect(now.zoneName).toBe("UTC");
    expect(now.toMillis()).toBeGreaterThanOrEqual(before);
    expect(now.toMillis()).toBeLessThanOrEqual(Date.now());
  });

  test("never wakes a sleeper early", async () => {
    const clock = new SystemClock();
    const early = await Promise.all(
      Array.from({ length: 200 }, async (_, index) => {
        const due = clock.time() + index * 0.00037;
        await clock.sleep(due - clock.time());
        return clock.time() < due - 1e-9;
      }),
    );
    expect(early).not.toContain(true);
  });

  test.each([0, -0, -1, -1e9])("takes a dt of %s as the next turn", async (dt) => {
    const clock = new SystemClock();
    const fired: unknown[] = [];
    clock.callIn(dt, (...args) => fired.push(args), "a", 1);
    const sleep = clock.sleep(dt, "result");
    await Promise.resolve();
    expect(fired).toEqual([]);
    expect(await sleep).toBe("result");
    expect(fired).toEqual([["a", 1]]);
  });

  test("makes calls without delay in the order in which they came, however negative their dt", async () => {
    const clock = new SystemClock();
    const fired: number[] = [];
    for (const dt of [0, -1, -5, 0, -2]) clock.callIn(dt, () => fired.push(dt));
    await clock.sleep(0);
    expect(fired).toEqual([0, -1, -5, 0, -2]);
  });

  test("lets the event loop live while a callback calls itself without delay", async () => {
    const clock = new SystemClock();
    let isStopped = false;
    const again = (): void => {
      if (!isStopped) clock.callIn(-1, again);
    };
    again();
    const other = vi.fn<() => void>();
    clock.callIn(0.005, other);
    await new Promise((resolve) => setTimeout(resolve, 30));
    isStopped = true;
    expect(other).toHaveBeenCalledOnce();
  });

  test("lets the event loop live under ticks that its consumer is too slow for", async () => {
    const clock = new SystemClock();
    let isOver = false;
    setTimeout(() => {
      isOver = true;
    }, 20);
    let last = Number.NEGATIVE_INFINITY;
    for await (const t of clock.every(1e-6)) {
      expect(t).toBeGreaterThan(last);
      last = t;
      if (isOver) break;
    }
  });

  test("has no more than one timer of Node, and none when nothing waits", async () => {
    const clock = new SystemClock();
    const countTimeouts = (): number => process.getActiveResourcesInfo().filter((name) => name === "Timeout").length;
    const before = countTimeouts();
    const setTimer = vi.spyOn(globalThis, "setTimeout");
    const handles = Array.from({ length: 100_000 }, (_, index) => clock.callIn(1000 + index, () => {}));
    expect(setTimer).toHaveBeenCalledOnce();
    expect(countTimeouts()).toBe(before + 1);
    for (const handle of handles.toReversed()) handle.cancel();
    expect(countTimeouts()).toBe(before);
  });

  test("runs a call in the async context of its caller", async () => {
    const clock = new SystemClock();
    const context = new AsyncLocalStorage<number>();
    const seen: unknown[] = [];
    for (const id of [1, 2]) context.run(id, () => clock.callIn(0, () => seen.push(context.getStore())));
    await clock.sleep(0.001);
    expect(seen).toEqual([1, 2]);
  });

  test("makes an uncaught exception of what a callback throws and makes the other calls", async () => {
    const clock = new SystemClock();
    const uncaught: unknown[] = [];
    const listeners = process.listeners("uncaughtException");
    process.removeAllListeners("uncaughtException");
    process.on("uncaughtException", (error) => uncaught.push(error));
    const fired: number[] = [];
    for (const id of [1, 2, 3]) {
      clock.callIn(0, () => {
        fired.push(id);
        if (id < 3) throw id;
      });
    }
    await clock.sleep(0.01);
    process.removeAllListeners("uncaughtException");
    for (const listener of listeners) process.on("uncaughtException", listener);
    expect([fired, uncaught]).toEqual([
      [1, 2, 3],
      [1, 2],
    ]);
  });

  test("keeps the process alive until what waits has fired, and not for what was cancelled", async () => {
    const source = (body: string): string => `
      import { SystemClock } from ${JSON.stringify(new URL("../src/system-clock.ts", import.meta.url).href)};
      const clock = new SystemClock();
      ${body}
    `;
    const print = async (body: string): Promise<string> => {
      const args = ["--conditions=@colloquy/source", "--import=tsx", "--input-type=module", "--eval", source(body)];
      const { stdout } = await run(process.execPath, args, { timeout: 9000 });
      return stdout;
    };
    expect(await print(`clock.callIn(0.05, () => process.stdout.write("fired"));`)).toBe("fired");
    const cancelled = `clock.callIn(3600, () => {}).cancel();
      const controller = new AbortController();
      clock.sleep(3600, 1, controller).catch(() => process.stdout.write("ended"));
      controller.abort();`;
    expect(await print(cancelled)).toBe("ended");
  });
});

describe("SystemClock on timers of the test", () => {
  let clock: SystemClock;

  beforeEach(() => {
    vi.useFakeTimers({ now: Date.parse("2026-01-01T00:00:00Z") });
    clock = new SystemClock();
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  test("fires callbacks in the order of their due times", async () => {
    const fired: string[] = [];
    clock.callIn(0.003, () => fired.push("c"));
    clock.callAt(clock.time() + 0.001, () => fired.push("a"));
    clock.callAt(clock.utcnow().plus(2), () => fired.push("b"));
    clock.callAt(new Date(Date.now() + 4), () => fired.push("d"));
    await vi.advanceTimersByTimeAsync(3);
    expect(fired).toEqual(["a", "b", "c"]);
    await vi.advanceTimersByTimeAsync(1);
    expect(fired).toEqual(["a", "b", "c", "d"]);
  });

  test("fires in order what a stalled event loop finds due together", () => {
    const fired: number[] = [];
    for (const dt of [3, 1, 2, 1]) clock.callIn(dt, () => fired.push(dt));
    const now = clock.time();
    vi.spyOn(performance, "now").mockReturnValue((now + 10) * 1000);
    vi.advanceTimersToNextTimer();
    expect(fired).toEqual([1, 1, 2, 3]);
  });

  test.each([2 ** 31 - 1, 2 ** 31, 2 ** 31 + 1, 2 ** 33])("keeps a delay of %s ms", async (delayMs) => {
    const fired: number[] = [];
    const dt = delayMs / 1000;
    clock.callIn(dt, () => fired.push(clock.time()));
    await vi.advanceTimersByTimeAsync(delayMs - 1);
    expect(fired).toEqual([]);
    // Seconds are rounded, so that a whole number of milliseconds may become one more.
    await vi.advanceTimersByTimeAsync(2);
    expect(fired).toHaveLength(1);
    expect(vi.getTimerCount()).toBe(0);
  });

  test("keeps a delay that is longer than any life", async () => {
    const call = vi.fn<() => void>();
    const handle = clock.callIn(1e300, call);
    await vi.advanceTimersByTimeAsync(2 ** 33);
    expect(call).not.toHaveBeenCalled();
    handle.cancel();
    expect(vi.getTimerCount()).toBe(0);
  });

  test("calls a time or date at or before now in the past and names both", async () => {
    await vi.advanceTimersByTimeAsync(5000);
    const time = clock.time();
    const past = { code: "INVALID_ARGUMENT", message: `Time ${time} is in the past: the clock is at ${time}` };
    await expect(clock.sleepUntil(time)).rejects.toMatchObject(past);
    expect(() => clock.callAt(time, () => {})).toThrow(past.message);
    const iso = "2026-01-01T00:00:05.000Z";
    const message = `Date ${iso} is in the past: the clock is at ${iso}`;
    for (const date of [DateTime.fromISO(iso), new Date(iso)]) {
      await expect(clock.sleepUntil(date)).rejects.toMatchObject({ code: "INVALID_ARGUMENT", message });
      expect(() => clock.callAt(date, () => {})).toThrow(message);
    }
    const soon = clock.sleepUntil(DateTime.fromISO(iso).plus(1), "soon");
    await vi.advanceTimersByTimeAsync(2);
    expect(await soon).toBe("soon");
  });

  test("lets a callback cancel one that is due in the same turn", async () => {
    const fired: string[] = [];
    const t = clock.time() + 1;
    clock.callAt(t, () => {
      fired.push("canceller");
      other.cancel();
    });
    const other = clock.callAt(t, () => fired.push("cancelled"));
    clock.callAt(t, () => fired.push("after"));
    await vi.advanceTimersByTimeAsync(2000);
    expect(fired).toEqual(["canceller", "after"]);
  });

  test("leaves what a callback schedules for now to the next turn", async () => {
    const fired: string[] = [];
    clock.callIn(0, () => {
      fired.push("first");
      clock.callIn(0, () => fired.push("third"));
    });
    clock.callIn(0, () => fired.push("second"));
    vi.advanceTimersToNextTimer();
    expect(fired).toEqual(["first", "second"]);
    vi.advanceTimersToNextTimer();
    expect(fired).toEqual(["first", "second", "third"]);
  });

  test("doesn't let ticks drift, however long the consumer takes", async () => {
    const start = clock.time();
    const seen: number[] = [];
    const loop = (async () => {
      for await (const t of clock.every(1)) {
        seen.push(Math.round((t - start) * 1000));
        if (seen.length === 4) break;
        await clock.sleep(seen.length === 2 ? 2.3 : 0.7);
      }
    })();
    await vi.advanceTimersByTimeAsync(10_000);
    await loop;
    expect(seen).toEqual([1000, 2000, 4000, 5000]);
  });

  test("sets its timer anew when something earlier comes or the first is cancelled", async () => {
    const fired: string[] = [];
    const late = clock.callIn(10, () => fired.push("late"));
    const early = clock.callIn(5, () => fired.push("early"));
    expect(vi.getTimerCount()).toBe(1);
    early.cancel();
    await vi.advanceTimersByTimeAsync(9999);
    expect(fired).toEqual([]);
    await vi.advanceTimersByTimeAsync(1);
    expect(fired).toEqual(["late"]);
    late.cancel();
    expect(vi.getTimerCount()).toBe(0);
  });
});
