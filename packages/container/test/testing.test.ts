import { expose } from "@colloquy/rpc";
import { ColloquyError, LocalNetwork } from "@colloquy/core";
import { afterAll, describe, expect, test } from "vitest";
import { Agent, ExternalClock } from "../src/index.ts";
import { fixtures, matchers, testContainer } from "../src/testing.ts";
import type { ColloquyMatchers, ContainerFixtures } from "../src/testing.ts";

declare module "vitest" {
  interface Matchers<T = any> extends ColloquyMatchers {}
}

expect.extend(matchers);
const it = test.extend<ContainerFixtures>(fixtures);

class Egg extends Agent {
  @expose async boil(minutes: number): Promise<string> {
    await this.container.clock.sleep(60 * minutes);
    return "done";
  }

  @expose crack(): never {
    throw new ColloquyError("PERMISSION_DENIED", "not this one");
  }
}

describe("testContainer", () => {
  test("takes no socket, and its clock is set by the test", async () => {
    await using container = await testContainer();
    await using other = await testContainer({ name: "another", clock: container.clock });
    expect(other.address).toBe("local://another");
    const egg = await container.spawn(new Egg());
    const boiled = (await other.connect<Egg>(egg.address)).boil(5);
    await container.clock.advanceTo(1);
    await container.clock.advanceTo(400);
    expect(await boiled).toBe("done");
  });

  test("hands other options on, as the network", async () => {
    const network = new LocalNetwork();
    await using container = await testContainer({ network, name: "private" });
    await using outside = await testContainer();
    await expect(outside.connect("local://private/0")).toRejectWithCode("UNAVAILABLE");
    await using inside = await testContainer({ network });
    await expect(inside.connect("local://private/0")).toRejectWithCode("NOT_FOUND", "no agent");
    expect(container.clock).toBeInstanceOf(ExternalClock);
  });
});

describe("fixtures", () => {
  const ended: (() => void)[] = [];
  afterAll(() => {
    expect(ended).toHaveLength(1);
    for (const check of ended) check();
  });

  it("make a container, and others that reach it, on one clock", async ({
    container,
    newContainer,
    clock,
    network,
  }) => {
    const other = await newContainer();
    expect([container.clock, other.clock]).toEqual([clock, clock]);
    const egg = await container.spawn(new Egg());
    const boiled = (await other.connect<Egg>(egg.address)).boil(5);
    await clock.advanceTo(1);
    await clock.advanceTo(301);
    expect(await boiled).toBe("done");
    expect(network.connect(container.address.slice("local://".length))).toBeDefined();
    ended.push(() => expect(network.connect(container.address.slice("local://".length))).toBeUndefined());
  });

  it("make new ones for each test", async ({ clock }) => {
    expect(clock.time()).toBe(0);
  });
});

describe("matchers", () => {
  const denied = new ColloquyError("PERMISSION_DENIED", "not this one");

  test("toRejectWithCode takes promises and functions, and looks at code and message", async () => {
    await expect(Promise.reject(denied)).toRejectWithCode("PERMISSION_DENIED");
    await expect(async () => Promise.reject(denied)).toRejectWithCode("PERMISSION_DENIED", /^not/);
    await expect(Promise.reject(denied)).not.toRejectWithCode("NOT_FOUND");
    const fails = async (act: () => Promise<void>): Promise<string> =>
      act().then(
        () => "",
        (e: Error) => e.message,
      );
    expect(await fails(() => expect(Promise.resolve(5)).toRejectWithCode("NOT_FOUND"))).toMatch(/fulfilled with 5/);
    expect(await fails(() => expect(Promise.reject(denied)).toRejectWithCode("NOT_FOUND"))).toMatch(
      "expected NOT_FOUND, got PERMISSION_DENIED: not this one",
    );
    expect(await fails(() => expect(Promise.reject(denied)).toRejectWithCode("PERMISSION_DENIED", "yes"))).not.toBe("");
    expect(await fails(() => expect(Promise.reject(denied)).toRejectWithCode("NO_SUCH_CODE"))).toMatch(/no error code/);
  });

  test("toHaveCode looks at an error that is there", () => {
    expect(denied).toHaveCode("PERMISSION_DENIED", "this one");
    expect(new Error("plain")).not.toHaveCode("PERMISSION_DENIED");
    expect(undefined).not.toHaveCode("NOT_FOUND");
  });
});
