import type { Backoff } from "@colloquy/rpc";
import type { ChildSpec, SupervisedChild } from "./child-spec.ts";
import type { TimerHandle } from "./clock.ts";
import type { RestartType } from "./endings.ts";
import type { RestartPolicy } from "./restart-policy.ts";

/** What a child does: it lives, waits for its restart, or does neither. */
export type ChildState = "running" | "restarting" | "stopped";

/** A child as its supervisor keeps it, over all its lives. */
export class ChildEntry {
  readonly spec: ChildSpec;
  readonly restart: RestartType;
  state: ChildState = "stopped";
  /** Its life; undefined between two. */
  child: SupervisedChild | undefined;
  /** Which of its restarts it is about: what was planned for an earlier one is void. */
  round = 0;
  /** Its `release` was called since its last start. */
  isReleased = false;
  #startedAt: number | undefined;
  #backoff: Backoff | undefined;
  #timer: TimerHandle | undefined;

  constructor(spec: ChildSpec) {
    this.spec = spec;
    this.restart = spec.restart ?? "permanent";
  }

  /** It lives since `now`. */
  live(child: SupervisedChild, now: number): void {
    this.child = child;
    this.state = "running";
    this.#startedAt = now;
  }

  /** It has no life, and is to get one. */
  fail(): number {
    this.state = "restarting";
    return ++this.round;
  }

  /** True while the restart that `fail` has numbered is still to come. */
  awaits(round: number): boolean {
    return this.state === "restarting" && this.round === round;
  }

  /** Seconds until it is started again: 0 for the first failure, or after a life that was long enough. */
  delayAt(now: number, policy: RestartPolicy): number {
    const livedMs = this.#startedAt === undefined ? 0 : (now - this.#startedAt) * 1000;
    this.#startedAt = undefined;
    if (this.#backoff === undefined || livedMs >= policy.periodMs) {
      this.#backoff = policy.newBackoff();
      return 0;
    }
    return this.#backoff.next() / 1000;
  }

  wait(timer: TimerHandle): void {
    this.#timer = timer;
  }

  /** It isn't started at the end of a wait any more. */
  cancel(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
  }
}
