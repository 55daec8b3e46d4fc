import { Container, coordinate, launch } from "@colloquy/container";
import type { LaunchedContainer } from "@colloquy/container";
import type { Remote } from "@colloquy/rpc";
import { formatQuantity, markdownTable } from "../markdown-table.ts";
import { integerOptions } from "../numeric-options.ts";
import type { Relay } from "./cell.ts";

const usage = `Usage: pnpm bench simulated-time [options]

Several processes with a clock each that stands until it is set. At each second agents begin cascades of messages from process to
process. Counts the messages that are handled at another time than they were sent at: where the time is told to all and nobody
waits (broadcast), where all clocks are set before anything fires (barrier), and with coordinate(). Fails where the last has any.

  --steps n           seconds (500)
  --messages n        in all (35000)
  --processes n       (4)
  --smoke             few steps
  --help
`;

const smoke = { steps: 20, messages: 1400 };
/** Messages of one cascade, one after the other. */
const cascadeLength = 7;
/** What is under way at the end arrives, or never will. */
const lastWaitMs = 1000;

interface Plan {
  readonly steps: number;
  readonly messages: number;
  readonly processes: number;
}

interface Outcome {
  readonly handled: number;
  readonly wrong: number;
  readonly stepMs: number;
}

/** Takes all clocks through the steps. */
type Driver = (
  steps: number,
  relays: readonly Remote<Relay>[],
  launched: readonly LaunchedContainer[],
) => Promise<void>;

const drivers: Readonly<Record<string, Driver>> = {
  broadcast: async (steps, relays) => {
    for (let t = 1; t <= steps; t++) await Promise.all(relays.map((relay) => relay.setTime(t)));
  },
  barrier: async (steps, relays) => {
    for (let t = 1; t <= steps; t++) {
      await Promise.all(relays.map((relay) => relay.prepare(t)));
      await Promise.all(relays.map((relay) => relay.fire()));
    }
  },
  coordinate: async (steps, _relays, launched) => {
    await using coordinator = await coordinate(launched);
    for (let t = 1; t <= steps; t++) await coordinator.setTime(t);
  },
};

/** Runs the plan in new processes. */
async function outcomeOf(drive: Driver, { steps, messages, processes }: Plan): Promise<Outcome> {
  const entry = new URL("cell.js", import.meta.url);
  const launched = await Promise.all(Array.from({ length: processes }, () => launch({ entry })));
  const here = await Container.create(`local://simulated-time-${performance.now()}`);
  try {
    const addresses = launched.map(({ address }) => `${address}/0`);
    const relays = await Promise.all(addresses.map((address) => here.connect<Relay>(address)));
    await Promise.all(relays.map((relay, own) => relay.join(addresses.filter((_address, index) => index !== own))));
    const cascades = messages / steps / cascadeLength;
    for (const [index, relay] of relays.entries()) {
      await relay.begin(Math.floor((cascades + processes - 1 - index) / processes), cascadeLength);
    }
    const start = performance.now();
    await drive(steps, relays, launched);
    const stepMs = (performance.now() - start) / steps;
    await new Promise((resolve) => setTimeout(resolve, lastWaitMs));
    const tallies = await Promise.all(relays.map((relay) => relay.tally()));
    const handled = tallies.reduce((sum, tally) => sum + tally.handled, 0);
    return { handled, wrong: tallies.reduce((sum, tally) => sum + tally.wrong, 0), stepMs };
  } finally {
    await here.shutdown({ graceMs: 0 });
    await Promise.all(launched.map((child) => child.stop()));
  }
}

/** Resolves with the exit code. */
export async function run(args: readonly string[]): Promise<number> {
  const options = integerOptions(args, { steps: 500, messages: 35_000, processes: 4 });
  if (options === undefined) {
    process.stdout.write(usage);
    return 0;
  }
  const { processes } = options.numbers;
  const { steps, messages } = options.smoke ? smoke : options.numbers;
  if (messages % (steps * cascadeLength) !== 0)
    throw new Error(`--messages wants a multiple of ${cascadeLength} for each of the ${steps} steps`);
  const rows: string[][] = [];
  let passed = true;
  for (const [name, drive] of Object.entries(drivers)) {
    const { handled, wrong, stepMs } = await outcomeOf(drive, { steps, messages, processes });
    const share = handled === 0 ? 0 : (100 * wrong) / handled;
    rows.push([name, formatQuantity(handled), formatQuantity(wrong), `${share.toFixed(1)} %`, formatQuantity(stepMs)]);
    if (name === "coordinate") passed = handled === messages && wrong === 0;
  }
  const head = ["", "messages", "at a wrong time", "share", "ms for a step"];
  process.stdout.write(`${processes} processes, ${steps} steps\n\n${markdownTable(head, rows)}\n`);
  if (!passed) process.stderr.write("messages were handled at a wrong time, or not at all\n");
  return passed ? 0 : 1;
}
