/** A wind farm over a day of simulated time. `main --svg FILE` draws it. See README.md. */
import { writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { Container, ExternalClock } from "@colloquy/container";
import { Deferred } from "@colloquy/core";
import { drawChart } from "../charts/line-chart.ts";
import type { Point } from "../charts/line-chart.ts";
import { Controller } from "./controller.ts";
import type { Step } from "./controller.ts";
import { Turbine } from "./turbine.ts";
import { readWeather } from "./weather.ts";

const INTERVAL = 600;
/** Those in the second row get less wind. */
const SHARES = [1, 1, 1, 0.9, 0.9, 0.9];

const { values } = parseArgs({ options: { svg: { type: "string" } } });
const weather = readWeather();
const clock = new ExternalClock("2026-03-02T00:00:00Z");
const steps: Step[] = [];
let stepped = new Deferred<void>();

await using farm = await Container.create("local://farm", { clock });
await using office = await Container.create("local://office", { clock });
const turbines: Turbine[] = [];
for (const share of SHARES) turbines.push(await farm.spawn(new Turbine(weather, share)));
const controller = new Controller(weather, INTERVAL, (step) => {
  steps.push(step);
  stepped.resolve();
});
await office.spawn(controller);
await controller.take(turbines.map(({ address }) => address));
await stepped.promise;
for (const { time } of weather.slice(1)) {
  stepped = new Deferred<void>();
  // The controller's next tick is due, and the clock stands still until it is done.
  clock.setTime(time);
  await stepped.promise;
}

console.log(" hour   wind m/s  could MW  grid MW  gives MW");
for (const { time, wind, available, limit, delivered } of steps.filter((step) => step.time % 3600 === 0)) {
  const columns = [time / 3600, wind.toFixed(1), megawatts(available), megawatts(limit), megawatts(delivered)];
  console.log(columns.map((column, at) => String(column).padStart([5, 11, 10, 9, 10][at]!)).join(""));
}
console.log(`${energy("available")} MWh were in the wind, ${energy("delivered")} MWh were delivered`);
if (values.svg !== undefined) writeFileSync(values.svg, draw());

function megawatts(kilowatts: number): string {
  return (kilowatts / 1000).toFixed(2);
}

function energy(what: "available" | "delivered"): string {
  return ((steps.reduce((total, step) => total + step[what], 0) * INTERVAL) / 3_600_000).toFixed(1);
}

function draw(): string {
  const points = (value: (step: Step) => number): Point[] => steps.map((step) => [step.time / 3600, value(step)]);
  const xTicks = [0, 4, 8, 12, 16, 20, 24].filter((hour) => hour <= steps.at(-1)!.time / 3600);
  return drawChart("A wind farm that the grid limits", [
    {
      title: "Power",
      xLabel: "hour of the day",
      yLabel: "MW",
      xTicks,
      lines: [
        { name: "in the wind", color: "#9aa5b1", isStepped: true, points: points(({ available }) => available / 1000) },
        { name: "grid limit", color: "#d9480f", isStepped: true, points: points(({ limit }) => limit / 1000) },
        {
          name: "delivered",
          color: "#0b7285",
          isStepped: true,
          isFilled: true,
          points: points(({ delivered }) => delivered / 1000),
        },
      ],
    },
    {
      title: "Wind",
      xLabel: "hour of the day",
      yLabel: "m/s",
      xTicks,
      lines: [{ name: "wind", color: "#364fc7", points: points(({ wind }) => wind) }],
    },
  ]);
}
