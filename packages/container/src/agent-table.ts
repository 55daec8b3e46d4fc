import { ColloquyError, quoted } from "@colloquy/core";
import { ServiceTable } from "@colloquy/rpc";
import type { Agent } from "./agent.ts";

/** The agents of one container, by id: what hangs below `agents`. */
export class AgentTable extends ServiceTable {
  readonly #byId = new Map<string, Agent>();
  readonly #ids = new Map<object, string>();
  /** Agents that are starting: they can't be called yet. */
  readonly #starting = new Map<string, Agent>();
  #nextId = 0;

  get size(): number {
    return this.#byId.size;
  }

  /**
   * The id for a new agent: the wanted one, or the next number.
   *
   * @throws ColloquyError `INVALID_ARGUMENT` for one that is taken, or that can't stand in an address.
   */
  claimId(wanted: string | undefined): string {
    if (wanted === undefined) {
      while (this.#isTaken(String(this.#nextId))) this.#nextId++;
      return String(this.#nextId++);
    }
    if (!/^[^\s/]{1,64}$/.test(wanted)) {
      throw new ColloquyError(
        "INVALID_ARGUMENT",
        `id ${quoted(wanted)}: it has 1 to 64 characters, no slash and no white space`,
      );
    }
    if (this.#isTaken(wanted))
      throw new ColloquyError("INVALID_ARGUMENT", `there is an agent ${quoted(wanted)} already`);
    return wanted;
  }

  /** Keeps an id for an agent that is starting. */
  reserve(id: string, agent: Agent): void {
    this.#starting.set(id, agent);
  }

  add(id: string, agent: Agent): void {
    this.#starting.delete(id);
    this.#byId.set(id, agent);
    this.#ids.set(agent, id);
  }

  /** Nobody reaches the agent any more. The id may be another one's already. */
  remove(id: string, agent: Agent): void {
    if (this.#starting.get(id) === agent) this.#starting.delete(id);
    if (this.#byId.get(id) === agent) this.#byId.delete(id);
    this.#ids.delete(agent);
  }

  #isTaken(id: string): boolean {
    return this.#byId.has(id) || this.#starting.has(id);
  }

  /** Those that can be called. */
  all(): Agent[] {
    return [...this.#byId.values()];
  }

  override lookup(id: string): Agent | undefined {
    return this.#byId.get(id);
  }

  override nameOf(member: object): string | undefined {
    return this.#ids.get(member);
  }
}
