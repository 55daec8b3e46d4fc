import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

/** What holds from a time on, until the next one. */
export interface Weather {
  readonly time: number;
  readonly wind: number;
  /** What the grid takes, in kilowatts. */
  readonly limit: number;
}

export function readWeather(): Weather[] {
  const text = readFileSync(fileURLToPath(new URL("../../src/wind-farm/wind.csv", import.meta.url)), "utf8");
  return text
    .trim()
    .split("\n")
    .slice(1)
    .map((line) => {
      const [time, wind, limit] = line.split(",").map(Number) as [number, number, number];
      return { time, wind, limit };
    });
}

/** The weather at a time. */
export function weatherAt(weather: readonly Weather[], time: number): Weather {
  return weather.findLast((one) => one.time <= time) ?? weather[0]!;
}
