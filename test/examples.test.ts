import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect, test } from "vitest";

const run = promisify(execFile);

async function outputOf(example: string): Promise<string> {
  const main = fileURLToPath(new URL(`../examples/dist/${example}/main.js`, import.meta.url));
  const { stdout, stderr } = await run(process.execPath, [main], { timeout: 30_000 });
  expect(stderr).toBe("");
  return stdout;
}

test("the channel example sends a type of its own, and gets an error as it is", async () => {
  expect(await outputOf("channel")).toBe("Point { x: -1, y: -2 }\nRemoteError: this server takes points\n");
});
