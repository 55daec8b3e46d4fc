import { Agent } from "@colloquy/container";
import { expose } from "@colloquy/rpc";
import { weatherAt } from "./weather.ts";
import type { Weather } from "./weather.ts";

const [CUT_IN, RATED, CUT_OUT] = [3, 12, 25];
const RATED_KW = 3000;

/** What a turbine could give at a speed of the wind: with its third power, up to what it is built for; nothing in a storm. */
export function powerAt(wind: number): number {
  if (wind < CUT_IN || wind >= CUT_OUT) return 0;
  return RATED_KW * Math.min(1, (wind / RATED) ** 3);
}

/** A turbine. What it could give follows from the wind at the time on its container's clock. */
export class Turbine extends Agent {
  readonly #weather: readonly Weather[];
  /** Share of the wind that reaches it: others stand before it. */
  readonly #share: number;
  #limit = Infinity;

  constructor(weather: readonly Weather[], share: number) {
    super();
    this.#weather = weather;
    this.#share = share;
  }

  /** Kilowatts that it could give now. */
  @expose
  available(): number {
    return powerAt(this.#share * weatherAt(this.#weather, this.container.clock.time()).wind);
  }

  /** Gives no more than this until it is told otherwise. Returns the kilowatts that it gives now. */
  @expose
  limit(kilowatts: number): number {
    this.#limit = kilowatts;
    return Math.min(this.available(), this.#limit);
  }
}
