import { describe, expect, it } from "vitest";
import { DEFAULT_LIMITS } from "../../src/limits.ts";
import { StructuredCloneCodec } from "../../src/structured-clone-codec.ts";
import { bytes, thrownBy } from "../support.ts";
import { inChild } from "./measured.ts";

const MEBIBYTE = 1_048_576;

/** As many of one value as a message has room for. */
function many(value: string, count = Math.floor((15 * MEBIBYTE) / bytes(value).length)): Buffer {
  const head = bytes("c1 dd 00000000");
  head.writeUInt32BE(count, 2);
  return Buffer.concat([head, Buffer.alloc(count * bytes(value).length, bytes(value))]);
}

/** Containers in containers. */
function nested(open: string, levels: number): Buffer {
  return Buffer.concat([bytes("c1"), ...Array.from({ length: levels }, () => bytes(open))]);
}

describe("T7: nested clones", () => {
  it.each([
    ["arrays", "91"],
    ["maps", "81 a1 61"],
    ["Maps", "c1 05 01 00"],
    ["Maps in keys", "c1 05 01"],
    ["Sets", "c1 06 01"],
    ["errors", "c1 08 a0 a0 c2 81 a5 6361757365"],
    ["instances", "c1 02 00"],
  ])("of 72 KB of %s are refused by depth", (_what, open) => {
    const levels = Math.ceil(72_000 / bytes(open).length);
    const error = thrownBy(() => new StructuredCloneCodec().decode(nested(open, levels)));
    expect(error).toMatchObject({ code: "SERIALIZATION_ERROR", message: expect.stringContaining("maxDepth") });
  });
});

describe("T8: counts far above the data", () => {
  it.each([
    ["an array", "c1 dd ffffffff"],
    ["a map", "c1 df ffffffff"],
    ["text", "c1 db ffffffff"],
    ["bytes", "c1 c6 ffffffff"],
    ["a Map", "c1 c1 05 ce ffffffff"],
    ["a Set", "c1 c1 06 cf 001fffffffffffff"],
    ["a Set of all that 64 bits hold", "c1 c1 06 cb 43f0000000000000"],
    ["a typed array", "c1 c1 0a 08 c6 fffffff8"],
    ["a buffer", "c1 c1 0b c6 7fffffff"],
    ["dimensions", "c1 c1 0d a3 3c6638 a1 43 ce ffffffff"],
    ["a shape", "c1 c1 0d a3 3c6638 a1 43 02 ce ffffffff ce ffffffff c4 00"],
  ])("of %s in a few bytes are refused", (_what, text) => {
    expect(thrownBy(() => new StructuredCloneCodec().decode(bytes(text)))).toMatchObject({
      code: "SERIALIZATION_ERROR",
    });
  });

  it("of arrays in arrays, all that is left each, are refused", () => {
    const payload = Buffer.concat([
      bytes("c1"),
      ...Array.from({ length: 40 }, () => bytes("dc0800")),
      Buffer.alloc(2100),
    ]);
    expect(thrownBy(() => new StructuredCloneCodec().decode(payload))).toMatchObject({
      message: expect.stringContaining("more elements than there are bytes"),
    });
  });

  it("take no memory", async () => {
    const found = await inChild(bytes("c1 c1 0a 08 c6 fffffff8"), "clone", "message");
    expect(found.outcome).toContain("4294967288 bytes, 0 bytes are left");
    expect(found.grown).toBeLessThan(8 * MEBIBYTE);
  });
});

describe("T9: many small objects", () => {
  it.each([
    ["arrays", "90"],
    ["maps", "80"],
    ["Maps", "c1 05 00"],
    ["Sets", "c1 06 00"],
    ["Maps with an entry", "c1 05 01 00 00"],
    ["Dates", "c1 04 00"],
    ["errors", "c1 08 a0 a0 c2 80"],
    ["URLs", "c1 09 a3 613a62"],
    ["bytes", "c4 00"],
    ["typed arrays", "c1 0a 08 c4 00"],
    ["views", "c1 0c c4 00"],
    ["BigInts", "c1 07 a1 31"],
  ])("%s take no more than twice the budget", async (_what, value) => {
    const found = await inChild(many(value), "clone", "message");
    expect(found.outcome).toMatch(/maxDecodedCost|^object$/);
    expect(found.grown).toBeLessThan(2 * DEFAULT_LIMITS.maxDecodedCost);
  });

  it.each([
    ["a float", "cb 0000000000000000"],
    ["64 bits", "d3 0000000000000000"],
    ["8 bits", "d0 00"],
  ])("the size of a Map as %s hides nothing of what follows", (_what, size) => {
    const start = bytes(`c1 92 c1 05 ${size}`);
    const payload = Buffer.concat([start, many("90").subarray(1)]);
    expect(thrownBy(() => new StructuredCloneCodec().decode(payload))).toMatchObject({
      message: expect.stringContaining("maxDecodedCost"),
    });
  });

  it.each([
    ["undefined", "c1 01"],
    ["a Date", "c1 04 00"],
    ["a number", "00"],
  ])("an error of the form %s is refused", (_what, form) => {
    expect(thrownBy(() => new StructuredCloneCodec().decode(bytes(`c1 c1 08 a0 a0 ${form} 80`)))).toMatchObject({
      message: expect.stringContaining("malformed Error"),
    });
  });

  it("references to one object are no copies of it", async () => {
    const head = bytes("c1 92 db 00100000");
    const count = 2_000_000;
    const references = many("c1 00 00", count).subarray(1);
    const found = await inChild(Buffer.concat([head, Buffer.alloc(MEBIBYTE, 0x61), references]), "clone", "message");
    expect(found.outcome).toBe("object");
    expect(found.grown).toBeLessThan(DEFAULT_LIMITS.maxDecodedCost);
  });
});
