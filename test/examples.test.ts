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

test("the example of zipped objects sends the same, smaller", async () => {
  const answer = "24 hours of 2026, roof, a cycle: true";
  expect(await outputOf("zipped-objects")).toBe(
    `StructuredCloneCodec: ${answer}; above 4,000 bytes\nStructuredCloneCodec+deflate: ${answer}; below 4,000 bytes\n`,
  );
});

test("the example of arrays without copies writes its memory again once it has left", async () => {
  const lines = [1, 2, 3].map((value) => `{ dtype: '<f8', shape: [ 1080, 1920 ], sum: ${value * 1080 * 1920} }\n`);
  expect(await outputOf("arrays-without-copies")).toBe(lines.join(""));
});

test("the example of agents with arrays of NumPy has what Python computes, or says what is missing", async () => {
  const output = await outputOf("numpy-agents");
  const missing = "no Python with numpy and msgpack; COLLOQUY_PYTHON names one\n";
  expect([missing, "float64 (2, 3)\n[[0.  1.  2. ]\n [2.5 2.5 2.5]]\n"]).toContain(output);
  if (output === missing) console.log(`the example of agents with arrays of NumPy: ${missing}`);
});
