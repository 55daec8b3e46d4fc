import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { startSimulator } from "@colloquy/container/mosaik";
import type { RunningSimulator, Simulator, SimulatorMeta } from "@colloquy/container/mosaik";
import { afterEach, describe, expect, test } from "vitest";
import { MosaikPeer } from "./mosaik-driver.ts";
import type { SteppedAt } from "./mosaik-driver.ts";
import { Pv, Store } from "./mosaik-simulators.ts";
import { pythonWith } from "./pythons.ts";

const { python, missing } = pythonWith("asyncio");
if (missing !== undefined) console.log(missing);

const program = fileURLToPath(new URL("./mosaik-simulators.ts", import.meta.url));
const root = fileURLToPath(new URL("../../", import.meta.url));
const node = `${process.execPath} --conditions=@colloquy/source --import tsx ${program}`;

const open: AsyncDisposable[] = [];
afterEach(async () => {
  for (const one of open.splice(0).toReversed()) await one[Symbol.asyncDispose]();
});

function mosaik(): MosaikPeer {
  const peer = new MosaikPeer(python);
  open.push(peer);
  return peer;
}

/** A simulator that listens in this process. */
async function listening<M extends SimulatorMeta>(simulator: Simulator<M>): Promise<RunningSimulator> {
  const run = await startSimulator(simulator, { listen: "127.0.0.1:0" });
  open.push(run);
  return run;
}

/**
 * What the scenario below must give, computed without any of it: two panels of 1 and 2 kW for each step of time, a store of 10 that
 * sets their limits to 0.5 once it is full.
 */
function expectedLevels(until: number): { levels: [time: number, level: number][]; powers: number[][] } {
  let level = 0;
  let limit = Infinity;
  const levels: [number, number][] = [];
  const powers: number[][] = [];
  for (let time = 0; time < until; time++) {
    const power = [Math.min(time, limit), Math.min(2 * time, limit)];
    powers.push(power);
    const before = level;
    level = Math.min(10, level + power[0]! + power[1]!);
    if (before < 10 && level >= 10) limit = 0.5;
    levels.push([time, level]);
  }
  return { levels, powers };
}

async function playScenario(peer: MosaikPeer): Promise<SteppedAt[]> {
  expect(await peer.result("create", { sim: "PV-0", count: 1, model: "PV", params: { peak: 1 } })).toEqual([
    { eid: "pv_0", type: "PV" },
  ]);
  await peer.result("create", { sim: "PV-0", count: 1, model: "PV", params: { peak: 2 } });
  expect(await peer.result("create", { sim: "Store-0", count: 1, model: "Store" })).toEqual([
    { eid: "store", type: "Store", extra_info: { capacity: 10 } },
  ]);
  for (const eid of ["pv_0", "pv_1"])
    await peer.result("connect", { from: `PV-0.${eid}`, to: "Store-0.store", attrs: [["P", "P_in"]] });
  return (await peer.result("run", { until: 6 })) as SteppedAt[];
}

function checkTrace(trace: readonly SteppedAt[]): void {
  const { levels, powers } = expectedLevels(6);
  const ofPv = trace.filter(({ sim }) => sim === "PV-0");
  const ofStore = trace.filter(({ sim }) => sim === "Store-0");
  expect(ofPv.map(({ time, next }) => [time, next])).toEqual([0, 1, 2, 3, 4, 5].map((time) => [time, time + 1]));
  expect(ofPv.map(({ data }) => [data.pv_0.P, data.pv_1.P])).toEqual(powers);
  expect(ofPv[4]!.inputs).toEqual({
    pv_0: { limit: { "Store-0.store": 0.5 } },
    pv_1: { limit: { "Store-0.store": 0.5 } },
  });
  // At 3 it has 0 + 3 + 6 + 9, which is more than 10.
  expect(levels.find(([, level]) => level === 10)).toEqual([3, 10]);
  expect(ofStore.map(({ time }) => time)).toEqual([0, 1, 2, 3, 4, 5]);
  expect(ofStore.map(({ next }) => next)).toEqual(Array.from({ length: 6 }, () => null));
  expect(ofStore[2]!.inputs).toEqual({ store: { P_in: { "PV-0.pv_0": 2, "PV-0.pv_1": 4 } } });
}

