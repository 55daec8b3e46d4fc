import { describe, expect, test } from "vitest";
import { ColloquyError } from "@colloquy/core";
import { Service, connect, expose, serve } from "../../src/index.ts";
import type { IncomingCall, Interceptor, Limits, ServeOptions } from "../../src/index.ts";
import { WirePeer, newAddress, until } from "../support.ts";
import { wireVisit } from "../wire-visit.ts";

class Desk extends Service {
  readonly ends: (() => void)[] = [];
  @expose add(a: number, b: number): number {
    return a + b;
  }
  @expose hold(_value?: unknown): Promise<void> {
    return new Promise((resolve) => void this.ends.push(resolve));
  }
  @expose take(_value: unknown): number {
    return 1;
  }
  @expose fail(_value: unknown): void {
    throw new ColloquyError("NOT_FOUND", "of the method itself");
  }
  @expose async failLater(_value: unknown): Promise<void> {
    throw new ColloquyError("NOT_FOUND", "of the method itself");
  }
  @expose giveFunction(): () => void {
    return () => {};
  }
  @expose give(): this {
    return this;
  }
}

async function attacked(limits: Partial<Limits>, interceptors?: ServeOptions["interceptors"]) {
  const desk = new Desk();
  return { desk, ...(await wireVisit(desk, { limits, interceptors })) };
}

describe("T14: calls that are cancelled", () => {
  test("hold their slots until their handlers have settled", async () => {
    await using field = await attacked({ maxRunningCount: 10 });
    const { desk, wire, connection } = field;
    for (let id = 1; id <= 100; id++) wire.send([0, id, ["hold", [], {}]], [3, 0, ["$/cancel", [id], {}]]);
    const refused = [];
    for (let id = 11; id <= 100; id++) refused.push(await wire.next());
    expect(refused.every(([type, , content]) => type === 2 && content.code === "RESOURCE_EXHAUSTED")).toBe(true);
    expect(desk.ends).toHaveLength(10);
    expect(connection.stats().running).toBe(10);
    for (const end of desk.ends) end();
    for (let id = 1; id <= 10; id++) await wire.next();
    wire.send([0, 101, ["add", [1, 2], {}]]);
    expect(await wire.next()).toEqual([1, 101, 3]);
  });
});

