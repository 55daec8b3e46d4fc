import { existsSync } from "node:fs";
import { dirname } from "node:path";
import { parseAddress } from "@colloquy/core";
import type { Remote } from "@colloquy/rpc";
import { describe, expect, it, vi } from "vitest";
import type { LaunchOptions } from "../src/index.ts";
import type { Tools } from "./children/launched-tools.ts";
import { Child, SOURCE_FLAGS, childFile, eventually, isAlive, newContainer } from "./support.ts";

// Processes start slowly where all processors are busy.
vi.setConfig({ testTimeout: 120_000 });

const entry = childFile("launched-tools.ts");

interface Launched {
  readonly pid: number;
  readonly address: string;
  readonly folder: string;
  readonly tools: Remote<Tools>;
}

async function launchedBy(parent: Child): Promise<Launched[]> {
  const here = await newContainer();
  const children = (await parent.line()) as [pid: number, address: string][];
  return Promise.all(children.map(async ([pid, address]) => launchedAt(pid, address, here.connect.bind(here))));
}

async function launchedAt(
  pid: number,
  address: string,
  connect: (url: string) => Promise<Remote<Tools>>,
): Promise<Launched> {
  const parsed = parseAddress(address);
  if (parsed.kind !== "ipc") throw new Error(`${address} is no Unix socket`);
  return { pid, address, folder: dirname(parsed.path), tools: await connect(`${address}/0`) };
}

async function allGone(launched: readonly Launched[]): Promise<void> {
  await eventually(() => launched.every(({ pid }) => !isAlive(pid)), "the end of the children");
  await eventually(() => launched.every(({ folder }) => !existsSync(folder)), "the end of the folders");
}

function parentOf(...options: Partial<LaunchOptions>[]): Child {
  return new Child("parent-of-tools.ts", [JSON.stringify(options.map((one) => ({ entry, ...one })))]);
}

describe("when a parent is killed", () => {
  it("no child of it is left, be it idle, blocked, or deaf to SIGTERM", async () => {
    await using parent = parentOf({ name: "idle" }, { name: "blocked" }, { name: "deaf" });
    const launched = await launchedBy(parent);
    const [, blocked, deaf] = launched;
    await deaf!.tools.ignoreSigterm();
    await blocked!.tools.block();
    parent.process.kill("SIGKILL");
    await parent.exited;
    await allGone(launched);
  });

  it("no child of a child is left", async () => {
    await using parent = parentOf({ name: "child", stopTimeout: 1000 });
    const [child] = await launchedBy(parent);
    const here = await newContainer();
    const connect = here.connect.bind(here);
    const [pid, address] = await child!.tools.launchChild(entry);
    const grandchild = await launchedAt(pid, address, connect);
    const [lastPid, lastAddress] = await grandchild.tools.launchChild(entry);
    const last = await launchedAt(lastPid, lastAddress, connect);
    await grandchild.tools.block();
    parent.process.kill("SIGKILL");
    await parent.exited;
    await allGone([child!, grandchild, last]);
  });

  it("no child is left that takes too long to stop", async () => {
    const hangs = { entry: childFile("launched-hangs.ts"), stopTimeout: 500 };
    await using parent = parentOf(hangs);
    const [[pid]] = (await parent.line()) as [[pid: number, address: string]];
    parent.process.kill("SIGKILL");
    await parent.exited;
    await eventually(() => !isAlive(pid), "the end of the child");
  });
});

describe("when a parent or a thread ends", () => {
  it("by SIGTERM, its children end in order", async () => {
    await using parent = parentOf({});
    const launched = await launchedBy(parent);
    parent.process.kill("SIGTERM");
    expect(await parent.exited).toBe("SIGTERM");
    await allGone(launched);
  });

  it("by process.exit, the sockets of its threads go, too", async () => {
    await using parent = parentOf(
      { mode: "thread", execArgv: SOURCE_FLAGS },
      { mode: "thread", execArgv: SOURCE_FLAGS },
    );
    const launched = await launchedBy(parent);
    expect(launched.map(({ folder }) => existsSync(folder))).toEqual([true, true]);
    parent.process.stdin!.end();
    expect(await parent.exited).toBe(0);
    expect(launched.map(({ folder }) => existsSync(folder))).toEqual([false, false]);
  });

  it("a thread launches a process, and it ends with the thread", async () => {
    await using parent = parentOf({ mode: "thread", execArgv: SOURCE_FLAGS, stopTimeout: 1000 });
    const [thread] = await launchedBy(parent);
    const here = await newContainer();
    const [pid, address] = await thread!.tools.launchChild(entry);
    const child = await launchedAt(pid, address, here.connect.bind(here));
    await thread!.tools.stopContext();
    // Nobody is left to take its exit code: the system keeps its number until the whole process ends. Its folder it removes last.
    await eventually(() => !existsSync(child.folder), "the end of the child");
    await eventually(() => !existsSync(thread!.folder), "the end of the thread's folder");
  });
});
