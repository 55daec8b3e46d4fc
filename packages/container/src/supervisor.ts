import { ColloquyError, guard, messageOf, quoted, warn } from "@colloquy/core";
import { ChildEntry } from "./child-entry.ts";
import type { ChildState } from "./child-entry.ts";
import { checkChild, endingOf } from "./child-spec.ts";
import type { ChildHome, ChildSpec, SupervisedChild } from "./child-spec.ts";
import type { Clock } from "./clock.ts";
import { isRestarted } from "./endings.ts";
import type { Ending, RestartType } from "./endings.ts";
import type { RestartPolicy } from "./restart-policy.ts";
import { throwRejected } from "./settled-within.ts";

/**
 * Which children are restarted with one that has failed: none, all, or those that were started after it. Words of Erlang/OTP.
 */
export type Strategy = "one-for-one" | "one-for-all" | "rest-for-one";

/** Told of an end that is followed by a restart: before the supervisor acts on it. */
export type RestartListener = (id: string, ending: Ending) => void;

/** A child of a supervisor as it is now. */
export interface SupervisorChild {
  readonly id: string;
  readonly restart: RestartType;
  readonly state: ChildState;
  /** The present life; undefined unless it is running. */
  readonly child: SupervisedChild | undefined;
}

/** @internal */
export interface SupervisorSetup {
  readonly strategy: Strategy;
  readonly policy: RestartPolicy;
  readonly clock: Clock;
  readonly onRestart: RestartListener | undefined;
}

/**
 * Restarts what has failed, as `supervisor` of Erlang/OTP does. It is itself something that can be supervised.
 *
 * What happens to its children is handled one after another, in the order in which it happened. Made by `supervise`.
 */
export class Supervisor implements SupervisedChild, ChildHome, AsyncDisposable {
  /**
   * Resolves when it has ended, after its children: `"shutdown"` in any case, as in OTP. With an `error` (`UNAVAILABLE`) it has
   * given up: there were more restarts than its intensity allows.
   */
  readonly ended: Promise<Ending>;
  readonly #setup: SupervisorSetup;
  #entries: ChildEntry[];
  #resolveEnded!: (ending: Ending) => void;
  /** What is to be done comes one after the other: this is the end of the line. */
  #work: Promise<unknown> = Promise.resolve();
  /** Nothing is started any more. */
  #frozen = false;
  #over = false;
  /** Made where a child asks for its signal: supervisors of single agents are many. */
  #ending: AbortController | undefined;
  #stop: Promise<void> | undefined;

  private constructor(children: readonly ChildSpec[], setup: SupervisorSetup) {
    this.#entries = children.map((spec) => new ChildEntry(spec));
    this.#setup = setup;
    this.ended = new Promise((resolve) => (this.#resolveEnded = resolve));
  }

  /** @internal Rejects with what a child's start rejects with, after those before it have been stopped. */
  static async start(children: readonly ChildSpec[], setup: SupervisorSetup): Promise<Supervisor> {
    const supervisor = new Supervisor(children, setup);
    await supervisor.#queue(async () => supervisor.#begin());
    return supervisor;
  }

  /** Aborts when it is to end: a child's start that is under way may give up then. */
  get signal(): AbortSignal {
    this.#ending ??= new AbortController();
    if (this.#stop !== undefined || this.#over) this.#abort();
    return this.#ending.signal;
  }

  /** Its children, in the order of their start. A temporary one that has ended is none any more. */
  get children(): readonly SupervisorChild[] {
    return this.#entries.map(({ spec: { id }, restart, state, child }) => ({ id, restart, state, child }));
  }

  /**
   * Stops the children, the last one first, and ends. Once; later calls await the same. Rejects with what their `stop` rejects with, after
   * all have ended. A child that is starting is awaited, where it doesn't end with `signal`: not to be awaited by what a child's start waits
   * for.
   */
  async stop(): Promise<void> {
    this.#frozen = true;
    this.#abort();
    this.#stop ??= this.#queue(async () => this.#finish({ reason: "shutdown" }));
    await this.#stop;
  }

  /**
   * Stops one child; it isn't restarted. As in OTP a restart of its neighbours starts it again, where the strategy has it restarted with
   * them; a temporary one is forgotten. Where its neighbours wait for its restart, they are started without it.
   *
   * Rejects with `NOT_FOUND` where there is no such child, and with what its `stop` rejects with.
   */
  async terminate(id: string): Promise<void> {
    await this.#queue(async () => {
      const entry = this.#entries.find(({ spec }) => spec.id === id);
      if (entry === undefined) throw new ColloquyError("NOT_FOUND", `the supervisor has no child ${quoted(id)}`);
      const wasAwaited = entry.state === "restarting";
      const ends = await this.#end([entry]);
      this.#settle(entry);
      if (wasAwaited) await this.#startAll(this.#groupOf(entry).filter((other) => other !== entry));
      throwRejected(ends, "the child failed to stop");
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  /** @internal Starts nothing any more; children that end are left as they are. */
  freeze(): void {
    this.#frozen = true;
  }

  #abort(): void {
    this.#ending?.abort(new ColloquyError("CANCELLED", "the supervisor was stopped"));
  }

  #queue<T>(job: () => Promise<T>): Promise<T> {
    const done = this.#work.then(job);
    this.#work = done.catch(() => {});
    return done;
  }

  async #begin(): Promise<void> {
    for (const entry of this.#entries) {
      const failure = await this.#start(entry);
      if (failure === undefined) continue;
      await this.#finish({ reason: "shutdown", ...failure }).catch(warnOfStop);
      throw failure.error;
    }
  }

  /** Returns what the start has failed with. A life that has begun and can't be watched is stopped. */
  async #start(entry: ChildEntry): Promise<{ readonly error: unknown } | undefined> {
    let child: SupervisedChild | undefined;
    entry.isReleased = false;
    try {
      const started: unknown = await entry.spec.start(this);
      checkChild(entry.spec.id, started);
      child = started;
      this.#watch(entry, child);
      entry.live(child, this.#setup.clock.time());
      return undefined;
    } catch (error) {
      if (child !== undefined) await stopOf(child).catch(warnOfStop);
      return { error };
    }
  }

  /** `ended` may be something of the user's own: its `then` may throw, call back at once or more than once, or be an async function. */
  #watch(entry: ChildEntry, child: SupervisedChild): void {
    const onEnd = (ending: Ending): void => this.#onEnd(entry, child, ending);
    const onFailure = (error: unknown): void => onEnd({ reason: "error", error });
    const told: unknown = child.ended.then((ending) => onEnd(endingOf(entry.spec.id, ending)), onFailure);
    if (told instanceof Promise) void Promise.prototype.then.call(told, undefined, onFailure);
  }

