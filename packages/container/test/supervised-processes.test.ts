import { existsSync } from "node:fs";
import { dirname } from "node:path";
import { parseAddress } from "@colloquy/core";
import { describe, expect, it, vi } from "vitest";
import { launchAll, launchPool, processChild, supervise } from "../src/index.ts";
import type { PoolOptions } from "../src/index.ts";
import type { Desk } from "./children/launched-agents.ts";
import type { House } from "./children/managed-houses.ts";
import { Child, SOURCE_FLAGS, childFile, eventually, failureOf, isAlive, newContainer, turns } from "./support.ts";

// Processes start slowly where all processors are busy.
vi.setConfig({ testTimeout: 120_000 });

const entry = childFile("launched-agents.ts");

/** The result of a call that fails while a process is being restarted. */
async function onceBack<T>(call: () => Promise<T>): Promise<T> {
  return vi.waitFor(call, { timeout: 30_000, interval: 20 });
}

describe("a supervised process that is killed", () => {
  it("is restarted at its address; monitors fire once, proxies work again, and none is left when its parent is killed", async () => {
    await using parent = new Child("parent-supervises.ts", [entry]);
    const { address, pid } = (await parent.line()) as { address: string; pid: number };
    const here = await newContainer();
    const desk = await here.connect<Desk>(`${address}/desk`);
    expect(await desk.pid()).toBe(pid);
    const reasons: string[] = [];
    here.monitor(desk, (reason) => reasons.push(reason));
    await desk.pid();

    process.kill(pid, "SIGKILL");
    expect(await parent.line()).toEqual({ id: "desk", reason: "error" });
    await eventually(() => reasons.length > 0, "the notice of the monitor");
    const next = await onceBack(() => desk.pid());
    expect(next).not.toBe(pid);
    expect(isAlive(pid)).toBe(false);
    await turns(20);
    expect(reasons).toEqual(["unreachable"]);

    parent.process.kill("SIGKILL");
    await parent.exited;
    await eventually(() => !isAlive(next), "the end of the restarted process");
    const { path } = parseAddress(address) as { path: string };
    await eventually(() => !existsSync(dirname(path)), "the end of its folder");
    await turns(20);
    expect(reasons).toEqual(["unreachable"]);
    expect(["UNAVAILABLE", "CONNECTION_LOST"]).toContain((await failureOf(desk.pid())).code);
  });

  it("is not restarted after an end in order where it is transient, and is stopped with its supervisor", async () => {
    const options = { entry: childFile("launched-tools.ts"), execArgv: SOURCE_FLAGS };
    const once = processChild({ ...options, name: "once", restart: "transient" });
    const long = processChild({ ...options, name: "long" });
    await using supervisor = await supervise([once, long]);
    const states = (): string[] => supervisor.children.map(({ state }) => state);
    const [first, second] = [once.launched!, long.launched!];
    process.kill(first.pid, "SIGTERM");
    expect(await first.exited).toEqual({ code: 0, signal: null });
    await eventually(() => states()[0] !== "running", "the end of the transient one");
    expect([once.launched, long.launched]).toEqual([undefined, second]);
    await supervisor.stop();
    expect(await second.exited).toEqual({ code: 0, signal: null });
    expect(long.launched).toBeUndefined();
  });
});

describe("a supervisor whose process never gets ready in a restart", () => {
  it("can be stopped all the same", async () => {
    const lives = new SharedArrayBuffer(4);
    const options = { entry: childFile("launched-once.ts"), args: lives, mode: "thread" } as const;
    const child = processChild({ ...options, execArgv: SOURCE_FLAGS, timeout: 100_000 });
    const supervisor = await supervise([child]);
    await child.launched!.stop();
    await eventually(() => new Int32Array(lives)[0] === 2, "the second life");
    const late = new Promise((resolve) => setTimeout(resolve, 20_000, "late").unref());
    expect(await Promise.race([supervisor.stop(), late])).toBe(undefined);
    expect(await supervisor.ended).toEqual({ reason: "shutdown" });
  });
});

describe("agents of processes that are launched together", () => {
  it("are told when all can be reached", async () => {
    const options = { entry, execArgv: SOURCE_FLAGS };
    const launched = await launchAll([options, options]);
    const here = await newContainer();
    for (const { address } of launched) {
      const desk = await here.connect<Desk>(`${address}/desk`);
      await expect.poll(() => desk.wasReady()).toBe(true);
    }
    await Promise.all(launched.map((one) => one.stop()));
  });
});

describe("a supervised pool", () => {
  async function start(options: Partial<PoolOptions> = {}) {
    return launchPool({ entry: childFile("managed-houses.ts"), execArgv: SOURCE_FLAGS, size: 2, ...options });
  }

  it.each(["round-robin", "least-loaded"] as const)(
    "restarts members at their addresses, and gives no address to another agent (%s)",
    async (placement) => {
      await using pool = await start({ supervise: true, placement });
      const addresses = pool.members.map(({ address }) => address);
      const { address, proxy } = await pool.spawn<House>("House", { rooms: 1 });
      const member = pool.members.find((one) => address.startsWith(one.address))!;
      const first = member.launched!;
      await proxy.crash();
      expect(await first.exited).toEqual({ code: null, signal: "SIGKILL" });
      await eventually(() => member.launched !== undefined, "the restart");
      expect(member.launched!.pid).not.toBe(first.pid);
      const spawned = [];
      for (let index = 0; index < 2; index++) spawned.push(await pool.spawn<House>("House", { rooms: 2 }));
      expect(spawned.map((one) => addresses.filter((each) => one.address.startsWith(each)).length)).toEqual([1, 1]);
      expect(new Set(spawned.map((one) => one.address.replace(/\/p\d+$/, "")))).toEqual(new Set(addresses));
      expect(await Promise.all(spawned.map((one) => one.proxy.describe()))).toEqual([
        [2, expect.any(Number), "p2"],
        [2, expect.any(Number), "p3"],
      ]);
      expect(await failureOf(proxy.describe())).toMatchObject({ code: "NOT_FOUND" });
      await pool.stop();
      expect(await pool.ended).toEqual({ reason: "shutdown" });
    },
  );

  it("ends where there are more restarts than it allows, and tells so", async () => {
    const warnings: string[] = [];
    const onWarning = (warning: Error): void => void warnings.push(warning.message);
    process.on("warning", onWarning);
    try {
      await using pool = await start({ supervise: { intensity: 0 } });
      const others = pool.members.map(({ launched }) => launched!);
      process.kill(others[0]!.pid, "SIGKILL");
      expect(await pool.ended).toMatchObject({ reason: "shutdown", error: { code: "UNAVAILABLE" } });
      expect(await others[1]!.exited).toEqual({ code: 0, signal: null });
      expect(await failureOf(pool.spawn("House", { rooms: 1 }))).toMatchObject({ code: "UNAVAILABLE" });
      await eventually(() => warnings.length > 0, "the warning");
      expect(warnings[0]).toContain("the supervisor of a pool gave up");
    } finally {
      process.off("warning", onWarning);
    }
  });

  it("rejects where an option of its supervision is none", async () => {
    const supervision = { intensity: -1 };
    expect(await failureOf(start({ supervise: supervision }))).toMatchObject({ code: "INVALID_ARGUMENT" });
  });
});
