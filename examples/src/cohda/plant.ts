import { Agent, Container } from "@colloquy/container";
import type { Clock, LaunchContext } from "@colloquy/container";
import { MsgPackCodec, expose } from "@colloquy/rpc";
import type { Schedule, Unit } from "./instance.ts";
import { UnitAgent } from "./unit-agent.ts";
import type { Rules, Traffic } from "./unit-agent.ts";
import type { Candidate } from "./working-memory.ts";

/** What a process needs to know to host a share of the units. */
export interface Share {
  readonly target: Schedule;
  readonly agentCount: number;
  readonly rules: Rules;
  /** Number of the first unit of this share. */
  readonly firstNumber: number;
  readonly units: readonly Unit[];
}

/** A better candidate that covers all agents: when, in milliseconds since 1970, and how far from the target. */
export type Improvement = readonly [timeMs: number, distance: number];

/** The units of one process: sets them up, and tells whether they have come to rest and what they have agreed on. */
export class Plant extends Agent {
  readonly #share: Share;
  readonly #traffic: Traffic = { sent: 0, received: 0, underWay: 0, delayed: 0 };
  readonly #units: UnitAgent[] = [];
  #improvements: Improvement[] = [];
  #best = Infinity;

  constructor(share: Share) {
    super();
    this.#share = share;
  }

  protected override async onStart(): Promise<void> {
    const { units, firstNumber } = this.#share;
    for (const [at, unit] of units.entries()) {
      const number = firstNumber + at;
      const agent = new UnitAgent(number, unit, this.#share, this.#traffic, (candidate) => this.#note(candidate));
      this.#units.push(await this.container.spawn(agent, { id: `unit-${number}` }));
    }
  }

  /** Tells each unit the addresses of its neighbours. */
  @expose
  async meet(neighbours: readonly (readonly string[])[]): Promise<void> {
    await Promise.all(this.#units.map((unit, at) => unit.meet(neighbours[at]!)));
  }

  @expose
  prepare(start: number): void {
    for (const unit of this.#units) unit.prepare(start);
    this.#improvements = [];
    this.#best = Infinity;
  }

  @expose
  traffic(): Traffic {
    return this.#traffic;
  }

  /** The candidates of all units of this process: where they have agreed, there is one. */
  @expose
  results(): { readonly candidates: Candidate[]; readonly sum: Schedule; readonly improvements: Improvement[] } {
    const byText = new Map(this.#units.map(({ memory }) => [JSON.stringify(memory.candidate), memory.candidate]));
    const sum = this.#units[0]!.memory.candidateSum();
    return { candidates: [...byText.values()], sum, improvements: this.#improvements };
  }

  #note({ distance, choices }: Candidate): void {
    if (distance >= this.#best || choices.includes(-1)) return;
    this.#best = distance;
    this.#improvements.push([performance.timeOrigin + performance.now(), distance]);
  }
}

/** A container with one share of the units. */
export async function hostShare(address: string, share: Share, clock?: Clock): Promise<Container> {
  const container = await Container.create(address, { codec: MsgPackCodec, clock });
  await container.spawn(new Plant(share), { id: "plant" });
  return container;
}

/** What `launch` runs in a new process. */
export default function main({ args }: LaunchContext): Promise<Container> {
  return hostShare("tcp://127.0.0.1:0", args as Share);
}
