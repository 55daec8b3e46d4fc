import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";

const root = fileURLToPath(new URL("..", import.meta.url));

/** What aiomas has, and what was broken there, by the number that the names of tests begin with. */
const ROWS: Readonly<Record<string, readonly number[]>> = {
  /** Channels. */
  C: [1, 2, 3, 4, 5, 7, 8, 9, 10, 13, 14, 15, 17, 18],
  /** RPC. */
  R: [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14],
  /** Codecs. */
  K: [1, 2, 3, 4, 5, 6, 7, 8],
  /** Agents and containers. */
  A: [1, 2, 3, 4, 5, 6, 7, 8, 9],
  /** Clocks. */
  T: [1, 2, 3, 4],
  /** Subprocesses, local queues, addresses. */
  S: [1],
  L: [1],
  U: [1, 2],
  /** Faults that aren't copied. */
  D: [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14],
};

const sources = ["packages/core/test", "packages/rpc/test", "packages/container/test", "test"].flatMap((folder) =>
  readdirSync(join(root, folder), { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".test.ts"))
    .map((name) => readFileSync(join(root, folder, name), "utf8")),
);

describe.each(Object.entries(ROWS))("rows %s", (letter, numbers) => {
  test.each(numbers)("%i has a test whose name begins with it", (number) => {
    const name = new RegExp(String.raw`\(\s*["\`]${letter}${number}\b`);
    expect(sources.some((source) => name.test(source))).toBe(true);
  });
});
