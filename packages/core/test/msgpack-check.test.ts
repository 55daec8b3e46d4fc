import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { DEFAULT_LIMITS } from "../src/limits.ts";
import { checkMsgPack, mayBeCostly } from "../src/msgpack-check.ts";
import { MsgPackCodec } from "../src/msgpack-codec.ts";
import { anyWidth, choices, value } from "./conformance/styles.ts";
import { bytes, expectSame, hex, thrownBy } from "./support.ts";

function check(given: Uint8Array, maxDepth = Infinity, maxCost = Infinity): number {
  const buffer = Buffer.concat([bytes("c1"), given, bytes("90")]);
  return checkMsgPack(buffer, 1, 1 + given.length, maxDepth, maxCost);
}

/** What a value costs, without its keys. */
function naiveCost(given: unknown): number {
  if (typeof given === "string") return 24 + Buffer.byteLength(given);
  if (given instanceof Uint8Array) return given.length + (given.length <= 64 ? 208 : 384);
  if (typeof given === "number") return hex(new MsgPackCodec().encode(given)).length > 8 ? 16 : 0;
  if (typeof given !== "object" || given === null) return 0;
  const items = Object.values(given);
  return 64 + 8 * items.length + items.reduce((sum: number, item) => sum + naiveCost(item), 0);
}

/** The same for the keys of its maps, each list once. */
function naiveKeyCost(given: unknown, known = new Set<string>()): number {
  if (typeof given !== "object" || given === null || given instanceof Uint8Array) return 0;
  const inner = Object.values(given).reduce((sum: number, item) => sum + naiveKeyCost(item, known), 0);
  if (Array.isArray(given)) return inner;
  const keys = Object.keys(given);
  const list = keys.map((key) => `${key}\n`).join("");
  let [highest, gaps] = [-1, 0];
  for (const key of keys) {
    const index = /^\d{1,10}$/.test(key) ? Number(key) : -1;
    if (index < 0) continue;
    const isInArray = index > highest && index - highest <= 1024;
    gaps += (highest < 0 ? 160 : 0) + (isInArray ? 12 * (index - highest) : 48) + (index < 2 ** 31 ? 0 : 96);
    highest = Math.max(index, highest);
  }
  if (known.has(list)) return inner + gaps + (keys.length > 16 ? 48 * keys.length : 0);
  known.add(list);
  return inner + gaps + Buffer.byteLength(keys.join("")) + 96 * keys.length + 5 * Math.min(keys.length, 16) ** 2;
}

/** The pass steps over what is empty: the decoder counts that level. */
function depthOf(given: unknown): number {
  if (typeof given !== "object" || given === null || given instanceof Uint8Array) return 0;
  const items = Object.values(given);
  return items.length === 0 ? 0 : 1 + Math.max(...items.map((item) => depthOf(item)));
}

describe("checkMsgPack", () => {
  const codec = new MsgPackCodec();
  const binary = fc.oneof(value, fc.uint8Array({ maxLength: 100 }));
  const many = fc.tuple(binary, binary, binary).map(([first, second, third]) => [first, second, third, second, first]);

  it("tells depth and cost as the oracle does", () => {
    fc.assert(
      fc.property(many, (given) => {
        const encoded = codec.encode(given);
        const cost = naiveCost(given) + naiveKeyCost(given);
        const depth = depthOf(given);
        expect(check(encoded, depth, cost)).toBe(cost);
        expect(thrownBy(() => check(encoded, depth - 1, Infinity)).message).toContain("(maxDepth)");
        expect(thrownBy(() => check(encoded, depth, cost - 1)).message).toContain("(maxDecodedCost)");
      }),
      { numRuns: 2000 },
    );
  });

  it("tells them of what takes several calls", () => {
    const long = fc
      .array(value, { minLength: 1, maxLength: 5 })
      .map((items) => Array.from({ length: 40 }, () => items));
    const wide = Object.fromEntries(Array.from({ length: 400 }, (_, index) => [`k${index}`, index]));
    fc.assert(
      fc.property(long, (items) => {
        const given = [items, wide, items, "x".repeat(600), wide];
        const cost = naiveCost(given) + naiveKeyCost(given);
        const encoded = codec.encode(given);
        expect(check(encoded, depthOf(given), cost)).toBe(cost);
        expect(thrownBy(() => check(encoded.subarray(0, -1))).message).toContain("ends in the middle");
      }),
      { numRuns: 100 },
    );
  });

  it("passes over heads of any width", () => {
    fc.assert(
      fc.property(many, choices, (given, choose) => {
        const encoded = anyWidth(given, choose);
        // A wide head is gone into, also where it is empty.
        const depth = depthOf(given) + 1;
        const cost = check(encoded, depth);
        for (const cut of [1, encoded.length >> 1, encoded.length - 1]) {
          const error = thrownBy(() => check(encoded.subarray(0, cut)));
          expect(error.message).toMatch(/^MsgPack (?:ends in the middle of a value|declares \d+ )/);
        }
        expect(thrownBy(() => check(encoded, depth, cost - 1)).message).toContain("(maxDecodedCost)");
      }),
      { numRuns: 1000 },
    );
  });

  it("refuses or passes whatever bytes, as the decoder does", () => {
    const damaged = fc.tuple(many, fc.nat(), fc.nat(255)).map(([given, at, byte]) => {
      const encoded = codec.encode(given);
      encoded[at % encoded.length] = byte;
      return encoded;
    });
    fc.assert(
      fc.property(fc.oneof(damaged, fc.uint8Array({ maxLength: 200 })), (given) => {
        let refusal: string | undefined;
        try {
          check(given, 64);
        } catch (error) {
          expect(error).toMatchObject({ code: "SERIALIZATION_ERROR" });
          refusal = (error as Error).message;
        }
        if (refusal !== undefined) expect(() => codec.decode(given)).toThrow();
      }),
      { numRuns: 3000 },
    );
  });

  it("holds the sum of all declared counts against what is left", () => {
    expect(thrownBy(() => check(bytes("92 c0"))).message).toBe("MsgPack declares 2 elements, 1 bytes are left");
    expect(thrownBy(() => check(bytes("81 a161"))).message).toBe("MsgPack ends in the middle of a value");
    expect(thrownBy(() => check(bytes("82 a161 01"))).message).toBe(
      "MsgPack declares 4 keys and values, 3 bytes are left",
    );
    // Each of the inner counts is true of what is left, but not beside the outer one.
    expect(thrownBy(() => check(bytes("93 93 c0 c0 c0 c0"))).message).toBe(
      "MsgPack declares 5 elements, 4 bytes are left",
    );
    expect(check(bytes("93 93 c0 c0 c0 c0 c0"))).toBe(2 * 64 + 6 * 8);
    for (const [head, what] of [
      ["dd ffffffff", "4294967295 elements"],
      ["df ffffffff", "8589934590 keys and values"],
    ])
      expect(thrownBy(() => check(bytes(head!))).message).toBe(`MsgPack declares ${what}, 0 bytes are left`);
    for (const head of ["db ffffffff", "c6 ffffffff", "d9", "cb 00", "81 db ffffffff"])
      expect(thrownBy(() => check(bytes(`${head} `))).message).toMatch(/ends in the middle|declares 2/);
  });

  it("leaves to the decoder what isn't MsgPack, and what has other keys", () => {
    for (const given of ["92 c1 01", "92 d40500 01", "92 c7010500 01", "91 81 01 02", "91 81 90 02"])
      expect(check(bytes(given))).toBeLessThan(300);
    expect(check(bytes("93 d40100 01 02"))).toBe(64 + 2 * 32);
  });
});

