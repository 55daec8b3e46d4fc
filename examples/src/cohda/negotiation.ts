import { setTimeout as pause } from "node:timers/promises";
import { Container, ExternalClock, launch } from "@colloquy/container";
import { MsgPackCodec } from "@colloquy/rpc";
import type { Remote } from "@colloquy/rpc";
import { randomOf, wholeNumber } from "../random.ts";
import type { Instance, Schedule } from "./instance.ts";
import { hostShare } from "./plant.ts";
import type { Improvement, Plant, Share } from "./plant.ts";
import { smallWorld } from "./small-world.ts";
import type { Rules, UnitAgent } from "./unit-agent.ts";

export interface Outcome {
  /** Number of the schedule of each unit. */
  readonly choices: readonly number[];
  /** How far the sum is from the target, in watts over all intervals. */
  readonly distance: number;
  readonly sum: Schedule;
  readonly messageCount: number;
  /** Better and better candidates, in milliseconds since the start. */
  readonly improvements: readonly Improvement[];
}

/** Agents that negotiate: in processes of their own, or here in simulated time. */
export interface Negotiation extends AsyncDisposable {
  /** Holds one from the start to agreement. `start` picks the first choices. */
  run(start: number): Promise<Outcome>;
}

/** Starts the agents of all units in this many processes. */
export async function inProcesses(instance: Instance, processCount: number, rules: Rules): Promise<Negotiation> {
  const entry = new URL(import.meta.url.endsWith(".ts") ? "./plant.ts" : "./plant.js", import.meta.url);
  const shares = sharesOf(instance, processCount, rules);
  const launched = await Promise.all(shares.map((args) => launch({ entry, args })));
  const container = await Container.create("tcp://127.0.0.1:0", { codec: MsgPackCodec });
  const bases = launched.map(({ address }) => address);
  const plants = await connectAll(container, instance, shares, bases, rules);
  const close = async (): Promise<void> => {
    await container.shutdown();
    await Promise.all(launched.map((one) => one.stop()));
  };
  return negotiation(container, plants, shares, bases, rules, () => restOfProcesses(plants), close);
}

/** Starts them here. Messages take simulated seconds, so that each run with the same seed is the same. */
export async function inSimulatedTime(instance: Instance, name: string, rules: Rules): Promise<Negotiation> {
  const clock = new ExternalClock("2026-01-01T00:00:00Z");
  const shares = sharesOf(instance, 1, rules);
  const container = await hostShare(`local://${name}`, shares[0]!, clock);
  const bases = [container.address];
  const plants = await connectAll(container, instance, shares, bases, rules);
  const rest = (): Promise<void> => restOfClock(plants[0]!, clock);
  return negotiation(container, plants, shares, bases, rules, rest, () => container.shutdown());
}

/** Neighbours on the ring are mostly in one process. */
function sharesOf({ target, units }: Instance, processCount: number, rules: Rules): Share[] {
  const size = Math.ceil(units.length / processCount);
  return Array.from({ length: processCount }, (_, at) => {
    const firstNumber = at * size;
    return {
      target,
      agentCount: units.length,
      rules,
      firstNumber,
      units: units.slice(firstNumber, firstNumber + size),
    };
  });
}

async function connectAll(
  container: Container,
  { units }: Instance,
  shares: readonly Share[],
  bases: readonly string[],
  rules: Rules,
): Promise<Remote<Plant>[]> {
  const topology = smallWorld(units.length, units.length > 10 ? 2 : 1, 0.5, rules.seed);
  const addresses = units.map((_, number) => addressOf(number, shares, bases));
  const plants = await Promise.all(bases.map((base) => container.connect<Plant>(`${base}/plant`)));
  const meetings = plants.map((plant, at) => {
    const { firstNumber, units: own } = shares[at]!;
    const neighbours = topology.slice(firstNumber, firstNumber + own.length);
    return plant.meet(neighbours.map((numbers) => numbers.map((number) => addresses[number]!)));
  });
  await Promise.all(meetings);
  return plants;
}

function addressOf(number: number, shares: readonly Share[], bases: readonly string[]): string {
  const at = shares.findIndex(({ firstNumber, units }) => number >= firstNumber && number < firstNumber + units.length);
  return `${bases[at]!}/unit-${number}`;
}

function negotiation(
  container: Container,
  plants: readonly Remote<Plant>[],
  shares: readonly Share[],
  bases: readonly string[],
  rules: Rules,
  rest: () => Promise<void>,
  close: () => Promise<void>,
): Negotiation {
  const run = async (start: number): Promise<Outcome> => {
    await Promise.all(plants.map((plant) => plant.prepare(start)));
    const before = await messageCount(plants);
    const first = wholeNumber(randomOf(rules.seed + start), 0, shares[0]!.agentCount - 1);
    const agent = await container.connect<UnitAgent>(addressOf(first, shares, bases));
    const beginMs = performance.timeOrigin + performance.now();
    await agent.start();
    await rest();
    const results = await Promise.all(plants.map((plant) => plant.results()));
    const candidates = results.flatMap((result) => result.candidates);
    const { choices, distance } = candidates[0]!;
    if (candidates.some((one) => JSON.stringify(one.choices) !== JSON.stringify(choices)))
      throw new Error("the agents have come to rest without agreement");
    const improvements = merge(
      results.flatMap((result) => result.improvements),
      beginMs,
    );
    return {
      choices,
      distance,
      sum: results[0]!.sum,
      messageCount: (await messageCount(plants)) - before,
      improvements,
    };
  };
  return { run, [Symbol.asyncDispose]: close };
}

async function messageCount(plants: readonly Remote<Plant>[]): Promise<number> {
  const all = await Promise.all(plants.map((plant) => plant.traffic()));
  return all.reduce((sum, { sent }) => sum + sent, 0);
}

/** All processes together: what is better than all before. */
function merge(improvements: readonly Improvement[], beginMs: number): Improvement[] {
  let best = Infinity;
  return improvements
    .toSorted(([a], [b]) => a - b)
    .filter(([, distance]) => distance < best && ((best = distance), true))
    .map(([timeMs, distance]) => [timeMs - beginMs, distance]);
}

/**
 * Resolves when no message is under way any more. Processes can't be asked in one moment: a message might have left one after it was
 * asked, and have come to another one before that was. So two rounds have to find the same, nothing under way, and as many
 * messages received as sent.
 */
async function restOfProcesses(plants: readonly Remote<Plant>[]): Promise<void> {
  for (let last = -1; ;) {
    const all = await Promise.all(plants.map((plant) => plant.traffic()));
    const sent = all.reduce((sum, one) => sum + one.sent, 0);
    const received = all.reduce((sum, one) => sum + one.received, 0);
    const isQuiet = sent === received && all.every(({ underWay }) => underWay === 0);
    if (isQuiet && last === sent) return;
    last = isQuiet ? sent : -1;
    await pause(5);
  }
}

/** The same in simulated time: while messages wait for their time, it goes on. */
async function restOfClock(plant: Remote<Plant>, clock: ExternalClock): Promise<void> {
  for (;;) {
    const { underWay, delayed } = await plant.traffic();
    if (underWay > 0) continue;
    if (delayed === 0) return;
    clock.setTime(clock.time() + 1);
  }
}
