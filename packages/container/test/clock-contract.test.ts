import type { DateTime } from "luxon";
import { describe, expect, test } from "vitest";
import type { ClockDate, TimerHandle, WaitOptions } from "../src/clock.ts";
import { checkClock, type ClockUnderTest } from "../src/clock-contract.ts";
import { ExternalClock } from "../src/external-clock.ts";
import { SystemClock } from "../src/system-clock.ts";

const START = "2020-01-01T00:00:00Z";

function external(make: () => ExternalClock): () => ClockUnderTest {
  return () => {
    const clock = make();
    return { clock, advance: (seconds) => clock.advanceTo(clock.time() + seconds) };
  };
}

describe("checkClock", () => {
  test("finds nothing to object to in ExternalClock", async () => {
    await checkClock(external(() => new ExternalClock(START)));
    await checkClock(external(() => new ExternalClock(START, { initTime: 1e9 + 0.1 })));
  });

  test("finds nothing to object to in an ExternalClock that is set and not advanced", async () => {
    await checkClock(() => {
      const clock = new ExternalClock(START);
      return {
        clock,
        advance: async (seconds) => {
          clock.setTime(clock.time() + seconds);
          await new Promise(setImmediate);
        },
      };
    });
  });

  test("finds nothing to object to in SystemClock", { timeout: 60_000 }, async () => {
    await checkClock(() => ({
      clock: new SystemClock(),
      advance: (seconds) => new Promise((resolve) => setTimeout(resolve, seconds * 1000)),
      unit: 0.01,
    }));
  });

  class StandsStill extends ExternalClock {
    override time(): number {
      return 0;
    }
  }
  class LocalDates extends ExternalClock {
    override utcnow(): ClockDate {
      return super.utcnow().setZone("UTC+2");
    }
  }
  class FrozenDate extends ExternalClock {
    readonly #date: DateTime = super.utcnow();
    override utcnow(): ClockDate {
      return this.#date;
    }
  }
  class WakesEarly extends ExternalClock {
    protected override schedule(due: number, fire: () => void): TimerHandle {
      return super.schedule(this.time() + (due - this.time()) / 4, fire);
    }
  }
  class CallsAtOnce extends ExternalClock {
    protected override schedule(_due: number, fire: () => void): TimerHandle {
      fire();
      return { cancel: () => {} };
    }
  }
  class NeverCancels extends ExternalClock {
    protected override schedule(due: number, fire: () => void): TimerHandle {
      super.schedule(due, fire);
      return { cancel: () => {} };
    }
  }
  class ForgetsOrder extends ExternalClock {
    #delay = 1e-3;
    protected override schedule(due: number, fire: () => void): TimerHandle {
      this.#delay -= 1e-6;
      return super.schedule(due + this.#delay, fire);
    }
  }
  class LosesResults extends ExternalClock {
    override sleep(dt: number): Promise<any> {
      return super.sleep(dt);
    }
  }
  class TakesThePast extends ExternalClock {
    override callAt<A extends unknown[]>(t: number, f: (...args: A) => unknown, ...args: A): TimerHandle {
      return super.callAt(t > this.time() ? t : this.time() + 1, f, ...args);
    }
  }
  class ThrowsAtOnce extends ExternalClock {
    override sleepUntil(t: any, result?: any): Promise<any> {
      if (t <= this.time()) throw new Error("in the past");
      return super.sleepUntil(t, result);
    }
  }
  class Drifts extends ExternalClock {
    override every(dt: number, options?: WaitOptions): AsyncIterableIterator<number, undefined> {
      return super.every(typeof dt === "number" ? dt * 1.1 : dt, options);
    }
  }
  class TakesAnyInterval extends ExternalClock {
    override every(dt: number, options?: WaitOptions): AsyncIterableIterator<number, undefined> {
      return super.every(dt > 0 ? dt : 1, options);
    }
  }
  class EndlessTicks extends ExternalClock {
    override every(dt: number): AsyncIterableIterator<number, undefined> {
      return super.every(dt);
    }
  }
  class EndlessSleep extends ExternalClock {
    override sleepUntil(t: any, result?: any): Promise<any> {
      return super.sleepUntil(t, result);
    }
  }

  test.each([
    [StandsStill, "time() is a finite number that never goes back"],
    [LocalDates, "utcnow() is a valid luxon DateTime in UTC that moves on with time()"],
    [FrozenDate, "utcnow() is a valid luxon DateTime in UTC that moves on with time()"],
    [WakesEarly, "sleep resolves with its result, and not early"],
    [LosesResults, "sleep resolves with its result, and not early"],
    [CallsAtOnce, "sleep resolves with its result, and not early"],
    [ForgetsOrder, "what is due fires in the order of (due, insertion)"],
    [NeverCancels, "a cancelled call is never made, not even if it is cancelled when it is due"],
    [TakesThePast, "a moment at or before now is in the past"],
    [ThrowsAtOnce, "a moment at or before now is in the past"],
    [TakesAnyInterval, "what is no finite number and no valid date is refused"],
    [EndlessSleep, "a signal ends a sleep with its reason"],
    [Drifts, "every ticks at multiples of dt, and not early"],
    [EndlessTicks, "every ends with return() and with its signal"],
  ])("names the rule that %o breaks", async (Broken, rule) => {
    const error = await checkClock(external(() => new Broken(START))).catch((thrown: unknown) => thrown);
    expect((error as Error).message).toContain(`The clock breaks the rule "${rule}": `);
    expect((error as Error).cause).toBeDefined();
  });
});
