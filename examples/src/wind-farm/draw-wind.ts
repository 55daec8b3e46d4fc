/** Writes wind.csv: node draw-wind.js. Seed 7; a day in steps of ten minutes, with a front that passes in the afternoon. */
import { writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { randomOf } from "../random.ts";

const random = randomOf(7);
const lines = ["time_s,wind_m_per_s,grid_limit_kw"];
let gust = 0;
for (let step = 0; step < 144; step++) {
  const hour = step / 6;
  const front = 11 * Math.exp(-(((hour - 15) / 3) ** 2));
  gust = 0.8 * gust + 1.6 * (random() - 0.5);
  const wind = Math.max(0, 5.5 + 2 * Math.sin((Math.PI * (hour - 6)) / 12) + front + gust);
  // The line to the farm carries less while it is being worked on, and at noon there is much sun elsewhere.
  const limit = hour >= 8 && hour < 11 ? 6000 : hour >= 11 && hour < 14 ? 9000 : 15_000;
  lines.push(`${step * 600},${wind.toFixed(2)},${limit}`);
}
writeFileSync(fileURLToPath(new URL("../../src/wind-farm/wind.csv", import.meta.url)), `${lines.join("\n")}\n`);
