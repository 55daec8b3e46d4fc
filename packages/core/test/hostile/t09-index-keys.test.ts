import { describe, expect, it } from "vitest";
import { JsonCodec, MsgPackCodec, SerializationError, StructuredCloneCodec, resolveLimits } from "../../src/index.ts";
import { bytes } from "../support.ts";

/** `{"1022": 0}` is 7 bytes of MsgPack, and an array of 1,551 slots in the engine. */
describe.each([
  ["JSON", JsonCodec],
  ["MsgPack", MsgPackCodec],
])("keys that are indices, in %s", (_name, Codec) => {
  it("cost what the engine makes of them", () => {
    const codec = new Codec();
    const maps = Array.from({ length: 20_000 }, () => ({ 1022: 0 }));
    const bytes = codec.encode(maps);
    codec.limits = resolveLimits({ maxDecodedCost: 20_000 * 12_000 });
    expect(() => codec.decode(bytes)).toThrow(SerializationError);
    expect(() => codec.decode(bytes)).toThrow(/maxDecodedCost/);
    codec.limits = resolveLimits({ maxDecodedCost: 20_000 * 13_000 });
    expect(codec.decode(bytes)).toHaveLength(20_000);
  });

  it("are cheap where they come one after the other, or far apart", () => {
    const codec = new Codec();
    const dense = Object.fromEntries(Array.from({ length: 2000 }, (_, index) => [index, 0]));
    const sparse = Object.fromEntries(Array.from({ length: 60 }, (_, index) => [1500 * (index + 1), 0]));
    const bytes = codec.encode([dense, sparse]);
    codec.limits = resolveLimits({ maxDecodedCost: 400_000 });
    expect(codec.decode(bytes)).toStrictEqual([dense, sparse]);
  });

  it("count as keys only", () => {
    const codec = new Codec();
    const texts = Array.from({ length: 1000 }, () => "1022");
    const bytes = codec.encode(texts);
    codec.limits = resolveLimits({ maxDecodedCost: 100_000 });
    expect(codec.decode(bytes)).toStrictEqual(texts);
  });
});

describe.each([
  ["MsgPack", MsgPackCodec, ""],
  ["structured clones", StructuredCloneCodec, "c1"],
])("keys that are indices, in a message of %s that is too small to be counted before", (_name, Codec, start) => {
  const array = 160 + 1024 * 12;

  it.each([
    ["one alone", "81 a4 31303233 01", array],
    ["one behind a higher one", "82 a4 31303233 01 a131 01", array + 48],
    ["one that is no small integer", "82 a4 31303233 01 aa 32313437343833363438 01", array + 48 + 96],
  ])("cost as much: %s", (_what, map, cost) => {
    const payload = bytes(start + map);
    const codec = new Codec();
    codec.limits = resolveLimits({ maxDecodedCost: cost });
    expect(codec.decode(payload)).toHaveProperty("1023", 1);
    codec.limits = resolveLimits({ maxDecodedCost: cost - 1 });
    expect(() => codec.decode(payload)).toThrow(/maxDecodedCost/);
  });
});
