import { SerializationError, valueStep } from "./errors.ts";
import type { EntryStep, PlaceStep } from "./errors.ts";
import { LONGEST_HASHED_TEXT } from "./key-chains.ts";
import type { DecodingBudget, ExtendedValue, SerializerTable } from "./serializers.ts";

/** The only key of a map that stands for a value of another type: `{"__type__": [typeId, data]}`. */
export const TYPE_KEY = "__type__";
/** The engine keeps all keys in one table, where longer ones of a length are compared with one another: for good, not for a message. */
export const LONGEST_KEY: number = LONGEST_HASHED_TEXT;

/** Type id of Maps, whose data are keys and values by turns. */
export const MAP_ID = -5;

/** Writes values in plain terms: null, booleans, numbers, strings, bytes, arrays, maps. */
export interface PlainRules {
  /** Whether the codec carries NaN, the infinities and -0. */
  readonly anyNumber: boolean;
  /** Whether the codec carries bytes. */
  readonly bytes: boolean;
}

/** True for `{}` and objects without a prototype, also those of another realm. */
export function isPlainMap(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype === Object.prototype || prototype === null) return true;
  return (
    Object.getPrototypeOf(prototype) === null &&
    Object.prototype.hasOwnProperty.call(prototype, "hasOwnProperty") &&
    Object.prototype.hasOwnProperty.call(prototype, "isPrototypeOf")
  );
}

/** True for an object without keys that is read by iteration: it is no empty map, but for serializers and built-in types. */
export function isAsyncIterable(value: object): boolean {
  return Symbol.asyncIterator in value;
}

