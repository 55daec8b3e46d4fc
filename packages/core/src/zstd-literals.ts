import { BackwardBits } from "./backward-bits.ts";
import { malformedZstd, readHuffmanTable } from "./zstd-tables.ts";
import type { HuffmanTable } from "./zstd-tables.ts";

const LARGEST_LITERALS_BYTES = 131_072;
const JUMP_TABLE_BYTES = 6;
const NONE = new Uint8Array(0);

/** The literals of the blocks of one Zstandard frame, which come before the sequences of each. */
export class ZstdLiterals {
  /** Those of the block that was read last. */
  bytes: Uint8Array = NONE;
  /** How many of them have been taken. */
  used = 0;
  readonly #source: Uint8Array;
  #table: HuffmanTable | undefined;

  constructor(source: Uint8Array) {
    this.#source = source;
  }

  /** Reads those of the block `[start..end)`; returns where its sequences start. */
  read(start: number, end: number): number {
    if (start >= end) throw malformedZstd();
    const kind = this.#source[start]! & 3;
    const form = (this.#source[start]! >> 2) & 3;
    this.used = 0;
    return kind < 2 ? this.#readPlain(kind, form, start, end) : this.#readPacked(kind, form, start, end);
  }

  /** As they are, or one byte that repeats. */
  #readPlain(kind: number, form: number, start: number, end: number): number {
    const headBytes = form === 1 ? 2 : form === 3 ? 3 : 1;
    const head = this.#number(start, end, headBytes);
    const size = headBytes === 1 ? head >> 3 : head >> 4;
    const first = start + headBytes;
    const next = first + (kind === 0 ? size : 1);
    if (next > end || size > LARGEST_LITERALS_BYTES) throw malformedZstd();
    this.bytes = kind === 0 ? this.#source.subarray(first, next) : new Uint8Array(size).fill(this.#source[first]!);
    return next;
  }

  #readPacked(kind: number, form: number, start: number, end: number): number {
    const headBytes = form < 2 ? 3 : form + 2;
    const sizeBits = form < 2 ? 10 : form === 2 ? 14 : 18;
    const head = this.#number(start, end, headBytes);
    const unit = 2 ** sizeBits;
    const size = Math.floor(head / 16) % unit;
    const packedBytes = Math.floor(head / 16 / unit);
    let first = start + headBytes;
    const next = first + packedBytes;
    if (next > end || size > LARGEST_LITERALS_BYTES) throw malformedZstd();
    if (kind === 2) {
      const read = readHuffmanTable(this.#source, first, next);
      this.#table = read.table;
      first = read.next;
    }
    if (this.#table === undefined) throw malformedZstd();
    this.bytes = new Uint8Array(size);
    if (form === 0) this.#readStream(this.#table, first, next, 0, size);
    else this.#readFour(this.#table, first, next, size);
    return next;
  }

  #readFour(table: HuffmanTable, start: number, end: number, size: number): void {
    if (end - start < JUMP_TABLE_BYTES) throw malformedZstd();
    const part = (size + 3) >> 2;
    let first = start + JUMP_TABLE_BYTES;
    for (let index = 0; index < 4; index++) {
      const next = index === 3 ? end : first + this.#number(start + index * 2, end, 2);
      if (next > end) throw malformedZstd();
      this.#readStream(
        table,
        first,
        next,
        Math.min(index * part, size),
        index === 3 ? size : Math.min((index + 1) * part, size),
      );
      first = next;
    }
  }

  #readStream(
    { bits: codeBits, symbols, bitCounts }: HuffmanTable,
    start: number,
    end: number,
    from: number,
    to: number,
  ): void {
    if (start >= end) throw malformedZstd();
    const bits = new BackwardBits(this.#source, start, end);
    const { bytes } = this;
    for (let index = from; index < to; index++) {
      const code = bits.peek(codeBits);
      bytes[index] = symbols[code]!;
      bits.left -= bitCounts[code]!;
    }
    if (bits.left !== 0) throw malformedZstd();
  }

  #number(position: number, end: number, size: number): number {
    if (size > end - position) throw malformedZstd();
    let value = 0;
    for (let index = size - 1; index >= 0; index--) value = value * 256 + this.#source[position + index]!;
    return value;
  }
}
