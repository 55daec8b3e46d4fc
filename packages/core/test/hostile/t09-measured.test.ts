import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { describe, expect, it } from "vitest";
import { DEFAULT_LIMITS } from "../../src/limits.ts";
import type { Outcome } from "./measured.ts";

interface Measured extends Outcome {
  /** Of all threads: what other processes take meanwhile isn't in it. */
  readonly cpuMilliseconds: number;
}

const run = promisify(execFile);
const SCRIPT = fileURLToPath(new URL("../children/tiny-values.ts", import.meta.url));
const MEBIBYTE = 2 ** 20;
/** What is allowed by default, or a part of it: the whole takes minutes, `COLLOQUY_T9_SHARE=1`. */
const COST = DEFAULT_LIMITS.maxDecodedCost * Number(process.env["COLLOQUY_T9_SHARE"] ?? 0.25);
/** A heap that has room for that, and no more than twice that. */
const HEAP = `--max-old-space-size=${(2 * COST) / MEBIBYTE}`;
const NODE = ["--import", "tsx", "--conditions=@colloquy/source", "--expose-gc"];

async function measured(options: readonly string[], ...args: string[]): Promise<unknown> {
  const { stdout } = await run(process.execPath, [...NODE, ...options, SCRIPT, ...args], { timeout: 110_000 });
  return JSON.parse(stdout) as unknown;
}

const COMMON = [
  "empty maps",
  "arrays of seventeen",
  "maps of new keys",
  "maps of eight new keys",
  "maps of 32 new keys",
  "maps of the key 0",
];
const ACCEPTED = [
  ...[...COMMON, "texts of four characters", "escapes", "numbers of 64 bits"].map((shape) => ["json", shape] as const),
  ...[...COMMON, "maps of the key 1022", "no bytes", "bytes"].map((shape) => ["msgpack", shape] as const),
  ...[...COMMON, "arrays of four", "maps of one key", "texts of one character", "bytes"].map(
    (shape) => ["clone", shape] as const,
  ),
];

describe("T9: a message that costs just what is allowed", () => {
  it.each(ACCEPTED)("takes at most twice that: %s, %s", { timeout: 120_000 }, async (format, shape) => {
    const { outcome, milliseconds, grown } = (await measured(
      [HEAP],
      "accepted",
      format,
      shape,
      String(COST),
    )) as Measured;
    const share = grown / COST;
    console.log(`${format}, ${shape}: ${share.toFixed(2)} of the budget, ${milliseconds.toFixed(0)} ms`);
    expect(outcome).toMatch(/^\d+ values$/);
    expect(share).toBeLessThan(2);
  });
});

const REFUSED = [
  ...COMMON,
  "empty arrays",
  "arrays of one",
  "arrays of four",
  "maps of one key",
  "maps of an empty key",
  "maps of the same keys in other orders",
  "maps of the key 1022",
  "maps of the key 99999",
  "arrays in arrays",
  "maps in maps",
  "empty texts",
  "texts of one character",
  "escapes",
  "characters of 16 bits",
];

/** What only structured clones have. */
const KINDS = [
  "Maps",
  "Maps with an entry",
  "Sets",
  "Dates",
  "errors",
  "errors of this library",
  "URLs",
  "BigInts",
  "typed arrays",
  "views",
];

describe("T9: 16 MiB that cost more are refused before anything is made of them", () => {
  it.each([
    ["json", [...REFUSED, "small integers"]],
    ["msgpack", [...REFUSED, "no bytes", "bytes", "numbers beside others"]],
    ["clone", [...REFUSED, "no bytes", "bytes", "numbers beside others", "instances", ...KINDS]],
  ])("%s", { timeout: 120_000 }, async (format, shapes) => {
    const found = (await measured([], "refused", format, ...shapes)) as Record<string, Measured>;
    for (const shape of shapes) {
      const { outcome, milliseconds, cpuMilliseconds, grown } = found[shape]!;
      const times = `${milliseconds.toFixed(1)} ms, ${cpuMilliseconds.toFixed(1)} of CPU`;
      console.log(`${format}, ${shape}: refused in ${times}`);
      expect(outcome).toContain("(maxDecodedCost)");
      expect(grown).toBeLessThan(32 * MEBIBYTE);
      expect(milliseconds).toBeLessThan(3000);
    }
  });
});
