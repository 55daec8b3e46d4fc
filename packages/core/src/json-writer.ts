import { SerializationError, describeType } from "./errors.ts";
import {
  TYPE_KEY,
  checkKey,
  checkSymbols,
  isPlainArray,
  isPlainBytes,
  isPlainMap,
  tooDeep,
  within,
} from "./lower-lift.ts";
import type { SerializerTable } from "./serializers.ts";

/**
 * True for what `JSON.stringify` writes as it is: nothing of another type, no number that it changes, no key with a meaning.
 * False means that `writeJson` has to look, and to say what is wrong.
 */
export function isPlainJson(value: unknown, depth: number): boolean {
  switch (typeof value) {
    case "string":
    case "boolean":
      return true;
    case "number":
      return Number.isFinite(value) && (value !== 0 || !Object.is(value, -0));
    case "object":
      if (value === null) return true;
      if (depth <= 0) return false;
      return isPlainArray(value) ? isPlainElements(value, depth) : isPlainObject(value, depth);
    default:
      return false;
  }
}

function isPlainElements(value: readonly unknown[], depth: number): boolean {
  if ("toJSON" in value) return false;
  for (let index = 0; index < value.length; index++) {
    if (!isPlainJson(value[index], depth - 1)) return false;
  }
  return true;
}

function isPlainObject(value: object, depth: number): boolean {
  if (Object.getPrototypeOf(value) !== Object.prototype || "toJSON" in value) return false;
  if (Object.getOwnPropertySymbols(value).length > 0) return false;
  for (const key of Object.keys(value)) {
    if (key.charCodeAt(0) === 95 && key.charCodeAt(1) === 95) return false;
    if (!isPlainJson((value as Record<string, unknown>)[key], depth - 1)) return false;
  }
  return true;
}

/**
 * Writes any value that the codec takes.
 *
 * @throws SerializationError with the place in the value.
 */
export function writeJson(value: unknown, table: SerializerTable, depth: number): string {
  switch (typeof value) {
    case "string":
      return JSON.stringify(value);
    case "boolean":
      return value ? "true" : "false";
    case "number":
      return writeNumber(value);
    case "object":
      if (value === null) return "null";
      if (isPlainArray(value)) return writeArray(value, table, depth);
      if (isPlainMap(value)) return writeMap(value as Record<string, unknown>, table, depth);
      if (isPlainBytes(value) && !table.has(Object.getPrototypeOf(value) as object)) throw noBytes(value);
      break;
    default:
  }
  const extended = table.encode(value);
  // The map and the pair in it are two levels.
  if (depth < 2) throw tooDeep();
  return `{"${TYPE_KEY}":[${extended.typeId},${writeJson(extended.data, table, depth - 2)}]}`;
}

function noBytes(value: object): SerializationError {
  return new SerializationError(`${describeType(value)}: JSON has no bytes; MsgPackCodec carries them`);
}

function writeNumber(value: number): string {
  if (!Number.isFinite(value)) throw new SerializationError(`${value} has no form in JSON`);
  return Object.is(value, -0) ? "-0.0" : String(value);
}

function writeArray(value: readonly unknown[], table: SerializerTable, depth: number): string {
  if (depth <= 0) throw tooDeep();
  let text = "[";
  for (let index = 0; index < value.length; index++) {
    try {
      text += (index === 0 ? "" : ",") + writeJson(value[index], table, depth - 1);
    } catch (error) {
      throw within(error, index);
    }
  }
  return `${text}]`;
}

function writeMap(value: Record<string, unknown>, table: SerializerTable, depth: number): string {
  if (depth <= 0) throw tooDeep();
  checkSymbols(value);
  let text = "{";
  for (const key of Object.keys(value)) {
    try {
      checkKey(key);
      text += `${text === "{" ? "" : ","}${JSON.stringify(key)}:${writeJson(value[key], table, depth - 1)}`;
    } catch (error) {
      throw within(error, key);
    }
  }
  return `${text}}`;
}
