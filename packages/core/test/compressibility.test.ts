import { describe, expect, it } from "vitest";
import { seemsCompressible } from "../src/compressibility.ts";
import { noise } from "./support.ts";

const smooth = new Uint8Array(Float64Array.from({ length: 20_000 }, (_, index) => Math.sin(index / 100)).buffer);
const hexText = Buffer.from(noise(50_000).toString("hex"));

describe("a sample tells", () => {
  it.each([
    ["text", Buffer.from("some words, again and again. ".repeat(3000)), 1, true, true],
    ["zeros", new Uint8Array(100_000), 1, true, true],
    ["noise", noise(100_000), 1, false, false],
    ["noise as numbers", noise(100_000), 8, false, false],
    ["smooth numbers, shuffled", smooth, 8, true, true],
    ["smooth numbers as they are", smooth, 1, false, false],
    ["hex digits of noise, which only their rareness makes smaller", hexText, 1, false, true],
  ])("%s", (_name, bytes, itemBytes, byRepetition, byEntropy) => {
    expect(seemsCompressible(bytes, itemBytes, false)).toBe(byRepetition);
    expect(seemsCompressible(bytes, itemBytes, true)).toBe(byEntropy);
  });
});
