const SLOT_COUNT = 1024;
const LONGEST_KEY_BYTES = 32;

/**
 * Remembers short ASCII strings by their bytes: the keys, paths and names that messages repeat. One slot for each hash, so
 * memory is bounded whatever a peer sends.
 */
export class KeyCache {
  readonly #slots: (string | undefined)[] = Array.from<string | undefined>({ length: SLOT_COUNT }).fill(undefined);

  /** The string of `bytes[start..start + length)`, or undefined where it is too long or not all ASCII. */
  read(bytes: Uint8Array, start: number, length: number): string | undefined {
    if (length === 0 || length > LONGEST_KEY_BYTES) return undefined;
    const first = bytes[start]!;
    const last = bytes[start + length - 1]!;
    const slot = (first * 31 + last * 7 + bytes[start + (length >> 1)]! * 131 + length * 17) & (SLOT_COUNT - 1);
    const known = this.#slots[slot];
    if (known !== undefined && known.length === length && sameBytes(known, bytes, start)) return known;
    const text = shortAscii(bytes, start, length);
    if (text !== undefined) this.#slots[slot] = text;
    return text;
  }
}

function sameBytes(text: string, bytes: Uint8Array, start: number): boolean {
  for (let index = 0; index < text.length; index++) {
    if (text.charCodeAt(index) !== bytes[start + index]) return false;
  }
  return true;
}

/** The string of some bytes where they are ASCII, without a call into native code: faster than that below about 24 bytes. */
export function shortAscii(bytes: Uint8Array, start: number, length: number): string | undefined {
  let text = "";
  for (let index = start; index < start + length; index++) {
    const byte = bytes[index]!;
    if (byte > 0x7f) return undefined;
    text += String.fromCharCode(byte);
  }
  return text;
}
