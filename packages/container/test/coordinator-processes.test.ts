import { describe, expect, test, vi } from "vitest";
import { coordinate, launch } from "../src/index.ts";
import type { LaunchedContainer } from "../src/index.ts";
import type { Remote } from "@colloquy/rpc";
import type { Cascade } from "./children/launched-cascade.ts";
import { SOURCE_FLAGS, childFile, failureOf, newContainer } from "./support.ts";

// Processes start slowly where all processors are busy.
vi.setConfig({ testTimeout: 60_000 });

class Processes implements AsyncDisposable {
  readonly launched: readonly LaunchedContainer[];
  readonly agents: readonly Remote<Cascade>[];

  private constructor(launched: readonly LaunchedContainer[], agents: readonly Remote<Cascade>[]) {
    this.launched = launched;
    this.agents = agents;
  }

  static async start(count: number, coordinated = true): Promise<Processes> {
    const entry = childFile("launched-cascade.ts");
    const launched = await Promise.all(
      Array.from({ length: count }, () =>
        launch({ entry, args: { coordinated }, execArgv: SOURCE_FLAGS, timeout: 40_000 }),
      ),
    );
    const here = await newContainer();
    const addresses = launched.map(({ address }) => `${address}/0`);
    const agents = await Promise.all(addresses.map((address) => here.connect<Cascade>(address)));
    return new Processes(launched, agents).#join(addresses);
  }

  async #join(addresses: readonly string[]): Promise<this> {
    await Promise.all(this.agents.map((agent, own) => agent.join([...addresses], own)));
    return this;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.launched.map((child) => child.stop()));
  }
}

describe("a coordinator of four processes", () => {
  test("lets no message be handled at another time than it was sent at", async () => {
    await using processes = await Processes.start(4);
    await using coordinator = await coordinate(processes.launched);
    for (const agent of processes.agents) await agent.each(3, 6);
    for (let t = 1; t <= 40; t++) await coordinator.setTime(t);
    const counts = await Promise.all(processes.agents.map((agent) => agent.counts()));
    const handled = counts.reduce((sum, [count]) => sum + count, 0);
    const wrong = counts.reduce((sum, [, count]) => sum + count, 0);
    expect({ handled, wrong }).toEqual({ handled: 4 * 3 * 6 * 40, wrong: 0 });
  });
});

describe("a coordinator of processes", () => {
  test("goes event by event over all of them", async () => {
    await using processes = await Processes.start(2);
    await using coordinator = await coordinate(processes.launched);
    await processes.agents[0]!.each(1, 4);
    await coordinator.advanceTo(9.5);
    expect(coordinator.time).toBe(9.5);
    const counts = await Promise.all(processes.agents.map((agent) => agent.counts()));
    expect(counts.map(([, wrong]) => wrong)).toEqual([0, 0]);
    expect(counts[0]![0] + counts[1]![0]).toBe(9 * 4);
    expect(await coordinator.nextDue()).toBe(10);
  });

  test("reports what callbacks have thrown with the member's name, when the others are done", async () => {
    await using processes = await Processes.start(2);
    await using coordinator = await coordinate(processes.launched);
    await processes.agents[0]!.breakIn(1, "no such thing");
    await processes.agents[1]!.each(2, 1);
    const error = await failureOf(coordinator.setTime(1));
    expect(error).toMatchObject({ code: "REMOTE_ERROR", executed: "yes" });
    expect(error.message).toContain(`${processes.launched[0]!.address}: no such thing`);
    expect((await processes.agents[0]!.counts())[0] + (await processes.agents[1]!.counts())[0]).toBe(2);
    await coordinator.setTime(2);
  });

  test("says which member has died in a step, and in every later one", async () => {
    await using processes = await Processes.start(2);
    await using coordinator = await coordinate(processes.launched);
    await processes.agents[1]!.crash(1);
    await processes.agents[0]!.each(2, 5);
    const { address } = processes.launched[1]!;
    for (const t of [1, 2]) {
      const error = await failureOf(coordinator.setTime(t));
      expect(error).toMatchObject({
        code: "UNAVAILABLE",
        message: expect.stringContaining(`member ${address} is gone`),
      });
    }
  });

  test("says after its time limit who is busy, and with what", async () => {
    await using processes = await Processes.start(2);
    await using coordinator = await coordinate(processes.launched, { timeoutMs: 400 });
    await processes.agents[1]!.hang(1, "a file that never ends");
    const error = await failureOf(coordinator.setTime(1));
    const { address } = processes.launched[1]!;
    expect(error.code).toBe("DEADLINE_EXCEEDED");
    expect(error.message).toBe(
      `the step to 1 wasn't over within 400 ms (timeoutMs): ${address} is busy with a file that never ends`,
    );
  });

  test("drives no container that hasn't said that it may be", async () => {
    await using processes = await Processes.start(1, false);
    expect(await failureOf(coordinate(processes.launched))).toMatchObject({
      code: "INVALID_ARGUMENT",
      message: expect.stringContaining("coordinated: true"),
    });
  });
});