  /** What nobody waits for. A clock, or whatever else was given, that throws leaves nothing that could be relied on: it ends. */
  #later(job: () => Promise<void>): void {
    this.#queue(job).catch(async (error: unknown) => this.#finish({ reason: "shutdown", error }).catch(warnOfStop));
  }

  #onEnd(entry: ChildEntry, child: SupervisedChild, ending: Ending): void {
    this.#later(async () => {
      // This supervisor has ended it, or is about to do with it what it does with all.
      if (this.#over || entry.child !== child) return;
      entry.child = undefined;
      if (this.#frozen || !isRestarted(entry.restart, ending)) this.#settle(entry);
      else await this.#restart(entry, ending);
    });
  }

  /** A child that has failed, or has failed to start in a restart. */
  async #restart(entry: ChildEntry, ending: Ending): Promise<void> {
    const { policy, clock, onRestart } = this.#setup;
    const round = entry.fail();
    const now = clock.time();
    if (!policy.admits(now)) return this.#giveUp(entry, ending.error);
    guard("onRestart of a supervisor", () => onRestart?.(entry.spec.id, ending));
    const ends = await this.#end(this.#groupOf(entry).filter((other) => other !== entry));
    for (const end of ends) if (end.status === "rejected") warnOfStop(end.reason);
    const due = now + entry.delayAt(now, policy);
    if (due <= clock.time()) return this.#startGroup(entry, round);
    entry.wait(clock.callAt(due, () => this.#later(async () => this.#startGroup(entry, round))));
  }

  /** Those that are restarted with a child, in the order of their start. */
  #groupOf(entry: ChildEntry): readonly ChildEntry[] {
    switch (this.#setup.strategy) {
      case "one-for-one":
        return [entry];
      case "one-for-all":
        return this.#entries;
      case "rest-for-one":
        return this.#entries.slice(this.#entries.indexOf(entry));
    }
  }

  async #startGroup(entry: ChildEntry, round: number): Promise<void> {
    if (!entry.awaits(round) || this.#frozen) return;
    entry.state = "stopped";
    await this.#startAll(this.#groupOf(entry));
  }

  async #startAll(entries: readonly ChildEntry[]): Promise<void> {
    for (const entry of entries) {
      if (this.#frozen) return;
      if (entry.child !== undefined) continue;
      const failure = await this.#start(entry);
      if (failure === undefined) continue;
      const round = entry.fail();
      // What has happened meanwhile comes first.
      this.#later(async () => {
        if (entry.awaits(round) && !this.#frozen) await this.#restart(entry, { reason: "error", ...failure });
      });
      return;
    }
  }

  async #giveUp(entry: ChildEntry, lastError: unknown): Promise<void> {
    const { intensity, periodMs } = this.#setup.policy;
    const last = lastError === undefined ? "" : `; the last time with ${messageOf(lastError)}`;
    const reason = `gave up on ${quoted(entry.spec.id)}: more than ${intensity} restarts within ${periodMs} ms${last}`;
    const error = new ColloquyError("UNAVAILABLE", reason, { cause: lastError });
    await this.#finish({ reason: "shutdown", error }).catch(warnOfStop);
  }

  /** Stops children, the last one first. Temporary ones are forgotten. */
  async #end(entries: readonly ChildEntry[]): Promise<PromiseSettledResult<unknown>[]> {
    const ends: PromiseSettledResult<unknown>[] = [];
    for (const entry of entries.toReversed()) {
      const { child } = entry;
      entry.cancel();
      entry.child = undefined;
      entry.state = "stopped";
      if (child !== undefined) ends.push(...(await Promise.allSettled([stopOf(child)])));
      if (entry.restart === "temporary") this.#settle(entry);
    }
    return ends;
  }

  /** A child that doesn't live and isn't about to. */
  #settle(entry: ChildEntry): void {
    entry.state = "stopped";
    if (entry.restart === "temporary") this.#entries = this.#entries.filter((other) => other !== entry);
    if (entry.isReleased) return;
    entry.isReleased = true;
    guard(`release of the child ${quoted(entry.spec.id)}`, () => entry.spec.release?.());
  }

  async #finish(ending: Ending): Promise<void> {
    if (this.#over) return;
    this.#over = true;
    this.#frozen = true;
    this.#abort();
    const entries = this.#entries;
    const ends = await this.#end(entries);
    for (const entry of entries) this.#settle(entry);
    this.#resolveEnded(ending);
    throwRejected(ends, "several children failed to stop");
  }
}

/** Rejects where `stop` throws. */
async function stopOf(child: SupervisedChild): Promise<unknown> {
  return child.stop();
}

function warnOfStop(error: unknown): void {
  warn("a child of a supervisor failed to stop", error);
}
