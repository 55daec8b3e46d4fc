import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { connectTransport, seededRandom } from "@colloquy/core";
import { checkTransport } from "@colloquy/core/testing";
import { PLANTS, placeOf } from "../stress/src/simulation/plants.ts";
import { simulate } from "../stress/src/simulation/run.ts";
import { SimulatedNetwork } from "../stress/src/simulation/simulated-network.ts";
import { VirtualTime } from "../stress/src/simulation/virtual-time.ts";

const batch = new URL("../stress/src/simulation/batch.ts", import.meta.url);

test.each([1, 2, 3])("the simulated network with the seed %i is a transport as channels need one", async (seed) => {
  const time = new VirtualTime(1000);
  const network = new SimulatedNetwork(time, seededRandom(seed));
  let count = 0;
  let end: unknown;
  time.install(seededRandom(seed));
  try {
    const checked = checkTransport({
      listen: async (onTransport) => network.listen(`s${count++}`, onTransport),
      connect: (address) => connectTransport(address, { network }),
    });
    checked.then(
      () => (end = "all rules hold"),
      (error: unknown) => (end = error),
    );
    await time.run(() => end !== undefined, 1_000_000);
  } finally {
    time.uninstall();
  }
  expect(end).toBe("all rules hold");
});

test("a seed gives one run, whatever was run before", async () => {
  const seeds = Array.from({ length: 24 }, (_, index) => index + 1);
  const prints = new Map<number, number>();
  for (const seed of seeds) {
    const { broken, print } = await simulate(seed, false);
    expect(broken).toBeUndefined();
    prints.set(seed, print);
  }
  for (const seed of seeds.toReversed())
    expect([seed, (await simulate(seed, true)).print]).toEqual([seed, prints.get(seed)]);
  expect(new Set(prints.values()).size).toBe(seeds.length);
});

test.each(PLANTS)("the code has one place for what is planted: $name", (plant) => {
  const [name, file] = plant.file.split("/");
  const source = readFileSync(new URL(`../packages/${name}/src/${file}.ts`, import.meta.url), "utf8");
  expect(source.split(placeOf(plant))).toHaveLength(2);
});

test.each(["lost settle", "slot freed on cancel", "stream item dropped"])(
  "runs find what is planted: %s",
  async (name) => {
    const program = `
    const { plantFault, runBatch } = await import(${JSON.stringify(batch.href)});
    plantFault(${JSON.stringify(name)});
    console.log(JSON.stringify(await runBatch({ first: 1, count: 1000 })));`;
    const result = JSON.parse(await outputOf(program)) as { failure?: { broken: string } };
    expect(result.failure?.broken).toEqual(expect.any(String));
  },
);

/** What a module prints that may import TypeScript. */
async function outputOf(program: string): Promise<string> {
  const args = ["--conditions=@colloquy/source", "--import", "tsx", "--input-type=module", "-e", program];
  const child = spawn(process.execPath, args, { cwd: fileURLToPath(new URL("..", import.meta.url)) });
  let [output, errors] = ["", ""];
  child.stdout.on("data", (data) => (output += String(data)));
  child.stderr.on("data", (data) => (errors += String(data)));
  const code = await new Promise((resolve) => child.once("close", resolve));
  if (code !== 0) throw new Error(errors);
  return output;
}
