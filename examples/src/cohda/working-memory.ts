import type { Schedule } from "./instance.ts";

/** The best choice of schedules that an agent knows of. */
export interface Candidate {
  /** The agent that has made it. */
  readonly by: number;
  /** How far its sum is from the target: absolute differences, added up. */
  readonly distance: number;
  /** Number of the schedule of each agent; `UNKNOWN` for those that it doesn't cover. */
  readonly choices: readonly number[];
}

/** What one agent tells another one: its view of the system, and its candidate. */
export interface Message {
  /** Schedules that the receiver has not had from this sender: those of an agent are known by number from then on. */
  readonly schedules: readonly (readonly [agent: number, number: number, schedule: Schedule])[];
  /** The schedule that each agent has chosen, as far as known. */
  readonly choices: readonly number[];
  /** How often each agent has chosen: more is newer. */
  readonly counters: readonly number[];
  readonly candidate: Candidate;
}

export const UNKNOWN = -1;

/** How far a sum is from the target. */
export function distanceOf(target: Schedule, sum: Schedule): number {
  return target.reduce((distance, power, at) => distance + Math.abs(power - sum[at]!), 0);
}

/** Whether the first choice has agents that the second one lacks. */
function coversMore(first: readonly number[], second: readonly number[]): boolean {
  for (let agent = 0; agent < first.length; agent++) {
    if (first[agent] !== UNKNOWN && second[agent] === UNKNOWN) return true;
  }
  return false;
}

/**
 * The working memory of one agent of COHDA (Hinrichs, Lehnhoff, Sonnenschein): the target, the system's configuration as this agent sees it,
 * and the best solution candidate that it knows. An agent perceives messages, decides on its own schedule, and tells its neighbours
 * where anything has changed. Of two candidates the one that covers more agents counts, then the one that is nearer to the target, then the
 * one of the agent with the lower number: so all agents agree in the end.
 */
export class WorkingMemory {
  readonly #target: Schedule;
  readonly #own: number;
  readonly #ownCount: number;
  readonly #waits: boolean;
  /** By agent and number. */
  readonly #schedules: Map<number, Schedule>[];
  readonly #choices: number[];
  readonly #counters: number[];
  #candidate: Candidate;

  /** `waits`: until it knows all agents it keeps to its first choice, so that the search begins where the first choices are. */
  constructor(
    target: Schedule,
    agentCount: number,
    own: number,
    schedules: readonly Schedule[],
    firstChoice: number,
    waits: boolean,
  ) {
    this.#waits = waits;
    this.#target = target;
    this.#own = own;
    this.#ownCount = schedules.length;
    this.#schedules = Array.from({ length: agentCount }, () => new Map<number, Schedule>());
    this.#schedules[own] = new Map(schedules.entries());
    this.#choices = Array.from({ length: agentCount }, (_, agent) => (agent === own ? firstChoice : UNKNOWN));
    this.#counters = Array.from({ length: agentCount }, (_, agent) => (agent === own ? 1 : 0));
    this.#candidate = this.#candidateOf([...this.#choices]);
  }

  get candidate(): Candidate {
    return this.#candidate;
  }

  /** True once the candidate has a schedule of each agent. */
  get isComplete(): boolean {
    return !this.#candidate.choices.includes(UNKNOWN);
  }

  /** Takes in what another agent knows. Returns whether anything of it is new. */
  perceive({ schedules, choices, counters, candidate }: Message): boolean {
    for (const [agent, number, schedule] of schedules) this.#schedules[agent]!.set(number, schedule);
    let isNew = false;
    for (let agent = 0; agent < counters.length; agent++) {
      const counter = counters[agent]!;
      if (counter <= this.#counters[agent]!) continue;
      this.#choices[agent] = choices[agent]!;
      this.#counters[agent] = counter;
      isNew = true;
    }
    return this.#weigh(candidate) || isNew;
  }

  #weigh(other: Candidate): boolean {
    const mine = this.#candidate;
    const lacks = coversMore(other.choices, mine.choices);
    if (lacks) {
      const merged = mine.choices.map((choice, agent) => (choice === UNKNOWN ? other.choices[agent]! : choice));
      // One that covers all of the merged one is as good as it is.
      const isOther = merged.every((choice, agent) => choice === other.choices[agent]);
      this.#candidate = isOther ? other : this.#candidateOf(merged);
      return true;
    }
    const isBetter = other.distance < mine.distance || (other.distance === mine.distance && other.by < mine.by);
    if (!isBetter || coversMore(mine.choices, other.choices)) return false;
    this.#candidate = other;
    return true;
  }

  /**
   * Finds the own schedule that suits what the others have chosen best. Where that makes a better candidate, it is chosen; else the own
   * schedule becomes that of the candidate. Returns whether anything has changed.
   */
  decide(): boolean {
    if (this.#waits && this.#choices.includes(UNKNOWN)) return false;
    const others = this.#choices.map((choice, agent) => (agent === this.#own ? UNKNOWN : choice));
    const rest = this.#sumOf(others);
    let [best, bestDistance] = [this.#choices[this.#own]!, Infinity];
    for (let number = 0; number < this.#ownCount; number++) {
      const schedule = this.#scheduleOf(this.#own, number);
      const distance = distanceOf(
        this.#target,
        rest.map((power, at) => power + schedule[at]!),
      );
      if (distance < bestDistance) [best, bestDistance] = [number, distance];
    }
    const choices = this.#choices.with(this.#own, best);
    if (coversMore(choices, this.#candidate.choices) || bestDistance < this.#candidate.distance) {
      this.#candidate = { by: this.#own, distance: bestDistance, choices };
      this.#choose(best);
      return true;
    }
    return this.#choose(this.#candidate.choices[this.#own]!);
  }

  #choose(number: number): boolean {
    if (this.#choices[this.#own] === number) return false;
    this.#choices[this.#own] = number;
    this.#counters[this.#own] = this.#counters[this.#own]! + 1;
    return true;
  }

  /** All that this agent knows, for a neighbour that has had the schedules in `sent`, which then has those of this message, too. */
  messageFor(sent: Set<number>): Message {
    const schedules: [number, number, Schedule][] = [];
    for (const choices of [this.#choices, this.#candidate.choices]) {
      for (let agent = 0; agent < choices.length; agent++) {
        const number = choices[agent]!;
        const key = number * choices.length + agent;
        if (number === UNKNOWN || sent.has(key)) continue;
        sent.add(key);
        schedules.push([agent, number, this.#scheduleOf(agent, number)]);
      }
    }
    return { schedules, choices: [...this.#choices], counters: [...this.#counters], candidate: this.#candidate };
  }

  /** The power of all agents together, as the candidate has it. */
  candidateSum(): Schedule {
    return this.#sumOf(this.#candidate.choices);
  }

  #candidateOf(choices: readonly number[]): Candidate {
    return { by: this.#own, distance: distanceOf(this.#target, this.#sumOf(choices)), choices };
  }

  #sumOf(choices: readonly number[]): number[] {
    const sum = this.#target.map(() => 0);
    for (let agent = 0; agent < choices.length; agent++) {
      const number = choices[agent]!;
      if (number === UNKNOWN) continue;
      const schedule = this.#scheduleOf(agent, number);
      for (let at = 0; at < sum.length; at++) sum[at] = sum[at]! + schedule[at]!;
    }
    return sum;
  }

  #scheduleOf(agent: number, number: number): Schedule {
    return this.#schedules[agent]!.get(number)!;
  }
}
