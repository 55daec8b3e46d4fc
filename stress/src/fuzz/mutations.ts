import type { Random } from "./random.ts";

/** Where formats change their mind: ends of ranges, signs, lengths of heads. */
const INTERESTING_BYTES = [
  0x00, 0x01, 0x02, 0x7f, 0x80, 0x81, 0x8f, 0x90, 0x93, 0x9f, 0xa0, 0xbf, 0xc0, 0xc1, 0xc4, 0xc7, 0xcf, 0xd0, 0xd4,
  0xd9, 0xdc, 0xdd, 0xde, 0xdf, 0xe0, 0xef, 0xf0, 0xfe, 0xff, 0x22, 0x5b, 0x5d, 0x7b, 0x7d,
];
const INTERESTING_NUMBERS = [
  0, 1, 2, 3, 7, 8, 15, 16, 17, 31, 32, 63, 64, 65, 127, 128, 255, 256, 257, 1023, 1024, 1025, 4095, 4096, 32_767,
  32_768, 65_535, 65_536, 0x00ff_ffff, 0x0100_0000, 0x7fff_fffe, 0x7fff_ffff, 0x8000_0000, 0x8000_0001, 0xffff_fffe,
  0xffff_ffff,
];
const MOST_STEPS = 4;
const LONGEST_RUN = 64;

/** Makes new inputs from those that there are. The memory is used again for the next one. */
export class Mutator {
  readonly #random: Random;
  readonly #seeds: readonly Buffer[];
  readonly #words: readonly Buffer[];
  readonly #bytes: Buffer;
  #length = 0;

  constructor(random: Random, seeds: readonly Buffer[], words: readonly Buffer[], maxBytes: number) {
    this.#random = random;
    this.#seeds = seeds;
    this.#words = words;
    this.#bytes = Buffer.alloc(maxBytes);
  }

  /** Valid until the next call. */
  next(): Buffer {
    const seed = this.#random.of(this.#seeds);
    this.#length = Math.min(seed.length, this.#bytes.length);
    seed.copy(this.#bytes, 0, 0, this.#length);
    // One change most often: with more of them the first one is what is refused.
    const steps = this.#random.below(2) === 0 ? 1 : 1 + this.#random.below(MOST_STEPS);
    for (let step = 0; step < steps; step++) this.#change();
    return this.#bytes.subarray(0, this.#length);
  }

  #change(): void {
    switch (this.#random.below(12)) {
      case 0:
        return this.#set((byte) => byte ^ (1 << this.#random.below(8)));
      case 1:
        return this.#set(() => this.#random.next());
      case 2:
        return this.#set(() => this.#random.of(INTERESTING_BYTES));
      case 3:
        return this.#set((byte) => byte + this.#random.below(17) - 8);
      case 4:
        return this.#setNumber();
      case 5:
        return this.#insertRandom();
      case 6:
        return this.#delete();
      case 7:
        return this.#repeat();
      case 8:
        return this.#splice();
      case 9:
        return void (this.#length = this.#random.below(this.#length + 1));
      case 10:
        return this.#insertWord();
      default:
        return this.#overwriteWord();
    }
  }

  #set(change: (byte: number) => number): void {
    if (this.#length === 0) return;
    const at = this.#random.below(this.#length);
    this.#bytes[at] = change(this.#bytes[at]!);
  }

  /** As a length or a count would stand there, in either order of bytes. */
  #setNumber(): void {
    const width = 1 << this.#random.below(3);
    if (this.#length < width) return;
    const at = this.#random.below(this.#length - width + 1);
    const value = this.#random.of(INTERESTING_NUMBERS) + this.#random.below(2) * (this.#random.below(5) - 2);
    const fitting = (value >>> 0) % 2 ** (8 * width);
    if (this.#random.below(2) === 0) this.#bytes.writeUIntBE(fitting, at, width);
    else this.#bytes.writeUIntLE(fitting, at, width);
  }

  #insertRandom(): void {
    const count = this.#random.below(2) === 0 ? 1 : 1 + this.#random.below(16);
    const at = this.#makeRoom(count);
    if (at < 0) return;
    const same = this.#random.below(2) === 0 ? this.#random.next() : undefined;
    for (let index = 0; index < count; index++) this.#bytes[at + index] = same ?? this.#random.next();
  }

  #delete(): void {
    const [from, to] = this.#range(this.#length);
    this.#bytes.copyWithin(from, to, this.#length);
    this.#length -= to - from;
  }

  #repeat(): void {
    const [from, to] = this.#range(this.#length);
    const run = Buffer.from(this.#bytes.subarray(from, to));
    for (let count = 1 + this.#random.below(4); count > 0; count--) this.#insert(run);
  }

  #splice(): void {
    const other = this.#random.of(this.#seeds);
    const [from, to] = this.#range(other.length);
    this.#place(other.subarray(from, to));
  }

  #insertWord(): void {
    if (this.#words.length > 0) this.#insert(this.#random.of(this.#words));
  }

  #overwriteWord(): void {
    if (this.#words.length > 0) this.#overwrite(this.#random.of(this.#words));
  }

  #place(run: Buffer): void {
    if (this.#random.below(2) === 0) this.#insert(run);
    else this.#overwrite(run);
  }

  #insert(run: Buffer): void {
    const at = this.#makeRoom(run.length);
    if (at >= 0) run.copy(this.#bytes, at);
  }

  #overwrite(run: Buffer): void {
    if (run.length > this.#length) return;
    run.copy(this.#bytes, this.#random.below(this.#length - run.length + 1));
  }

  /** Where `count` bytes may be written; -1: there is no room. */
  #makeRoom(count: number): number {
    if (this.#length + count > this.#bytes.length) return -1;
    const at = this.#random.below(this.#length + 1);
    this.#bytes.copyWithin(at + count, at, this.#length);
    this.#length += count;
    return at;
  }

  /** A short run of so many bytes, most often. */
  #range(length: number): [from: number, to: number] {
    const from = this.#random.below(length + 1);
    const most = this.#random.below(8) === 0 ? length - from : Math.min(length - from, LONGEST_RUN);
    return [from, from + this.#random.below(most + 1)];
  }
}
