import { CONTAINER_COST, JSON_ELEMENT_COST, TEXT_COST, tooCostly } from "./decoded-cost.ts";
import { SerializationError } from "./errors.ts";
import { KeyLists } from "./key-lists.ts";
import { tooDeep } from "./lower-lift.ts";

const SPACE = 0x20;
const QUOTE = 0x22;
const COLON = 0x3a;
const BACKSLASH = 0x5c;
const COMMA = 0x2c;
const ARRAY_OPEN = 0x5b;
const ARRAY_CLOSE = 0x5d;
const MAP_OPEN = 0x7b;
const MAP_CLOSE = 0x7d;

const SHORT_TEXT_BYTES = 48;
/** `JSON.parse` makes maps of more keys as tables. */
const LONGEST_SHARED_LIST = 127;
const MEANING = /__|\\u|prototype/;
/** One expression is faster on shorter texts, searches on longer ones. */
const SHORT_TEXT_LENGTH = 128;
/** What one byte can cost at most: a key that is an index, in a map of its own. */
const MOST_COST_OF_BYTE = 1400;

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

/**
 * Bounds depth and memory of JSON before it is parsed, in one pass without recursion. Returns what it costs. What is no JSON is
 * left to the parser, which stops where it isn't any more.
 *
 * @throws SerializationError
 */
export function checkJson(bytes: Buffer, start: number, end: number, maxDepth: number, maxCost: number): number {
  const keys = new KeyLists(bytes, LONGEST_SHARED_LIST);
  const texts = new Texts(bytes, end);
  let depth = 0;
  // The text itself.
  let cost = end - start;
  for (let index = start; index < end; index++) {
    switch (bytes[index]) {
      case QUOTE: {
        const first = index + 1;
        index = texts.endFrom(first);
        cost += isKey(bytes, index + 1, end) ? keys.add(depth, first, index) : TEXT_COST + index - first;
        break;
      }
      case ARRAY_OPEN:
      case MAP_OPEN:
        if (++depth > maxDepth) throw tooDeep();
        cost += CONTAINER_COST;
        keys.open(depth);
        break;
      case MAP_CLOSE:
        if (depth === 0) throw unbalanced();
        cost += keys.close(depth--);
        break;
      case ARRAY_CLOSE:
        if (--depth < 0) throw unbalanced();
        break;
      case COMMA:
        cost += JSON_ELEMENT_COST;
        break;
      default:
        continue;
    }
    if (cost > maxCost) throw tooCostly();
  }
  if (depth > 0) throw unbalanced();
  return cost;
}

/** True where a colon follows. */
function isKey(bytes: Buffer, start: number, end: number): boolean {
  let index = start;
  while (index < end && bytes[index]! <= SPACE) index++;
  return index < end && bytes[index] === COLON;
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
