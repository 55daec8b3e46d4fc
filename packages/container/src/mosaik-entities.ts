import { describeType, quoted } from "@colloquy/core";
import { listed, shown, wrong } from "./mosaik-meta.ts";
import type { Entity, ModelMeta, OutputValues, SimulatorMeta } from "./mosaik-types.ts";
import { checkJson, checkTime, isPlain } from "./mosaik-values.ts";

/** The entities that a simulator has made, by name: what it returns, and what mosaik asks for, is held against them. */
export class EntityTable {
  readonly #meta: SimulatorMeta;
  /** Model of each entity. */
  readonly #models = new Map<string, string>();

  constructor(meta: SimulatorMeta) {
    this.#meta = meta;
  }

  /** @throws ColloquyError `INVALID_ARGUMENT` for what can't be created. */
  checkCreate(count: unknown, model: unknown, params: Readonly<Record<string, unknown>>): void {
    if (!Number.isSafeInteger(count) || (count as number) < 0)
      throw wrong(`create makes a whole number of entities, not ${shown(count)}`);
    const { models } = this.#meta;
    const found = typeof model === "string" && Object.hasOwn(models, model) ? models[model] : undefined;
    const isPublic = ([, { public: open }]: [string, ModelMeta]): boolean => open !== false;
    const known = Object.entries(models)
      .filter(isPublic)
      .map(([name]) => name);
    if (found === undefined) throw wrong(`there is no model ${shown(model)}; the models are ${listed(known)}`);
    if (found.public === false)
      throw wrong(
        `model ${shown(model)} isn't public: it comes as a child of others; the public ones are ${listed(known)}`,
      );
    const unknown = Object.keys(params).find((name) => found.params?.includes(name) !== true);
    if (unknown === undefined) return;
    throw wrong(
      `model ${shown(model)} has no parameter ${quoted(unknown)}; its parameters are ${listed(found.params ?? [])}`,
    );
  }

  /**
   * Takes what `create` has returned.
   *
   * @throws ColloquyError `INVALID_ARGUMENT`; nothing of it is taken then.
   */
  add(entities: readonly Entity[], count: number, model: string): Record<string, unknown>[] {
    if (!Array.isArray(entities)) throw wrong(`create must return an array of entities, not ${describeType(entities)}`);
    if (entities.length !== count)
      throw wrong(`create was asked for ${count} of model ${quoted(model)} and returned ${entities.length}`);
    const made = new Map<string, string>();
    const wire = entities.map((entity, at) => this.#read(entity, `entity ${at} of create`, model, made));
    for (const [eid, type] of made) this.#models.set(eid, type);
    return wire;
  }

  #read(entity: Entity, what: string, model: string | undefined, made: Map<string, string>): Record<string, unknown> {
    if (!isPlain(entity)) throw wrong(`${what} must be an object with eid and type, not ${shown(entity)}`);
    const { eid, type, rel, children, extraInfo } = entity;
    if (typeof eid !== "string" || eid === "") throw wrong(`eid of ${what} must be a text, not ${shown(eid)}`);
    if (made.has(eid) || this.#models.has(eid))
      throw wrong(`${what} has the eid ${quoted(eid)}, which another one has`);
    if (model !== undefined && type !== model)
      throw wrong(`${what}, ${quoted(eid)}, has the type ${shown(type)}, but ${quoted(model)} was asked for`);
    if (!Object.hasOwn(this.#meta.models, type))
      throw wrong(
        `${what}, ${quoted(eid)}, has the type ${shown(type)}; the models are ${listed(Object.keys(this.#meta.models))}`,
      );
    made.set(eid, type);
    const wire: Record<string, unknown> = { eid, type };
    if (rel !== undefined) wire["rel"] = rel;
    if (extraInfo !== undefined) wire["extra_info"] = extraInfo;
    if (children !== undefined)
      wire["children"] = children.map((child, at) =>
        this.#read(child, `child ${at} of ${quoted(eid)}`, undefined, made),
      );
    checkJson({ rel: rel ?? null, extraInfo: extraInfo ?? null }, `entity ${quoted(eid)}`);
    return wire;
  }

  /** @throws ColloquyError `INVALID_ARGUMENT` for entities and attributes that aren't there. */
  checkRequest(outputs: unknown): asserts outputs is Readonly<Record<string, readonly string[]>> {
    if (!isPlain(outputs)) throw wrong(`get_data takes a map of entities to attributes, not ${shown(outputs)}`);
    for (const [eid, attrs] of Object.entries(outputs)) {
      const model = this.#models.get(eid);
      if (model === undefined)
        throw wrong(
          `get_data asks for ${quoted(eid)}, which was not created; there are ${listed([...this.#models.keys()])}`,
        );
      const known = this.#meta.models[model]!.attrs;
      if (!Array.isArray(attrs))
        throw wrong(`get_data takes a list of attributes of ${quoted(eid)}, not ${shown(attrs)}`);
      const unknown: unknown = attrs.find((attr) => !known.includes(attr as string));
      if (unknown !== undefined)
        throw wrong(
          `${quoted(eid)} of model ${quoted(model)} has no attribute ${shown(unknown)}; it has ${listed(known)}`,
        );
    }
  }

  /** Holds what `getData` has returned against what was asked for. @throws ColloquyError `INVALID_ARGUMENT`. */
  checkOutputs(values: OutputValues, outputs: Readonly<Record<string, readonly string[]>>, now: number): void {
    if (!isPlain(values)) throw wrong(`getData must return a map of entities to values, not ${shown(values)}`);
    checkJson(values, "what getData returns");
    const isTimeBased = this.#meta.type === "time-based";
    for (const [eid, attributes] of Object.entries(values)) {
      if (eid === "time" && !this.#models.has(eid)) this.#checkOutputTime(attributes, now);
      else if (!this.#models.has(eid)) throw wrong(`getData returns values of ${quoted(eid)}, which was not created`);
      else if (!isPlain(attributes))
        throw wrong(`getData must return a map for ${quoted(eid)}, not ${shown(attributes)}`);
    }
    if (!isTimeBased) return;
    for (const [eid, attrs] of Object.entries(outputs)) {
      const given = Object.hasOwn(values, eid) ? (values[eid] as Readonly<Record<string, unknown>>) : {};
      const missing = attrs.find((attr) => !Object.hasOwn(given, attr));
      if (missing !== undefined)
        throw wrong(
          `getData of a time-based simulator returns all that is asked for; ${quoted(missing)} of ${quoted(eid)} is missing`,
        );
    }
  }

  #checkOutputTime(time: unknown, now: number): void {
    if (this.#meta.type === "time-based")
      throw wrong("getData returns a time, which outputs of time-based simulators don't have");
    checkTime(time, "the time that getData returns");
    if (time < now) throw wrong(`getData returns the time ${time}, which is before the step at ${now}`);
  }
}
