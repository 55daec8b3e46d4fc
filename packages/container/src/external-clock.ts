import { checkOptions } from "@colloquy/core";
import { DateTime } from "luxon";
import { BusyWork } from "./busy-work.ts";
import { Clock, type ClockDate, epochMsOf, invalidArgument, requireSeconds, type TimerHandle } from "./clock.ts";
import { OPTION_KINDS } from "./option-kinds.ts";
import { nextTurn } from "./system-clock.ts";
import { TimerHeap } from "./timer-heap.ts";

/** How far from 1970 a date can be. */
const MAX_EPOCH_MS = 8.64e15;

/** Options of `ExternalClock`. */
export interface ExternalClockOptions {
  /** What `time()` is at first, in seconds. Default 0. */
  readonly initTime?: number | undefined;
}

/**
 * A clock that stands still until somebody sets it: a simulator, another process, a test. `utcnow()` is always
 * `utcStart` and `time()` seconds, rounded to the millisecond; with an `initTime` it therefore begins later than
 * `utcStart`. `sleep` and `callIn` take only a `dt` of more than 0. What waits here doesn't keep the process alive. As
 * aiomas' `ExternalClock`, except that callbacks run within `setTime` and not in the turn of the event loop after it.
 */
export class ExternalClock extends Clock {
  readonly #heap = new TimerHeap<() => void>();
  readonly #startMs: number;
  readonly #busy = new BusyWork();
  #time: number;
  #advancingTo: number | undefined;

