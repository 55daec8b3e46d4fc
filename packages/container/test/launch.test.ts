import { pathToFileURL } from "node:url";
import { describe, expect, it, vi } from "vitest";
import { launch } from "../src/index.ts";
import type { LaunchOptions, LaunchedContainer } from "../src/index.ts";
import type { Remote } from "@colloquy/rpc";
import type { Launched } from "./children/launched-echo.ts";
import type { Tools } from "./children/launched-tools.ts";
import { Child, SOURCE_FLAGS, childFile, eventually, failureOf, isAlive, newContainer, until } from "./support.ts";

// Processes start slowly where all processors are busy.
vi.setConfig({ testTimeout: 120_000 });

const entry = childFile("launched-echo.ts");
const ended = { code: 0, signal: null };

async function start(options: Partial<LaunchOptions> = {}): Promise<LaunchedContainer> {
  return launch({ entry, execArgv: SOURCE_FLAGS, timeout: 60_000, ...options });
}

describe("launch", () => {
  it("starts a container in another process, whose agents can be called here", async () => {
    await using child = await start({ env: { ...process.env, COLLOQUY_TEST: "passed on" } });
    expect(child.address).toMatch(/^tcp:\/\/127\.0\.0\.1:[1-9]\d*$/);
    const here = await newContainer();
    const proxy = await here.connect<Launched>(`${child.address}/0`);
    expect(await proxy.greet("Ada")).toBe("Hello Ada");
    expect(await proxy.pid()).toBe(child.pid);
    expect(child.pid).not.toBe(process.pid);
    expect(await proxy.variable("COLLOQUY_TEST")).toBe("passed on");
  });

  it.each([
    ["a file: URL", pathToFileURL(entry)],
    ["the text of a file: URL", pathToFileURL(entry).href],
  ])("takes %s as the entry, and passes arguments and a signal on", async (_case, url) => {
    const args = new Map<string, unknown>([["when", "now"]]);
    await using child = await start({ entry: url, args });
    const here = await newContainer();
    const proxy = await here.connect<Launched>(`${child.address}/0`);
    expect(await proxy.argsOf()).toEqual([[["when", "now"]], false]);
  });

  it.each([
    ["throws", "launched-throws.ts", "no luck today"],
    ["has no default export", "launched-no-default.ts", "default export"],
    ["returns no container", "launched-nothing.ts", "no container"],
    ["exits", "launched-exits.ts", "exit code 3"],
    ["isn't there", "nothing-there.ts", "nothing-there.ts"],
  ])("rejects where the entry %s, and says so", async (_case, file, reason) => {
    const error = await failureOf(start({ entry: childFile(file) }));
    expect(error).toMatchObject({ code: "UNAVAILABLE", message: expect.stringContaining(reason) });
    expect(error.message).toContain(file);
  });

  it("rejects where the container isn't ready in time, and leaves no process", async () => {
    const before = process.hrtime.bigint();
    const error = await failureOf(start({ entry: childFile("launched-never.ts"), timeout: 1500 }));
    expect(error).toMatchObject({ code: "UNAVAILABLE", message: expect.stringContaining("1500 ms") });
    expect(Number(process.hrtime.bigint() - before) / 1e6).toBeLessThan(8000);
  });

  it("rejects for arguments that can't be passed on", async () => {
    expect(await failureOf(start({ args: () => 5 }))).toMatchObject({ code: "UNAVAILABLE" });
  });
});

