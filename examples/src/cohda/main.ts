/** Schedules a virtual power plant by agents that negotiate: COHDA. See README.md. */
import { readFile, writeFile } from "node:fs/promises";
import { drawNegotiation } from "./drawing.ts";
import { drawInstance } from "./instance.ts";
import type { Instance } from "./instance.ts";
import { inProcesses, inSimulatedTime } from "./negotiation.ts";
import type { Outcome } from "./negotiation.ts";
import { USAGE, readOptions } from "./options.ts";
import type { Options } from "./options.ts";

async function scheduleDay(options: Options): Promise<void> {
  const { agents, processes, schedules, seed, gather: gatherMs, svg } = options;
  const instance = drawInstance(seed, { unitCount: agents, scheduleCount: schedules, intervalCount: 24 });
  await using negotiation = await inProcesses(instance, processes, {
    seed,
    maxDelay: 0,
    gatherMs,
    waits: false,
  });
  const outcome = await negotiation.run(0);
  const wanted = instance.target.reduce((sum, power) => sum + Math.abs(power), 0);
  const percent = ((100 * outcome.distance) / wanted).toFixed(2);
  console.log(`${agents} agents in ${processes} processes have agreed after ${outcome.messageCount} messages`);
  console.log(`distance ${(outcome.distance / 1000).toFixed(1)} kWh, ${percent} % of the target's energy`);
  if (svg !== undefined) await writeFile(svg, drawNegotiation(instance, outcome, processes));
}

/** Prints a line for each instance: its seed, the best distance, and the choices that give it. */
async function solveFile(file: string, { seed, starts }: Options): Promise<void> {
  const instances = JSON.parse(await readFile(file, "utf8")) as Instance[];
  for (const instance of instances) {
    const rules = { seed: seed + instance.seed, maxDelay: 5, gatherMs: 0, waits: true };
    await using negotiation = await inSimulatedTime(instance, `cohda-${instance.seed}`, rules);
    const outcomes: Outcome[] = [];
    for (let start = 0; start < starts; start++) outcomes.push(await negotiation.run(start));
    const best = outcomes.reduce((a, b) => (b.distance < a.distance ? b : a));
    const hits = outcomes.filter(({ distance }) => distance === best.distance).length;
    console.log(
      `seed ${instance.seed}: distance ${best.distance} by ${best.choices.join(",")}, ${hits} of ${starts} starts`,
    );
  }
}

try {
  const options = readOptions(process.argv.slice(2));
  await (options.instances === undefined ? scheduleDay(options) : solveFile(options.instances, options));
} catch (error) {
  console.error(`error: ${error instanceof Error ? error.message : String(error)}\n${USAGE}`);
  process.exitCode = 1;
}
