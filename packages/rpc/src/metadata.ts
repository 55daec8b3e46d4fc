import { ColloquyError, describeType, estimateBytes, isMap, quoted } from "@colloquy/core";

/** What a caller tells of a call beside its arguments: texts, numbers, booleans, null, and arrays and maps of them. */
export type Metadata = Readonly<Record<string, unknown>>;

/** Of one call, in bytes as they are estimated: 9 for each value, and the length of texts and keys. */
export const MAX_METADATA_BYTES = 16_384;
export const MAX_METADATA_KEY_COUNT = 64;
const MAX_DEPTH = 8;

const TRACE = /^(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}$/;

/** No names but those that the caller has given: neither map inherits any. */
export const NO_METADATA: Metadata = Object.freeze(Object.create(null) as Record<string, unknown>);

/**
 * A frozen copy of `given`, without the entries that are undefined.
 *
 * @throws ColloquyError `INVALID_ARGUMENT` for what is no map of plain values, or over the limits.
 */
export function metadataOf(given: unknown): Metadata {
  if (given === undefined || given === NO_METADATA) return NO_METADATA;
  if (!isPlainMap(given)) throw invalid(`metadata is ${describeType(given)}; it takes an object of plain values`);
  const names = Object.keys(given);
  if (names.length === 0) return NO_METADATA;
  if (names.length > MAX_METADATA_KEY_COUNT)
    throw invalid(`metadata has ${names.length} keys; the limit is ${MAX_METADATA_KEY_COUNT}`);
  if (estimateBytes(given, MAX_METADATA_BYTES) > MAX_METADATA_BYTES)
    throw invalid(`metadata takes more than ${MAX_METADATA_BYTES} bytes; send what is large as an argument`);
  return copyOf(given, "metadata", MAX_DEPTH);
}

/**
 * A W3C `traceparent` as it was given: `00-<trace id>-<parent id>-<flags>`, in lower-case digits.
 *
 * @throws ColloquyError `INVALID_ARGUMENT`
 */
export function traceOf(given: unknown): string | undefined {
  if (given === undefined || isTrace(given)) return given;
  const shown = typeof given === "string" ? quoted(given, 64) : describeType(given);
  const form = "00-<32 digits>-<16 digits>-<2 digits>, hexadecimal in lower case, not all 0";
  throw invalid(`trace is ${shown}; it takes a traceparent of W3C: ${form}`);
}

export function isTrace(value: unknown): value is string {
  return typeof value === "string" && TRACE.test(value);
}

interface Tags {
  readonly metadata?: Metadata | undefined;
  readonly trace?: string | undefined;
}

/** What notifications have of the options of calls. */
export interface NotificationTags {
  readonly metadata?: Metadata;
  readonly trace?: string;
  readonly kwargs?: Readonly<Record<string, unknown>>;
}

/** Those options that notifications have; undefined where there are none. */
export function tagsOf({ metadata = NO_METADATA, trace, kwargs }: NotificationTags = {}): NotificationTags | undefined {
  if (metadata === NO_METADATA && trace === undefined && kwargs === undefined) return undefined;
  return { metadata, ...(trace !== undefined && { trace }), ...(kwargs !== undefined && { kwargs }) };
}

/** What requests carry of them; undefined where that is nothing. */
export function metaOf({ metadata = NO_METADATA, trace }: Tags): { data?: Metadata; trace?: string } | undefined {
  const data = Object.keys(metadata).length === 0 ? {} : { data: metadata };
  if (trace !== undefined) return { ...data, trace };
  return "data" in data ? data : undefined;
}

function copyOf(map: Metadata, place: string, depth: number): Metadata {
  const copy = Object.create(null) as Record<string, unknown>;
  for (const name of Object.keys(map)) {
    if (map[name] !== undefined) copy[name] = plainValue(map[name], `${place}[${quoted(name, 64)}]`, depth - 1);
  }
  return Object.freeze(copy);
}

function plainValue(value: unknown, place: string, depth: number): unknown {
  if (typeof value === "string" || typeof value === "boolean" || value === null) return value;
  if (typeof value === "number" && Number.isFinite(value)) return value;
  if (depth === 0) throw invalid(`${place} is deeper than ${MAX_DEPTH} levels`);
  if (Array.isArray(value))
    return Object.freeze(value.map((item, index) => plainValue(item, `${place}[${index}]`, depth - 1)));
  if (isPlainMap(value)) return copyOf(value, place, depth);
  const what = typeof value === "number" ? String(value) : describeType(value);
  throw invalid(`${place} is ${what}; metadata takes texts, numbers, booleans, null, arrays and maps`);
}

function isPlainMap(value: unknown): value is Metadata {
  if (!isMap(value)) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === null || prototype === Object.prototype;
}

function invalid(message: string): ColloquyError {
  return new ColloquyError("INVALID_ARGUMENT", message);
}
