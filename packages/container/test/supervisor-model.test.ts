import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ExternalClock, supervise } from "../src/index.ts";
import type { EndReason, RestartType, Strategy } from "../src/index.ts";
import { Stage } from "./supervision-support.ts";
import { turns } from "./support.ts";

interface ModelChild {
  readonly id: string;
  readonly restart: RestartType;
  /** What the supervisor knows. */
  runs: boolean;
  /** Which of its lives this is. */
  life: number;
  /** It has ended, and the supervisor doesn't know yet. */
  isOver: boolean;
  /** Its start has failed, and is to be tried again. */
  isAwaited: boolean;
}

interface Plan {
  readonly strategy: Strategy;
  readonly intensity: number;
  readonly periodMs: number;
}

/** OTP's `supervisor`, as its manual tells it: no waits, everything at once. */
class Model {
  readonly log: string[] = [];
  readonly failingStarts = new Map<string, number>();
  children: ModelChild[];
  isOver = false;
  time = 0;
  readonly #plan: Plan;
  #restarts: number[] = [];
  readonly #mailbox: (() => void)[] = [];

  constructor(plan: Plan, children: readonly [string, RestartType][]) {
    this.#plan = plan;
    this.children = children.map(([id, restart]) => ({
      id,
      restart,
      runs: false,
      life: 0,
      isOver: false,
      isAwaited: false,
    }));
    for (const child of this.children) this.#start(child);
  }

  /** Ends that come at the same moment, handled in their order. */
  exits(ends: readonly (readonly [id: string, reason: EndReason])[]): void {
    const seen: [ModelChild, number, EndReason][] = [];
    for (const [id, reason] of ends) {
      const child = this.children.find((one) => one.id === id);
      if (child === undefined || !child.runs || child.isOver) continue;
      child.isOver = true;
      seen.push([child, child.life, reason]);
    }
    for (const [child, life, reason] of seen) this.#mailbox.push(() => this.#exit(child, life, reason));
    for (let job = this.#mailbox.shift(); job !== undefined; job = this.#mailbox.shift()) if (!this.isOver) job();
  }

  #exit(child: ModelChild, life: number, reason: EndReason): void {
    if (!child.runs || child.life !== life) return;
    child.runs = false;
    if (child.restart === "permanent" || (child.restart === "transient" && reason === "error")) this.#restart(child);
    else if (child.restart === "temporary") this.#forget(child);
  }

  terminate(id: string): void {
    const child = this.children.find((one) => one.id === id);
    if (child !== undefined) this.#stop(child);
  }

  stopAll(): void {
    for (const child of this.children.toReversed()) this.#stop(child);
    this.isOver = true;
  }

  #restart(child: ModelChild): void {
    const { intensity, periodMs, strategy } = this.#plan;
    this.#restarts.push(this.time);
    if (this.#restarts.filter((moment) => moment >= this.time - periodMs / 1000).length > intensity) {
      this.stopAll();
      return;
    }
    const from = { "one-for-one": Infinity, "one-for-all": 0, "rest-for-one": this.children.indexOf(child) }[strategy];
    const stopped = this.children.filter((other, index) => other !== child && index >= from);
    for (const other of stopped.toReversed()) this.#stop(other);
    for (const one of this.children.filter((other) => other === child || stopped.includes(other))) {
      if (this.#start(one)) continue;
      // A message to itself, behind those that have come.
      const { life } = one;
      this.#mailbox.push(() => {
        if (one.isAwaited && one.life === life) this.#restart(one);
      });
      one.isAwaited = true;
      return;
    }
  }

  #start(child: ModelChild): boolean {
    this.log.push(`start ${child.id}`);
    const failing = this.failingStarts.get(child.id) ?? 0;
    if (failing > 0) this.failingStarts.set(child.id, failing - 1);
    child.runs = failing === 0;
    child.isOver = false;
    child.isAwaited = false;
    child.life++;
    return child.runs;
  }

  #stop(child: ModelChild): void {
    if (child.runs && !child.isOver) this.log.push(`stop ${child.id}`);
    child.runs = false;
    child.isAwaited = false;
    if (child.restart === "temporary") this.#forget(child);
  }

  #forget(child: ModelChild): void {
    this.children = this.children.filter((other) => other !== child);
  }
}

const ids = ["a", "b", "c", "d", "e"];
const anId = fc.constantFrom(...ids);
const aReason = fc.constantFrom<EndReason>("normal", "shutdown", "error", "error", "error");
const aRestart = fc.constantFrom<RestartType>("permanent", "permanent", "transient", "temporary");
const aCommand = fc.oneof(
  { weight: 6, arbitrary: fc.record({ exits: fc.array(fc.tuple(anId, aReason), { minLength: 1, maxLength: 4 }) }) },
  { weight: 2, arbitrary: fc.record({ failing: anId, count: fc.integer({ min: 1, max: 3 }) }) },
  { weight: 1, arbitrary: fc.record({ terminate: anId }) },
  { weight: 4, arbitrary: fc.record({ passes: fc.integer({ min: 1, max: 4 }) }) },
);

describe("a supervisor", () => {
  it("does what OTP's does, in whatever order its children end, fail to start and are terminated", async () => {
    let givenUp = 0;
    const property = fc.asyncProperty(
      fc.constantFrom<Strategy>("one-for-one", "one-for-all", "rest-for-one"),
      fc.integer({ min: 0, max: 6 }),
      fc.array(aRestart, { minLength: 1, maxLength: ids.length }),
      fc.array(aCommand, { maxLength: 25 }),
      async (strategy, intensity, restarts, commands) => {
        const plan = { strategy, intensity, periodMs: 5000 };
        const children = restarts.map((restart, index) => [ids[index]!, restart] as [string, RestartType]);
        const model = new Model(plan, children);
        const stage = new Stage();
        const clock = new ExternalClock("2026-01-01");
        const specs = children.map(([id, restart]) => stage.child(id, restart));
        const supervisor = await supervise(specs, { ...plan, clock, backoff: { minMs: 0, maxMs: 0 } });
        for (const command of commands) {
          if (model.isOver) break;
          if ("passes" in command) {
            model.time += command.passes;
            clock.setTime(model.time);
          } else if ("failing" in command) {
            for (const { failingStarts } of [model, stage]) failingStarts.set(command.failing, command.count);
          } else if ("terminate" in command) {
            model.terminate(command.terminate);
            await supervisor.terminate(command.terminate).catch(() => {});
          } else {
            for (const [id, reason] of command.exits) {
              const life = supervisor.children.find((child) => child.id === id)?.child;
              if (life !== undefined) stage.life(id).end({ reason });
            }
            model.exits(command.exits);
          }
          await turns(1);
          expect(stage.log).toEqual(model.log);
        }
        if (model.isOver) {
          givenUp++;
          expect((await supervisor.ended).error).toBeDefined();
          return;
        }
        const running = supervisor.children.map(({ id, state }) => [id, state === "running"]);
        expect(running).toEqual(model.children.map(({ id, runs }) => [id, runs]));
        model.stopAll();
        await supervisor.stop();
        expect(stage.log).toEqual(model.log);
      },
    );
    await fc.assert(property, { numRuns: 400 });
    expect(givenUp).toBeGreaterThan(20);
  });
});
