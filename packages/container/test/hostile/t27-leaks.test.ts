import { existsSync, readFileSync } from "node:fs";
import { inspect } from "node:util";
import { describe, expect, it, vi } from "vitest";
import { launch } from "../../src/index.ts";
import type { Tools } from "../children/launched-tools.ts";
import { SOURCE_FLAGS, childFile, failureOf, newContainer } from "../support.ts";

// Processes start slowly where all processors are busy.
vi.setConfig({ testTimeout: 120_000 });

const SECRET = "s3cret";
const options = { execArgv: SOURCE_FLAGS, timeout: 60_000 };

function seenOf(value: unknown): string {
  return inspect(value, { depth: 12, showHidden: true, maxStringLength: null });
}

describe("args and env of a launched process", () => {
  it("stand in no list of processes, and aren't printed", async () => {
    const lines: string[] = [];
    const entry = childFile("launched-tools.ts");
    const env = { ...process.env, TOKEN: SECRET };
    const child = await launch({ entry, args: { token: SECRET }, env, log: (line) => lines.push(line), ...options });
    const tools = await (await newContainer()).connect<Tools>(`${child.address}/0`);
    expect(await tools.contextOf()).toMatchObject({ args: { token: SECRET } });
    const listed = `/proc/${child.pid}/cmdline`;
    if (existsSync(listed)) expect(readFileSync(listed, "latin1")).not.toContain(SECRET);
    await tools.crash();
    await child.exited;
    expect(lines.join("\n")).toContain("crashed for a test");
    expect(lines.join("\n") + seenOf(child)).not.toContain(SECRET);
  });

  it("stay out of what a failed start is told by", async () => {
    const env = { ...process.env, TOKEN: SECRET };
    const args = { token: SECRET };
    const tries = [
      { entry: childFile("launched-throws.ts") },
      { entry: childFile("launched-exits.ts") },
      { entry: childFile("nothing-there.ts") },
      { entry: childFile("launched-tools.ts"), args: [SECRET, () => SECRET] },
      { entry: childFile("launched-tools.ts"), args: [SECRET, Symbol(SECRET)] },
      { entry: childFile("launched-tools.ts"), env: `TOKEN=${SECRET}` as never },
      { entry: childFile("launched-tools.ts"), mode: "thread" as const, args: [() => SECRET] },
    ];
    for (const one of tries) {
      const error = await failureOf(launch({ args, env, log: "ignore", ...options, ...one }));
      expect(error.code, one.entry).toMatch(/UNAVAILABLE|INVALID_ARGUMENT/);
      expect(seenOf(error), one.entry).not.toContain(SECRET);
    }
  });
});

it("what a container is made with can't be seen of it", async () => {
  const container = await newContainer(undefined, { credentials: { token: SECRET }, authenticate: () => SECRET });
  expect(seenOf([container, container.stats()])).not.toContain(SECRET);
});
