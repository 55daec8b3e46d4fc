import { describe, expect, it, vi } from "vitest";
import { ExternalClock, Manager, launch } from "../src/index.ts";
import type { Agent, AgentFactory } from "../src/index.ts";
import type { House } from "./children/managed-houses.ts";
import { Echo, SOURCE_FLAGS, childFile, failureOf, newContainer, rejectionOf } from "./support.ts";

vi.setConfig({ testTimeout: 120_000 });

const entry = childFile("managed-houses.ts");

/** Containers with a manager, and one that calls it. */
async function managedHere(factories: Record<string, AgentFactory>, clock?: ExternalClock) {
  const there = await newContainer(undefined, { clock });
  const manager = await there.spawn(new Manager({ factories }));
  const here = await newContainer();
  return { there, here, manager: await here.connect<Manager>(manager.address) };
}

describe("S1 Manager", () => {
  it("S1 is agent 0 of a launched process, spawns, sets the time and ends the process, as aiomas' does", async () => {
    const child = await launch({ entry, execArgv: SOURCE_FLAGS });
    const here = await newContainer();
    const manager = await here.connect<Manager>(`${child.address}/0`);
    const [proxy, address] = await manager.spawn("House", { rooms: 3 });
    expect(address).toBe(`${child.address}/1`);
    const house = proxy as unknown as Awaited<ReturnType<typeof here.connect<House>>>;
    expect(await house.describe()).toEqual([3, child.pid, "1"]);
    const again = await here.connect<House>(address);
    await manager.setTime(42.5);
    expect(await again.time()).toBe(42.5);
    expect((await rejectionOf(manager.setTime(42))) as Error).toMatchObject({ code: "INVALID_ARGUMENT" });
    // The call is answered, then the process ends.
    expect(await manager.stop()).toBeUndefined();
    expect(await child.exited).toEqual({ code: 0, signal: null });
  });

  it("S1 spawns with the options of spawn", async () => {
    const { manager, there } = await managedHere({ Echo: () => new Echo() });
    const [, address] = await manager.spawn("Echo", undefined, { id: "nymph" });
    expect(address).toBe(`${there.address}/nymph`);
    expect(await failureOf(manager.spawn("Echo", undefined, { id: "nymph" }))).toMatchObject({
      code: "INVALID_ARGUMENT",
    });
  });

  it.each(["Hause", "", "constructor", "__proto__", "toString", "node:fs:rmSync"])(
    "D11 (S1) spawns only what is registered, and says what that is (%j)",
    async (name) => {
      const { manager } = await managedHere({ House: () => new Echo(), Tree: () => new Echo() });
      const error = await failureOf(manager.spawn(name));
      expect(error).toMatchObject({ code: "NOT_FOUND", message: expect.stringContaining('"House", "Tree"') });
      expect(error.message).toContain(JSON.stringify(name));
    },
  );

  it("S1 passes on what a factory or onStart throws", async () => {
    const { manager, there } = await managedHere({
      Bad: () => {
        throw new RangeError("no ground to build on");
      },
      None: () => 5 as unknown as Agent,
    });
    const error = await failureOf(manager.spawn("Bad"));
    expect(error).toMatchObject({ code: "REMOTE_ERROR", message: expect.stringContaining("no ground to build on") });
    expect(await failureOf(manager.spawn("None"))).toMatchObject({ code: "INVALID_ARGUMENT" });
    expect(there.agents).toHaveLength(1);
  });

  it("S1 sets no clock but one that is there to be set", async () => {
    const { manager } = await managedHere({ Echo: () => new Echo() });
    expect(await failureOf(manager.setTime(5))).toMatchObject({
      code: "INVALID_ARGUMENT",
      message: expect.stringContaining("SystemClock"),
    });
    const clock = new ExternalClock("2026-01-01");
    const { manager: other } = await managedHere({ Echo: () => new Echo() }, clock);
    await other.setTime(7);
    expect(clock.time()).toBe(7);
  });

  it("S1 shuts its container down where there is nothing else to stop", async () => {
    const { manager, there } = await managedHere({ Echo: () => new Echo() });
    await manager.stop();
    await there.shutdown();
    expect(there.agents).toEqual([]);
    expect(await failureOf(manager.load())).toMatchObject({ code: "UNAVAILABLE" });
  });

  it.each([
    [undefined, "factories takes"],
    [{}, "factories takes"],
    [{ House: "House" }, "factories.House is"],
  ])("S1 refuses factories that are none: %j", (factories, reason) => {
    expect(() => new Manager({ factories: factories as never })).toThrow(
      expect.objectContaining({ code: "INVALID_ARGUMENT", message: expect.stringContaining(reason) }),
    );
  });

  it("tells how much there is in its container", async () => {
    const { manager } = await managedHere({ Echo: () => new Echo() });
    expect(await manager.load()).toEqual({ agentCount: 1, runningCount: 0 });
    await Promise.all([manager.spawn("Echo"), manager.spawn("Echo")]);
    expect(await manager.load()).toEqual({ agentCount: 3, runningCount: 0 });
  });
});
