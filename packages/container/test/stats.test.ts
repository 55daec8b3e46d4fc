import { expose, withOptions } from "@colloquy/rpc";
import { describe, expect, it } from "vitest";
import { Agent, ExternalClock } from "../src/index.ts";
import { Gate, failureOf, newContainer, until } from "./support.ts";

class Serial extends Agent {
  static readonly mailbox = "serial";
  readonly gate = new Gate();

  @expose async wait(): Promise<void> {
    await this.gate.promise;
  }
}

describe("container.stats()", () => {
  it("counts agents, monitors both ways, calls that wait, timers, and the connections", async () => {
    const clock = new ExternalClock("2026-01-01");
    const there = await newContainer(undefined, { clock });
    const here = await newContainer();
    const none = { connections: 0, agents: 0, absentAgents: 0, monitors: 0, watchers: 0, waitingCalls: 0, timers: 0 };
    expect(there.stats()).toMatchObject({ ...none, running: 0, exportedReferences: 0 });

    const agent = await there.spawn(new Serial());
    const proxy = await here.connect<Serial>(agent.address);
    const calls = [proxy.wait(), proxy.wait(), proxy.wait()];
    const takeBack = here.monitor(proxy, () => undefined);
    const sleep = clock.sleep(5);
    await until(() => there.stats().watchers === 1 && there.stats().waitingCalls === 2, "the calls");
    expect(there.stats()).toMatchObject({ connections: 1, agents: 1, running: 3, timers: 1 });
    await until(() => here.stats().pending === 3, "the answer to the monitor");
    expect(here.stats()).toMatchObject({ connections: 1, agents: 0, pending: 3, monitors: 1, watchers: 0 });

    const given = failureOf(withOptions(proxy.wait, { timeout: 20 })());
    expect((await given).code).toBe("DEADLINE_EXCEEDED");
    await until(() => there.stats().waitingCalls === 2, "the end of the call that was given up");
    agent.gate.open();
    await Promise.all(calls);
    clock.setTime(5);
    await sleep;
    takeBack();
    await until(() => there.stats().watchers === 0, "the end of the monitor");
    expect(there.stats()).toMatchObject({ agents: 1, waitingCalls: 0, timers: 0, running: 0 });
    await there.terminate(agent);
    await here.shutdown();
    await until(() => there.connections.length === 0, "the end of the connection");
    expect(there.stats()).toMatchObject({ ...none, exportedReferences: 0, importedReferences: 0 });
  });

  it("counts calls that are refused as a deadlock no longer", async () => {
    class Ring extends Agent {
      static readonly mailbox = "serial";
      other!: { call(): Promise<void> };

      @expose async call(): Promise<void> {
        await this.other.call();
      }
    }
    const container = await newContainer();
    const [one, two] = [await container.spawn(new Ring()), await container.spawn(new Ring())];
    one.other = await container.connect<Ring>(two.address);
    two.other = await container.connect<Ring>(one.address);
    const outcomes = await Promise.allSettled([one.other.call(), two.other.call()]);
    expect(outcomes.some(({ status }) => status === "rejected")).toBe(true);
    expect(container.stats().waitingCalls).toBe(0);
  });

  it("counts an agent that is being restarted as absent", async () => {
    const container = await newContainer();
    const gate = new Gate();
    let isFirst = true;
    class Slow extends Agent {
      protected override async onStart(): Promise<void> {
        if (!isFirst) await gate.promise;
        isFirst = false;
      }

      breakDown(): void {
        this.fail(new Error("of the test"));
      }
    }
    const agent = await container.spawn(() => new Slow(), { restart: "permanent" });
    expect(container.stats()).toMatchObject({ agents: 1, absentAgents: 0 });
    agent.breakDown();
    await until(() => container.stats().absentAgents === 1, "the restart");
    gate.open();
    await until(() => container.stats().agents === 1, "the new one");
  });
});
