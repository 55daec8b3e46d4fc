import { CONTAINER_COST, ENTRY_COST, TEXT_COST } from "./decoded-cost.ts";
import { SerializationError } from "./errors.ts";
import { indexKeyCost, indexOfKeyBytes } from "./index-key-cost.ts";
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

/** No byte of JSON costs more than this: `{}` in an array is 2 bytes and 96. */
const LARGEST_COST_PER_BYTE = 48;

/**
 * Bounds depth and memory of JSON before it is parsed, in one pass without recursion. A text too short to break either
 * limit isn't looked at.
 *
 * @throws SerializationError
 */
export function checkJsonCost(bytes: Buffer, start: number, end: number, maxDepth: number, maxCost: number): void {
  const size = end - start;
  if (size < 2 * maxDepth && size * LARGEST_COST_PER_BYTE <= maxCost) return;
  let depth = 0;
  let cost = 0;
  /** Highest index among the keys of the maps that are open, by depth. */
  const highest: number[] = [];
  for (let index = start; index < end; index++) {
    switch (bytes[index]) {
      case QUOTE: {
        const close = endOfText(bytes, index + 1, end);
        cost += TEXT_COST + (close - index);
        const key = indexOfKeyBytes(bytes, index + 1, close);
        if (key > (highest[depth] ?? -1) && isKey(bytes, close + 1, end)) {
          cost += indexKeyCost(key, highest[depth] ?? -1);
          highest[depth] = key;
        }
        index = close;
        break;
      }
      case ARRAY_OPEN:
      case MAP_OPEN:
        if (++depth > maxDepth) throw tooDeep();
        cost += CONTAINER_COST;
        if (highest.length > depth) highest[depth] = -1;
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
  if (cost > maxCost) throw new SerializationError("message takes more memory than the limit allows (maxDecodedCost)");
}

/** True where a colon follows. */
function isKey(bytes: Buffer, start: number, end: number): boolean {
  let index = start;
  while (index < end && bytes[index]! <= SPACE) index++;
  return bytes[index] === COLON;
}

function endOfText(bytes: Buffer, start: number, end: number): number {
  let index = start;
  while (index < end) {
    const byte = bytes[index];
    if (byte === QUOTE) return index;
    index += byte === BACKSLASH ? 2 : 1;
  }
  return end;
}
