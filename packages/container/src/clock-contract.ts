import { DateTime } from "luxon";
import type { Clock } from "./clock.ts";

/** A new clock for `checkClock`, and the way to make its time pass. */
export interface ClockUnderTest {
  readonly clock: Clock;
  /** Lets at least `seconds` pass on the clock, and what is due by then happen: by waiting or by setting it. */
  advance(seconds: number): void | Promise<void>;
  /** The step of the checks, in seconds. Default 1; for a clock of real time choose 0.01, or more on a slow machine. */
  readonly unit?: number;
}

/**
 * Holds a clock to the contract of `Clock`, rule by rule, each on a clock of its own from `make`. Rejects with an error
 * that names the first broken rule; its `cause` says what happened. Needs no test framework.
 */
export async function checkClock(make: () => ClockUnderTest | Promise<ClockUnderTest>): Promise<void> {
  for (const [rule, check] of Object.entries(rules)) {
    const stage = new Stage(await make());
    try {
      await check(stage);
    } catch (cause) {
      const what = cause instanceof Error ? cause.message : String(cause);
      throw new Error(`The clock breaks the rule "${rule}": ${what}`, { cause });
    }
  }
}

/** How many steps something that must happen may take. */
const MAX_STEPS = 1000;

/** The calendar and the monotonic clock of a machine may differ by a rounding. */
const DATE_TOLERANCE_MS = 5;

const rules: Readonly<Record<string, (stage: Stage) => Promise<void>>> = Object.freeze({
  "time() is a finite number that never goes back": checkTime,
  "utcnow() is a valid luxon DateTime in UTC that moves on with time()": checkUtcnow,
  "sleep resolves with its result, and not early": checkSleep,
  "sleepUntil takes a time, a DateTime and a Date": checkSleepUntil,
  "callIn and callAt pass on their arguments, neither early nor within the call": checkCalls,
  "what is due fires in the order of (due, insertion)": checkOrder,
  "a cancelled call is never made, not even if it is cancelled when it is due": checkCancel,
  "a moment at or before now is in the past": checkPast,
  "what is no finite number and no valid date is refused": checkBadInput,
  "a signal ends a sleep with its reason": checkSleepSignal,
  "a timeoutSignal aborts when its time has passed, and not before": checkTimeoutSignal,
  "every ticks at multiples of dt, and not early": checkEvery,
  "every ends with return() and with its signal": checkEveryEnds,
});

async function checkTime({ clock, pass }: Stage): Promise<void> {
  let last = clock.time();
  for (let step = 0; step < 5; step++) {
    require(Number.isFinite(last), `time() was ${last}`);
    await pass(1);
    const now = clock.time();
    require(now > last, `time() went from ${last} to ${now} while time passed`);
    last = now;
  }
}

async function checkUtcnow({ clock, pass, unit }: Stage): Promise<void> {
  const [date, time] = [clock.utcnow(), clock.time()];
  require(DateTime.isDateTime(date) && date.isValid, `utcnow() was ${String(date)}`);
  require(date.offset === 0, `utcnow() was ${String(date)}`);
  await pass(5);
  const [dates, times] = [(clock.utcnow().toMillis() - date.toMillis()) / 1000, clock.time() - time];
  // A machine's calendar may be set in between, by a little.
  require(Math.abs(dates - times) < Math.max(unit, 0.5), `utcnow() moved by ${dates} s and time() by ${times} s`);
}

async function checkSleep({ clock, unit, until }: Stage): Promise<void> {
  const due = clock.time() + 3 * unit;
  const plain = new Outcome(clock.sleep(unit));
  const withResult = new Outcome(clock.sleep(3 * unit, "result").then((result) => [result, clock.time()] as const));
  await until(() => plain.isSettled && withResult.isSettled, "sleep didn't end");
  require(plain.value() === undefined, "a sleep without a result had one");
  const [result, time] = withResult.value();
  require(result === "result", `sleep resolved with ${result}`);
  require(time >= due, `sleep until ${due} ended at ${time}`);
}

async function checkSleepUntil({ clock, unit, until }: Stage): Promise<void> {
  const t = clock.time() + 10 * unit;
  const date = clock.utcnow().plus({ seconds: 10 * unit });
  const byTime = new Outcome(clock.sleepUntil(t, 1).then((result) => [result, clock.time()] as const));
  const byDates = [date, date.setZone("UTC+2"), date.toJSDate()].map(
    (moment) => new Outcome(clock.sleepUntil(moment, 2).then((result) => [result, clock.utcnow()] as const)),
  );
  await until(() => byTime.isSettled && byDates.every((outcome) => outcome.isSettled), "sleepUntil didn't end");
  const [result, time] = byTime.value();
  require(result === 1 && time >= t, `sleepUntil ${t} ended at ${time} with ${result}`);
  for (const outcome of byDates) {
    const [result, now] = outcome.value();
    const isEarly = now.toMillis() < date.toMillis() - DATE_TOLERANCE_MS;
    require(result === 2 && !isEarly, `sleepUntil ${date.toISO()} ended at ${now.toISO()} with ${result}`);
  }
}

