import { describe, expect, test } from "vitest";
import { Child } from "./support.ts";

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
