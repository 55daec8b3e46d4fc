import { execFile } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect, test } from "vitest";

const main = fileURLToPath(new URL("../examples/dist/wind-farm/main.js", import.meta.url));
const csv = readFileSync(new URL("../examples/src/wind-farm/wind.csv", import.meta.url), "utf8");

/** What six turbines could give together, three of them with 90 % of the wind; in kilowatts. */
function possible(wind: number): number {
  let total = 0;
  for (const speed of [wind, wind * 0.9]) {
    if (speed >= 12 && speed < 25) total += 3 * 3000;
    else if (speed >= 3 && speed < 12) total += (3 * 3000 * speed ** 3) / 1728;
  }
  return total;
}

test("the wind farm gives what the wind and the grid allow, all of a day", async () => {
  const folder = mkdtempSync(join(tmpdir(), "wind-farm-"));
  try {
    const svg = join(folder, "farm.svg");
    const { stdout, stderr } = await promisify(execFile)(process.execPath, [main, "--svg", svg], { timeout: 30_000 });
    expect(stderr).toBe("");
    const steps = csv
      .trim()
      .split("\n")
      .slice(1)
      .map((line) => line.split(",").map(Number) as [number, number, number])
      .map(([time, wind, limit]) => ({
        time,
        wind,
        limit,
        could: possible(wind),
        gives: Math.min(possible(wind), limit),
      }));
    const printed = stdout.trimEnd().split("\n");
    const rows = printed.slice(1, -1).map((line) => line.trim().split(/ +/).map(Number));
    const megawatts = (kilowatts: number): number => Number((kilowatts / 1000).toFixed(2));
    const hourly = steps.filter(({ time }) => time % 3600 === 0);
    expect(rows).toEqual(
      hourly.map(({ time, wind, could, limit, gives }) => [
        time / 3600,
        Number(wind.toFixed(1)),
        megawatts(could),
        megawatts(limit),
        megawatts(gives),
      ]),
    );
    const [could, gave] = [/([\d.]+) MWh were in/, /([\d.]+) MWh were delivered/].map((part) =>
      Number(part.exec(printed.at(-1)!)![1]),
    );
    const energy = (of: (step: (typeof steps)[number]) => number): number =>
      steps.reduce((sum, step) => sum + of(step) / 6000, 0);
    expect(could).toBeCloseTo(
      energy((step) => step.could),
      1,
    );
    expect(gave).toBeCloseTo(
      energy((step) => step.gives),
      1,
    );
    expect(gave).toBeLessThan(could!);
    expect(readFileSync(svg, "utf8")).toBe(
      readFileSync(new URL("../examples/src/wind-farm/wind-farm.svg", import.meta.url), "utf8"),
    );
  } finally {
    rmSync(folder, { recursive: true });
  }
}, 40_000);
