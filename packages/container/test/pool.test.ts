import { describe, expect, it, vi } from "vitest";
import { launchPool } from "../src/index.ts";
import type { PoolOptions } from "../src/index.ts";
import type { House } from "./children/managed-houses.ts";
import { SOURCE_FLAGS, childFile, eventually, failureOf, isAlive, newContainer } from "./support.ts";

vi.setConfig({ testTimeout: 120_000 });

const entry = childFile("managed-houses.ts");
const ended = { code: 0, signal: null };

async function start(options: Partial<PoolOptions> = {}) {
  return launchPool({ entry, execArgv: SOURCE_FLAGS, size: 2, ...options });
}

describe("a pool", () => {
  it.each(["process", "thread"] as const)("spreads agents in turn (%s)", async (mode) => {
    await using pool = await start({ mode });
    expect(pool.members.map(({ name }) => name)).toEqual(["managed-houses-0", "managed-houses-1"]);
    const spawned = [];
    for (let rooms = 0; rooms < 4; rooms++) spawned.push(await pool.spawn<House>("House", { rooms }));
    const [first, second] = pool.members.map(({ address }) => address);
    expect(spawned.map(({ address }) => address)).toEqual([
      `${first}/p1`,
      `${second}/p2`,
      `${first}/p3`,
      `${second}/p4`,
    ]);
    const described = await Promise.all(spawned.map(({ proxy }) => proxy.describe()));
    const pids = pool.members.map(({ launched }) => launched!.pid);
    expect(described).toEqual([0, 1, 2, 3].map((rooms) => [rooms, pids[rooms % 2], `p${rooms + 1}`]));
    const exits = Promise.all(pool.members.map(({ launched }) => launched!.exited));
    await Promise.all([pool.stop(), pool.stop()]);
    expect(await exits).toEqual([ended, ended]);
    expect(await failureOf(pool.spawn("House", { rooms: 1 }))).toMatchObject({ code: "UNAVAILABLE" });
  });

  it("spawns where the fewest agents live, and fewest calls run, through the container that it is given", async () => {
    const container = await newContainer();
    await using pool = await start({ placement: "least-loaded", container });
    expect(pool.container).toBe(container);
    const spawned = await Promise.all(Array.from({ length: 6 }, () => pool.spawn<House>("House", { rooms: 1 })));
    const counts = pool.members.map(({ address }) => spawned.filter((one) => one.address.startsWith(address)).length);
    expect(counts).toEqual([3, 3]);
    const [first, second] = pool.members;
    const there = spawned.filter((one) => one.address.startsWith(second!.address));
    await there[0]!.proxy.end();
    await there[1]!.proxy.end();
    await expect.poll(() => failureOf(there[1]!.proxy.describe())).toMatchObject({ code: "NOT_FOUND" });
    const next = [await pool.spawn<House>("House", { rooms: 1 }), await pool.spawn<House>("House", { rooms: 1 })];
    expect(next.map(({ address }) => address.startsWith(second!.address))).toEqual([true, true]);
    // The same number: calls decide.
    next[0]!.proxy.wait().catch(() => undefined);
    await next[0]!.proxy.describe();
    const last = await pool.spawn<House>("House", { rooms: 1 });
    expect(last.address.startsWith(first!.address)).toBe(true);
    await pool.stop();
    expect(await container.spawn(() => Promise.reject(new Error("still open"))).catch(String)).toContain("still open");
  });

  it("leaves out members that have ended", async () => {
    await using pool = await start();
    const first = await pool.spawn<House>("House", { rooms: 1 });
    const { pid } = pool.members[0]!.launched!;
    await first.proxy.crash();
    await eventually(() => pool.members[0]!.launched === undefined, "the end of the first");
    expect(isAlive(pid)).toBe(false);
    const spawned = [await pool.spawn("House", { rooms: 1 }), await pool.spawn("House", { rooms: 1 })];
    expect(spawned.map(({ address }) => address.startsWith(pool.members[1]!.address))).toEqual([true, true]);
    const { launched } = pool.members[1]!;
    await launched!.stop();
    const error = await failureOf(pool.spawn("House", { rooms: 1 }));
    expect(error).toMatchObject({ code: "UNAVAILABLE", message: expect.stringContaining("managed-houses-1") });
  });

  it("passes on what the manager says", async () => {
    await using pool = await start({ size: 1 });
    expect(await failureOf(pool.spawn("Hut"))).toMatchObject({
      code: "NOT_FOUND",
      message: expect.stringContaining('"House", "Broken"'),
    });
    expect(await failureOf(pool.spawn("Broken"))).toMatchObject({
      message: expect.stringContaining("no ground to build on"),
    });
  });

  it.each([
    [{ size: 0 }, "size is 0"],
    [{ size: 1.5 }, "size is 1.5"],
    [{ placement: "random" }, 'placement is "random"'],
    [{ adress: "x" }, 'unknown option "adress"'],
    [{ address: "tcp://127.0.0.1:5555" }, "members of a pool"],
  ])("refuses options that are none: %j", async (wrong, reason) => {
    expect(await failureOf(start(wrong as object))).toMatchObject({
      code: "INVALID_ARGUMENT",
      message: expect.stringContaining(reason),
    });
  });
});
