import { describe, expect, it, vi } from "vitest";
import { processChild } from "../src/index.ts";
import type { ProcessChildOptions } from "../src/index.ts";
import type { Tools } from "./children/launched-tools.ts";
import { SOURCE_FLAGS, childFile, failureOf, newContainer } from "./support.ts";

// Processes start slowly where all processors are busy.
vi.setConfig({ testTimeout: 120_000 });

const entry = childFile("launched-tools.ts");

function child(options: Partial<ProcessChildOptions> = {}) {
  return processChild({ entry, execArgv: SOURCE_FLAGS, ...options });
}

describe("processChild", () => {
  it("is the spec of a child: its id, its kind of restart, where it is", () => {
    expect(child()).toMatchObject({ id: "launched-tools", restart: undefined, launched: undefined });
    expect(child({ id: "one", name: "two", restart: "transient" })).toMatchObject({ id: "one", restart: "transient" });
    expect(child().address).toMatch(/^ipc:/);
    expect(() => child({ restarts: 5 } as object)).toThrow(expect.objectContaining({ code: "INVALID_ARGUMENT" }));
  });

  it.each([
    ["a Unix socket", "process", undefined],
    ["a port of the system's choice", "process", "tcp://127.0.0.1:0"],
    ["a Unix socket", "thread", undefined],
  ] as const)(
    "has the same address in each life, %s of a %s, so that proxies work again",
    async (_what, mode, address) => {
      const spec = child({ mode, address });
      const first = await spec.start();
      expect(spec.launched).toBe(first.launched);
      const here = await newContainer();
      const tools = await here.connect<Tools>(`${spec.address}/0`);
      const firstAddress = spec.address;
      if (mode === "process") process.kill(first.launched.pid, "SIGKILL");
      else await tools.crash();
      const how = mode === "process" ? "SIGKILL" : "exit code 1";
      expect(await first.ended).toMatchObject({
        reason: "error",
        error: { code: "UNAVAILABLE", message: expect.stringContaining(how) },
      });
      expect(spec.launched).toBeUndefined();
      expect(["UNAVAILABLE", "CONNECTION_LOST"]).toContain((await failureOf(tools.contextOf())).code);
      const second = await spec.start();
      expect(spec.address).toBe(firstAddress);
      expect(await tools.contextOf()).toMatchObject({ address: firstAddress, pid: second.launched.pid });
      await second.stop();
      expect(await second.ended).toEqual({ reason: "normal" });
    },
  );

  it("takes an exit code of 0 for a normal end, and others for failures", async () => {
    const spec = child();
    const here = await newContainer();
    for (const [code, reason] of [
      [0, "normal"],
      [3, "error"],
    ] as const) {
      const { ended } = await spec.start();
      const tools = await here.connect<Tools>(`${spec.address}/0`);
      await tools.exit(code);
      expect(await ended).toMatchObject({ reason });
    }
  });

  it("rejects where an entry chooses another address in each life, for nobody would find it", async () => {
    const spec = child({ entry: childFile("launched-echo.ts") });
    await (await spec.start()).stop();
    expect(await failureOf(spec.start())).toMatchObject({
      code: "UNAVAILABLE",
      message: expect.stringContaining("context.address"),
    });
  });
});
