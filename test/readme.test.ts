import { execFile } from "node:child_process";
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect, test } from "vitest";

const root = new URL("../", import.meta.url);
const run = promisify(execFile);

test("the README's example, pasted into a file, runs as it stands", async () => {
  const readme = readFileSync(new URL("README.md", root), "utf8");
  const example = /```ts\n([\s\S]*?)```/.exec(readme)?.[1] ?? "";
  expect(example.trimEnd().split("\n").length).toBeLessThanOrEqual(20);
  const file = new URL(`readme-example-${process.pid}.ts`, root);
  writeFileSync(file, example);
  try {
    const tsx = fileURLToPath(new URL("node_modules/tsx/dist/cli.mjs", root));
    const { stdout, stderr } = await run(process.execPath, [tsx, fileURLToPath(file)], { timeout: 30_000 });
    expect({ stdout, stderr }).toEqual({ stdout: "ada: hello\n", stderr: "" });
  } finally {
    rmSync(file);
  }
}, 40_000);

test("the README has at most 120 lines", () => {
  expect(readFileSync(new URL("README.md", root), "utf8").split("\n").length).toBeLessThanOrEqual(121);
});

test("the README's links lead to pages that are there", () => {
  const readme = readFileSync(new URL("README.md", root), "utf8");
  for (const [, target] of readme.matchAll(/\]\(([^)#:]+)\)/g)) {
    expect(() => readFileSync(new URL(target!, root)), target).not.toThrow(/ENOENT/);
  }
});
