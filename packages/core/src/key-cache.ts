const SLOT_COUNT = 8192;
const LONGEST_TEXT_BYTES = 32;

/**
 * Remembers short ASCII strings by their bytes: the keys, paths and names that messages repeat. One slot for each hash, so
 * memory is bounded whatever peers send. What comes once is not kept: strings that replace each other all the time would outlive
 * the collections of young garbage, and cost more than they save.
 */
export class KeyCache {
  /** Hashes of what was missed last. */
  readonly #missed = new Int32Array(SLOT_COUNT);
  readonly #slots: (string | undefined)[] = Array.from<string | undefined>({ length: SLOT_COUNT }).fill(undefined);

  /** The string of `bytes[start..start + length)`, or undefined where it is too long or not all ASCII. */
  read(bytes: Uint8Array, start: number, length: number): string | undefined {
    if (length > LONGEST_TEXT_BYTES) return undefined;
    if (length === 0) return "";
    // Few bytes are enough: the ends, and up to five in the middle, where the numbers in paths stand.
    const middle = start + (length >> 1);
    let hash = length * 17 + bytes[start]! * 31 + bytes[start + length - 1]! * 7 + bytes[middle]! * 131;
    if (length > 4) hash += bytes[middle + 1]! * 1031 + bytes[middle + 2]! * 4099;
    if (length > 8) hash += bytes[middle - 1]! * 521 + bytes[middle + 3]! * 2053;
    const slot = (hash ^ (hash >>> 13)) & (SLOT_COUNT - 1);
    const known = this.#slots[slot];
    if (known !== undefined && known.length === length && sameBytes(known, bytes, start)) return known;
    const text = shortAscii(bytes, start, length);
    if (text !== undefined && this.#missed[slot] === hash) this.#slots[slot] = text;
    this.#missed[slot] = hash;
    return text;
  }
}

function sameBytes(text: string, bytes: Uint8Array, start: number): boolean {
  for (let index = 0; index < text.length; index++) {
    if (text.charCodeAt(index) !== bytes[start + index]) return false;
  }
  return true;
}

const { fromCharCode } = String;

/** The string of up to 32 bytes where they are ASCII, without a call into native code: faster than that for so few. */
function shortAscii(bytes: Uint8Array, start: number, length: number): string | undefined {
  let all = 0;
  for (let index = start; index < start + length; index++) all |= bytes[index]!;
  if (all > 0x7f) return undefined;
  let text = "";
  let index = start;
  // Four at a time: a string of one more character is a copy of the whole.
  for (; index + 4 <= start + length; index += 4)
    text += fromCharCode(bytes[index]!, bytes[index + 1]!, bytes[index + 2]!, bytes[index + 3]!);
  for (; index < start + length; index++) text += fromCharCode(bytes[index]!);
  return text;
}
