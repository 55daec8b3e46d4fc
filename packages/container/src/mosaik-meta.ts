import { ColloquyError, describeType, quoted } from "@colloquy/core";
import type { ModelMeta, SimulatorMeta } from "./mosaik-types.ts";

/** The version of mosaik's low-level API. */
export const MOSAIK_API_VERSION = "3.0";

const TYPES: readonly string[] = ["time-based", "event-based", "hybrid"];
const META_KEYS = ["type", "models", "extraMethods"];
const LISTS = ["trigger", "nonTrigger", "persistent", "nonPersistent"] as const;
const MODEL_KEYS = ["public", "params", "attrs", "anyInputs", ...LISTS];
/** What mosaik calls of every simulator. */
const STANDARD: readonly string[] = ["init", "create", "setup_done", "step", "get_data", "stop"];

/**
 * The meta of a simulator, checked, with the names in it known to the type checker.
 *
 * @throws ColloquyError `INVALID_ARGUMENT` that names what is wrong.
 */
export function simulatorMeta<const M extends SimulatorMeta>(meta: M): M {
  wireMeta(meta);
  return meta;
}

/**
 * The same as mosaik wants it.
 *
 * @throws ColloquyError `INVALID_ARGUMENT`.
 */
export function wireMeta(meta: SimulatorMeta): Record<string, unknown> {
  if (typeof meta !== "object" || meta === null) throw wrong(`meta must be an object, not ${describeType(meta)}`);
  checkKeys(meta, META_KEYS, "meta");
  if (!TYPES.includes(meta.type)) throw wrong(`meta.type must be one of ${TYPES.join(", ")}, not ${shown(meta.type)}`);
  if (typeof meta.models !== "object" || meta.models === null || Object.keys(meta.models).length === 0)
    throw wrong("meta.models must have at least one model");
  const models = Object.entries(meta.models).map(([name, model]) => [name, wireModel(model, name, meta.type)]);
  const extra = namesIn(meta.extraMethods ?? [], "meta.extraMethods");
  const taken = extra.find((name) => STANDARD.includes(name));
  if (taken !== undefined) throw wrong(`meta.extraMethods has ${quoted(taken)}, which every simulator has`);
  return {
    api_version: MOSAIK_API_VERSION,
    type: meta.type,
    models: Object.fromEntries(models) as unknown,
    extra_methods: extra,
  };
}

function wireModel(model: ModelMeta, name: string, type: string): Record<string, unknown> {
  const where = `model ${quoted(name)}`;
  if (typeof model !== "object" || model === null)
    throw wrong(`${where} must be an object, not ${describeType(model)}`);
  checkKeys(model, MODEL_KEYS, where);
  const attrs = namesIn(model.attrs, `attrs of ${where}`);
  checkLists(model, attrs, where, type);
  const wire: Record<string, unknown> = {
    public: model.public ?? true,
    params: namesIn(model.params ?? [], `params of ${where}`),
    attrs,
  };
  if (model.anyInputs !== undefined) wire["any_inputs"] = model.anyInputs;
  if (model.trigger !== undefined) wire["trigger"] = model.trigger;
  if (model.nonTrigger !== undefined) wire["non-trigger"] = model.nonTrigger;
  if (model.persistent !== undefined) wire["persistent"] = model.persistent;
  if (model.nonPersistent !== undefined) wire["non-persistent"] = model.nonPersistent;
  return wire;
}

/** mosaik refuses these, too, but says so in its own words. */
function checkLists(model: ModelMeta, attrs: readonly string[], where: string, type: string): void {
  const refused =
    type === "time-based"
      ? (["trigger", "nonPersistent"] as const)
      : type === "event-based"
        ? (["nonTrigger", "persistent"] as const)
        : [];
  const found = refused.find((key) => (model[key]?.length ?? 0) > 0);
  if (found !== undefined)
    throw wrong(`${where} has ${found}, but its simulator is ${type}: only a hybrid one has both`);
  for (const key of LISTS) {
    if (model[key] === undefined) continue;
    const isInput = key === "trigger" || key === "nonTrigger";
    const unknown = namesIn(model[key], `${key} of ${where}`).find((attr) => !attrs.includes(attr));
    if (unknown !== undefined && !(isInput && model.anyInputs === true))
      throw wrong(`${key} of ${where} has ${quoted(unknown)}, which is none of its attrs: ${listed(attrs)}`);
  }
  checkParts(model.trigger, model.nonTrigger, attrs, model.anyInputs === true, `trigger and nonTrigger of ${where}`);
  checkParts(model.persistent, model.nonPersistent, attrs, false, `persistent and nonPersistent of ${where}`);
}

/** Where both lists are given each attribute is in exactly one. */
function checkParts(
  first: readonly string[] | undefined,
  second: readonly string[] | undefined,
  attrs: readonly string[],
  open: boolean,
  where: string,
): void {
  if (first === undefined || second === undefined) return;
  const twice = first.find((attr) => second.includes(attr));
  if (twice !== undefined) throw wrong(`${where} both have ${quoted(twice)}`);
  const missing = attrs.find((attr) => !first.includes(attr) && !second.includes(attr));
  if (missing !== undefined && !open) throw wrong(`${where}: ${quoted(missing)} is in neither`);
}

function namesIn(names: readonly string[], what: string): readonly string[] {
  if (!Array.isArray(names)) throw wrong(`${what} must be an array of names, not ${describeType(names)}`);
  const odd: unknown = names.find((name) => typeof name !== "string" || name === "");
  if (odd !== undefined) throw wrong(`${what} must be names, not ${shown(odd)}`);
  const twice = names.find((name, at) => names.indexOf(name) !== at);
  if (twice !== undefined) throw wrong(`${what} has ${quoted(twice)} twice`);
  return names;
}

function checkKeys(value: object, known: readonly string[], where: string): void {
  const unknown = Object.keys(value).find((key) => !known.includes(key));
  if (unknown !== undefined)
    throw wrong(`${where} has the unknown key ${quoted(unknown)}; known are ${known.join(", ")}`);
}

/** Names for a message. */
export function listed(names: readonly string[]): string {
  const quotedNames = names.slice(0, 20).map((name) => quoted(name, 64));
  if (names.length > 20) quotedNames.push(`and ${names.length - 20} more`);
  return names.length === 0 ? "there are none" : quotedNames.join(", ");
}

/** A value for a message. */
export function shown(value: unknown): string {
  if (typeof value === "string") return quoted(value, 64);
  const isPlain = value === null || typeof value === "number" || typeof value === "boolean" || value === undefined;
  return isPlain ? String(value) : describeType(value);
}

export function wrong(message: string, cause?: unknown): ColloquyError {
  return new ColloquyError("INVALID_ARGUMENT", message, cause === undefined ? {} : { cause });
}