async function checkCalls({ clock, unit, until }: Stage): Promise<void> {
  const calls: unknown[][] = [];
  const note = (...args: unknown[]): void => {
    calls.push([...args, clock.time()]);
  };
  const dues = [clock.time() + unit, clock.time() + 10 * unit];
  clock.callIn(unit, note, "a", 1);
  clock.callAt(dues[1] ?? 0, note, "b", 2);
  clock.callAt(clock.utcnow().plus({ seconds: 20 * unit }), note);
  require(calls.length === 0, "a call was made within the method that scheduled it");
  await until(() => calls.length >= 3, "a call wasn't made");
  const [first, second] = calls;
  require(first?.[0] === "a" && first[1] === 1, `callIn passed on ${String(first)}`);
  require(second?.[0] === "b" && second[1] === 2, `callAt passed on ${String(second)}`);
  for (const [index, due] of dues.entries()) {
    const time = calls[index]?.[2] as number;
    require(time >= due, `the call for ${due} was made at ${time}`);
  }
}

async function checkOrder({ clock, unit, until }: Stage): Promise<void> {
  const fired: string[] = [];
  const start = clock.time() + 10 * unit;
  for (const name of ["c0", "a0", "b0", "a1", "c1", "b1", "a2"]) {
    const due = start + "abc".indexOf(name.charAt(0)) * unit;
    clock.callAt(due, () => fired.push(name));
  }
  await until(() => fired.length === 7, "not all calls were made");
  require(fired.join() === "a0,a1,a2,b0,b1,c0,c1", `the order was ${fired.join()}`);
}

async function checkCancel({ clock, unit, until, pass }: Stage): Promise<void> {
  const fired: string[] = [];
  const t = clock.time() + 10 * unit;
  clock.callIn(unit, () => fired.push("cancelled before")).cancel();
  const first = clock.callAt(t, () => {
    fired.push("first");
    second.cancel();
  });
  const second = clock.callAt(t, () => fired.push("cancelled in a callback"));
  clock.callAt(t, () => fired.push("third"));
  await until(() => fired.includes("third"), "a call wasn't made after one before it had been cancelled");
  first.cancel();
  second.cancel();
  await pass(2);
  require(fired.join() === "first,third", `what fired was ${fired.join()}`);
}

async function checkPast({ clock, unit, pass, refuses }: Stage): Promise<void> {
  await pass(2);
  const now = clock.utcnow();
  for (const moment of [clock.time(), clock.time() - unit, now, now.minus({ seconds: unit }), now.toJSDate()]) {
    const words = /in the past/;
    await refuses(() => clock.sleepUntil(moment), words, `sleepUntil(${String(moment)})`);
    await refuses(() => clock.callAt(moment, () => {}), words, `callAt(${String(moment)})`, "throws");
  }
}

async function checkBadInput({ clock, refuses }: Stage): Promise<void> {
  const invalid = [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, "1", null, undefined] as number[];
  for (const value of invalid) {
    await refuses(() => clock.sleep(value), /finite number/, `sleep(${value})`);
    await refuses(() => clock.callIn(value, () => {}), /finite number/, `callIn(${value})`, "throws");
    await refuses(() => clock.every(value), /finite number/, `every(${value})`, "throws");
  }
  for (const value of [...invalid, DateTime.invalid("test"), new Date(Number.NaN)]) {
    await refuses(() => clock.sleepUntil(value), /finite|valid|must be/, `sleepUntil(${String(value)})`);
    await refuses(() => clock.callAt(value, () => {}), /finite|valid|must be/, `callAt(${String(value)})`, "throws");
  }
  for (const dt of [0, -1]) await refuses(() => clock.every(dt), /must be > 0/, `every(${dt})`, "throws");
}

async function checkSleepSignal({ clock, unit, refuses, pass }: Stage): Promise<void> {
  const controller = new AbortController();
  const { signal } = controller;
  const sleeps = [clock.sleep(50 * unit, 1, { signal }), clock.sleepUntil(clock.time() + 50 * unit, 1, { signal })];
  void clock.sleep(50 * unit, 1, { signal });
  controller.abort(new Error("reason"));
  for (const sleep of sleeps) await refuses(() => sleep, /^reason$/, "a sleep whose signal aborts");
  await refuses(() => clock.sleep(unit, 1, { signal }), /^reason$/, "a sleep whose signal has aborted");
  // The reason of the sleep that nobody awaits would surface here.
  await pass(2);
}

