import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import { connectChannel } from "@colloquy/core";
import { describe, expect, test } from "vitest";
import { MosaikPeer } from "./interop/mosaik-driver.ts";
import type { SteppedAt } from "./interop/mosaik-driver.ts";
import { pythonWith } from "./interop/pythons.ts";

const { python, missing } = pythonWith("asyncio");
if (missing !== undefined) console.log(missing);

const main = fileURLToPath(new URL("../examples/dist/mosaik-simulator/main.js", import.meta.url));

/** 5 kWh at first; wishes to charge 3 kW, then to give 4 kW, set from outside at the times 0, 4 and so on. A quarter of an hour each. */
const wishes = [3, 3, 3, 3, -4, -4, -4, -4, -4, -4, -4, -4, -4, -4];

/** What a battery of 6 kWh and 3.5 kW does with them. */
function expected(): { readonly charge: number[]; readonly power: number[]; readonly emptyAt: number } {
  const [charge, power] = [[5], [] as number[]];
  let emptyAt = -1;
  for (const [time, wish] of wishes.entries()) {
    const now = charge[time]!;
    let kilowatts = Math.max(-3.5, Math.min(3.5, wish));
    if ((now === 6 && kilowatts > 0) || (now === 0 && kilowatts < 0)) kilowatts = 0;
    power.push(kilowatts);
    charge.push(Math.max(0, Math.min(6, now + kilowatts / 4)));
    if (charge.at(-1) === 0 && now > 0) emptyAt = time + 1;
  }
  return { charge: charge.slice(0, -1), power, emptyAt };
}

async function play(peer: MosaikPeer, start: object): Promise<void> {
  const meta = await peer.result("start", { sim: "B", time_resolution: 900, params: { step_size: 1 }, ...start });
  expect(meta).toMatchObject({ api_version: "3.0", type: "hybrid", extra_methods: ["totalCharge"] });
  await peer.result("create", {
    sim: "B",
    count: 1,
    model: "Battery",
    params: { capacity_kwh: 6, power_kw: 3.5, charge_kwh: 5 },
  });
  await peer.result("create", { sim: "B", count: 1, model: "Battery", params: { charge_kwh: 1 } });
  const send = (name: string, ...args: unknown[]): Promise<any> =>
    peer.result("send", { sim: "B", function: name, args });
  expect(await send("totalCharge")).toBe(6);
  await send("setup_done");
  const { charge, power, emptyAt } = expected();
  for (const [time, wish] of wishes.entries()) {
    // From two sources, as scenarios have them.
    const inputs = { battery_0: { P_wanted: { "Market-0.a": wish + 1, "Market-0.b": -1 } } };
    expect(await send("step", time, inputs, wishes.length)).toBe(time + 1);
    const values: SteppedAt["data"] = await send("get_data", {
      battery_0: ["P", "charge", "empty"],
      battery_1: ["charge"],
    });
    expect(values.battery_0.charge, `charge at ${time}`).toBeCloseTo(charge[time]!, 9);
    expect(values.battery_0.P, `power at ${time}`).toBe(power[time]);
    expect(values.battery_0.empty, `event at ${time}`).toBe(time === emptyAt ? true : undefined);
    expect(values.battery_1).toEqual({ charge: 1 });
  }
  expect(emptyAt).toBeGreaterThan(0);
  expect(await peer.failure("B", "get_data", [{ battery_0: ["voltage"] }])).toContain(
    '"battery_0" of model "Battery" has no attribute "voltage"; it has "P_wanted", "P", "charge", "empty"',
  );
  await peer.result("stop", { sim: "B" });
}

describe.skipIf(missing !== undefined)("the example of a simulator for mosaik", () => {
  test("is started by mosaik, and ends with it", async () => {
    await using peer = new MosaikPeer(python);
    await play(peer, { cmd: `${process.execPath} ${main} %(addr)s`, timeout: 40 });
    expect(await peer.result("exit", { sim: "B" })).toEqual({ code: 0, stdout: "", stderr: "" });
  });

  test("listens for mosaik, and ends with it", async () => {
    await using peer = new MosaikPeer(python);
    // A port that is free: the program has to be told one.
    const { createServer } = await import("node:net");
    const probe = createServer().listen(0, "127.0.0.1");
    await new Promise((resolve) => probe.once("listening", resolve));
    const { port } = probe.address() as { port: number };
    await new Promise((resolve) => probe.close(resolve));
    const child = spawn(process.execPath, [main, "--remote", `127.0.0.1:${port}`], {
      stdio: ["ignore", "ignore", "pipe"],
    });
    const ended = new Promise<number | null>((resolve) => child.once("close", resolve));
    const early = await connectChannel(`tcp://127.0.0.1:${port}`, { timeout: 40_000 });
    await early.close();
    await play(peer, { connect: `127.0.0.1:${port}` });
    expect(await ended).toBe(0);
  });

  test("says what is wrong with its command line", async () => {
    const child = spawn(process.execPath, [main], { stdio: ["ignore", "ignore", "pipe"] });
    let stderr = "";
    child.stderr.setEncoding("utf8").on("data", (text: string) => (stderr += text));
    expect(await new Promise((resolve) => child.once("close", resolve))).toBe(1);
    expect(stderr).toBe(
      "error: 0 addresses; usage: [--remote] [--log-level LEVEL] HOST:PORT (--remote: listen there, and mosaik connects)\n",
    );
  });
});
