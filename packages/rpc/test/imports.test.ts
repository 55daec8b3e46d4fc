import { afterEach, describe, expect, test, vi } from "vitest";
import { DEFAULT_LIMITS } from "@colloquy/core";
import { expose, service } from "../src/index.ts";
import { collectGarbage } from "../src/collect.ts";
import { Imports } from "../src/imports.ts";
import type { ImportingConnection } from "../src/imports.ts";
import { Child, pair, turn } from "./support.ts";

/** A process whose collections take long has few of them. */
const PATIENCE_MS = 60_000;

describe.concurrent("garbage collection", () => {
  test(
    "releases what nothing can call any more, and never what is in use",
    async () => {
      await using child = new Child("collected.ts", [], ["--expose-gc"]);
      const inFlight = { result: "done", before: 1, during: 1, released: true };
      expect(await child.line(), "a call of a function in flight").toEqual(inFlight);
      expect(await child.line(), "a call of a service's method in flight").toEqual(inFlight);
      expect(await child.line(), "a method taken off a service").toEqual({
        kept: true,
        result: "done",
        released: true,
      });
      expect(await child.line(), "one of many").toEqual({ one: true, answer: 250, released: true });
      expect(await child.line(), "sent again").toEqual({ again: true, released: true });
      expect(await child.exited).toBe(0);
    },
    PATIENCE_MS,
  );

  test(
    "goes on where a connection is collected before what it had is told",
    async () => {
      await using child = new Child("registry-gone.ts", [], ["--expose-gc"]);
      expect(await child.line()).toEqual({ before: 10, left: 0 });
    },
    PATIENCE_MS,
  );

  test.each([
    ["asked for by the test", ["--expose-gc"]],
    ["asked for by the library", []],
  ])(
    "leaves nothing of 10,000 calls with functions deep inside, on both sides, %s",
    async (_who, flags) => {
      await using server = new Child("nested-server.ts", [], flags);
      const { address } = await server.line();
      await using client = new Child("nested-client.ts", [address, "10000", String(PATIENCE_MS)], flags);
      const { sum, left, peak } = await client.line();
      expect(sum).toBe(1000);
      expect(left).toEqual([
        [0, 0],
        [0, 0],
      ]);
      expect(peak).toBeLessThanOrEqual(10_000);
      expect(await client.exited).toBe(0);
    },
    PATIENCE_MS + 30_000,
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
    vi.restoreAllMocks();
    vi.unstubAllGlobals();
    Reflect.deleteProperty(globalThis, Symbol.for("colloquy.collections"));
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
    // A collection takes no time.
    vi.useFakeTimers({ toFake: ["setImmediate", "setTimeout", "clearTimeout", "performance"] });
    const collections = countedCollections();
    const imports = new Imports({} as ImportingConnection, DEFAULT_LIMITS);
    imports.maxCount = 10_000;
    let id = 0;
    const held: object[] = [];
    const receive = (count: number): void => {
      for (let done = 0; done < count; done++) held.push(imports.receive(++id, "function"));
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

  /** Collections that take 300 ms, on a clock that stands still otherwise. */
  function slowCollections(): { readonly times: number[]; readonly pass: (milliseconds: number) => void } {
    vi.useFakeTimers({ toFake: ["setImmediate", "setTimeout", "clearTimeout"] });
    let now = 0;
    vi.spyOn(performance, "now").mockImplementation(() => now);
    const times: number[] = [];
    vi.stubGlobal("gc", () => {
      times.push(now);
      now += 300;
    });
    const pass = (milliseconds: number): void => {
      for (let passed = 0; passed < milliseconds; passed += 10) {
        now += 10;
        vi.advanceTimersByTime(10);
      }
    };
    return { times, pass };
  }

  function receiver(count: number, held: object[]): Imports {
    const connection = { sendReleased: () => {} } as unknown as ImportingConnection;
    const imports = new Imports(connection, DEFAULT_LIMITS);
    for (let id = 0; id < count; id++) held.push(imports.receive(id, "function"));
    return imports;
  }

  test("that the process can't have yet are made when it can, one for all who wait", () => {
    const { times, pass } = slowCollections();
    const held: object[] = [];
    receiver(5000, held);
    pass(10);
    expect(times).toEqual([10]);
    receiver(5000, held);
    receiver(1000, held);
    pass(5600);
    expect(times, "while a twentieth of the time is used up").toEqual([10]);
    pass(400);
    expect(times, "for pressure and for time to spare").toEqual([10, 6010]);
    pass(60_000);
    expect(times, "nothing new has come").toEqual([10, 6010]);
    expect(held.length).toBe(11_000);
  });

  test("have a quarter of the time where they are urgent, and no more of it", () => {
    const { times, pass } = slowCollections();
    const held: object[] = [];
    receiver(5000, held);
    pass(10);
    expect(times).toEqual([10]);
    const imports = receiver(7500, held);
    pass(10);
    for (let id = 7500; id < 7700; id++) {
      held.push(imports.receive(id, "function"));
      pass(10);
    }
    expect(times).toEqual([10, 1210]);
    expect(collectGarbage(performance.now(), true), "less what has passed").toBeLessThan(1200);
    pass(1200);
    expect(collectGarbage(performance.now(), true)).toBe(0);
    expect(collectGarbage(performance.now(), true)).toBe(900);
    expect(collectGarbage(performance.now())).toBe(5700);
    expect(held.length).toBe(12_700);
  });

  test("come no earlier for a peer that hands out more than it says it may", () => {
    const { times, pass } = slowCollections();
    const held: object[] = [];
    const connection = { sendReleased: () => {} } as unknown as ImportingConnection;
    const [modest, honest] = [1, 1000].map((count) => {
      const imports = new Imports(connection, DEFAULT_LIMITS);
      imports.maxCount = count;
      return imports;
    });
    for (let id = 0; id < 4999; id++) held.push(modest!.receive(id, "function"));
    pass(10);
    expect(times).toEqual([]);
    for (let id = 0; id < 500; id++) held.push(honest!.receive(id, "function"));
    pass(10);
    expect(times).toEqual([20]);
    expect(held.length).toBe(5499);
  });

  test("wait until no more references come, also where the process couldn't have one at once", () => {
    const { times, pass } = slowCollections();
    const held: object[] = [];
    const imports = receiver(1000, held);
    pass(10);
    expect(times).toEqual([]);
    for (let id = 1000; id < 1010; id++) {
      held.push(imports.receive(id, "function"));
      pass(900);
    }
    expect(times, "while they come").toEqual([]);
    receiver(5000, held);
    pass(10);
    expect(times, "for another connection").toEqual([9020]);
    pass(3000);
    held.push(imports.receive(1010, "function"));
    pass(3000);
    expect(times, "a second after the last one").toEqual([9020, 15_020]);
    expect(held.length).toBe(6011);
  });

  test("are few in a burst of 9,000 calls with a closure each", async () => {
    const collections = countedCollections();
    // What is held isn't gone, whatever the engine collects by itself meanwhile.
    const held: (() => number)[] = [];
    await using link = await pair(service({ take: expose((callback: () => number) => held.push(callback) > 0) }));
    const calls = Array.from({ length: 9000 }, async (_, index) => link.remote.take(() => index));
    const settled = await Promise.allSettled(calls);
    await turn();
    expect(settled.every(({ status }) => status === "fulfilled")).toBe(true);
    expect(link.peer.stats().importedReferences).toBe(9000);
    expect(collections.count).toBeGreaterThanOrEqual(1);
    expect(collections.count).toBeLessThanOrEqual(5);
  });
});
