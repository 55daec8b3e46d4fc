import { Agent } from "@colloquy/container";
import { expose } from "@colloquy/rpc";
import type { Remote } from "@colloquy/rpc";
import { randomOf, wholeNumber } from "../random.ts";
import type { Random } from "../random.ts";
import type { Schedule, Unit } from "./instance.ts";
import { WorkingMemory } from "./working-memory.ts";
import type { Candidate, Message } from "./working-memory.ts";

/** What the agents of one process have sent and received, which tells when they have come to rest. */
export interface Traffic {
  sent: number;
  received: number;
  /** Messages on their way that were not confirmed, and agents that are about to decide. */
  underWay: number;
  /** Messages that wait for their time, where that is simulated. */
  delayed: number;
}

/** How a negotiation is held. */
export interface Rules {
  readonly seed: number;
  /** Messages take a time on the container's clock, drawn from 1 to this many seconds. 0: they leave at once. */
  readonly maxDelay: number;
  /** Milliseconds in which an agent gathers messages before it decides: the more, the fewer messages are sent. */
  readonly gatherMs: number;
  /** Agents keep to their first choice until they know all others. */
  readonly waits: boolean;
}

/** A neighbour. One message at a time is under way to it; what is new meanwhile goes with the next one. */
interface Neighbour {
  readonly agent: Remote<UnitAgent>;
  /** Schedules that it has had from here. */
  sent: Set<number>;
  isBusy: boolean;
  isBehind: boolean;
}

/** The agent of one unit. */
export class UnitAgent extends Agent {
  readonly #number: number;
  readonly #unit: Unit;
  readonly #target: Schedule;
  readonly #agentCount: number;
  readonly #traffic: Traffic;
  readonly #rules: Rules;
  readonly #onCandidate: (candidate: Candidate) => void;
  #neighbours: Neighbour[] = [];
  #memory!: WorkingMemory;
  #random!: Random;
  #isThinking = false;

  constructor(
    number: number,
    unit: Unit,
    plan: { readonly target: Schedule; readonly agentCount: number; readonly rules: Rules },
    traffic: Traffic,
    onCandidate: (candidate: Candidate) => void,
  ) {
    super();
    this.#number = number;
    this.#unit = unit;
    this.#target = plan.target;
    this.#agentCount = plan.agentCount;
    this.#rules = plan.rules;
    this.#traffic = traffic;
    this.#onCandidate = onCandidate;
  }

  get memory(): WorkingMemory {
    return this.#memory;
  }

  /** Gets to know its neighbours. */
  async meet(addresses: readonly string[]): Promise<void> {
    const agents = await Promise.all(addresses.map((address) => this.container.connect<UnitAgent>(address)));
    this.#neighbours = agents.map((agent) => ({ agent, sent: new Set(), isBusy: false, isBehind: false }));
  }

  /** Forgets all of the last negotiation, and draws a first choice for the next one. */
  prepare(start: number): void {
    const { schedules } = this.#unit;
    this.#random = randomOf(this.#rules.seed * 1_000_003 + start * 1009 + this.#number);
    const first = wholeNumber(this.#random, 0, schedules.length - 1);
    const { waits } = this.#rules;
    this.#memory = new WorkingMemory(this.#target, this.#agentCount, this.#number, schedules, first, waits);
    for (const neighbour of this.#neighbours) neighbour.sent = new Set();
  }

  /** One agent begins. */
  @expose
  start(): void {
    this.#memory.decide();
    this.#tellAll();
  }

  /** What a neighbour knows. Several messages that come together lead to one decision. */
  @expose
  receive(message: Message): void {
    this.#traffic.received++;
    if (!this.#memory.perceive(message) || this.#isThinking) return;
    this.#isThinking = true;
    this.#traffic.underWay++;
    const decide = (): void => {
      this.#isThinking = false;
      this.#memory.decide();
      this.#onCandidate(this.#memory.candidate);
      this.#tellAll();
      this.#traffic.underWay--;
    };
    if (this.#rules.gatherMs > 0) setTimeout(decide, this.#rules.gatherMs);
    else setImmediate(decide);
  }

  #tellAll(): void {
    for (const neighbour of this.#neighbours) {
      neighbour.isBehind = true;
      if (!neighbour.isBusy) this.task(() => this.#tell(neighbour));
    }
  }

  async #tell(neighbour: Neighbour): Promise<void> {
    neighbour.isBusy = true;
    while (neighbour.isBehind) {
      neighbour.isBehind = false;
      const message = this.#memory.messageFor(neighbour.sent);
      if (this.#rules.maxDelay > 0) await this.#delay();
      this.#traffic.sent++;
      this.#traffic.underWay++;
      try {
        await neighbour.agent.receive(message);
      } finally {
        this.#traffic.underWay--;
      }
    }
    neighbour.isBusy = false;
  }

  async #delay(): Promise<void> {
    this.#traffic.delayed++;
    await this.container.clock.sleep(wholeNumber(this.#random, 1, this.#rules.maxDelay));
    this.#traffic.delayed--;
  }
}
