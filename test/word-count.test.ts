import { execFile } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

const main = fileURLToPath(new URL("../examples/dist/word-count/main.js", import.meta.url));
let folder: string;

interface Run {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

function wordCount(...args: string[]): Promise<Run> {
  return new Promise((resolve) => {
    const env = { ...process.env, INIT_CWD: folder };
    execFile(process.execPath, [main, ...args], { env, timeout: 60_000 }, (error, stdout, stderr) => {
      resolve({ code: error === null ? 0 : Number(error.code), stdout, stderr });
    });
  });
}

/** The same count, written another way: split at everything that is no letter, digit or underscore. */
function naiveCount(text: string): Map<string, number> {
  const counts = new Map<string, number>();
  for (const word of text.toLowerCase().split(/[^\p{L}\p{N}_]/u)) {
    if (word !== "") counts.set(word, (counts.get(word) ?? 0) + 1);
  }
  return counts;
}

function readCounts(file: string): Map<string, number> {
  const lines = readFileSync(join(folder, file), "utf8").trimEnd().split("\n");
  return new Map(lines.map((line) => [line.split("\t")[1]!, Number(line.split("\t")[0])]));
}

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "word-count-"));
});

afterAll(() => rmSync(folder, { recursive: true }));

describe("the word count", () => {
  test("counts given files in several processes, calls back, and tells its numbers", async () => {
    const words = ["Übung", "constructor", "__proto__", "then", "日本", "42", "naïve", "toString"];
    const text = Array.from({ length: 200_000 }, (_, index) => words[(index * 7 + (index >> 3)) % 8]!).join(" ");
    writeFileSync(join(folder, "large.txt"), text);
    writeFileSync(join(folder, "small.txt"), "one two\r\nTWO\n");
    writeFileSync(join(folder, "empty.txt"), "");
    const { code, stdout, stderr } = await wordCount("--out", "all.tsv", "large.txt", "small.txt", "empty.txt");
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    expect(readCounts("all.tsv")).toEqual(naiveCount(`${text} one two two`));
    expect(stdout).toContain("200003 words, 10 different ones: the same as counted in one process");
    expect(stdout).toMatch(/progress 100 %/);
    const [, calls, callbacks] = /(\d+) calls, (\d+) callbacks, \d+ bytes sent, \d+ bytes received/.exec(stdout)!;
    expect(Number(calls)).toBeGreaterThan(1);
    expect(Number(callbacks)).toBeGreaterThanOrEqual(Number(calls));
    expect(stdout.match(/\(pid \d+\)/g)).toHaveLength(2);
  }, 60_000);

  test("names files that can't be read, does the rest, and exits with 1", async () => {
    writeFileSync(join(folder, "good.txt"), "good words are good");
    const { code, stdout, stderr } = await wordCount("missing.txt", "good.txt", ".");
    expect(code).toBe(1);
    expect(stderr).toContain("missing.txt: no such file");
    expect(stderr).toContain("is a directory, not a file");
    expect(stdout).toContain("4 words, 3 different ones: the same as counted in one process");
  }, 60_000);

  test("says what is wrong with its options", async () => {
    const { code, stderr } = await wordCount("--processes", "none");
    expect({ code, stderr }).toEqual({
      code: 1,
      stderr: 'error: --processes takes a number from 1 to 64, not "none"\n',
    });
  });
});
