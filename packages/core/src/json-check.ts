import { CONTAINER_COST, ENTRY_COST, TEXT_COST, tooCostly } from "./decoded-cost.ts";
import { indexKeyCost, indexOfKeyBytes } from "./index-key-cost.ts";
import { tooDeep } from "./lower-lift.ts";

const SPACE = 0x20;
const QUOTE = 0x22;
const COLON = 0x3a;
const LAST_DIGIT = 0x39;
const BACKSLASH = 0x5c;
const COMMA = 0x2c;
const ARRAY_OPEN = 0x5b;
const ARRAY_CLOSE = 0x5d;
const MAP_OPEN = 0x7b;
const MAP_CLOSE = 0x7d;

const SHORT_TEXT_BYTES = 48;
const UNDERSCORE = 0x5f;
const LETTER_C = 0x63;
const LETTER_T = 0x74;
const LETTER_U = 0x75;

/** Keys that have a meaning, or whose values are looked at; those with two underscores in front are told by these. */
const MEANINGS: readonly Buffer[] = ["constructor", "then", "toJSON"].map((key) => Buffer.from(key));

/** No text of the JSON can be a key that has a meaning. */
export const PLAIN_JSON = -1;

/**
 * Bounds depth and memory of JSON before it is parsed, in one pass without recursion. Where some text in it may be a key that has
 * a meaning, also one written with escapes, what is left of `maxCost` is returned, else `PLAIN_JSON`.
 *
 * @throws SerializationError
 */
export function checkJson(bytes: Buffer, start: number, end: number, maxDepth: number, maxCost: number): number {
  let depth = 0;
  let cost = 0;
  let hasMeaning = false;
  let long: LongTexts | undefined;
  /** Highest index among the keys of the maps that are open, by depth. */
  let highest: number[] | undefined;
  for (let index = start; index < end; index++) {
    switch (bytes[index]) {
      case QUOTE: {
        const first = index + 1;
        const near = Math.min(first + SHORT_TEXT_BYTES, end);
        let close = first;
        for (; close < near && bytes[close] !== QUOTE; close++) {
          if (bytes[close] === BACKSLASH && bytes[++close] === LETTER_U) hasMeaning = true;
        }
        if (close < end && bytes[close] !== QUOTE) {
          long ??= new LongTexts(bytes.subarray(0, end));
          close = long.endFrom(close);
          hasMeaning ||= long.hasUnicodeEscape;
        }
        close = Math.min(close, end);
        cost += TEXT_COST + (close - index);
        hasMeaning ||= isMeaning(bytes, first, close);
        if (bytes[first]! <= LAST_DIGIT) {
          highest ??= [];
          cost += costOfIndex(bytes, first, close, end, highest, depth);
        }
        index = close;
        break;
      }
      case ARRAY_OPEN:
      case MAP_OPEN:
        if (++depth > maxDepth) throw tooDeep();
        cost += CONTAINER_COST;
        if (highest !== undefined && highest.length > depth) highest[depth] = -1;
        break;
      case ARRAY_CLOSE:
      case MAP_CLOSE:
        depth--;
        break;
      case COMMA:
        cost += ENTRY_COST;
        break;
      default:
    }
  }
  if (cost > maxCost) throw tooCostly();
  return hasMeaning ? maxCost - cost : PLAIN_JSON;
}

/** Finds the ends of long texts in native code. What was found ahead is kept, so that no byte is searched again and again. */
class LongTexts {
  hasUnicodeEscape = false;
  readonly #bytes: Buffer;
  #quote = -1;
  #backslash = -1;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  /** Where the text ends that goes on at `start`. */
  endFrom(start: number): number {
    let position = start;
    const end = this.#bytes.length;
    while (position < end) {
      if (this.#quote < position) this.#quote = this.#find(QUOTE, position);
      if (this.#backslash < position) this.#backslash = this.#find(BACKSLASH, position);
      if (this.#quote <= this.#backslash) return Math.min(this.#quote, end);
      if (this.#bytes[this.#backslash + 1] === LETTER_U) this.hasUnicodeEscape = true;
      position = this.#backslash + 2;
    }
    return end;
  }

  #find(byte: number, start: number): number {
    const found = this.#bytes.indexOf(byte, start);
    return found < 0 ? Infinity : found;
  }
}

function isMeaning(bytes: Buffer, start: number, end: number): boolean {
  const first = bytes[start];
  if (first === UNDERSCORE) return bytes[start + 1] === UNDERSCORE;
  if (first !== LETTER_C && first !== LETTER_T) return false;
  return MEANINGS.some((key) => end - start === key.length && key.compare(bytes, start, end) === 0);
}

/** What a text costs beyond itself where it is a key and a whole number. */
function costOfIndex(
  bytes: Buffer,
  start: number,
  close: number,
  end: number,
  highest: number[],
  depth: number,
): number {
  const key = indexOfKeyBytes(bytes, start, close);
  const before = highest[depth] ?? -1;
  if (key <= before || !isKey(bytes, close + 1, end)) return 0;
  highest[depth] = key;
  return indexKeyCost(key, before);
}

/** True where a colon follows. */
function isKey(bytes: Buffer, start: number, end: number): boolean {
  let index = start;
  while (index < end && bytes[index]! <= SPACE) index++;
  return bytes[index] === COLON;
}
