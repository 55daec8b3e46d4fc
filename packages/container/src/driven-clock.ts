import { setTimeout as setNodeTimeout } from "node:timers";
import { ColloquyError } from "@colloquy/core";
import { Activity } from "./activity.ts";
import type { ActivityReport, ActivitySource } from "./activity.ts";
import { quiet } from "./quiet.ts";

/** Looks that follow each other without a pause. */
const EAGER_LOOKS = 16;
const LONGEST_PAUSE_MS = 16;

/** How many messages a member should have received over each of its ends of a connection: `[name, opened, count]`. */
export type Expectation = readonly [name: string, opened: boolean, count: number];

/** A report, and what callbacks of the clock have thrown since the last one. */
export interface StepReport extends ActivityReport {
  readonly failures: readonly unknown[];
}

/** What a member tells whoever drives it. */
export interface Membership {
  readonly root: string;
  readonly time: number;
}

/** The clock of one container as a coordinator drives it: one coordinator at a time. */
export class DrivenClock {
  readonly #source: ActivitySource;
  readonly #activity: Activity;
  readonly #end: AbortSignal;
  /** Whoever drives it. */
  #driver: object | undefined;

  /** `end` aborts when the container shuts down. */
  constructor(source: ActivitySource, end: AbortSignal) {
    this.#source = source;
    this.#end = end;
    this.#activity = new Activity(source);
  }

  /** @throws ColloquyError `UNAVAILABLE` where another one drives this clock. */
  join(driver: object): Membership {
    if (this.#driver !== undefined && this.#driver !== driver)
      throw new ColloquyError("UNAVAILABLE", "another coordinator drives this clock");
    this.#driver = driver;
    return { root: this.#source.root, time: this.#source.clock.time() };
  }

  leave(driver: object): void {
    if (this.#driver === driver) this.#driver = undefined;
  }

  /** Tells the roots of all members. */
  begin(driver: object, members: readonly string[]): void {
    this.#require(driver);
    this.#activity.members = new Set(members);
  }

  /** Sets the time. One that is there already is another member's doing, which has the same clock. */
  prepare(driver: object, t: number): void {
    this.#require(driver);
    if (this.#source.clock.time() !== t) this.#source.clock.prepare(t);
  }

  /** Fires what is due, and reports when nothing is to be done. */
  async fire(driver: object, signal: AbortSignal | undefined): Promise<StepReport> {
    this.#require(driver);
    const failures: unknown[] = [];
    try {
      this.#source.clock.fire();
    } catch (error) {
      if (error instanceof AggregateError) failures.push(...(error.errors as unknown[]));
      else failures.push(error);
    }
    return { ...(await this.#settled([], signal)), failures };
  }

  /** Reports when it has received what it should have, as far as those connections are open, and nothing is to be done. */
  async settle(
    driver: object,
    expected: readonly Expectation[],
    signal: AbortSignal | undefined,
  ): Promise<ActivityReport> {
    this.#require(driver);
    return this.#settled(expected, signal);
  }

  /** How it is right now. */
  report(driver: object): ActivityReport {
    this.#require(driver);
    return this.#activity.report();
  }

  async #settled(expected: readonly Expectation[], signal: AbortSignal | undefined): Promise<ActivityReport> {
    for (let look = 0; ; look++) {
      const before = this.#activity.report();
      await quiet();
      signal?.throwIfAborted();
      this.#end.throwIfAborted();
      const report = this.#activity.report();
      if (report.busy.length === 0 && sameCounts(before, report) && isCaughtUp(report, expected)) return report;
      if (look >= EAGER_LOOKS) await this.#pause(Math.min(2 ** (look - EAGER_LOOKS), LONGEST_PAUSE_MS));
    }
  }

  /** Ends early when busy work is over. */
  async #pause(milliseconds: number): Promise<void> {
    await new Promise<void>((resolve) => {
      const timer = setNodeTimeout(done, milliseconds);
      const forget = this.#source.clock.busyWork.onIdle(done);
      function done(): void {
        clearTimeout(timer);
        forget();
        resolve();
      }
    });
  }

  #require(driver: object): void {
    if (this.#driver !== driver)
      throw new ColloquyError("UNAVAILABLE", "this coordinator doesn't drive the clock, or has left it");
  }
}

/** Nothing was sent or received between two reports, and no connection has come or gone. */
export function sameCounts(a: ActivityReport, b: ActivityReport): boolean {
  return (
    a.links.length === b.links.length &&
    a.links.every(([name, opened, , sent, received], index) => {
      const other = b.links[index]!;
      return other[0] === name && other[1] === opened && other[3] === sent && other[4] === received;
    })
  );
}

function isCaughtUp({ links }: ActivityReport, expected: readonly Expectation[]): boolean {
  return expected.every(([name, opened, count]) => {
    const end = links.find((link) => link[0] === name && link[1] === opened);
    return end === undefined || end[4] >= count;
  });
}
