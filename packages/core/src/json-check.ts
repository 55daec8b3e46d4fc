import { CONTAINER_COST, JSON_ELEMENT_COST, TEXT_COST, tooCostly } from "./decoded-cost.ts";
import { SerializationError } from "./errors.ts";
import { KeyLists, LAST_DIGIT, NO_KEYS, hashKey } from "./key-lists.ts";
import { LONGEST_KEY, longKey, tooDeep } from "./lower-lift.ts";

const SPACE = 0x20;
const QUOTE = 0x22;
const COLON = 0x3a;
const BACKSLASH = 0x5c;
const COMMA = 0x2c;
const ARRAY_OPEN = 0x5b;
const ARRAY_CLOSE = 0x5d;
const MAP_OPEN = 0x7b;
const MAP_CLOSE = 0x7d;

/** The bytes that mean something outside of texts, each by itself; 0 for others. */
const PLAIN = 0;
const KINDS = new Uint8Array(256);
for (const byte of [QUOTE, COMMA, ARRAY_OPEN, ARRAY_CLOSE, MAP_OPEN, MAP_CLOSE]) KINDS[byte] = byte;

/** Of one call. */
const BYTES_AT_ONCE = 512;
const SHORT_TEXT_BYTES = 48;
/** In so many bytes there is mostly a quote. */
const NEAR_BYTES = 256;
/** `JSON.parse` makes maps of more keys as tables. */
const LONGEST_SHARED_LIST = 127;
const MEANING = /__|\\u|prototype/;
/** One expression is faster on shorter texts, searches on longer ones. */
const SHORT_TEXT_LENGTH = 128;
/** What one byte can cost at most: a key that is an index, in a map of its own. */
export const MOST_COST_OF_BYTE = 1400;

/** True where JSON of so many bytes may cost more than `maxCost`. */
export function mayBeCostly(byteCount: number, maxCost: number): boolean {
  return byteCount * MOST_COST_OF_BYTE > maxCost;
}

/** True where the text may be nested deeper than `maxDepth`: it has as many brackets that open. */
export function mayBeDeep(text: string, maxDepth: number): boolean {
  if (text.length <= 2 * maxDepth) return false;
  let count = 0;
  for (const open of ["[", "{"]) {
    for (let at = text.indexOf(open); at >= 0; at = text.indexOf(open, at + 1)) if (++count > maxDepth) return true;
  }
  return false;
}

/**
 * True where the text may have a key that has a meaning: `__type__`, `__proto__`, or a `constructor` that has a `prototype`, also
 * written with escapes. Functions as `then` come from extended values only.
 */
export function mayHaveMeaning(text: string): boolean {
  if (text.length < SHORT_TEXT_LENGTH) return MEANING.test(text);
  return text.includes("__") || text.includes("\\u") || text.includes("prototype");
}

/** True where JSON may have a key that is too long. Of what has only short texts few bytes are looked at. */
export function mayHaveLongKey(bytes: Buffer, start: number, end: number): boolean {
  for (let quote = start; end - quote > LONGEST_KEY;) {
    const farthest = quote + LONGEST_KEY;
    const near = farthest - NEAR_BYTES;
    let next = lastQuote(bytes, near, farthest);
    if (next === near) {
      next = nextQuote(bytes, quote + 1, end);
      if (next <= farthest) next = lastQuote(bytes, next, farthest);
      else if (isKey(bytes, next + 1, end)) return true;
    }
    quote = next;
  }
  return false;
}

/** The next one that starts or ends a text, or `end`. Native code looks for it where there is none near. */
function nextQuote(bytes: Buffer, start: number, end: number): number {
  let index = start;
  while (index < end) {
    for (const near = Math.min(index + SHORT_TEXT_BYTES, end); index < near; index++) {
      const byte = bytes[index]!;
      if (byte === QUOTE) return index;
      if (byte === BACKSLASH) index++;
    }
    index = bytes.indexOf(QUOTE, index - 1);
    if (index < 0) return end;
    if (isEscaped(bytes, index)) index++;
  }
  return end;
}

/** Behind an odd number of backslashes. */
function isEscaped(bytes: Buffer, index: number): boolean {
  let first = index;
  while (bytes[first - 1] === BACKSLASH) first--;
  return (index - first) % 2 === 1;
}

/** The last one behind `first` that certainly starts or ends a text, or `first`. */
function lastQuote(bytes: Buffer, first: number, last: number): number {
  let index = last;
  while (index > first && (bytes[index] !== QUOTE || bytes[index - 1] === BACKSLASH)) index--;
  return index;
}

/**
 * Bounds depth and memory of JSON before it is parsed, in one pass without recursion. Returns what it costs. What is no JSON is
 * left to the parser, which stops where it isn't any more.
 *
 * @throws SerializationError
 */
export function checkJson(bytes: Buffer, start: number, end: number, maxDepth: number, maxCost: number): number {
  const pass = new JsonPass(bytes, start, end, maxDepth, maxCost);
  while (pass.isGoing) pass.goOn();
  return pass.cost;
}

class JsonPass {
  cost: number;
  readonly #bytes: Buffer;
  readonly #end: number;
  readonly #maxDepth: number;
  readonly #maxCost: number;
  readonly #keys: KeyLists;
  readonly #texts: Texts;
  #position: number;
  #depth = 0;
  /** Those among the first entries of the last map. */
  #commas = 0;

  constructor(bytes: Buffer, start: number, end: number, maxDepth: number, maxCost: number) {
    this.#bytes = bytes;
    this.#position = start;
    this.#end = end;
    this.#maxDepth = maxDepth;
    this.#maxCost = maxCost;
    this.#keys = new KeyLists(bytes, LONGEST_SHARED_LIST);
    this.#texts = new Texts(bytes, end);
    // The text itself.
    this.cost = end - start;
  }