async function checkTimeoutSignal({ clock, unit, until }: Stage): Promise<void> {
  const due = clock.time() + 3 * unit;
  const signal = clock.timeoutSignal(3 * unit);
  require(!signal.aborted, "the signal has aborted at once");
  await until(() => signal.aborted || clock.time() < due, "the signal didn't abort");
  require(clock.time() >= due || !signal.aborted, `the signal for ${due} aborted at ${clock.time()}`);
  await until(() => signal.aborted, "the signal didn't abort");
}

async function checkEvery({ clock, unit, until }: Stage): Promise<void> {
  const start = clock.time();
  const ticks = clock.every(2 * unit);
  const created = clock.time();
  let last = 0;
  for (let count = 0; count < 4; count++) {
    const outcome = new Outcome(ticks.next().then((tick) => [tick.value, clock.time()] as const));
    await until(() => outcome.isSettled, "no tick came");
    const [tick = Number.NaN, time] = outcome.value();
    const number = Math.round((tick - start) / (2 * unit));
    require(number > last, `tick ${number} came after tick ${last}`);
    const [earliest, latest] = [start, created].map((from) => from + number * 2 * unit) as [number, number];
    const rounding = Math.abs(tick) * Number.EPSILON * 4;
    require(tick >= earliest - rounding && tick <= latest + rounding, `tick ${number} was ${tick}, not ${earliest}`);
    require(time >= tick, `the tick for ${tick} came at ${time}`);
    last = number;
  }
  await ticks.return?.();
}

async function checkEveryEnds({ clock, unit, until, refuses }: Stage): Promise<void> {
  const returned = clock.every(50 * unit);
  const waiting = new Outcome(returned.next());
  void returned.return?.();
  const after = new Outcome(returned.next());
  await until(() => waiting.isSettled && after.isSettled, "return() didn't end the iteration");
  require(waiting.value().done === true && after.value().done === true, "there was a tick after return()");
  const controller = new AbortController();
  const aborted = clock.every(50 * unit, { signal: controller.signal });
  const next = aborted.next();
  controller.abort(new Error("reason"));
  await refuses(() => next, /^reason$/, "a tick whose signal aborts");
  const last = new Outcome(aborted.next());
  await until(() => last.isSettled, "the iteration went on after its signal had aborted");
  require(last.value().done === true, "there was a tick after the signal had aborted");
}

/** How a promise has come out, readable without waiting for it. */
class Outcome<T> {
  isSettled = false;
  #error: unknown;
  #failed = false;
  #value: T | undefined;

  constructor(promise: Promise<T>) {
    promise.then(
      (value) => {
        this.isSettled = true;
        this.#value = value;
      },
      (error: unknown) => {
        this.isSettled = true;
        this.#failed = true;
        this.#error = error;
      },
    );
  }

  get failed(): boolean {
    return this.#failed;
  }

  get error(): unknown {
    return this.#error;
  }

  /** What the promise resolved with; throws what it rejected with. */
  value(): T {
    if (this.#failed) throw this.#error;
    return this.#value as T;
  }
}

/** One clock and the words in which rules speak of it. */
class Stage {
  readonly clock: Clock;
  readonly unit: number;
  readonly #advance: (seconds: number) => void | Promise<void>;

  constructor(under: ClockUnderTest) {
    this.clock = under.clock;
    this.unit = under.unit ?? 1;
    this.#advance = (seconds) => under.advance(seconds);
  }

  /** Lets time pass, in steps of the unit. */
  readonly pass = async (steps: number): Promise<void> => {
    await this.#advance(steps * this.unit);
  };

  /** Lets time pass until something is so, and fails if that takes too long. */
  readonly until = async (isSo: () => boolean, otherwise: string): Promise<void> => {
    for (let step = 0; step < MAX_STEPS; step++) {
      if (isSo()) return;
      await this.pass(1);
    }
    throw new Error(`${otherwise} within ${MAX_STEPS * this.unit} s`);
  };

  /** Requires that `act` rejects, or throws, with a message that has the words. */
  readonly refuses = async (act: () => unknown, words: RegExp, what: string, how = "rejects"): Promise<void> => {
    let error: unknown;
    let promise: unknown;
    try {
      promise = act();
    } catch (thrown) {
      require(how === "throws", `${what} threw and didn't reject`);
      error = thrown;
    }
    if (promise !== undefined) {
      require(how === "rejects", `${what} was accepted`);
      const outcome = new Outcome(promise as Promise<unknown>);
      await this.until(() => outcome.isSettled, `${what} was neither accepted nor refused`);
      require(outcome.failed, `${what} was accepted`);
      error = outcome.error;
    }
    require(error instanceof Error && words.test(error.message), `${what} was refused with ${String(error)}`);
  };
}

function require(isSo: boolean, otherwise: string): void {
  if (!isSo) throw new Error(otherwise);
}
