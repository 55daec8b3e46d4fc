import { AsyncResource } from "node:async_hooks";
import { setMaxListeners } from "node:events";
import { ColloquyError, describeType } from "@colloquy/core";
import { DateTime } from "luxon";
import { Ticks } from "./ticks.ts";

/** A date as clocks give it: a luxon `DateTime`. Clocks of this package give it in UTC, to the millisecond. */
export type ClockDate = DateTime;

/** A moment: a number is a clock time in seconds, as `time()` gives it; a date must be a valid one, of any zone. */
export type ClockMoment = number | ClockDate | Date;

/** A scheduled call, as `callIn` and `callAt` return it. */
export interface TimerHandle {
  /** Takes back the call, at once and for good. Without effect once it has been made, or the second time. */
  cancel(): void;
}

/** Options of whatever waits on a clock. */
export interface WaitOptions {
  /** Ends the waiting: it rejects with the signal's `reason`, and nothing of it stays in the clock or on the signal. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * The time of a container: what agents sleep on, so that the same agent runs in real time or in a simulation's.
 *
 * Times and durations are numbers of seconds. Bad input is a `ColloquyError` with the code `INVALID_ARGUMENT`: NaN,
 * infinite or no number at all; a date that isn't valid; a moment at or before now, "in the past" in the message's
 * words, which also name both times. What returns a promise or a tick rejects with it, `callIn`, `callAt` and `every`
 * throw it. Dates count to the millisecond: one is in the past if it isn't later than `utcnow()`.
 *
 * What is due fires in the order of `(due, insertion)`, never early, and never before the method that scheduled it has
 * returned. A clock may be shared by several containers; none of them closes it. Who shuts down ends their own waiting
 * by the `signal` that all of it takes, or by `cancel()`.
 *
 * A clock of one's own extends this class with `time`, `utcnow` and `schedule`; `checkClock` from the `testing` entry
 * holds it to this contract. As in aiomas' `BaseClock`, whose `sleep_until` is `sleepUntil`, `call_in` is `callIn` and
 * so on.
 */
export abstract class Clock {
  readonly #aborts = new AbortListeners();

  /** Ends all waiting that has no signal of its own; for a clock that belongs to somebody who ends. */
  protected get lifetime(): AbortSignal | undefined {
    return undefined;
  }

  /** Seconds on a clock that never goes back. Where it begins is up to the clock: compare, don't depend on it. */
  abstract time(): number;

  /** The current date, in UTC. */
  abstract utcnow(): ClockDate;

  /**
   * The one thing that a kind of clock does its own way: calls `fire` once when `time()` has reached `due`, later than
   * this call returns, in the order of `(due, insertion)` with all the others. If `due` has been reached already, that
   * is the first chance there is. A handle that is cancelled must let go of `fire` at once.
   */
  protected abstract schedule(due: number, fire: () => void): TimerHandle;

  /** How much waits here: sleeps, ticks and callbacks. Undefined where the clock doesn't count. */
  get timerCount(): number | undefined {
    return undefined;
  }

  /**
   * The time at which `dt` seconds, a finite number, will have passed. Here 0 and less mean "at the next chance", as in
   * aiomas' `AsyncioClock`; a clock that takes no such `dt` throws.
   */
  protected dueAfter(dt: number): number {
    return this.time() + Math.max(dt, 0);
  }

  /**
   * The clock time of a date, given in milliseconds since 1970. Here: as far from now on the clock as in the calendar.
   */
  protected timeOf(epochMs: number): number {
    return (epochMs - this.utcnow().toMillis()) / 1000 + this.time();
  }

  /** Resolves with `result` when `dt` seconds have passed. Whether `dt` may be 0 or less is up to the clock. */
  sleep(dt: number, result?: undefined, options?: WaitOptions): Promise<void>;
  sleep<T>(dt: number, result: T, options?: WaitOptions): Promise<T>;
  sleep(dt: number, result?: unknown, options?: WaitOptions): Promise<unknown> {
    return this.#wait(() => this.#dueIn(dt), result, options?.signal ?? this.lifetime);
  }

