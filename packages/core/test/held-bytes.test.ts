import { describe, expect, it } from "vitest";
import { decodedSize } from "../src/decoded-size.ts";
import { HeldBytes } from "../src/held-bytes.ts";
import { DEFAULT_LIMITS, resolveLimits } from "../src/limits.ts";

function heldBy(maxHeldBytes: number) {
  const message = { payloadBytes: 0, segmentBytes: 0, mostCostOfByte: 128 };
  const held = new HeldBytes({ ...DEFAULT_LIMITS, maxHeldBytes }, message);
  const admit = (payloadBytes: number, content: unknown = [], segmentBytes = 0): boolean => {
    Object.assign(message, { payloadBytes, segmentBytes });
    return held.admit(content) === undefined;
  };
  return { held, message, admit };
}

/** Whatever looks at it fails. */
const UNSEEN: object = new Proxy(
  {},
  {
    getPrototypeOf: () => {
      throw new Error("was measured");
    },
  },
);

describe("HeldBytes", () => {
  it("measures nothing while all together can't take half the limit", () => {
    const { held, admit } = heldBy(128 * 200);
    for (let made = 0; made < 10; made++) {
      expect(admit(10, UNSEEN)).toBe(true);
      held.keep();
    }
    expect(held.held).toBe(128 * 100);
    expect(() => admit(10, UNSEEN)).toThrow("was measured");
  });

  it("counts what was measured beyond, and takes it off again exactly", () => {
    const { held, admit } = heldBy(128 * 200);
    admit(100);
    const guessed = held.keep();
    admit(100, ["x".repeat(1000)]);
    const measured = held.keep();
    expect(held.held).toBe(128 * 100 + 64 + 8 + 24 + 1000);
    held.release(guessed);
    expect(held.held).toBe(64 + 8 + 24 + 1000);
    // The half that isn't measured is free again.
    expect(admit(100, UNSEEN)).toBe(true);
    held.release(measured);
    expect(held.held).toBe(0);
  });

  it("takes one message whatever it holds, with large values beside it, and no more", () => {
    const { held, message, admit } = heldBy(1000);
    message.mostCostOfByte = Infinity;
    expect(admit(100, [], 1_000_000)).toBe(true);
    const kept = held.keep();
    expect(admit(1)).toBe(false);
    held.release(kept);
    expect(admit(1)).toBe(true);
  });

  it("measures each beside others where it isn't known what a byte can take: small ones leave room for large ones", () => {
    const { held, message, admit } = heldBy(DEFAULT_LIMITS.maxHeldBytes);
    message.mostCostOfByte = Infinity;
    for (let made = 0; made < 2; made++) {
      expect(admit(10, [["a"], {}])).toBe(true);
      held.keep();
    }
    expect(held.held).toBeLessThan(1000);
    expect(() => admit(10, UNSEEN)).toThrow("was measured");
    const mebibytes = (count: number): unknown => [new Uint8Array(count << 20)];
    for (const size of [100, 100, 50]) {
      expect(admit(10, mebibytes(size))).toBe(true);
      held.keep();
    }
    expect(admit(10, mebibytes(10))).toBe(false);
  });

  it("counts at least the bytes that a message has come in, whatever a serializer has made of it", () => {
    const { held, message, admit } = heldBy(10_000);
    message.mostCostOfByte = Infinity;
    admit(100);
    held.keep();
    expect(admit(9200, new (class Opaque {})())).toBe(true);
    expect(admit(9201, new (class Opaque {})())).toBe(false);
  });

  it("holds nothing once it was cleared, whatever goes on and ends then", () => {
    const { held, admit } = heldBy(128 * 200);
    admit(10);
    const before = held.keep();
    admit(10);
    held.clear();
    const behind = held.keep();
    held.release(before);
    expect(held.held).toBe(0);
    held.release(behind);
    expect(held.held).toBe(0);
  });

  it("has no bound where there is none", () => {
    const { held, admit } = heldBy(Infinity);
    for (let made = 0; made < 100; made++) {
      expect(admit(1e9)).toBe(true);
      held.keep();
    }
  });
});

