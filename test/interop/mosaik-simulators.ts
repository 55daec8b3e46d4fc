/** Simulators for `mosaik.test.ts`; as a program `pv` or `store`, the command line of mosaik behind it. */
import { Simulator, runSimulator, simulatorMeta } from "@colloquy/container/mosaik";
import type { Entity, Inputs, OutputRequest, OutputValues } from "@colloquy/container/mosaik";

const pvMeta = simulatorMeta({
  type: "time-based",
  models: { PV: { params: ["peak"], attrs: ["P", "limit"] } },
  extraMethods: ["eidOf", "describe"],
});

/** Gives power that rises with time, up to a limit. */
export class Pv extends Simulator<typeof pvMeta> {
  readonly meta = pvMeta;
  readonly peaks = new Map<string, number>();
  readonly limits = new Map<string, number>();
  #stepSize = 1;
  #now = 0;
  /** Who is told of it, for tests in this process. */
  readonly events: string[] = [];

  override init(params: Readonly<Record<string, unknown>>): void {
    this.#stepSize = (params["step_size"] as number | undefined) ?? 1;
    if (params["broken"] === true) throw new RangeError("broken on purpose");
  }

  override create(count: number, model: "PV", params: Readonly<{ peak?: number }>): Entity<typeof pvMeta>[] {
    return Array.from({ length: count }, () => {
      const eid = `pv_${this.peaks.size}`;
      this.peaks.set(eid, params.peak ?? 1);
      return { eid, type: model };
    });
  }

  override setupDone(): void {
    this.events.push("set up");
  }

  override step(time: number, inputs: Inputs<typeof pvMeta>): number {
    this.#now = time;
    for (const [eid, { limit }] of Object.entries(inputs)) {
      if (limit !== undefined) this.limits.set(eid, Math.min(...(Object.values(limit) as number[])));
    }
    return time + this.#stepSize;
  }

  override getData(outputs: OutputRequest<typeof pvMeta>): OutputValues<typeof pvMeta> {
    const values = ([eid, attrs]: [string, readonly string[]]): [string, object] => {
      const limit = this.limits.get(eid) ?? Infinity;
      const all = { P: Math.min(this.peaks.get(eid)! * this.#now, limit), limit: limit === Infinity ? null : limit };
      return [eid, Object.fromEntries(attrs.map((attr) => [attr, all[attr as keyof typeof all]]))];
    };
    return Object.fromEntries(Object.entries(outputs).map(values));
  }

  override stop(): void {
    this.events.push("stopped");
  }

  eidOf(index: number): string {
    return [...this.peaks.keys()][index]!;
  }

  describe(eid: string, { unit, ...others }: { unit?: string } = {}): string {
    return `${eid}: ${this.peaks.get(eid)} ${unit ?? "kW"} ${JSON.stringify(others)}`;
  }
}

const storeMeta = simulatorMeta({
  type: "hybrid",
  models: { Store: { params: [], attrs: ["P_in", "level", "full"], trigger: ["P_in"], nonPersistent: ["full"] } },
});

/** Takes power until it is full, and then asks its sources to give less. */
export class Store extends Simulator<typeof storeMeta> {
  readonly meta = storeMeta;
  readonly asked: unknown[] = [];
  #capacity = 10;
  #level = 0;
  #isNew = false;
  #time = 0;

  override init(params: Readonly<Record<string, unknown>>): void {
    this.#capacity = (params["capacity"] as number | undefined) ?? 10;
  }

  override create(count: number, model: "Store"): Entity<typeof storeMeta>[] {
    if (count !== 1) throw new Error("there is one store");
    return [{ eid: "store", type: model, extraInfo: { capacity: this.#capacity } }];
  }

  override async step(time: number, inputs: Inputs<typeof storeMeta>): Promise<null> {
    const sources = inputs["store"]?.P_in ?? {};
    const wasFull = this.#level >= this.#capacity;
    this.#level = Math.min(
      this.#capacity,
      this.#level + (Object.values(sources) as number[]).reduce((a, b) => a + b, 0),
    );
    this.#isNew = !wasFull && this.#level >= this.#capacity;
    this.#time = time;
    if (this.#isNew) {
      const own = `${this.sid}.store`;
      this.asked.push(await this.mosaik.getProgress(), await this.mosaik.getRelatedEntities(own));
      const found = await this.mosaik.getData(Object.fromEntries(Object.keys(sources).map((name) => [name, ["P"]])));
      this.asked.push(found);
      await this.mosaik.setData({
        [own]: Object.fromEntries(Object.keys(sources).map((name) => [name, { limit: 0.5 }])),
      });
    }
    return null;
  }

  override getData(outputs: OutputRequest<typeof storeMeta>): OutputValues<typeof storeMeta> {
    if (outputs["store"] === undefined) return {};
    return { store: { level: this.#level, ...(this.#isNew && { full: true }) }, time: this.#time };
  }
}

const [, program, kind] = process.argv;
if (program !== undefined && import.meta.filename === program) {
  const argv = process.argv.slice(1);
  await (kind === "pv" ? runSimulator(new Pv(), argv) : runSimulator(new Store(), argv));
}
