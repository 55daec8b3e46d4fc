import { execFile } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect, test } from "vitest";

const run = promisify(execFile);
const main = fileURLToPath(new URL("../examples/dist/cohda/main.js", import.meta.url));
const file = fileURLToPath(new URL("../examples/src/cohda/instances/small.json", import.meta.url));

interface Plant {
  readonly seed: number;
  readonly target: number[];
  readonly units: { readonly schedules: number[][] }[];
}

const plants = JSON.parse(readFileSync(file, "utf8")) as Plant[];

/** How far a choice is from the target. */
function distance({ target, units }: Plant, choices: readonly number[]): number {
  let total = 0;
  for (let at = 0; at < target.length; at++) {
    let sum = 0;
    for (let unit = 0; unit < units.length; unit++) sum += units[unit]!.schedules[choices[unit]!]![at]!;
    total += Math.abs(target[at]! - sum);
  }
  return total;
}

/** The least distance of all combinations there are. */
function leastDistance(plant: Plant): number {
  const sizes = plant.units.map(({ schedules }) => schedules.length);
  const combinationCount = sizes.reduce((product, size) => product * size, 1);
  let least = Infinity;
  for (let code = 0; code < combinationCount; code++) {
    let rest = code;
    const choices = sizes.map((size) => {
      const choice = rest % size;
      rest = Math.floor(rest / size);
      return choice;
    });
    least = Math.min(least, distance(plant, choices));
  }
  return least;
}

test("the example of COHDA finds the optimum of every small plant, as all combinations tell", async () => {
  const { stdout, stderr } = await run(process.execPath, [main, "--instances", file], { timeout: 60_000 });
  expect(stderr).toBe("");
  const lines = [...stdout.matchAll(/^seed (\d+): distance (\d+) by ([\d,]+), (\d+) of 40 starts$/gm)];
  expect(lines).toHaveLength(20);
  for (const [at, [line, seed, found, choices]] of lines.entries()) {
    const plant = plants[at]!;
    expect(plant.seed).toBe(Number(seed));
    expect(distance(plant, choices!.split(",").map(Number)), line).toBe(Number(found));
    expect(Number(found), line).toBe(leastDistance(plant));
  }
}, 90_000);

test("the example of COHDA agrees over processes, and draws what it has found", async () => {
  const folder = mkdtempSync(join(tmpdir(), "cohda-"));
  try {
    const svg = join(folder, "chart.svg");
    const args = ["--agents", "12", "--processes", "2", "--svg", svg];
    const { stdout, stderr } = await run(process.execPath, [main, ...args], { timeout: 60_000 });
    expect(stderr).toBe("");
    expect(stdout).toMatch(
      /^12 agents in 2 processes have agreed after \d+ messages\ndistance [\d.]+ kWh, [\d.]+ % of/,
    );
    expect(readFileSync(svg, "utf8")).toMatch(/^<svg [\s\S]*12 agents in 2 processes[\s\S]*<\/svg>\n$/);
  } finally {
    rmSync(folder, { recursive: true });
  }
}, 90_000);

test("the example of COHDA says what is wrong with its options", async () => {
  const failure = await run(process.execPath, [main, "--agents", "none"]).catch((error: unknown) => error);
  expect(failure).toMatchObject({
    code: 1,
    stderr: expect.stringContaining('--agents takes a number from 1 to 5000, not "none"'),
  });
});
