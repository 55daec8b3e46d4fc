import { describe, expect, test } from "vitest";
import { expose, service } from "../src/index.ts";
import { streamsIn } from "../src/streams-in.ts";
import { failureOf, pair } from "./support.ts";
import type { AnyRemote } from "./support.ts";

async function* one(): AsyncGenerator<number> {
  yield 1;
}

const holes = (): unknown[] => Object.assign([], { length: 2 ** 32 - 1 });

/** Has no end: each getter makes another one. */
const endless = (): object => ({
  get next() {
    return endless();
  },
});

function endlessProxy(): object {
  return new Proxy([], {
    get: (_target, key) => (key === "length" ? 1e9 : typeof key === "symbol" ? undefined : endlessProxy()),
  });
}

describe("Streams in a value", () => {
  test("are found at any depth of arrays, objects, Maps and Sets, once each", () => {
    const [first, second, third] = [one(), one(), one()];
    const value = [1, { a: [first, first] }, new Map<unknown, unknown>([[second, new Set([third])]])];
    expect([...streamsIn(value)]).toEqual([first, second, third]);
    expect([...streamsIn(first)]).toEqual([first]);
  });

  test("aren't looked for where it would run something, or without an end", () => {
    let readCount = 0;
    const counting = {
      get field() {
        return readCount++;
      },
    };
    expect(streamsIn([counting, Object.defineProperty([], 0, { get: () => readCount++, enumerable: true })]).size).toBe(
      0,
    );
    expect(readCount).toBe(0);
    expect(streamsIn(endless()).size).toBe(0);
    expect(streamsIn(endlessProxy()).size).toBe(0);
    expect(streamsIn(holes()).size).toBe(0);
    const cyclic: unknown[] = [];
    cyclic.push(cyclic);
    expect(streamsIn(cyclic).size).toBe(0);
  });

  test.each([
    ["without an end", endless, "SERIALIZATION_ERROR"],
    ["of nothing but holes", () => holes(), "RESOURCE_EXHAUSTED"],
  ])("a result %s is refused as what it is", async (_what, make, code) => {
    await using link = await pair(service({ make: expose(make) }), { serve: { limits: { maxMessageBytes: 100_000 } } });
    expect(await failureOf((link.remote as AnyRemote)["make"]())).toMatchObject({ code });
  });
});