describe("a launched container", () => {
  it("is shut down by stop, once", async () => {
    const child = await start();
    const [first, second] = await Promise.all([child.stop(), child.stop()]);
    expect([first, second, await child.stop(), await child.exited]).toEqual([ended, ended, ended, ended]);
    expect(isAlive(child.pid)).toBe(false);
  });

  it("is ended by force where it hangs", async () => {
    const child = await start({ entry: childFile("launched-hangs.ts"), stopTimeout: 200 });
    expect(await child.stop()).toEqual({ code: null, signal: "SIGKILL" });
    expect(isAlive(child.pid)).toBe(false);
  });

  it("that crashes is seen by the parent and by its callers", async () => {
    const child = await start();
    const here = await newContainer();
    const proxy = await here.connect<Launched>(`${child.address}/0`);
    await proxy.crash();
    expect(await child.exited).toEqual({ code: 7, signal: null });
    expect(["UNAVAILABLE", "CONNECTION_LOST"]).toContain((await failureOf(proxy.pid())).code);
    expect(await child.stop()).toEqual({ code: 7, signal: null });
  });

  it("that hangs ends by itself, where it isn't its parent that has told it to end", async () => {
    await using child = await start({ entry: childFile("launched-hangs.ts"), stopTimeout: 200 });
    process.kill(child.pid, "SIGTERM");
    await eventually(() => !isAlive(child.pid), "the end of the child");
    expect(await child.exited).toEqual({ code: 1, signal: null });
  });

  it("ends in order on SIGTERM, and ignores SIGINT and SIGHUP", async () => {
    const child = await start();
    const here = await newContainer();
    const proxy = await here.connect<Launched>(`${child.address}/0`);
    for (const signal of ["SIGINT", "SIGHUP"]) {
      process.kill(child.pid, signal);
      expect(await proxy.pid()).toBe(child.pid);
    }
    process.kill(child.pid, "SIGTERM");
    expect(await child.exited).toEqual({ code: 0, signal: null });
  });
});

describe("SIGTERM to a launched process", () => {
  async function withCall(): Promise<[LaunchedContainer, Remote<Tools>, Promise<string>]> {
    const child = await start({ entry: childFile("launched-tools.ts") });
    const tools = await (await newContainer()).connect<Tools>(`${child.address}/0`);
    const answer = tools.untilEnd();
    // It has begun: calls start in order.
    await tools.contextOf();
    return [child, tools, answer];
  }

  it("lets its calls end, and it ends with 0", async () => {
    const [child, , answer] = await withCall();
    process.kill(child.pid, "SIGTERM");
    expect(await answer).toBe("answered");
    expect(await child.exited).toEqual(ended);
  });

  it("is up to a handler of the entry's own, where that has taken its place", async () => {
    const [child, tools, answer] = await withCall();
    await tools.stopLaterOnSigterm();
    process.kill(child.pid, "SIGTERM");
    expect(await tools.hasSigterm()).toBe(true);
    // Nothing has ended yet.
    expect(await tools.contextOf()).toMatchObject({ pid: child.pid });
    await tools.stopContext();
    expect(await answer).toBe("answered");
    expect(await child.exited).toEqual(ended);
  });
});

describe("children of a process", () => {
  it("print on its streams, and end with it, also when it is killed", async () => {
    await using parent = new Child("parent.ts", [entry]);
    const children = (await parent.line()) as [pid: number, address: string][];
    expect(children.map(([pid]) => isAlive(pid))).toEqual([true, true]);
    const here = await newContainer();
    const proxy = await here.connect<Launched>(`${children[0]![1]}/0`);
    await proxy.print("a line of the child");
    expect(await parent.line()).toBe("[launched-echo] a line of the child");
    await until(() => parent.stderr.includes("[launched-echo] a line of the child on stderr"), "the line on stderr");
    parent.process.kill("SIGKILL");
    expect(await parent.exited).toBe("SIGKILL");
    await eventually(() => children.every(([pid]) => !isAlive(pid)), "the end of the children");
    await until(() => here.connections.length === 0, "the end of the connection");
  });

  it("leave a Ctrl-C that reaches the group to the parent", async () => {
    await using parent = new Child("parent.ts", [entry], { detached: true });
    const children = (await parent.line()) as [pid: number, address: string][];
    process.kill(-parent.process.pid!, "SIGINT");
    expect(await parent.line()).toEqual(["interrupted"]);
    expect(await parent.line()).toEqual([ended, ended]);
    expect(await parent.exited).toBe(0);
    expect(children.map(([pid]) => isAlive(pid))).toEqual([false, false]);
  });
});