describe("T14: much work at once", () => {
  test("leaves others their turns: between two of their calls there is a millisecond of it, or one message", async () => {
    const spun: number[] = [];
    class Busy extends Service {
      #served = 0;
      @expose spin(_text: string): void {
        spun.push(this.#served);
        for (const start = performance.now(); performance.now() - start < 1.1;);
      }
      @expose quick(): void {
        this.#served++;
      }
    }
    await using server = await serve(newAddress(), new Busy());
    await using wire = await WirePeer.connect(server.address);
    await wire.hello();
    await using honest = await connect<Busy>(server.address);
    await honest.remote.quick();
    wire.send(...Array.from({ length: 100 }, (_, id) => [0, id, ["spin", ["x".repeat(3000)], {}]]));
    while (spun.length < 100) await honest.remote.quick();
    // Calls of the honest peer that were served between the first and the last one of the flood.
    expect(spun.at(-1)! - spun[0]!).toBeGreaterThan(30);
  });
});

describe("T14: what runs no handler", () => {
  const kinds: readonly (readonly [what: string, make: (id: number) => unknown, isAnswered: boolean])[] = [
    ["pings", (id) => [0, id, ["$/ping", [], {}]], true],
    ["names that aren't there", (id) => [0, id, ["nope", [], {}]], true],
    ["malformed requests", (id) => [0, id, [1]], true],
    ["requests that can't be decoded", (id) => [0, id, ["add", [{ __type__: [99, 0] }], {}]], true],
    ["pulls of references that aren't there", (id) => [0, id, ["$/pull", [1000 + id, 1, 1000], {}]], true],
    ["pulls of what is no stream", (id) => [0, id, ["$/pull", [1, 1, 1000], {}]], true],
    ["cancels of nothing", () => [3, 0, ["$/cancel", [7], {}]], false],
    ["releases of what was never given", (id) => [3, 0, ["$/release", [[[id, 1]]], {}]], false],
    ["notifications for `$` that aren't there", () => [3, 0, ["$/nope", [], {}]], false],
    ["notifications to names that aren't there", () => [3, 0, ["nope", [], {}]], false],
  ];

  test.each(kinds)(
    "is read more slowly where it is much, and all of it is handled: %s",
    async (_what, make, isAnswered) => {
      await using field = await attacked({ maxOverheadPerSecond: 100 });
      const { wire } = field;
      const [, given] = await wire.request("giveFunction");
      expect(given).toMatchObject({ __type__: [expect.any(Number), "$/ref/1"] });
      const start = performance.now();
      // Each in a chunk of its own: 500 at once, and 60 that take 0.6 s.
      for (let id = 1; id <= 560; id++) wire.send(make(id));
      wire.send([0, 9999, ["add", [1, 2], {}]]);
      const answers: [type: number, id: number, content: unknown][] = [];
      for (let count = isAnswered ? 561 : 1; count > 0; count--) answers.push(await wire.next());
      // Pulls are answered later than what comes behind them.
      answers.sort(([, first], [, second]) => first - second);
      expect(answers.pop()).toEqual([1, 9999, 3]);
      expect(answers.map(([, id]) => id)).toEqual(Array.from({ length: answers.length }, (_, index) => index + 1));
      // One chunk may have had all of them: the pause is behind it then.
      wire.send([0, 10_000, ["add", [1, 2], {}]]);
      expect(await wire.next()).toEqual([1, 10_000, 3]);
      expect(performance.now() - start).toBeGreaterThan(500);
    },
  );

  test("doesn't slow down calls, cancels of calls that run, and refusals of a full connection", async () => {
    await using field = await attacked({ maxOverheadPerSecond: 1, maxRunningCount: 50 });
    const { desk, wire, connection } = field;
    for (let id = 1; id <= 50; id++) wire.send([0, id, ["hold", [], {}]]);
    await until(() => desk.ends.length === 50);
    const start = performance.now();
    for (let id = 1; id <= 50; id++) wire.send([3, 0, ["$/cancel", [id], {}]]);
    for (let id = 51; id <= 100; id++) wire.send([0, id, ["hold", [], {}]]);
    for (let id = 51; id <= 100; id++) expect((await wire.next())[2].code).toBe("RESOURCE_EXHAUSTED");
    for (const end of desk.ends) end();
    for (let id = 1; id <= 50; id++) await wire.next();
    for (let id = 101; id <= 200; id++) wire.send([0, id, ["add", [1, id], {}]]);
    for (let id = 101; id <= 200; id++) expect(await wire.next()).toEqual([1, id, id + 1]);
    // One of all these, or a hundred, would have taken minutes.
    expect(performance.now() - start).toBeLessThan(20_000);
    expect(connection.stats().running).toBe(0);
  });

  const result = { __type__: [-16, [1000, ""]] };
  const incoming: Interceptor<IncomingCall> = (_call, next) => next();

  test.each<[string, string, unknown[], ServeOptions["interceptors"]?]>([
    ["a result among the arguments", "nope", [result]],
    ["an interceptor", "nope", [], { incoming }],
    ["an interceptor and a result among the arguments", "nope", [result], { incoming }],
    ["a result that is still made, which they are below", "$/result/1001/nope", []],
    ["a result that isn't kept", "take", [{ __type__: [-16, [999, ""]] }]],
  ])("counts for names that aren't there, and the like, with %s", async (_what, path, args, interceptors) => {
    await using field = await attacked({ maxOverheadPerSecond: 100 }, interceptors);
    const { desk, wire } = field;
    wire.send([0, 1000, ["give", [], {}]]);
    await wire.next();
    const start = performance.now();
    wire.send([0, 1001, ["hold", [], {}]]);
    for (let id = 1; id <= 560; id++) wire.send([0, id, [path, args, {}]]);
    await until(() => desk.ends.length === 1);
    desk.ends[0]!();
    for (let count = 0; count <= 560; count++) await wire.next();
    wire.send([0, 10_000, ["add", [1, 2], {}]]);
    expect(await wire.next()).toEqual([1, 10_000, 3]);
    wire.send([0, 10_001, ["add", [1, 2], {}]]);
    expect(await wire.next()).toEqual([1, 10_001, 3]);
    expect(performance.now() - start).toBeGreaterThan(500);
  });

  test.each<[string, ServeOptions["interceptors"]?]>([["no interceptor"], ["an interceptor", { incoming }]])(
    "doesn't count where a method has run and failed, or the call that another one waits for, with %s",
    async (_what, interceptors) => {
      await using field = await attacked({ maxOverheadPerSecond: 1 }, interceptors);
      const { wire } = field;
      wire.send([0, 1000, ["give", [], {}]]);
      await wire.next();
      const start = performance.now();
      const answers = async (code: unknown, executed: string): Promise<void> => {
        expect(await wire.next()).toMatchObject([2, expect.any(Number), { code, executed }]);
      };
      for (let id = 1; id <= 100; id++) {
        for (const path of ["fail", "failLater"]) {
          for (const args of [[], [result]]) {
            wire.send([0, id, [path, args, {}]]);
            await answers("NOT_FOUND", "yes");
          }
        }
        wire.send([0, id, ["failLater", [], {}]], [0, 500 + id, ["take", [{ __type__: [-16, [id, ""]] }], {}]]);
        await answers("NOT_FOUND", "yes");
        // Where others have had a turn in between, the failed call isn't known any more.
        await answers(expect.stringMatching(/^(DEPENDENCY_FAILED|RESULT_NOT_KEPT)$/), "no");
      }
      expect(performance.now() - start).toBeLessThan(20_000);
    },
  );

  test("takes no time of others", async () => {
    await using field = await attacked({ maxOverheadPerSecond: 100 });
    const { wire, server } = field;
    for (let id = 1; id <= 700; id++) wire.send([0, id, ["nope", [], {}]]);
    await using other = await WirePeer.connect(server.address);
    await other.hello();
    expect(await other.request("add", [1, 2])).toEqual([1, 3]);
    await wire.next();
  });
});

describe("T9: what calls hold that run", () => {
  test.each(["requests", "notifications"])(
    "is bounded for %s, and one more starts when others have ended",
    async (kind) => {
      await using field = await attacked({ maxHeldBytes: 100_000 });
      const { desk, wire, connection } = field;
      const type = kind === "requests" ? 0 : 3;
      const text = "x".repeat(30_000);
      for (let id = 1; id <= 5; id++) wire.send([type, type === 0 ? id : 0, ["hold", [text], {}]]);
      wire.send([0, 9, ["take", ["x"], {}]]);
      // The first counts with eight times its bytes: nothing has to be measured while nothing is held.
      expect(desk.ends.length).toBeLessThan(5);
      if (type === 0) {
        for (const id of [2, 3, 4, 5]) expect(await wire.next()).toMatchObject([2, id, { code: "RESOURCE_EXHAUSTED" }]);
      }
      expect((await wire.next())[1]).toBe(9);
      if (type === 3) expect(connection.stats().failedNotifications).toBe(4);
      expect(desk.ends).toHaveLength(1);
      desk.ends[0]!();
      if (type === 0) expect((await wire.next())[1]).toBe(1);
      await until(() => connection.stats().running === 0);
      for (let id = 11; id <= 14; id++) wire.send([0, id, ["hold", [text.slice(0, 1000)], {}]]);
      await until(() => desk.ends.length === 5);
    },
  );

  test("isn't what calls have held that have ended, however many", async () => {
    await using field = await attacked({ maxHeldBytes: 100_000 });
    const { wire } = field;
    for (let id = 1; id <= 50; id++) wire.send([0, id, ["take", ["x".repeat(30_000)], {}]]);
    for (let id = 1; id <= 50; id++) expect(await wire.next()).toEqual([1, id, 1]);
  });
});
