import { drawChart } from "../charts/line-chart.ts";
import type { Point } from "../charts/line-chart.ts";
import type { Instance, Schedule } from "./instance.ts";
import type { Outcome } from "./negotiation.ts";

/** Target and sum over a day, and how the best candidate came near it, as an SVG file. */
export function drawNegotiation({ target, units }: Instance, outcome: Outcome, processCount: number): string {
  const { improvements, messageCount, sum } = outcome;
  const processes = processCount === 1 ? "1 process" : `${processCount} processes`;
  const energy = target.reduce((total, power) => total + Math.abs(power), 0);
  const converging = improvements.map(([ms, distance]): Point => [ms / 1000, (100 * distance) / energy]);
  const heading = `COHDA: ${units.length} agents in ${processes}, ${messageCount.toLocaleString("en-US")} messages`;
  return drawChart(heading, [
    {
      title: "What the plant shall deliver, and what its units have agreed on",
      xLabel: "hour of the day",
      yLabel: "kW",
      xTicks: [0, 4, 8, 12, 16, 20, 24],
      lines: [
        { name: "sum of all agents", color: "#0b7285", isStepped: true, isFilled: true, points: hours(sum) },
        { name: "target", color: "#d9480f", isStepped: true, points: hours(target) },
      ],
    },
    {
      title: "The best candidate that covers all agents",
      xLabel: "seconds since the first message",
      yLabel: "distance, % of the target's energy",
      xFrom: 0,
      isLog: true,
      lines: [{ name: "distance", color: "#0b7285", isStepped: true, points: converging }],
    },
  ]);
}

/** In kilowatts, each value until the next hour. */
function hours(power: Schedule): Point[] {
  return [...power, power.at(-1)!].map((watts, hour) => [hour, watts / 1000]);
}
