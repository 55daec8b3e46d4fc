import { describe, expect, test } from "vitest";
import { DEFAULT_LIMITS } from "@colloquy/core";
import { Service, expose, serve } from "../../src/index.ts";
import type { Server } from "../../src/index.ts";
import { FIRED_SIGNAL_COST, SIGNAL_COST } from "../../src/reference-cost.ts";
import { WirePeer, newAddress } from "../support.ts";

class Desk extends Service {
  @expose count(things: readonly unknown[]): number {
    return things.length;
  }
  @expose different(things: readonly unknown[]): number {
    return new Set(things).size;
  }
  @expose states(things: readonly AbortSignal[]): unknown[] {
    return things.map(({ aborted }) => aborted);
  }
  @expose later(): Promise<number> {
    return new Promise((resolve) => setTimeout(resolve, 20, 5));
  }
  @expose signal(): AbortSignal {
    return new AbortController().signal;
  }
}

async function visit(maxDecodedCost: number = DEFAULT_LIMITS.maxDecodedCost): Promise<WirePeer> {
  const { wire } = await visited(maxDecodedCost);
  return wire;
}

async function visited(maxDecodedCost: number): Promise<{ readonly wire: WirePeer; readonly server: Server }> {
  const server = await serve(newAddress(), new Desk(), { limits: { maxDecodedCost } });
  const wire = await WirePeer.connect(server.address);
  await wire.hello();
  return { wire, server };
}

const typed = (id: number, data: unknown) => ({ __type__: [id, data] });
const times = (count: number, make: (index: number) => unknown) =>
  Array.from({ length: count }, (_, index) => make(index));

const KINDS: readonly (readonly [string, (index: number) => unknown])[] = [
  ["functions", (index) => typed(-2, `$/ref/${index + 1}`)],
  ["streams", (index) => typed(-14, `$/ref/${index + 1}`)],
  ["services under numbers", (index) => typed(0, `$/ref/${index + 1}`)],
  ["services at paths", (index) => typed(0, `a/${index}`)],
  ["what comes home", () => typed(-3, "count")],
  ["signals", (index) => typed(-15, index + 1)],
  ["signals that have fired", () => typed(-15, [typed(-1, null)])],
];

describe("References, in one message", () => {
  test.each(KINDS)("10,000 %s pass by default", async (_what, make) => {
    await using wire = await visit();
    expect(await wire.request("count", [times(10_000, make)])).toEqual([1, 10_000]);
  });

  test.each([...KINDS, ["results", () => typed(-16, [9999, ""])] as const])(
    "%s cost more than what they are written as",
    async (_what, make) => {
      const item = make(0) as { readonly __type__: [number, unknown] };
      const plain = times(1000, () => ({ a: item.__type__ }));
      const text = JSON.stringify(plain).length;
      // The plain values cost less than 500 each, and what the references are written as does.
      await using wire = await visit(text + 1000 * 500);
      expect((await wire.request("count", [plain.map(() => ({ a: [1, "x"] }))]))[0]).toBe(1);
      expect(await wire.request("count", [times(1000, make)])).toMatchObject([
        2,
        { code: "SERIALIZATION_ERROR", message: expect.stringContaining("(maxDecodedCost)") },
      ]);
      expect(await wire.request("count", [[1]])).toEqual([1, 1]);
    },
  );

  test("those of a refused message are all taken, so that their sender gets them back", async () => {
    const { wire, server } = await visited(500_000);
    const functions = times(1000, (index) => typed(-2, `$/ref/${index + 1}`));
    expect((await wire.request("count", [functions]))[0]).toBe(2);
    expect([...server.connections][0]!.stats().importedReferences).toBe(1000);
    await wire[Symbol.asyncDispose]();
  });

  test("100,000 signals that have fired, or have never been sent, are refused", async () => {
    await using wire = await visit();
    for (const [data, reason] of [
      [[null], "(maxDecodedCost)"],
      [-1, "comes home, but was never sent"],
      [-(2 ** 40), "comes home, but was never sent"],
    ] as const) {
      expect(await wire.request("count", [times(100_000, () => typed(-15, data))])).toMatchObject([
        2,
        { code: "SERIALIZATION_ERROR", message: expect.stringContaining(reason) },
      ]);
    }
  });

  test("the same signal is one, and costs as much once, whether it is known, has fired or is gone", async () => {
    // What 2,000 are written as, and two that are made.
    await using wire = await visit(2000 * 400 + FIRED_SIGNAL_COST + SIGNAL_COST);
    const thousand = (data: unknown) => times(1000, () => typed(-15, data));
    expect(await wire.request("different", [[...thousand(1), ...thousand(2)]])).toEqual([1, 2]);
    wire.notify("$/abort", 3, "early");
    wire.notify("$/abort", 4, "early");
    expect(await wire.request("different", [[...thousand(3), ...thousand(4)]])).toEqual([1, 2]);
    expect(await wire.request("states", [[typed(-15, 3), typed(-15, 5)]])).toEqual([1, [true, false]]);
    expect(await wire.request("signal")).toEqual([1, typed(-15, 1)]);
    expect(await wire.request("different", [[...thousand(-1), ...thousand(2)]])).toEqual([1, 2]);
  });

  test("results of one request are the same in all places", async () => {
    await using wire = await visit();
    wire.send([0, 500, ["later", [], {}]], [0, 501, ["count", [times(1000, () => typed(-16, [500, ""]))], {}]]);
    expect([await wire.next(), await wire.next()]).toEqual([
      [1, 500, 5],
      [1, 501, 1000],
    ]);
    const missing = times(50_000, (index) => typed(-16, [100_000 + index, ""]));
    expect(await wire.request("count", [missing])).toMatchObject([2, { code: "RESULT_NOT_KEPT" }]);
  });
});