  get isGoing(): boolean {
    if (this.#position < this.#end) return true;
    if (this.#depth > 0) throw unbalanced();
    return false;
  }

  /**
   * Passes over some more of it. Engines get better code for a function that is called again and again than for a loop that
   * they are in, and sooner.
   *
   * @throws SerializationError
   */
  goOn(): void {
    const bytes = this.#bytes;
    const end = this.#end;
    const keys = this.#keys;
    let index = this.#position;
    let depth = this.#depth;
    let cost = this.cost;
    const pause = Math.min(index + BYTES_AT_ONCE, end);
    for (; index < pause; index++) {
      const kind = KINDS[bytes[index]!]!;
      if (kind === PLAIN) continue;
      if (kind === COMMA) cost += JSON_ELEMENT_COST;
      else if (kind === QUOTE) {
        const first = index + 1;
        index = this.#texts.endFrom(first);
        if (isKey(bytes, index + 1, end)) {
          if (index - first > LONGEST_KEY) checkLongKey(bytes, first, index);
          cost += keys.add(depth, first, index);
        } else cost += TEXT_COST + index - first;
      } else if (kind === ARRAY_CLOSE) {
        if (--depth < 0) throw unbalanced();
      } else if (kind === MAP_CLOSE) {
        if (depth === 0) throw unbalanced();
        cost += keys.close(depth--);
      } else {
        if (++depth > this.#maxDepth) throw tooDeep();
        cost += CONTAINER_COST;
        if (kind === ARRAY_OPEN) keys.open(depth, NO_KEYS, 0, 0);
        else {
          index = this.#firstEntries(index + 1, depth) - 1;
          cost += this.#commas * JSON_ELEMENT_COST;
        }
      }
      if (cost > this.#maxCost) throw tooCostly();
    }
    this.#position = index;
    this.#depth = depth;
    this.cost = cost;
  }

  /**
   * Passes over the entries of a new map, as long as their keys are short and their values aren't texts, arrays or maps, in one
   * go. Returns where it is then.
   */
  #firstEntries(start: number, depth: number): number {
    const bytes = this.#bytes;
    const end = this.#end;
    const most = start + BYTES_AT_ONCE;
    let place = start;
    let hash = NO_KEYS;
    let count = 0;
    let keyBytes = 0;
    let commas = 0;
    while (place < most && bytes[place] === QUOTE) {
      const first = place + 1;
      if (bytes[first]! <= LAST_DIGIT && bytes[first] !== QUOTE) break;
      const last = Math.min(first + SHORT_TEXT_BYTES, end - 1);
      let next = first;
      while (next < last && bytes[next] !== QUOTE && bytes[next] !== BACKSLASH) next++;
      if (next >= last || bytes[next] !== QUOTE || bytes[next + 1] !== COLON) break;
      hash = hashKey(hash, bytes, first, next);
      count++;
      keyBytes += next - first;
      place = next + 2;
      while (place < end && KINDS[bytes[place]!] === PLAIN) place++;
      if (place >= end || bytes[place] !== COMMA) break;
      commas++;
      place++;
    }
    this.#keys.open(depth, hash, count, keyBytes);
    this.#commas = commas;
    return place;
  }
}

/** True where a colon follows. */
function isKey(bytes: Buffer, start: number, end: number): boolean {
  let index = start;
  while (index < end && bytes[index]! <= SPACE) index++;
  return index < end && bytes[index] === COLON;
}

/** A key of many bytes may have fewer characters. @throws SerializationError */
function checkLongKey(bytes: Buffer, start: number, end: number): void {
  let length: number;
  try {
    length = (JSON.parse(`"${bytes.toString("utf8", start, end)}"`) as string).length;
  } catch {
    return;
  }
  if (length > LONGEST_KEY) throw longKey(length);
}

function unbalanced(): SerializationError {
  return new SerializationError("not JSON: its brackets don't fit");
}

/** Finds the ends of texts: of short ones byte by byte, of long ones in native code, which looks at each byte once. */
class Texts {
  readonly #bytes: Buffer;
  readonly #end: number;
  #rest: Buffer | undefined;
  #quote = -1;
  #backslash = -1;

  constructor(bytes: Buffer, end: number) {
    this.#bytes = bytes;
    this.#end = end;
  }

  /** Where the text ends that goes on at `start`: the place of its quote, or the end of all. */
  endFrom(start: number): number {
    const bytes = this.#bytes;
    let near = Math.min(start + SHORT_TEXT_BYTES, this.#end);
    for (let index = start; ; index++) {
      if (index >= near) {
        if (index >= this.#end) return this.#end;
        index = this.#next(index);
        near = Math.min(index + SHORT_TEXT_BYTES, this.#end);
      }
      const byte = bytes[index];
      if (byte === QUOTE) return index;
      if (byte === BACKSLASH) index++;
    }
  }

  /** The next quote or backslash from `start` on, or the end of all. */
  #next(start: number): number {
    if (this.#quote < start) this.#quote = this.#find(QUOTE, start);
    if (this.#backslash < start) this.#backslash = this.#find(BACKSLASH, start);
    return Math.min(this.#quote, this.#backslash);
  }

  /** What was found ahead is kept, so that no byte is searched again and again. */
  #find(byte: number, start: number): number {
    this.#rest ??= this.#bytes.subarray(0, this.#end);
    const found = this.#rest.indexOf(byte, start);
    return found < 0 ? this.#end : found;
  }
}
