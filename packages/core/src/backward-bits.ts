/**
 * Bits of `bytes[start..end)` from the last to the first, as Zstandard has them: the highest bit of the last byte that is set marks
 * where they begin. Before the first bit there are zeros, and `left` is negative.
 */
export class BackwardBits {
  readonly #bytes: Uint8Array;
  readonly #start: number;
  /** How many bits have not been read. */
  left: number;

  /** The range has at least one byte. Where its last one is 0, `left` is negative. */
  constructor(bytes: Uint8Array, start: number, end: number) {
    this.#bytes = bytes;
    this.#start = start;
    const last = bytes[end - 1]!;
    this.left = last === 0 ? -1 : (end - start - 1) * 8 + (31 - Math.clz32(last));
  }

  /** The next `count` bits, 24 at most, without taking them. */
  peek(count: number): number {
    const from = this.left - count;
    const mask = (1 << count) - 1;
    if (from >= 0) {
      const at = this.#start + (from >> 3);
      const bytes = this.#bytes;
      const word = bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24);
      return (word >>> (from & 7)) & mask;
    }
    if (this.left <= 0) return 0;
    const held = this.left;
    let value = 0;
    for (let index = (held - 1) >> 3; index >= 0; index--) value = (value << 8) | this.#bytes[this.#start + index]!;
    return ((value & ((1 << held) - 1)) << -from) & mask;
  }

  /** Takes the next `count` bits, 24 at most. */
  read(count: number): number {
    const value = this.peek(count);
    this.left -= count;
    return value;
  }

  /** Takes the next `count` bits, 32 at most. */
  readLong(count: number): number {
    if (count <= 24) return this.read(count);
    const high = this.read(count - 16);
    return high * 0x1_0000 + this.read(16);
  }
}