describe.skipIf(missing !== undefined)("a co-simulation of two simulators", () => {
  test("that listen, with values between them and questions to mosaik within a step", async () => {
    const [pv, store] = [new Pv(), new Store()];
    const runs = [await listening(pv), await listening(store)];
    const peer = mosaik();
    const meta = await peer.result("start", {
      sim: "PV-0",
      connect: runs[0]!.address,
      params: { step_size: 1 },
      time_resolution: 60.0,
    });
    expect(meta).toEqual({
      api_version: "3.0",
      type: "time-based",
      models: { PV: { public: true, params: ["peak"], attrs: ["P", "limit"] } },
      extra_methods: ["eidOf", "describe"],
    });
    expect(pv.timeResolution).toBe(60);
    const storeMeta = await peer.result("start", {
      sim: "Store-0",
      connect: runs[1]!.address,
      params: { capacity: 10 },
    });
    expect(storeMeta.models.Store).toEqual({
      public: true,
      params: [],
      attrs: ["P_in", "level", "full"],
      trigger: ["P_in"],
      "non-persistent": ["full"],
    });
    checkTrace(await playScenario(peer));
    expect(pv.events).toEqual(["set up"]);
    const panels = { "PV-0.pv_0": { type: "PV" }, "PV-0.pv_1": { type: "PV" } };
    expect(store.asked).toEqual([50, panels, { "PV-0.pv_0": { P: 3 }, "PV-0.pv_1": { P: 6 } }]);
    expect(await peer.result("asked", { sim: "Store-0" })).toEqual([
      ["get_progress", []],
      ["get_related_entities", ["Store-0.store"]],
      ["get_data", [{ "PV-0.pv_0": ["P"], "PV-0.pv_1": ["P"] }]],
      ["set_data", [{ "Store-0.store": { "PV-0.pv_0": { limit: 0.5 }, "PV-0.pv_1": { limit: 0.5 } } }]],
    ]);
    for (const sim of ["PV-0", "Store-0"]) await peer.result("stop", { sim });
    expect(await Promise.all(runs.map((run) => run.ended))).toEqual([{ reason: "normal" }, { reason: "normal" }]);
    expect(pv.events).toEqual(["set up", "stopped"]);
    expect(pv.signal.aborted).toBe(true);
  });

  test("that mosaik starts, which end in order", async () => {
    const peer = mosaik();
    // In the order in which they step.
    await peer.result("start", { sim: "PV-0", cmd: `${node} pv %(addr)s`, cwd: root, timeout: 40 });
    await peer.result("start", { sim: "Store-0", cmd: `${node} store %(addr)s`, cwd: root, timeout: 40 });
    checkTrace(await playScenario(peer));
    for (const sim of ["PV-0", "Store-0"]) {
      await peer.result("stop", { sim });
      expect(await peer.result("exit", { sim })).toEqual({ code: 0, stdout: "", stderr: "" });
    }
  });

  test("that mosaik starts, and leaves without a word", async () => {
    const peer = mosaik();
    await peer.result("start", { sim: "PV-0", cmd: `${node} pv %(addr)s`, cwd: root, timeout: 40 });
    await peer.result("drop", { sim: "PV-0" });
    const { code, stderr } = await peer.result("exit", { sim: "PV-0" });
    expect(code).toBe(1);
    expect(stderr).toContain("has gone without stop");
  });
});

describe.skipIf(missing !== undefined)("a simulator of mosaik", () => {
  test("has methods of its own, called with arguments by name", async () => {
    const run = await listening(new Pv());
    const peer = mosaik();
    await peer.result("start", { sim: "PV-0", connect: run.address });
    await peer.result("create", { sim: "PV-0", count: 2, model: "PV", params: { peak: 4 } });
    const send = (name: string, args: unknown[], kwargs: object): Promise<unknown> =>
      peer.result("send", { sim: "PV-0", function: name, args, kwargs });
    expect(await send("eidOf", [1], {})).toBe("pv_1");
    expect(await send("eidOf", [], { index: 0 })).toBe("pv_0");
    expect(await send("describe", ["pv_0"], { unit: "MW", color: "blue" })).toBe('pv_0: 4 MW {"color":"blue"}');
    expect(await peer.failure("PV-0", "eidOf", [], { number: 0 })).toEqual(
      expect.arrayContaining(["ColloquyError", 'no parameter "number"; the parameters are index']),
    );
  });

  test("answers failures as a list of the name, the message and the lines of its stack", async () => {
    const run = await listening(new Pv());
    const peer = mosaik();
    const { failure } = await peer.call("start", { sim: "PV-0", connect: run.address, params: { broken: true } });
    expect(failure.slice(0, 2)).toEqual(["RangeError", "broken on purpose"]);
    expect(failure[2]).toBe("RangeError: broken on purpose\n");
    expect(failure.slice(3).join("")).toMatch(/^ {4}at .*mosaik-simulators\.ts/);
    expect(
      failure.slice(2).every((line: string) => line.endsWith("\n") && line.indexOf("\n") === line.length - 1),
    ).toBe(true);
  });

  test.each(["list", "string"])("understands mosaik's failures as a %s", async (failures) => {
    const store = new Store();
    const run = await listening(store);
    const peer = mosaik();
    await peer.result("settings", { failures });
    await peer.result("start", { sim: "Store-0", connect: run.address });
    await expect(store.mosaik.setEvent(5)).rejects.toMatchObject({
      code: "REMOTE_ERROR",
      remoteName: "RuntimeError",
      message: "Store-0 wants an event, and this is no real-time run",
      remoteStack: expect.stringContaining("mosaik_world.py"),
    });
    await expect(store.mosaik.setData({ "Store-0.store": { "PV-9.x": { limit: 1 } } })).rejects.toMatchObject({
      remoteName: "ValueError",
      message: "no connection from PV-9 to Store-0",
    });
    await peer.result("settings", { real_time: true });
    await store.mosaik.setEvent(5);
    expect(await store.mosaik.getRelatedEntities()).toEqual({ nodes: {}, edges: [] });
    expect(await store.mosaik.getRelatedEntities(["a.b"])).toEqual({ "a.b": {} });
  });

  test("ends when mosaik is lost, and its questions fail", async () => {
    const store = new Store();
    const run = await listening(store);
    const peer = mosaik();
    await peer.result("start", { sim: "Store-0", connect: run.address });
    await peer.result("drop", { sim: "Store-0" });
    const { reason, error } = await run.ended;
    expect({ reason, error }).toMatchObject({ reason: "error", error: { code: "CONNECTION_LOST" } });
    await expect(store.mosaik.getProgress()).rejects.toMatchObject({ code: "CONNECTION_LOST" });
  });

  test("that ends itself closes the connection", async () => {
    const run = await listening(new Pv());
    const peer = mosaik();
    await peer.result("start", { sim: "PV-0", connect: run.address });
    expect(await run.stop()).toEqual({ reason: "shutdown" });
    await peer.result("closed", { sim: "PV-0" });
    expect(await run.ended).toEqual({ reason: "shutdown" });
  });
});