describe("decodedSize", () => {
  it.each([
    [null, 8],
    [1.5, 8],
    ["abc", 27],
    [[], 64],
    [[1, "ab"], 64 + 8 + 8 + 8 + 26],
    [{ a: 1 }, 64 + 32 + 8],
    [{ 0: 1 }, 64 + 160 + 12 + 32 + 8],
    [new Uint8Array(10), 218],
    [new Map([[1, 2]]), 512 + 64 + 2 * 16],
    [new Set([1]), 512 + 64 + 16],
    [new Date(0), 512],
    [5n, 512],
  ])("of %o is %i", (value, size) => {
    expect(decodedSize(value, Infinity)).toBe(size);
  });

  it("stops where it is above the most that is asked for", () => {
    let looks = 0;
    const items = Array.from({ length: 1000 }, () => 0);
    Object.defineProperty(items, 500, { get: () => looks++ });
    expect(decodedSize(items, 1000)).toBeGreaterThan(1000);
    expect(looks).toBe(0);
  });

  describe("of what stands in several places", () => {
    const within = (levels: number, innermost: unknown, outer: (inner: unknown) => unknown): unknown => {
      let value = innermost;
      for (let level = 0; level < levels; level++) value = outer(value);
      return value;
    };

    it.each<[string, (inner: unknown) => unknown]>([
      ["arrays", (inner) => [inner, inner]],
      ["plain objects", (inner) => ({ a: inner, b: inner })],
      [
        "the values of Maps",
        (inner) =>
          new Map([
            ["a", inner],
            ["b", inner],
          ]),
      ],
      ["the keys of Maps", (inner) => new Map([[inner, inner]])],
    ])("goes along each reference once: %s", (_, outer) => {
      expect(decodedSize(within(50, [], outer), Infinity)).toBeLessThan(100_000);
    });

    it("counts it once where it is large", () => {
      for (const shared of [
        Array.from({ length: 10_000 }, () => 0),
        Object.fromEntries(Array.from({ length: 10_000 }, (__, index) => [`k${index}`, 0])),
        new Map(Array.from({ length: 10_000 }, (__, index) => [index, 0])),
        new Set(Array.from({ length: 10_000 }, (__, index) => index)),
        new Uint8Array(100_000),
        ["x".repeat(100_000)],
      ]) {
        const size = decodedSize(shared, Infinity);
        expect(
          decodedSize(
            Array.from({ length: 1000 }, () => shared),
            Infinity,
          ),
        ).toBe(64 + 1000 * 8 + size);
      }
    });

    it("comes to an end where it is in itself", () => {
      const cycle: unknown[] = [new Map()];
      cycle.push({ cycle }, new Set([cycle]));
      (cycle[0] as Map<unknown, unknown>).set(cycle, cycle);
      expect(decodedSize(cycle, Infinity)).toBeLessThan(100_000);
    });
  });

  it("looks at no entry of a Map or a member of a Set beyond the most that is asked for", () => {
    let looks = 0;
    const counted = function* (values: Iterable<unknown>): Generator {
      for (const value of values) {
        looks++;
        yield value;
      }
    };
    const numbers = Array.from({ length: 1000 }, (__, index) => index);
    const map = new Map(numbers.map((number) => [number, 0]));
    map.keys = () => counted(numbers) as MapIterator<number>;
    const set = new Set(numbers);
    set[Symbol.iterator] = () => counted(numbers) as SetIterator<number>;
    for (const value of [map, set]) expect(decodedSize(value, 1000)).toBeGreaterThan(1000);
    expect(looks).toBeLessThan(200);
  });
});

describe("limits", () => {
  it("let held bytes follow what one message may cost, upwards only", () => {
    expect(resolveLimits({ maxMessageBytes: 1 << 26 }).maxHeldBytes).toBe(2 ** 30);
    expect(resolveLimits({ maxDecodedCost: 1000 }).maxHeldBytes).toBe(DEFAULT_LIMITS.maxHeldBytes);
    expect(resolveLimits({ maxMessageBytes: 1 << 26, maxHeldBytes: 7 }).maxHeldBytes).toBe(7);
  });
});
