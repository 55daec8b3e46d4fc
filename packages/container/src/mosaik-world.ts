import type { Remote } from "@colloquy/rpc";
import { checkJson, checkTime } from "./mosaik-values.ts";

/** An entity among those that another one has to do with. */
export interface RelatedEntity {
  readonly type: string;
}

/** All entities of a scenario, by their full names, and which of them are connected. */
export interface EntityGraph {
  readonly nodes: Readonly<Record<string, RelatedEntity>>;
  readonly edges: readonly (readonly [from: string, to: string, attributes: Readonly<Record<string, unknown>>])[];
}

/** Related entities by full name. */
export type RelatedEntities = Readonly<Record<string, RelatedEntity>>;

interface MosaikRoot {
  get_progress(): number;
  get_related_entities(entities: string | readonly string[] | null): unknown;
  get_data(request: Readonly<Record<string, readonly string[]>>): Readonly<Record<string, Record<string, unknown>>>;
  set_data(values: DataToSet): null;
  set_event(time: number): null;
}

/** `{ [full name of the source]: { [full name of the destination]: { [attribute]: value } } }`. */
export type DataToSet = Readonly<Record<string, Readonly<Record<string, Readonly<Record<string, unknown>>>>>>;

/**
 * mosaik as a simulator calls it, most often within a step. Full names are `simulator.entity`. What mosaik refuses rejects with a
 * `RemoteError` that has its name and message; a lost connection with `CONNECTION_LOST`.
 */
export class MosaikWorld {
  readonly #remote: Remote<MosaikRoot>;

  /** @internal */
  constructor(remote: object) {
    this.#remote = remote as Remote<MosaikRoot>;
  }

  /** How far the simulation is, in percent. */
  async getProgress(): Promise<number> {
    return this.#remote.get_progress();
  }

  /** What is connected to an entity, or to each of several; without an argument the graph of all. */
  getRelatedEntities(): Promise<EntityGraph>;
  getRelatedEntities(entity: string): Promise<RelatedEntities>;
  getRelatedEntities(entities: readonly string[]): Promise<Readonly<Record<string, RelatedEntities>>>;
  async getRelatedEntities(entities: string | readonly string[] | null = null): Promise<unknown> {
    return this.#remote.get_related_entities(entities);
  }

  /** Values of entities of other simulators: `{ "Grid-0.node_1": ["P"] }`. */
  async getData(
    request: Readonly<Record<string, readonly string[]>>,
  ): Promise<Readonly<Record<string, Readonly<Record<string, unknown>>>>> {
    return this.#remote.get_data(request);
  }

  /** Sets inputs of entities of other simulators, for their next steps. Scenarios allow it for each connection. */
  async setData(values: DataToSet): Promise<void> {
    checkJson(values, "setData");
    await this.#remote.set_data(values);
  }

  /** Asks for a step at `time`, an integer. mosaik takes it in real-time runs only. */
  async setEvent(time: number): Promise<void> {
    checkTime(time, "the time of setEvent");
    await this.#remote.set_event(time);
  }
}
