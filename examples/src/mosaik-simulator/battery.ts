import { Simulator, simulatorMeta } from "@colloquy/container/mosaik";
import type { Entity, Inputs, OutputRequest, OutputValues } from "@colloquy/container/mosaik";

export const meta = simulatorMeta({
  type: "hybrid",
  models: {
    Battery: {
      params: ["capacity_kwh", "power_kw", "charge_kwh"],
      attrs: ["P_wanted", "P", "charge", "empty"],
      // A new wish leads to a step; that it has run empty is told once.
      trigger: ["P_wanted"],
      nonPersistent: ["empty"],
    },
  },
  extraMethods: ["totalCharge"],
});

type Meta = typeof meta;

interface Battery {
  readonly capacity: number;
  readonly power: number;
  charge: number;
  /** What it does now: positive while it charges. */
  kilowatts: number;
  isNewlyEmpty: boolean;
}

/** Batteries that charge and discharge as they are told, as far as they can. */
export class BatterySimulator extends Simulator<Meta> {
  readonly meta = meta;
  readonly #batteries = new Map<string, Battery>();
  #now = 0;
  #stepSize = 1;

  override init({ step_size: stepSize = 1 }: Readonly<{ step_size?: number }>): void {
    if (!Number.isInteger(stepSize) || stepSize < 1)
      throw new RangeError(`step_size must be a whole number, not ${stepSize}`);
    this.#stepSize = stepSize;
  }

  override create(
    count: number,
    model: "Battery",
    params: Readonly<{ capacity_kwh?: number; power_kw?: number; charge_kwh?: number }>,
  ): Entity<Meta>[] {
    const { capacity_kwh: capacity = 10, power_kw: power = 5, charge_kwh: charge = 0 } = params;
    return Array.from({ length: count }, () => {
      const eid = `battery_${this.#batteries.size}`;
      this.#batteries.set(eid, { capacity, power, charge, kilowatts: 0, isNewlyEmpty: false });
      return { eid, type: model };
    });
  }

  override step(time: number, inputs: Inputs<Meta>): number {
    const hours = ((time - this.#now) * this.timeResolution) / 3600;
    for (const battery of this.#batteries.values()) passTime(battery, hours);
    for (const [eid, { P_wanted: wanted = {} }] of Object.entries(inputs)) {
      const battery = this.#batteries.get(eid)!;
      const sum = Object.values(wanted).reduce((total: number, one) => total + (one as number), 0);
      battery.kilowatts = Math.min(battery.power, Math.max(-battery.power, sum));
    }
    for (const battery of this.#batteries.values()) hold(battery);
    this.#now = time;
    return time + this.#stepSize;
  }

  override getData(outputs: OutputRequest<Meta>): OutputValues<Meta> {
    return Object.fromEntries(
      Object.entries(outputs).map(([eid, attrs]) => {
        const { kilowatts, charge, isNewlyEmpty } = this.#batteries.get(eid)!;
        // An event that isn't there is left out.
        const values = { P: kilowatts, charge, ...(isNewlyEmpty && { empty: true }) };
        return [eid, Object.fromEntries(Object.entries(values).filter(([attr]) => (attrs as string[]).includes(attr)))];
      }),
    );
  }

  totalCharge(): number {
    return [...this.#batteries.values()].reduce((sum, { charge }) => sum + charge, 0);
  }
}

function passTime(battery: Battery, hours: number): void {
  const before = battery.charge;
  battery.charge = Math.min(battery.capacity, Math.max(0, before + battery.kilowatts * hours));
  battery.isNewlyEmpty = before > 0 && battery.charge === 0;
}

/** What is full doesn't charge, and what is empty gives nothing. */
function hold(battery: Battery): void {
  if (battery.charge >= battery.capacity) battery.kilowatts = Math.min(0, battery.kilowatts);
  if (battery.charge <= 0) battery.kilowatts = Math.max(0, battery.kilowatts);
}
