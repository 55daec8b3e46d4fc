import { spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";

const MEBIBYTE = 1_048_576;

/** By how much a server in a process of its own has grown, step by step, and why it has closed the connection. */
async function inChild(...args: string[]): Promise<{ grown: number[]; closed: string }> {
  const script = fileURLToPath(new URL("../children/segments.ts", import.meta.url));
  const child = spawn(process.execPath, ["--import", "tsx", "--conditions=@colloquy/source", script, ...args], {
    stdio: ["ignore", "pipe", "inherit"],
    timeout: 50_000,
  });
  let printed = "";
  child.stdout.on("data", (chunk: Buffer) => (printed += chunk.toString()));
  await once(child, "close");
  return JSON.parse(printed) as { grown: number[]; closed: string };
}

describe("T8: segments that are announced", () => {
  it("take no memory before their first byte, what has come after it, and never more than the limit", async () => {
    const limit = 512 * MEBIBYTE;
    const { grown, closed } = await inChild("one", String(limit));
    const [announced, oneByte, some] = grown;
    expect(announced).toBeLessThan(16 * MEBIBYTE);
    expect(oneByte).toBeLessThan(32 * MEBIBYTE);
    // Both ends are in that process: what it has sent may not be collected yet.
    expect(some).toBeLessThan(160 * MEBIBYTE);
    expect(closed).toContain("the limit is 536870912 (maxSegmentBytes)");
  });

  it("in many tiny messages that are never complete are bounded with their payloads", async () => {
    const { grown, closed } = await inChild("many", String(16 * MEBIBYTE));
    expect(closed).toContain("the limit is 16777216 (maxSegmentBytes)");
    // 23,000 messages: several times the limit with what the engine needs, and not the hundreds of MB of a million.
    expect(grown[0]).toBeLessThan(96 * MEBIBYTE);
  });
});