describe("mayBeCostly", () => {
  it("is false where no byte can cost too much", () => {
    for (const unit of ["80", "90", "a0", "c400", "c40100", "81a001", "81a16101", "9190", "01", "cb3ff8000000000000"]) {
      const given = Buffer.concat([bytes("dc 1000"), bytes(unit.repeat(4096))]);
      expect(mayBeCostly(given.length, check(given))).toBe(true);
    }
    const keys = Array.from({ length: 16 }, (_, index) => `a1${(0x61 + index).toString(16)}c0`);
    const maps = Array.from(
      { length: 16 },
      (_, index) => `de0010${[...keys.slice(index), ...keys.slice(0, index)].join("")}`,
    );
    const given = bytes(`dc 0010 ${maps.join("")}`);
    expect(mayBeCostly(given.length, check(given))).toBe(true);
    expect(mayBeCostly(1000, 128_000)).toBe(false);
  });
});

describe("large values in MsgPack", () => {
  const large = (count: number, item: unknown): unknown[] => Array.from<unknown>({ length: count }).fill(item);

  it("are refused at their cost", () => {
    const codec = new MsgPackCodec();
    const given = large(30_000, { id: 1, name: "a", value: 0.5 });
    const encoded = codec.encode(given);
    const cost = naiveCost(given) + naiveKeyCost(given);
    for (const maxDecodedCost of [cost, cost + 1]) {
      codec.limits = { ...DEFAULT_LIMITS, maxDecodedCost };
      expectSame(codec.decode(encoded), given);
    }
    codec.limits = { ...DEFAULT_LIMITS, maxDecodedCost: cost - 1 };
    expect(thrownBy(() => codec.decode(encoded)).message).toContain("(maxDecodedCost)");
  });

  it("are told where they are wrong", () => {
    const codec = new MsgPackCodec();
    const place = (item: string): unknown =>
      thrownBy(() =>
        codec.decode(Buffer.concat([bytes("92 da ffff"), Buffer.alloc(65_535, 0x78), bytes(`81 a161 ${item}`)])),
      ).place;
    for (const item of ["c1", "d40500", "81 01 02", "a1 ff", "c7 00 05"]) expect(place(item)).toStrictEqual([1, "a"]);
  });

  it("may have another value decoded in the middle", () => {
    class Inner {
      readonly content: unknown;
      constructor(content: unknown) {
        this.content = content;
      }
    }
    const codec: MsgPackCodec = new MsgPackCodec([
      () => [Inner, ({ content }) => codec.encode(content), (data: Uint8Array) => new Inner(codec.decode(data))],
    ]);
    const numbers = large(70_000, 7);
    for (const content of ["small", numbers]) {
      const given = [numbers, new Inner(content), numbers, new Inner(content), large(2000, "x")];
      expectSame(codec.decode(codec.encode(given)), given);
      const few = [new Inner(content), large(2000, "x")];
      expectSame(codec.decode(codec.encode(few)), few);
    }
  });
});