describe.skipIf(missing !== undefined)("the example of the guide", () => {
  const blocks = [...readFileSync(join(root, "docs/guide/mosaik.md"), "utf8").matchAll(/^```ts\n([\s\S]*?)^```/gm)];
  const [battery, embedded] = blocks.map(([, code]) => code!) as [string, string];

  /** Two batteries on a panel of 2 kW for half an hour each, as far as they go. */
  async function charge(peer: MosaikPeer, start: object): Promise<void> {
    const pv = await listening(new Pv());
    await peer.result("start", { sim: "PV-0", connect: pv.address, params: { step_size: 1 } });
    await peer.result("start", { sim: "Battery-0", time_resolution: 1800, params: { step_size: 1 }, ...start });
    await peer.result("create", { sim: "PV-0", count: 1, model: "PV", params: { peak: 1 } });
    await peer.result("create", { sim: "Battery-0", count: 1, model: "Battery", params: { capacity: 2 } });
    await peer.result("create", { sim: "Battery-0", count: 1, model: "Battery" });
    for (const eid of ["battery_0", "battery_1"])
      await peer.result("connect", { from: "PV-0.pv_0", to: `Battery-0.${eid}`, attrs: [["P", "P"]] });
    await peer.result("run", { until: 4 });
    const data = await peer.result("send", {
      sim: "Battery-0",
      function: "get_data",
      args: [{ battery_0: ["energy"], battery_1: ["energy"] }],
    });
    // 0 + 1 + 2 + 3 kW, half an hour each.
    expect([data.battery_0.energy, data.battery_1.energy]).toEqual([2, 3]);
    expect(await peer.result("send", { sim: "Battery-0", function: "total" })).toBe(5);
    await peer.result("stop", { sim: "Battery-0" });
  }

  async function withFile(code: string, use: (file: string) => Promise<void>): Promise<void> {
    const folder = mkdtempSync(join(root, "docs-example-"));
    try {
      writeFileSync(join(folder, "battery.ts"), code);
      await use(join(folder, "battery.ts"));
    } finally {
      rmSync(folder, { recursive: true });
    }
  }

  const tsx = join(root, "node_modules/tsx/dist/cli.mjs");

  test("is started by mosaik", async () => {
    await withFile(battery, async (file) => {
      const peer = mosaik();
      const cmd = `${process.execPath} ${tsx} ${file} %(addr)s`;
      await charge(peer, { cmd, cwd: root, timeout: 40 });
      expect(await peer.result("exit", { sim: "Battery-0" })).toEqual({ code: 0, stdout: "", stderr: "" });
    });
  });

  test("listens in a program of one's own", async () => {
    const code = battery.replace(/await runSimulator.*\n/, embedded).replaceAll("runSimulator", "startSimulator");
    await withFile(code, async (file) => {
      const child = spawn(process.execPath, [tsx, file], { stdio: ["ignore", "pipe", "inherit"] });
      const lines: string[] = [];
      const output = createInterface({ input: child.stdout }).on("line", (line) => lines.push(line));
      await once(output, "line");
      const peer = mosaik();
      await charge(peer, { connect: lines[0] });
      await once(child, "close");
      expect(lines.slice(1)).toEqual(["normal undefined"]);
    });
  });
});
