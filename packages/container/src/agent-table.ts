import { ColloquyError, ownName, quoted } from "@colloquy/core";
import { ServiceTable } from "@colloquy/rpc";
import { Agent } from "./agent.ts";
import type { Seat } from "./agent-life.ts";
import type { RestartType } from "./endings.ts";
import type { AgentOptions } from "./spawn-options.ts";

/** A place for an agent: its id and name are taken for as long as the table has it. */
export class AgentSeat implements Seat<Agent> {
  readonly id: string;
  readonly name: string | undefined;
  readonly restart: RestartType | undefined;
  agent: Agent | undefined;
  /** Class of the last agent here, once there was one. */
  className: string | undefined;
  /** Its words may be another one's. */
  isFree = false;

  constructor(id: string, name: string | undefined, restart: RestartType | undefined) {
    this.id = id;
    this.name = name;
    this.restart = restart;
  }
}

/** The agents of one container, by id and name: what hangs below `agents`. */
export class AgentTable extends ServiceTable {
  readonly #seats = new Map<string, AgentSeat>();
  /** Agents by the number that is their id, where they can be called: to find one of many touches less memory than by its word. */
  readonly #numbered: (Agent | undefined)[] = [];
  #nextId = 0;

  /**
   * A seat for a new agent, with the id that is wanted, or the next number.
   *
   * @throws ColloquyError `INVALID_ARGUMENT` for a word that is taken, or that can't stand in an address.
   */
  claim({ id, name }: AgentOptions, restart: RestartType | undefined): AgentSeat {
    if (id !== undefined) this.#check("id", id);
    if (name !== undefined) this.#check("name", name);
    if (name !== undefined && name === id)
      throw new ColloquyError("INVALID_ARGUMENT", `id and name are both ${quoted(name)}; one of them is enough`);
    const seat = new AgentSeat(id ?? this.#number(name), name, restart);
    this.#seats.set(seat.id, seat);
    if (name !== undefined) this.#seats.set(name, seat);
    return seat;
  }

  /** The agent can be called. */
  seat(seat: AgentSeat, agent: Agent): void {
    seat.agent = agent;
    seat.className = ownName(agent.constructor);
    const number = numberOf(seat.id);
    if (number >= 0 && number <= this.#numbered.length) this.#numbered[number] = agent;
  }

  /** Nobody reaches the agent any more; another one may take the seat. */
  leave(seat: AgentSeat, agent: Agent): void {
    if (seat.agent !== agent) return;
    seat.agent = undefined;
    const number = numberOf(seat.id);
    if (this.#numbered[number] === agent) this.#numbered[number] = undefined;
  }

  /** Id and name may be another one's. */
  free(seat: AgentSeat): void {
    seat.isFree = true;
    if (this.#seats.get(seat.id) === seat) this.#seats.delete(seat.id);
    if (seat.name !== undefined && this.#seats.get(seat.name) === seat) this.#seats.delete(seat.name);
  }

  seatOf(word: string): AgentSeat | undefined {
    return this.#seats.get(word);
  }

  /** Those that can be called. */
  all(): Agent[] {
    const agents: Agent[] = [];
    for (const [word, { id, agent }] of this.#seats) if (agent !== undefined && word === id) agents.push(agent);
    return agents;
  }

  /** Ids that are taken. */
  get seatCount(): number {
    let count = 0;
    for (const [word, { id }] of this.#seats) if (word === id) count++;
    return count;
  }

  /** @throws ColloquyError `NOT_FOUND`, and `UNAVAILABLE` for an agent that is being restarted. */
  override lookup(word: string): Agent {
    const agent = this.#numbered[numberOf(word)];
    if (agent !== undefined) return agent;
    const seat = this.#seats.get(word);
    if (seat?.agent !== undefined) return seat.agent;
    // Before the first one is there, there is none.
    if (seat?.className === undefined) {
      throw new ColloquyError("NOT_FOUND", `agent ${quoted(word)} not found in this container`, { executed: "no" });
    }
    throw new ColloquyError("UNAVAILABLE", `agent ${quoted(word)} is being restarted`, { executed: "no" });
  }

  /** Class of the agent, also while it is being restarted; null where there is none. */
  classNameOf(word: unknown): string | null {
    return (typeof word === "string" ? this.#seats.get(word)?.className : undefined) ?? null;
  }

  override nameOf(member: object): string | undefined {
    if (!Agent.isAgent(member)) return undefined;
    const life = Agent.lifeOf(member);
    if (!life.isAttached) return undefined;
    const { seat } = life;
    return seat.agent === member && this.#seats.get(seat.id) === seat ? seat.id : undefined;
  }

  #number(name: string | undefined): string {
    while (this.#seats.has(String(this.#nextId)) || String(this.#nextId) === name) this.#nextId++;
    return String(this.#nextId++);
  }

  #check(what: string, word: unknown): void {
    if (typeof word !== "string" || !/^[^\s/]{1,64}$/.test(word)) {
      const reason = `${what} ${quoted(String(word))}: it has 1 to 64 characters, no slash and no white space`;
      throw new ColloquyError("INVALID_ARGUMENT", reason);
    }
    if (this.#seats.has(word)) throw new ColloquyError("INVALID_ARGUMENT", `there is an agent ${quoted(word)} already`);
  }
}

const ZERO = 48;
const MOST_DIGITS = 9;

/** The number that a word is, as numbers are written; -1 for other words. */
function numberOf(word: string): number {
  if (word.length > MOST_DIGITS || word.length === 0 || (word.length > 1 && word.charCodeAt(0) === ZERO)) return -1;
  let number = 0;
  for (let index = 0; index < word.length; index++) {
    const digit = word.charCodeAt(index) - ZERO;
    if (digit < 0 || digit > 9) return -1;
    number = number * 10 + digit;
  }
  return number;
}