  /**
   * Resolves with `result` at the moment `t`, which must lie after now. A date is converted into a clock time once, in
   * this call: what happens to the calendar afterwards doesn't matter.
   */
  sleepUntil(t: ClockMoment, result?: undefined, options?: WaitOptions): Promise<void>;
  sleepUntil<T>(t: ClockMoment, result: T, options?: WaitOptions): Promise<T>;
  sleepUntil(t: ClockMoment, result?: unknown, options?: WaitOptions): Promise<unknown> {
    return this.#wait(() => this.#dueAt(t), result, options?.signal ?? this.lifetime);
  }

  /**
   * Calls `f(...args)` when `dt` seconds have passed, in the async context of this call. Whether `dt` may be 0 or less
   * is up to the clock, and so is who gets to see what `f` throws.
   */
  callIn<A extends unknown[]>(dt: number, f: (...args: A) => unknown, ...args: A): TimerHandle {
    return this.#call(this.#dueIn(dt), f, args);
  }

  /**
   * Calls `f(...args)` at the moment `t`, which must lie after now, as `callIn` does. A date is converted in this call.
   */
  callAt<A extends unknown[]>(t: ClockMoment, f: (...args: A) => unknown, ...args: A): TimerHandle {
    return this.#call(this.#dueAt(t), f, args);
  }

  /**
   * Ticks at `dt`, `2 * dt`, ... seconds after this call, for as long as somebody asks: an iterable of the clock times
   * at which ticks were due. Those are multiples of `dt` from the start however late a tick comes, so nothing drifts.
   *
   * Ticks that were missed, because the consumer was slow or the clock was set far ahead, are skipped: the latest of
   * them comes at once, the next one at its time. Only one tick waits in the clock, and none while nobody asks. `dt`
   * must be more than 0 on every clock. `signal` ends the iteration with its reason, `break` and `return()` without an
   * error, also while a tick is awaited.
   */
  every(dt: number, options?: WaitOptions): AsyncIterableIterator<number, undefined> {
    requireSeconds(dt, "dt");
    if (dt <= 0) throw invalidArgument(`dt must be > 0 but is ${dt}`);
    const signal = options?.signal ?? this.lifetime;
    return new Ticks(dt, {
      signal,
      time: () => this.time(),
      schedule: (due, fire) => this.schedule(due, fire),
      onAbort: (listener) => this.#aborts.add(signal, listener),
    });
  }

  /**
   * A signal that aborts when `dt` seconds have passed, for what takes a signal: a deadline on this clock, and not on the
   * machine's. Its reason is a `ColloquyError` with the code `DEADLINE_EXCEEDED`; a call that it ends is `CANCELLED`, with
   * that as its cause. Where the clock ends before, so does the time: it aborts with the clock's reason.
   *
   * @throws ColloquyError `INVALID_ARGUMENT`, as `callIn`.
   */
  timeoutSignal(dt: number): AbortSignal {
    const due = this.#dueIn(dt);
    const { lifetime } = this;
    if (lifetime?.aborted === true) return lifetime;
    const controller = new AbortController();
    // One deadline may be that of many calls: no leak.
    setMaxListeners(0, controller.signal);
    const forget = this.#aborts.add(lifetime, (reason) => controller.abort(reason));
    this.schedule(due, () => {
      forget();
      controller.abort(new ColloquyError("DEADLINE_EXCEEDED", `${dt} s have passed on the clock: it is at ${due}`));
    });
    return controller.signal;
  }

  /**
   * Says that `promise` waits for something outside of clocks and connections: a file, a thread, a server that knows no
   * clock. Who sets an `ExternalClock` waits for it before the next step; on other clocks nobody asks. `label` is what it
   * is called where it takes too long. Resolves and rejects as the promise does.
   */
  busy<T>(promise: PromiseLike<T>, label?: string): Promise<T>;
  async busy<T>(promise: PromiseLike<T>): Promise<T> {
    return promise;
  }

  #dueIn(dt: number): number {
    requireSeconds(dt, "dt");
    const due = this.dueAfter(dt);
    requireSeconds(due, "time() + dt");
    return due;
  }

