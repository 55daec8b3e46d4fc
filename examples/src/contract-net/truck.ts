import { Agent } from "@colloquy/container";
import { PublicError, expose } from "@colloquy/rpc";
import type { Bid, Bidder, Refusal } from "./protocol.ts";
import type { Task, TruckTraits } from "./tables.ts";

/** Why a truck hasn't done what it was awarded: made for callers, so that it crosses with its fields. */
export class BrokenDown extends PublicError {
  override name = "BrokenDown";
  readonly truck: string;

  constructor(truck: string, message: string) {
    super(message);
    this.truck = truck;
  }
}

/** Bids for tasks that it can carry while it has none, and does those that it is awarded. */
export class Truck extends Agent implements Bidder {
  readonly #traits: TruckTraits;
  #busyUntil = 0;

  constructor(traits: TruckTraits) {
    super();
    this.#traits = traits;
  }

  @expose
  async propose(task: Task): Promise<Bid | Refusal> {
    const { name, pallets, secondsPerPallet, answersAfter } = this.#traits;
    const { clock } = this.container;
    if (task.pallets > pallets) return { truck: name, refused: `carries ${pallets} pallets` };
    await clock.sleep(answersAfter);
    // What it does until then it knows only now.
    const wait = Math.max(0, this.#busyUntil - clock.time());
    if (wait > 20) return { truck: name, refused: `busy for ${wait} s` };
    return { truck: name, seconds: wait + task.pallets * secondsPerPallet };
  }

  @expose
  async award(task: Task, { seconds }: Bid): Promise<string> {
    const { name, breaksDownAt = Infinity } = this.#traits;
    const { clock } = this.container;
    const done = clock.time() + seconds;
    this.#busyUntil = Math.max(this.#busyUntil, done);
    if (done >= breaksDownAt) {
      await clock.sleepUntil(Math.max(breaksDownAt, clock.time() + 1));
      throw new BrokenDown(name, `${name} has broken down with ${task.name}`);
    }
    await clock.sleepUntil(done);
    return `${task.pallets} pallets in ${task.to}`;
  }

  @expose
  reject(_task: string): void {}
}
