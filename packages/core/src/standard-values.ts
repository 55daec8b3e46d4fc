import type { Codec } from "./codec.ts";
import { ENTRY_COST, SCALAR_COST } from "./decoded-cost.ts";
import { SerializationError, describeType } from "./errors.ts";
import { setAll, setOf } from "./key-chains.ts";
import { MAP_ID } from "./lower-lift.ts";
import type { DecodingBudget } from "./serializers.ts";

/** How the values of one type id cross. Their data is in terms of the codec. */
export interface StandardType<T> {
  readonly id: number;
  /** Classes whose direct instances are values of this type. */
  readonly classes: readonly { readonly prototype: object }[];
  /** @throws SerializationError */
  write(value: T, codec: Codec): unknown;
  /** @throws SerializationError for malformed data. */
  read(data: unknown, codec: Codec, budget: DecodingBudget): unknown;
}

/** What takes longer to make than its memory tells counts with its time: a message of nothing else must be refused soon. */
export const URL_COST = 4096;
export const BIGINT_COST = 512;
export const DATE_COST = 128;
export const COLLECTION_COST = 192;
/** What an entry of a Map or Set takes beyond its place in an array. */
export const HASHED_ENTRY_COST: number = 2 * ENTRY_COST;

const LAST_TIME = 8.64e15;
const MAX_BIGINT_DIGIT_COUNT = 4096;
const TOO_LARGE = 10n ** BigInt(MAX_BIGINT_DIGIT_COUNT);
const DIGITS = /^(?:0|-?[1-9]\d*)$/;
const LONGEST_URL = 65_536;
/** Names that can be looked up have at most 253. */
const LONGEST_HOST = 255;
/** What the parser takes out of the text of a URL. */
const TAKEN_OUT = /[\t\n\r]/g;
/** What stands before the path in URLs of the schemes whose hosts are names of the internet. */
const AUTHORITY = /^[^a-z]*(?:file:[/\\]{2}|(?:ftp|https?|wss?):[/\\]*)([^/\\?#]*)/i;

/** Milliseconds since 1970, null for an invalid one. */
export const DATE: StandardType<Date> = {
  id: -4,
  classes: [Date],
  write(date) {
    const time = date.getTime();
    return Number.isNaN(time) ? null : time;
  },
  read(data, _codec, budget) {
    budget.spend(DATE_COST);
    if (data === null) return new Date(Number.NaN);
    if (typeof data === "number" && Number.isInteger(data) && Math.abs(data) <= LAST_TIME) return new Date(data);
    throw malformed("a Date", "no whole number of milliseconds in its range");
  },
};

/** Keys and values by turns, in order. */
export const MAP: StandardType<Map<unknown, unknown>> = {
  id: MAP_ID,
  classes: [Map],
  write(map) {
    const entries: unknown[] = [];
    for (const [key, value] of map) entries.push(key, value);
    return entries;
  },
  read(data, _codec, budget) {
    const entries = arrayOf(data, "a Map");
    if (entries.length % 2 !== 0) throw malformed("a Map", "a key without a value");
    budget.spend(COLLECTION_COST + (entries.length / 2) * HASHED_ENTRY_COST);
    const map = new Map<unknown, unknown>();
    setAll(map, entries, budget);
    return map;
  },
};

export const SET: StandardType<Set<unknown>> = {
  id: -6,
  classes: [Set],
  write: (set) => [...set],
  read(data, _codec, budget) {
    const values = arrayOf(data, "a Set");
    budget.spend(COLLECTION_COST + values.length * (HASHED_ENTRY_COST - SCALAR_COST));
    return setOf(values, budget);
  },
};

/** Decimal digits. */
export const BIGINT: StandardType<bigint> = {
  id: -7,
  classes: [],
  write: (value) => digitsOf(value),
  read(data, _codec, budget) {
    budget.spend(BIGINT_COST);
    return readBigInt(data);
  },
};

/** @throws SerializationError for one that takes long to read. */
export function digitsOf(value: bigint): string {
  // The text of one with millions of digits takes seconds.
  if (value >= TOO_LARGE || value <= -TOO_LARGE)
    throw new SerializationError(`BigInt of more than ${MAX_BIGINT_DIGIT_COUNT} digits`);
  return value.toString();
}

/** @throws SerializationError */
export function readBigInt(data: unknown): bigint {
  if (typeof data !== "string" || data.length > MAX_BIGINT_DIGIT_COUNT + 1 || !DIGITS.test(data))
    throw malformed("a BigInt", "no decimal digits");
  const value = BigInt(data);
  if (value < TOO_LARGE) return value;
  throw malformed("a BigInt", `more than ${MAX_BIGINT_DIGIT_COUNT} digits`);
}

/** Its text. */
export const URL_TYPE: StandardType<URL> = {
  id: -9,
  classes: [URL],
  write: (url) => hrefOf(url),
  read: (data, _codec, budget) => readUrl(data, budget),
};

/** @throws SerializationError for one that is too long, or whose host is. */
export function hrefOf({ href }: URL): string {
  if (href.length > LONGEST_URL)
    throw new SerializationError(`URL of ${href.length} characters; the limit is ${LONGEST_URL}`);
  hostLengthOf(href);
  return href;
}

/** @throws SerializationError */
export function readUrl(data: unknown, budget: DecodingBudget): URL {
  if (typeof data !== "string" || data.length > LONGEST_URL) throw malformedUrl();
  // Engines take time with the square of it where it isn't ASCII.
  budget.spend(URL_COST + hostLengthOf(data) ** 2);
  const url = parsedUrl(data);
  budget.spend(url.href.length);
  return url;
}

function parsedUrl(text: string): URL {
  try {
    return new URL(text);
  } catch {
    throw malformedUrl();
  }
}

function malformedUrl(): SerializationError {
  return malformed("a URL", `no absolute URL of at most ${LONGEST_URL} characters`);
}

/** With the port; 0 where no host of the text is a name of the internet. @throws SerializationError for a host that is too long. */
function hostLengthOf(text: string): number {
  const authority = AUTHORITY.exec(text.replaceAll(TAKEN_OUT, ""))?.[1] ?? "";
  const length = authority.length - 1 - authority.lastIndexOf("@");
  if (length <= LONGEST_HOST) return length;
  throw new SerializationError(`URL with a host of ${length} characters; the limit is ${LONGEST_HOST}`);
}

export function malformed(what: string, reason: string): SerializationError {
  return new SerializationError(`malformed data of ${what}: ${reason}`);
}

/** @throws SerializationError */
export function arrayOf(data: unknown, what: string): readonly unknown[] {
  if (Array.isArray(data)) return data;
  throw malformed(what, `${describeType(data)} instead of an array`);
}