  #dueAt(moment: ClockMoment): number {
    if (typeof moment === "number") {
      requireSeconds(moment, "t");
      const time = this.time();
      if (moment > time) return moment;
      throw invalidArgument(`Time ${moment} is in the past: the clock is at ${time}`);
    }
    const epochMs = epochMsOf(moment);
    const now = this.utcnow();
    if (epochMs > now.toMillis()) return this.timeOf(epochMs);
    const date = DateTime.fromMillis(epochMs, { zone: "utc" });
    throw invalidArgument(`Date ${date.toISO()} is in the past: the clock is at ${now.toISO()}`);
  }

  #wait<T>(dueOf: () => number, result: T, signal: AbortSignal | undefined): Promise<T> {
    let due: number;
    try {
      due = dueOf();
    } catch (error) {
      return Promise.reject(error);
    }
    const promise = new Promise<T>((resolve, reject) => {
      signal?.throwIfAborted();
      let forget = (): void => {};
      const handle = this.schedule(due, () => {
        forget();
        resolve(result);
      });
      forget = this.#aborts.add(signal, (reason) => {
        handle.cancel();
        reject(reason);
      });
    });
    // Who aborts knows that it ended: a sleep that nobody awaits any more is no unhandled rejection then.
    if (signal !== undefined) promise.catch(() => {});
    return promise;
  }

  #call<A extends unknown[]>(due: number, f: (...args: A) => unknown, args: A): TimerHandle {
    if (typeof f !== "function") throw invalidArgument(`f must be a function but is ${describeType(f)}`);
    // One timer or one setTime serves many callers: each call keeps the context of its own.
    const context = new AsyncResource("Clock");
    return this.schedule(due, () => {
      context.runInAsyncScope(f, undefined, ...args);
    });
  }
}

/**
 * What ends when a signal aborts, with one listener on each signal: Node warns of a leak at eleven, and looks through
 * all of them to add or remove one.
 */
class AbortListeners {
  readonly #groups = new WeakMap<AbortSignal, ListenerGroup>();

  /** Calls `listener` when `signal` aborts, unless the returned function has been called before. */
  add(signal: AbortSignal | undefined, listener: (reason: unknown) => void): () => void {
    if (signal === undefined) return () => {};
    const group = this.#groups.get(signal) ?? this.#listen(signal);
    group.listeners.add(listener);
    return () => {
      group.listeners.delete(listener);
      // A group that was left before has a successor, maybe, and that one isn't empty.
      if (group.listeners.size > 0 || this.#groups.get(signal) !== group) return;
      this.#groups.delete(signal);
      signal.removeEventListener("abort", group.onAbort);
    };
  }

  #listen(signal: AbortSignal): ListenerGroup {
    const listeners = new Set<(reason: unknown) => void>();
    const onAbort = (): void => {
      this.#groups.delete(signal);
      for (const listener of listeners) listener(signal.reason);
    };
    const group = { listeners, onAbort };
    this.#groups.set(signal, group);
    signal.addEventListener("abort", onAbort, { once: true });
    return group;
  }
}

interface ListenerGroup {
  readonly listeners: Set<(reason: unknown) => void>;
  readonly onAbort: () => void;
}

/** The failure of whoever calls a clock with something that it can't take. */
export function invalidArgument(message: string): ColloquyError {
  return new ColloquyError("INVALID_ARGUMENT", message);
}

/** Refuses what is no finite number of seconds; `name` is what the caller calls it. */
export function requireSeconds(value: number, name: string): void {
  if (Number.isFinite(value)) return;
  const what = typeof value === "number" ? value : describeType(value);
  throw invalidArgument(`${name} must be a finite number of seconds but is ${what}`);
}

/** The milliseconds since 1970 of a date, which must be valid. */
export function epochMsOf(date: ClockDate | Date): number {
  const epochMs = DateTime.isDateTime(date) ? date.toMillis() : date instanceof Date ? date.getTime() : undefined;
  if (epochMs === undefined)
    throw invalidArgument(`a date must be a luxon DateTime or a Date but is ${describeType(date)}`);
  if (Number.isNaN(epochMs)) throw invalidArgument(`a date must be valid but is ${String(date)}`);
  return epochMs;
}
