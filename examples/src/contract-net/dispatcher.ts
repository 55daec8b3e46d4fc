import { Agent } from "@colloquy/container";
import { RemoteError, expose } from "@colloquy/rpc";
import type { Remote } from "@colloquy/rpc";
import type { Bid, Refusal } from "./protocol.ts";
import type { Task } from "./tables.ts";
import type { Truck } from "./truck.ts";

/** Tells what happens, with the time. */
export type Report = (time: number, text: string) => void;

/** A truck that can be asked. */
interface Known {
  readonly name: string;
  readonly truck: Remote<Truck>;
}

/** Initiates a contract net for each task: announces it, waits for bids until its deadline, and awards it to the best one. */
export class Dispatcher extends Agent {
  readonly #report: Report;
  #trucks: Known[] = [];

  constructor(report: Report) {
    super();
    this.#report = report;
  }

  async meet(trucks: ReadonlyMap<string, string>): Promise<void> {
    const connecting = [...trucks].map(async ([name, url]) => ({
      name,
      truck: await this.container.connect<Truck>(url),
    }));
    this.#trucks = await Promise.all(connecting);
  }

  /** Resolves when the task is done, or nobody is left who does it. */
  @expose
  async dispatch(task: Task): Promise<string> {
    let left = this.#trucks;
    for (;;) {
      const bids = await this.#bidsFor(task, left);
      const best = bids.toSorted((a, b) => a.seconds - b.seconds || (a.truck < b.truck ? -1 : 1))[0];
      if (best === undefined) return this.#tell(`${task.name} is given to nobody`);
      for (const { name, truck } of left) if (name !== best.truck) void truck.reject(task.name);
      this.#tell(`${task.name} is awarded to ${best.truck}, done in ${best.seconds} s`);
      const winner = left.find(({ name }) => name === best.truck)!;
      try {
        const result = await winner.truck.award(task, best);
        return this.#tell(`${task.name} is done by ${best.truck}: ${result}`);
      } catch (error) {
        if (!(error instanceof RemoteError)) throw error;
        this.#tell(`${task.name} has failed: ${error.remoteName}: ${error.message}`);
        left = left.filter(({ name }) => name !== best.truck);
      }
    }
  }

  /** The bids that come before the deadline. Later ones are told, and don't count. */
  async #bidsFor(task: Task, trucks: readonly Known[]): Promise<Bid[]> {
    const { clock } = this.container;
    const bids: Bid[] = [];
    let isOpen = true;
    this.#tell(`${task.name}, ${task.pallets} pallets, is announced to ${trucks.length}`);
    const answers = trucks.map(async ({ name, truck }) => {
      const answer = await truck.propose(task);
      if (!isOpen) this.#tell(`${task.name}: ${name} is too late`);
      else if (isRefusal(answer)) this.#tell(`${task.name}: ${name} refuses, ${answer.refused}`);
      else {
        this.#tell(`${task.name}: ${name} bids ${answer.seconds} s`);
        bids.push(answer);
      }
    });
    const all = Promise.all(answers);
    // Whoever answers after that answers nobody.
    all.catch(() => {});
    await Promise.race([all, clock.sleep(task.deadline)]);
    isOpen = false;
    return bids;
  }

  #tell(text: string): string {
    this.#report(this.container.clock.time(), text);
    return text;
  }
}

function isRefusal(answer: Bid | Refusal): answer is Refusal {
  return "refused" in answer;
}
