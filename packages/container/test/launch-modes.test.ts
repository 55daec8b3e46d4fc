import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { parseAddress } from "@colloquy/core";
import { afterAll, afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { launch, launchAll } from "../src/index.ts";
import type { LaunchOptions, LaunchedContainer } from "../src/index.ts";
import type { Tools } from "./children/launched-tools.ts";
import { SOURCE_FLAGS, childFile, failureOf, isAlive, newContainer } from "./support.ts";

// Processes start slowly where all processors are busy.
vi.setConfig({ testTimeout: 120_000 });

const entry = childFile("launched-tools.ts");
const ended = { code: 0, signal: null };

/** The folder of an `ipc://` address. */
function folderOf(address: string): string {
  const parsed = parseAddress(address);
  if (parsed.kind !== "ipc") throw new Error(`${address} is no Unix socket`);
  return dirname(parsed.path);
}

/** The sockets of this file's children are here, and no others. */
const temporary = mkdtempSync(join(tmpdir(), "colloquy-test-"));

beforeEach(() => void vi.stubEnv("TMPDIR", temporary));
afterEach(() => void vi.unstubAllEnvs());
afterAll(() => rmSync(temporary, { recursive: true }));

function socketFolders(): string[] {
  return readdirSync(temporary).filter((name) => name.startsWith("clq-"));
}

describe.each(["process", "thread"] as const)("launch in a %s", (mode) => {
  const options = { mode, execArgv: SOURCE_FLAGS, timeout: 60_000 };

  async function start(more: Partial<LaunchOptions> = {}): Promise<LaunchedContainer> {
    return launch({ entry, ...options, ...more });
  }

  async function toolsOf({ address }: LaunchedContainer) {
    const here = await newContainer();
    return here.connect<Tools>(`${address}/0`);
  }

  it("calls agents there, at a Unix socket that goes with it", async () => {
    const child = await start({ args: { n: 1 }, name: "one" });
    const { pid, threadId, address } = child;
    expect(child).toMatchObject({ mode, name: "one", address: expect.stringMatching(/^ipc:\/\//) });
    expect([pid === process.pid, typeof threadId]).toEqual(mode === "thread" ? [true, "number"] : [false, "undefined"]);
    expect(address.length).toBeLessThan(100);
    expect(existsSync(folderOf(address))).toBe(true);
    const tools = await toolsOf(child);
    expect(await tools.contextOf()).toMatchObject({ args: { n: 1 }, name: "one", address, pid, argv: [] });
    const [first, second] = await Promise.all([child.stop(), child.stop()]);
    expect([first, second, await child.stop(), await child.exited]).toEqual([ended, ended, ended, ended]);
    expect(existsSync(folderOf(address))).toBe(false);
  });

  it("lets the entry use the channel to its parent for messages of its own", async () => {
    await using child = await start({ entry: childFile("launched-chatty.ts") });
    expect(child.address).toMatch(/^ipc:/);
    const here = await newContainer();
    expect(await failureOf(here.connect(`${child.address}/0`))).toMatchObject({ code: "NOT_FOUND" });
  });

  it("proposes the address of the options, and tells that all are ready", async () => {
    await using child = await start({ address: "tcp://127.0.0.1:0" });
    expect(child.address).toMatch(/^tcp:\/\/127\.0\.0\.1:[1-9]\d*$/);
    const tools = await toolsOf(child);
    let context: unknown;
    await vi.waitFor(async () => {
      context = await tools.contextOf();
      expect(context).toMatchObject({ isAllReady: true });
    });
    expect(context).toMatchObject({ address: "tcp://127.0.0.1:0", name: "launched-tools" });
  });

  it.each([
    ["throws", "launched-throws.ts", "no luck today"],
    ["has no default export", "launched-no-default.ts", "default export"],
    ["returns no container", "launched-nothing.ts", "no container"],
    ["exits", "launched-exits.ts", "exit code 3"],
    ["isn't there", "nothing-there.ts", "no such file"],
  ])("rejects where the entry %s, says so, and leaves nothing", async (_case, file, reason) => {
    const error = await failureOf(start({ entry: childFile(file), log: "ignore" }));
    expect(error).toMatchObject({ code: "UNAVAILABLE", message: expect.stringContaining(reason) });
    expect(error.message).toContain(file);
    expect(socketFolders()).toEqual([]);
  });

  it("names the entry that has a syntax error", async () => {
    const folder = mkdtempSync(join(tmpdir(), "colloquy-test-"));
    const file = join(folder, "half-written.mjs");
    writeFileSync(file, "export const a = 1;\nexport default function run( {\n");
    try {
      const error = await failureOf(start({ entry: file }));
      expect(error).toMatchObject({ code: "UNAVAILABLE", message: expect.stringContaining(file) });
      expect(error.message).toContain("SyntaxError: ");
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it("keeps the stack of what the entry has thrown", async () => {
    const error = await failureOf(start({ entry: childFile("launched-throws.ts") }));
    expect((error.cause as Error).stack).toMatch(/no luck today[\s\S]*launched-throws\.ts/);
  });

  it("rejects where the container isn't ready in time, or the start is cancelled", async () => {
    const never = childFile("launched-never.ts");
    const error = await failureOf(start({ entry: never, timeout: 1500 }));
    expect(error).toMatchObject({ code: "UNAVAILABLE", message: expect.stringContaining("1500 ms") });
    expect(await failureOf(start({ entry: never, signal: AbortSignal.timeout(300) }))).toMatchObject({
      code: "CANCELLED",
    });
    expect(await failureOf(start({ signal: AbortSignal.abort() }))).toMatchObject({ code: "CANCELLED" });
  });

  it("rejects for arguments that can't be cloned", async () => {
    const error = await failureOf(start({ args: { callback: () => 5 } }));
    expect(error).toMatchObject({ code: "UNAVAILABLE", message: expect.stringContaining("args can't be passed on") });
    expect(error.message).toContain("launched-tools.ts");
  });

  it("tells a crash with its stack, and removes the socket", async () => {
    const lines: [string, string][] = [];
    const child = await start({ log: (line, stream) => lines.push([line, stream]) });
    const tools = await toolsOf(child);
    await tools.crash();
    expect(await child.exited).toEqual({ code: 1, signal: null });
    const stderr = lines.filter(([, stream]) => stream === "stderr").map(([line]) => line);
    expect(stderr.join("\n")).toMatch(/Error: crashed for a test\n\s+at [\s\S]*launched-tools\.ts/);
    expect(["UNAVAILABLE", "CONNECTION_LOST"]).toContain((await failureOf(tools.contextOf())).code);
    expect(existsSync(folderOf(child.address))).toBe(false);
    expect(await child.stop()).toEqual({ code: 1, signal: null });
  });

  it("has the exit code of process.exit", async () => {
    const child = await start();
    await (await toolsOf(child)).exit(7);
    expect(await child.exited).toEqual({ code: 7, signal: null });
  });

  it.each([10_000, Infinity])("lets calls end before it ends, for %d ms at most", async (stopTimeout) => {
    const child = await start({ stopTimeout });
    const tools = await toolsOf(child);
    const answer = tools.untilEnd();
    // It has begun: calls start in order.
    await tools.contextOf();
    expect(await child.stop()).toEqual(ended);
    expect(await answer).toBe("answered");
  });

  it("is ended by force where it is blocked", async () => {
    const child = await start({ stopTimeout: 300 });
    await (await toolsOf(child)).block();
    const forced = mode === "thread" ? { code: 1, signal: null } : { code: null, signal: "SIGKILL" };
    expect(await child.stop()).toEqual(forced);
    expect(mode === "thread" || !isAlive(child.pid)).toBe(true);
    expect(existsSync(folderOf(child.address))).toBe(false);
  });

  it.each(["shutDown", "stopContext"] as const)("ends by itself in order (%s)", async (method) => {
    const child = await start();
    await (await toolsOf(child))[method]();
    expect(await child.exited).toEqual({ code: 0, signal: null });
  });

  it("makes lines of what is printed, however it comes", async () => {
    const lines: [string, string][] = [];
    const child = await start({ log: (line, stream) => lines.push([line, stream]) });
    const tools = await toolsOf(child);
    const text = Buffer.from("grün\nzwei\r\n\nohne Ende");
    const pieces = Array.from(text, (_, index) => text.subarray(index, index + 1).toString("base64"));
    await tools.print("stdout", pieces);
    await tools.print("stderr", [Buffer.from("dort\n").toString("base64")]);
    await child.stop();
    expect(lines.filter(([, stream]) => stream === "stdout").map(([line]) => line)).toEqual([
      "grün",
      "zwei",
      "",
      "ohne Ende",
    ]);
    expect(lines.filter(([, stream]) => stream === "stderr")).toEqual([["dort", "stderr"]]);
  });

  it("launches all or none", async () => {
    const good = { entry, ...options };
    const launched = await launchAll([
      { ...good, name: "a" },
      { ...good, name: "b" },
    ]);
    expect(launched.map(({ name }) => name)).toEqual(["a", "b"]);
    expect(socketFolders()).toHaveLength(2);
    await Promise.all(launched.map((one) => one.stop()));
    const bad = { ...good, entry: childFile("launched-throws.ts") };
    expect(await failureOf(launchAll([good, bad, good]))).toMatchObject({
      code: "UNAVAILABLE",
      message: expect.stringContaining("no luck today"),
    });
    expect(socketFolders()).toEqual([]);
  });
});

describe("options of launch", () => {
  it.each([
    [{ mode: "fiber" }, 'option mode of launch is "fiber"'],
    [{ log: "loud" }, 'option log of launch is "loud"'],
    [{ name: "" }, "option name of launch is"],
    [{ name: "two\nlines" }, "option name of launch is"],
    [{ timeout: "soon" }, "option timeout of launch is"],
    [{ stopTimeout: -1 }, "option stopTimeout of launch is -1"],
    [{ address: "local://here" }, "local://"],
    [{ address: "nowhere" }, "cannot parse address"],
    [{ entry: "https://example.org/x.js" }, "of URLs it takes those of files"],
    [{ entry: 5 }, "option entry of launch is 5"],
    [{ signal: {} }, "option signal of launch is Object"],
    [{ restart: "permanent" }, 'unknown option "restart"'],
  ])("are refused where they are none: %j", async (wrong, reason) => {
    const error = await failureOf(launch({ entry, ...(wrong as object) }));
    expect(error).toMatchObject({ code: "INVALID_ARGUMENT", message: expect.stringContaining(reason) });
    expect(await failureOf(launchAll([{ entry, ...(wrong as object) }]))).toMatchObject({
      code: "INVALID_ARGUMENT",
    });
  });
});
