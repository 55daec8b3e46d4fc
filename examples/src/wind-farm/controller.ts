import { Agent } from "@colloquy/container";
import type { Remote } from "@colloquy/rpc";
import type { Turbine } from "./turbine.ts";
import { weatherAt } from "./weather.ts";
import type { Weather } from "./weather.ts";

/** What one step has come to, in kilowatts. */
export interface Step extends Weather {
  readonly available: number;
  readonly delivered: number;
}

/** Every ten minutes asks all turbines what they could give, and limits them where the grid doesn't take all of it. */
export class Controller extends Agent {
  readonly #weather: readonly Weather[];
  readonly #interval: number;
  readonly #onStep: (step: Step) => void;
  #turbines: Remote<Turbine>[] = [];

  constructor(weather: readonly Weather[], interval: number, onStep: (step: Step) => void) {
    super();
    this.#weather = weather;
    this.#interval = interval;
    this.#onStep = onStep;
  }

  async take(addresses: readonly string[]): Promise<void> {
    this.#turbines = await Promise.all(addresses.map((address) => this.container.connect<Turbine>(address)));
    this.task(async (signal) => {
      const { clock } = this.container;
      // Ticks count from here on, also those that come while the first step is under way.
      const ticks = clock.every(this.#interval, { signal });
      await this.#step(clock.time());
      for await (const time of ticks) await this.#step(time);
    });
  }

  async #step(time: number): Promise<void> {
    const weather = weatherAt(this.#weather, time);
    const available = await Promise.all(this.#turbines.map((turbine) => turbine.available()));
    const limits = shareOut(available, weather.limit);
    const delivered = await Promise.all(this.#turbines.map((turbine, at) => turbine.limit(limits[at]!)));
    this.#onStep({ ...weather, time, available: sum(available), delivered: sum(delivered) });
  }
}

/** The same share of what each could give; all of it where the grid takes that. */
function shareOut(available: readonly number[], limit: number): number[] {
  const total = sum(available);
  const share = total > limit ? limit / total : 1;
  return available.map((power) => power * share);
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
