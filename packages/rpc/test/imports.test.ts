import { afterEach, describe, expect, test, vi } from "vitest";
import { expose, service } from "../src/index.ts";
import { Imports } from "../src/imports.ts";
import type { ImportingConnection } from "../src/imports.ts";
import { Child, pair, turn } from "./support.ts";

describe.concurrent("garbage collection", () => {
  test("releases what nothing can call any more, and never what is in use", async () => {
    await using child = new Child("collected.ts", [], ["--expose-gc"]);
    const inFlight = { result: "done", before: 1, during: 1, released: true };
    expect(await child.line(), "a call of a function in flight").toEqual(inFlight);
    expect(await child.line(), "a call of a service's method in flight").toEqual(inFlight);
    expect(await child.line(), "a method taken off a service").toEqual({ kept: true, result: "done", released: true });
    expect(await child.line(), "one of many").toEqual({ one: true, answer: 250, released: true });
    expect(await child.line(), "sent again").toEqual({ again: true, released: true });
    expect(await child.exited).toBe(0);
  }, 20_000);

  test.each([
    ["asked for by the test", ["--expose-gc"]],
    ["asked for by the library", []],
  ])(
    "leaves nothing of 10,000 calls with functions deep inside, on both sides, %s",
    async (_who, flags) => {
      await using server = new Child("nested-server.ts", [], flags);
      const { address } = await server.line();
      await using client = new Child("nested-client.ts", [address, "10000"], flags);
      const { sum, left, peak } = await client.line();
      expect(sum).toBe(1000);
      expect(left).toEqual([
        [0, 0],
        [0, 0],
      ]);
      expect(peak).toBeLessThanOrEqual(10_000);
      expect(await client.exited).toBe(0);
    },
    30_000,
  );
});

describe("calls on functions that nobody awaits", () => {
  test("never end the process, whatever becomes of them", async () => {
    await using child = new Child("unawaited.ts");
    expect(await child.line()).toEqual({ told: 3, failed: 4 });
    expect(await child.exited, child.stderr).toBe(0);
    expect(child.stderr).not.toContain("Unhandled");
  });
});

describe("collections that the library asks for", () => {
  afterEach(() => {
    vi.useRealTimers();
    vi.unstubAllGlobals();
  });

  /** Counts the collections instead of making them. */
  function countedCollections(): { readonly count: number } {
    const gc = vi.fn();
    vi.stubGlobal("gc", gc);
    return {
      get count() {
        return gc.mock.calls.length;
      },
    };
  }

  test("come in a turn of their own, one at a time, and later where most is in use", () => {
    vi.useFakeTimers({ toFake: ["setImmediate", "setTimeout", "clearTimeout"] });
    const collections = countedCollections();
    const imports = new Imports({} as ImportingConnection, 10_000);
    imports.maxCount = 10_000;
    let id = 0;
    const held: object[] = [];
    const receive = (count: number): void => {
      for (let done = 0; done < count; done++) held.push(imports.receive(++id, true));
    };
    receive(4999);
    vi.advanceTimersByTime(0);
    expect(collections.count).toBe(0);
    receive(1001);
    expect(collections.count, "in the turn of the arrivals").toBe(0);
    vi.advanceTimersByTime(0);
    expect(collections.count, "in the next turn").toBe(1);
    receive(500);
    vi.advanceTimersByTime(49);
    expect(collections.count, "while the engine reports").toBe(1);
    vi.advanceTimersByTime(1);
    receive(999);
    vi.advanceTimersByTime(0);
    expect(collections.count, "a tenth more than are in use, less one").toBe(1);
    receive(1);
    vi.advanceTimersByTime(0);
    expect(collections.count, "a tenth more").toBe(2);
    imports.clear();
    vi.advanceTimersByTime(60_000);
    expect(collections.count, "after the end").toBe(2);
    expect(held.length).toBe(imports.size + id);
  });

  test("are few in a burst of 9,000 calls with a closure each", async () => {
    const collections = countedCollections();
    await using link = await pair(service({ take: expose((_callback: () => number) => true) }));
    const calls = Array.from({ length: 9000 }, async (_, index) => link.remote.take(() => index));
    const settled = await Promise.allSettled(calls);
    await turn();
    expect(settled.every(({ status }) => status === "fulfilled")).toBe(true);
    expect(link.peer.stats().importedReferences).toBe(9000);
    expect(collections.count).toBeGreaterThanOrEqual(1);
    expect(collections.count).toBeLessThanOrEqual(5);
  });
});