/** True for what a map of a peer is once it is decoded; also for other objects that are no array. */
export function isMap(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** True for arrays, also those of another realm; false for instances of classes that extend Array. */
export function isPlainArray(value: unknown): value is unknown[] {
  if (!Array.isArray(value)) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Array.prototype || (Array.isArray(prototype) && Object.hasOwn(prototype, "concat"));
}

/** True for bytes as MsgPack has them: a `Uint8Array` or a `Buffer`, not another class that extends them. */
export function isPlainBytes(value: object): value is Uint8Array {
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Uint8Array.prototype || prototype === Buffer.prototype;
}

/** The same error one level further out. */
export function within(error: unknown, step: PlaceStep): unknown {
  return error instanceof SerializationError ? error.within(step) : error;
}

/** The failure of the data that a value crosses as, with the place in the value: a Map has entries, not keys and values by turns. */
export function withinData(error: unknown, value: unknown, { typeId }: ExtendedValue): unknown {
  if (typeId !== MAP_ID || !(error instanceof SerializationError)) return error;
  return error.withOutermost((step) =>
    typeof step === "number" ? entryStep(value as Map<unknown, unknown>, step) : step,
  );
}

function entryStep(map: ReadonlyMap<unknown, unknown>, index: number): EntryStep {
  const number = index >> 1;
  return index % 2 === 0 ? { key: number } : valueStep([...map.keys()][number], number);
}

/** What has failed, with its place in the stack: for where it leaves the codec. */
export function located(thrown: unknown): unknown {
  const error = explained(thrown);
  return error instanceof SerializationError ? error.located() : error;
}

/** A value that uses up the stack is one that is too deep; the limit may be higher than what the stack has left. */
export function explained(error: unknown): unknown {
  if (!(error instanceof RangeError) || !error.message.includes("call stack")) return error;
  return new SerializationError("nested deeper than the stack allows (maxDepth)", { cause: error, limit: "maxDepth" });
}

/** @throws SerializationError for a key that can't be told from the protocol's own or that would change a prototype. */
export function checkKey(key: string): void {
  if (key.length > LONGEST_KEY) throw longKey(key.length);
  if (key === TYPE_KEY)
    throw new SerializationError(`a map can't have the key "${TYPE_KEY}": it marks extended values`);
  if (key === "__proto__") throw new SerializationError('a map can\'t have the key "__proto__"');
}

/**
 * Refuses what a copy of a decoded map could turn against its reader: a `then` that an await would call, a `toJSON` that
 * `JSON.stringify` would, a `constructor` that leads a merge to a prototype.
 */
export function checkDecodedEntry(key: string, value: unknown): void {
  if ((key === "then" || key === "toJSON") && typeof value === "function")
    throw new SerializationError(`a map can't have a function as "${key}"`);
  if (key === "constructor" && typeof value === "object" && value !== null && Object.hasOwn(value, "prototype")) {
    throw new SerializationError('a map can\'t have a "constructor" with a "prototype"');
  }
}

/** @throws SerializationError for a string that UTF-8 can't carry. */
export function checkString(text: string): void {
  // Part of ES2024: the engines of Node 20, Bun and Deno have it.
  if (!(text as unknown as { isWellFormed(): boolean }).isWellFormed()) {
    throw new SerializationError("string with a lone surrogate, which UTF-8 can't carry");
  }
}

/** A tree of plain values for `value`, in which extended values stand as `{"__type__": [typeId, data]}`. */
export function lower(value: unknown, table: SerializerTable, rules: PlainRules, depth: number): unknown {
  switch (typeof value) {
    case "string":
      checkString(value);
      return value;
    case "boolean":
      return value;
    case "number":
      if (!rules.anyNumber && !Number.isFinite(value))
        throw new SerializationError(`${value} has no form in this codec`);
      return value;
    case "object":
      if (value === null) return null;
      if (isPlainArray(value)) return lowerArray(value, table, rules, depth);
      if (rules.bytes && isPlainBytes(value) && !table.isLarge(value)) return value;
      if (isPlainMap(value)) return lowerMap(value as Record<string, unknown>, table, rules, depth);
      break;
    default:
  }
  return lowerExtended(value, table, rules, depth);
}

function lowerExtended(value: unknown, table: SerializerTable, rules: PlainRules, depth: number): unknown {
  const extended = table.encode(value);
  // The map and the pair in it are two levels.
  if (depth < 2) throw tooDeep();
  try {
    return { [TYPE_KEY]: [extended.typeId, lower(extended.data, table, rules, depth - 2)] };
  } catch (error) {
    throw withinData(error, value, extended);
  }
}

function lowerArray(value: readonly unknown[], table: SerializerTable, rules: PlainRules, depth: number): unknown[] {
  if (depth <= 0) throw tooDeep();
  const result: unknown[] = [];
  for (let index = 0; index < value.length; index++) {
    try {
      result.push(lower(value[index], table, rules, depth - 1));
    } catch (error) {
      throw within(error, index);
    }
  }
  return result;
}

function lowerMap(value: Record<string, unknown>, table: SerializerTable, rules: PlainRules, depth: number): unknown {
  if (depth <= 0) throw tooDeep();
  const result: Record<string, unknown> = {};
  const keys = Object.keys(value);
  if (keys.length === 0 && isAsyncIterable(value)) return lowerExtended(value, table, rules, depth);
  for (const key of keys) {
    try {
      checkKey(key);
      checkString(key);
      result[key] = lower(value[key], table, rules, depth - 1);
    } catch (error) {
      throw within(error, key);
    }
  }
  return result;
}

export function longKey(length: number): SerializationError {
  return new SerializationError(`a key of ${length} characters; the limit is ${LONGEST_KEY}`);
}

export function tooDeep(): SerializationError {
  return new SerializationError("nested deeper than the limit (maxDepth), or cyclic", { limit: "maxDepth" });
}

/** @throws SerializationError for a tree of plain values that has more levels. */
export function checkDepth(plain: unknown, depth: number): void {
  if (typeof plain !== "object" || plain === null) return;
  if (depth <= 0) throw tooDeep();
  const values: readonly unknown[] = Array.isArray(plain) ? plain : Object.values(plain);
  for (const value of values) if (typeof value === "object") checkDepth(value, depth - 1);
}

/**
 * The values that a tree of plain values stands for. Arrays and maps are changed in place. What built-in types take beyond their
 * data is spent from the budget.
 */
export function lift(plain: unknown, table: SerializerTable, depth: number, budget: DecodingBudget): unknown {
  if (typeof plain !== "object" || plain === null) return plain;
  if (depth <= 0) throw tooDeep();
  if (Array.isArray(plain)) {
    for (let index = 0; index < plain.length; index++) {
      try {
        plain[index] = lift(plain[index], table, depth - 1, budget);
      } catch (error) {
        throw within(error, index);
      }
    }
    return plain;
  }
  return isPlainMap(plain) ? liftMap(plain as Record<string, unknown>, table, depth, budget) : plain;
}

function liftMap(
  plain: Record<string, unknown>,
  table: SerializerTable,
  depth: number,
  budget: DecodingBudget,
): unknown {
  if (Object.hasOwn(plain, TYPE_KEY)) {
    const pair = plain[TYPE_KEY];
    if (depth < 2) throw tooDeep();
    if (!isExtendedPair(plain, pair))
      throw new SerializationError(`malformed extended value: "${TYPE_KEY}" takes [id, data]`);
    return table.decode(pair[0], lift(pair[1], table, depth - 2, budget), budget);
  }
  for (const key of Object.keys(plain)) {
    try {
      checkKey(key);
      const value = lift(plain[key], table, depth - 1, budget);
      checkDecodedEntry(key, value);
      plain[key] = value;
    } catch (error) {
      throw within(error, key);
    }
  }
  return plain;
}

function isExtendedPair(plain: object, pair: unknown): pair is [unknown, unknown] {
  return Array.isArray(pair) && pair.length === 2 && Object.keys(plain).length === 1;
}