  /** `utcStart`: a date, or one as ISO 8601 text, which counts as UTC where it names no zone. */
  constructor(utcStart: ClockDate | Date | string, options?: ExternalClockOptions) {
    super();
    checkOptions("ExternalClock", options, OPTION_KINDS.externalClock);
    this.#startMs = typeof utcStart === "string" ? epochMsOfIso(utcStart) : epochMsOf(utcStart);
    this.#time = options?.initTime ?? 0;
    requireSeconds(this.#time, "initTime");
    this.#requireDate(this.#time);
  }

  /** Seconds, as last set. */
  override time(): number {
    return this.#time;
  }

  override get timerCount(): number {
    return this.#heap.size;
  }

  /** `utcStart` and `time()` seconds. */
  override utcnow(): ClockDate {
    return DateTime.fromMillis(this.#epochMsAt(this.#time), { zone: "utc" });
  }

  /** When the next thing is due that waits here; undefined where nothing does. At or before now once `prepare` has passed it. */
  get nextDue(): number | undefined {
    return this.#heap.peek()?.due;
  }

  /** Work that `busy` has been told of and that isn't over. */
  get busyWork(): BusyWork {
    return this.#busy;
  }

  /**
   * Counts `promise` until it settles: `advanceTo`, a coordinator and a simulation wait for it before they go on. `label` is
   * what it is called where it takes too long. Resolves and rejects as the promise does.
   */
  override async busy<T>(promise: PromiseLike<T>, label = "work without a label"): Promise<T> {
    return this.#busy.add(promise, label);
  }

  /**
   * The first half of `setTime`: sets the time to `t`, which must be later than now, and fires nothing. For several clocks
   * that are to show one time before anything happens at it. Throws as `setTime` does.
   */
  prepare(t: number): void {
    this.#requireLater(t);
    this.#time = t;
  }

  /** The second half: fires what is due by now, as `setTime` does, and throws what that would throw. */
  fire(): void {
    this.#requireNoAdvance(this.#time);
    const errors: unknown[] = [];
    this.#fireDue(errors);
    throwAll(errors, this.#time);
  }

  /**
   * Sets the time to `t`, which must be later than now, then fires all that is due by it, in the order of `(due,
   * insertion)`. All callbacks see `t` as the time, so that nothing they schedule can be due in the same pass; promise
   * continuations, of sleeps and ticks, run after this call. A callback may call `setTime` itself: what is due by the
   * later time fires within that call.
   *
   * A callback that throws doesn't keep the others from firing. When all have, its error is thrown, as it is; several
   * are thrown as one `AggregateError`. The clock is at `t` then as well.
   *
   * Throws a `ColloquyError` with the code `INVALID_ARGUMENT`, without having changed anything, if `t` isn't later than
   * now or not a date's distance from `utcStart`, and while an `advanceTo` is under way.
   */
  setTime(t: number): void {
    this.#requireLater(t);
    const errors: unknown[] = [];
    this.#jump(t, errors);
    throwAll(errors, t);
  }

  /**
   * Takes the clock to `t`, which must be later than now, event by event: sets the time to each due moment in turn,
   * fires what is due at it, and waits for all promise continuations that follow from that (one turn of the event loop)
   * and what `busy` was told of, before it looks for the next. So each callback, sleeper and tick sees the very time that it asked for, and what it
   * then schedules up to `t` fires on this way too. Continuations that are pending already run before the first moment.
   * Resolves when the clock stands at `t` and what followed from that has run. Other work, as with a socket or a file,
   * isn't waited for: tell `busy` of it.
   *
   * Errors of callbacks don't stop it: they are collected, and it rejects with them at the end, as `setTime` throws
   * them. Rejects with `INVALID_ARGUMENT` where `setTime` would throw that. One `advanceTo` at a time: until it has
   * settled, `setTime` and `advanceTo` are refused.
   */
  async advanceTo(t: number): Promise<void> {
    this.#requireLater(t);
    this.#advancingTo = t;
    const errors: unknown[] = [];
    await this.#quiet();
    while (this.#time < t) {
      // What a `prepare` has passed by is due now.
      const due = Math.max(this.#heap.peek()?.due ?? t, this.#time);
      this.#jump(Math.min(due, t), errors);
      await this.#quiet();
    }
    this.#advancingTo = undefined;
    throwAll(errors, t);
  }

  protected override dueAfter(dt: number): number {
    if (dt <= 0) throw invalidArgument(`dt must be > 0 but is ${dt}`);
    const due = this.#time + dt;
    if (due > this.#time) return due;
    // A dt that is lost in rounding would be due now, and now is over.
    throw invalidArgument(
      `Time ${due} is in the past: the clock is at ${this.#time} and dt ${dt} too small to move it`,
    );
  }

  protected override timeOf(epochMs: number): number {
    return (epochMs - this.#startMs) / 1000;
  }

  protected override schedule(due: number, fire: () => void): TimerHandle {
    if (due <= this.#time) return callSoon(fire);
    const entry = this.#heap.insert(due, fire);
    return {
      cancel: () => {
        this.#heap.remove(entry);
      },
    };
  }

  /** Sets the time, then fires what is due, and adds what was thrown to `errors`. */
  #jump(t: number, errors: unknown[]): void {
    this.#time = t;
    this.#fireDue(errors);
  }

  #fireDue(errors: unknown[]): void {
    for (const fire of this.#heap.takeDue(this.#time)) {
      try {
        fire();
      } catch (error) {
        errors.push(error);
      }
    }
  }

  /** What follows from what has run is over. */
  async #quiet(): Promise<void> {
    do {
      await this.#busy.whenIdle();
      await nextTurn();
    } while (this.#busy.size > 0);
  }

  #requireLater(t: number): void {
    requireSeconds(t, "t");
    if (t <= this.#time) throw invalidArgument(`Time must be > ${this.#time} but is ${t}`);
    this.#requireDate(t);
    this.#requireNoAdvance(t);
  }

  #requireNoAdvance(t: number): void {
    if (this.#advancingTo === undefined) return;
    throw invalidArgument(
      `the clock can't be set to ${t} while it is on its way to ${this.#advancingTo}: await advanceTo`,
    );
  }

  #requireDate(t: number): void {
    if (Math.abs(this.#epochMsAt(t)) <= MAX_EPOCH_MS) return;
    throw invalidArgument(
      `time ${t} is too far from ${DateTime.fromMillis(this.#startMs).toUTC().toISO()} to have a date`,
    );
  }

  #epochMsAt(t: number): number {
    return this.#startMs + Math.round(t * 1000);
  }
}

/** For what is due now on a clock that stands still: nothing will set it to this time again. */
function callSoon(fire: () => void): TimerHandle {
  let isCancelled = false;
  queueMicrotask(() => {
    if (!isCancelled) fire();
  });
  return {
    cancel: () => {
      isCancelled = true;
    },
  };
}

function throwAll(errors: readonly unknown[], t: number): void {
  if (errors.length === 1) throw errors[0];
  if (errors.length > 1) throw new AggregateError(errors, `${errors.length} callbacks threw on the way to time ${t}`);
}

function epochMsOfIso(text: string): number {
  const date = DateTime.fromISO(text, { zone: "utc" });
  // luxon takes a bare time of day for one of today, and a simulation's start must not depend on when it is run.
  if (date.isValid && /^[+-]?\d{4}/.test(text)) return date.toMillis();
  throw invalidArgument(`utcStart must be a date in ISO 8601 but is ${JSON.stringify(text)}`);
}
