import { Agent } from "./agent.ts";
import type { AgentChild } from "./agent.ts";
import type { AgentSeat } from "./agent-table.ts";
import type { ChildHome, ChildSpec } from "./child-spec.ts";
import type { Ending, RestartType } from "./endings.ts";

/** What the container does for an agent under a supervisor. */
export interface SupervisedAgentHost<A extends Agent> {
  /** A seat with this id; undefined: what its options say. */
  claim(id: string | undefined): AgentSeat;
  begin(seatOf: () => AgentSeat): Promise<A>;
  adopt(seat: AgentSeat, terminate: () => Promise<void>): void;
  /** `holds`: another life will follow on the seat. */
  end(agent: A, holds: boolean): Promise<void>;
  release(seat: AgentSeat): void;
}

/** An agent as the child of a supervisor: one seat, over all its lives. */
export class SupervisedAgent<A extends Agent> implements ChildSpec<AgentChild<A>> {
  readonly id: string;
  readonly restart: RestartType;
  readonly #host: SupervisedAgentHost<A>;
  #seat: AgentSeat | undefined;
  #seatId: string | undefined;
  /** The agent of the present life, or of the last. */
  latest: A | undefined;
  /** Told when no other life is about to follow. */
  onRelease: (() => void) | undefined;

  constructor(id: string, restart: RestartType, host: SupervisedAgentHost<A>) {
    this.id = id;
    this.restart = restart;
    this.#host = host;
  }

  async start(home: ChildHome): Promise<AgentChild<A>> {
    const agent = await this.#host.begin(() => this.#take(home));
    this.latest = agent;
    const ended = new Promise<Ending>((resolve) => Agent.lifeOf(agent).onEnd(resolve));
    return { agent, ended, stop: async () => this.#host.end(agent, true) };
  }

  release(): void {
    const seat = this.#seat;
    this.#seat = undefined;
    if (seat === undefined) return;
    this.#host.release(seat);
    this.onRelease?.();
  }

  /** Whether it lives, or is about to. */
  get isSeated(): boolean {
    return this.#seat !== undefined;
  }

  #take(home: ChildHome): AgentSeat {
    const known = this.#seat;
    const seat = known === undefined || known.isFree ? this.#host.claim(this.#seatId) : known;
    this.#seat = seat;
    this.#seatId = seat.id;
    this.#host.adopt(seat, async () => home.terminate(this.id));
    return seat;
  }
}
