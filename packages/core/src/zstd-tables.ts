import { BackwardBits } from "./backward-bits.ts";
import { SerializationError } from "./errors.ts";

/** Finite state entropy: for each state the symbol, how many bits lead to the next one, and what they are added to. */
export interface FseTable {
  readonly log: number;
  readonly symbols: Uint8Array;
  readonly bitCounts: Uint8Array;
  readonly bases: Uint16Array;
}

/** Huffman codes: for each `bits` bits the symbol, and how many of them it takes. */
export interface HuffmanTable {
  readonly bits: number;
  readonly symbols: Uint8Array;
  readonly bitCounts: Uint8Array;
}

const LARGEST_WEIGHT_LOG = 6;
const LARGEST_CODE_BITS = 11;
const LARGEST_WEIGHT_COUNT = 255;

/** A table and where the bytes behind it start. */
export interface ReadTable<T> {
  readonly table: T;
  readonly next: number;
}

/** @throws SerializationError */
export function readFseTable(
  source: Uint8Array,
  start: number,
  end: number,
  maxLog: number,
  maxSymbol: number,
): ReadTable<FseTable> {
  if (start >= end) throw malformedZstd();
  const log = (source[start]! & 15) + 5;
  if (log > maxLog) throw malformedZstd();
  const counts: number[] = [];
  let position = start * 8 + 4;
  const lastBit = end * 8;
  const peek = (count: number): number => {
    const at = position >> 3;
    const word = source[at]! | (source[at + 1]! << 8) | (source[at + 2]! << 16);
    return (word >>> (position & 7)) & ((1 << count) - 1);
  };
  let rest = 1 << log;
  while (rest > 0) {
    if (counts.length > maxSymbol || position > lastBit) throw malformedZstd();
    // A number up to rest + 1; the smaller ones take one bit less.
    const bits = 32 - Math.clz32(rest + 1);
    const short = (1 << bits) - 2 - rest;
    const half = (1 << (bits - 1)) - 1;
    let value = peek(bits);
    if ((value & half) < short) {
      value &= half;
      position += bits - 1;
    } else {
      if (value > half) value -= short;
      position += bits;
    }
    const count = value - 1;
    rest -= Math.abs(count);
    counts.push(count);
    for (let zeros = count === 0 ? 3 : 0; zeros === 3;) {
      zeros = peek(2);
      position += 2;
      for (let index = 0; index < zeros; index++) counts.push(0);
      if (counts.length > maxSymbol + 1 || position > lastBit) throw malformedZstd();
    }
  }
  const next = (position + 7) >> 3;
  if (rest < 0 || next > end) throw malformedZstd();
  return { table: buildFseTable(counts, log), next };
}

/** @throws SerializationError */
export function buildFseTable(counts: readonly number[], log: number): FseTable {
  const size = 1 << log;
  const symbols = new Uint8Array(size);
  const bitCounts = new Uint8Array(size);
  const bases = new Uint16Array(size);
  const states = counts.map((count) => Math.abs(count));
  let high = size;
  counts.forEach((count, symbol) => {
    if (count < 0) symbols[--high] = symbol;
  });
  const step = (size >> 1) + (size >> 3) + 3;
  let place = 0;
  counts.forEach((count, symbol) => {
    for (let index = 0; index < count; index++) {
      symbols[place] = symbol;
      do place = (place + step) & (size - 1);
      while (place >= high);
    }
  });
  if (place !== 0) throw malformedZstd();
  for (let index = 0; index < size; index++) {
    const state = states[symbols[index]!]!++;
    const bits = log - (31 - Math.clz32(state));
    bitCounts[index] = bits;
    bases[index] = (state << bits) - size;
  }
  return { log, symbols, bitCounts, bases };
}

/** A table of one symbol, which takes no bits. */
export function fseTableOf(symbol: number): FseTable {
  return { log: 0, symbols: Uint8Array.of(symbol), bitCounts: new Uint8Array(1), bases: new Uint16Array(1) };
}

/** @throws SerializationError */
export function readHuffmanTable(source: Uint8Array, start: number, end: number): ReadTable<HuffmanTable> {
  if (start >= end) throw malformedZstd();
  const head = source[start]!;
  if (head >= 128) {
    const count = head - 127;
    const next = start + 1 + ((count + 1) >> 1);
    if (next > end) throw malformedZstd();
    const weightAt = (index: number): number =>
      index % 2 === 0 ? source[start + 1 + (index >> 1)]! >> 4 : source[start + 1 + (index >> 1)]! & 15;
    return { table: buildHuffmanTable(Array.from({ length: count }, (_, index) => weightAt(index))), next };
  }
  const next = start + 1 + head;
  if (next > end) throw malformedZstd();
  return { table: buildHuffmanTable(readWeights(source, start + 1, next)), next };
}

/** Weights that are packed with two states by turns. */
function readWeights(source: Uint8Array, start: number, end: number): number[] {
  const { table, next } = readFseTable(source, start, end, LARGEST_WEIGHT_LOG, LARGEST_WEIGHT_COUNT);
  if (next >= end) throw malformedZstd();
  const bits = new BackwardBits(source, next, end);
  const { log, symbols, bitCounts, bases } = table;
  if (bits.left < 2 * log) throw malformedZstd();
  const weights: number[] = [];
  let [state, other] = [bits.read(log), bits.read(log)];
  while (weights.length < LARGEST_WEIGHT_COUNT) {
    weights.push(symbols[state]!);
    const following = bases[state]! + bits.read(bitCounts[state]!);
    if (bits.left < 0) {
      weights.push(symbols[other]!);
      break;
    }
    [state, other] = [other, following];
  }
  return weights;
}

/** The last symbol's weight isn't written: it is what fills the table. */
function buildHuffmanTable(weights: number[]): HuffmanTable {
  const sum = weights.reduce((total, weight) => total + (weight === 0 ? 0 : 2 ** (weight - 1)), 0);
  if (sum === 0 || weights.length > LARGEST_WEIGHT_COUNT) throw malformedZstd();
  const bits = 32 - Math.clz32(sum);
  const rest = 2 ** bits - sum;
  if (bits > LARGEST_CODE_BITS || (rest & (rest - 1)) !== 0) throw malformedZstd();
  weights.push(32 - Math.clz32(rest));
  const symbols = new Uint8Array(1 << bits);
  const bitCounts = new Uint8Array(1 << bits);
  let place = 0;
  for (let weight = 1; weight <= bits; weight++) {
    weights.forEach((own, symbol) => {
      if (own !== weight) return;
      const next = place + (1 << (weight - 1));
      symbols.fill(symbol, place, next);
      bitCounts.fill(bits + 1 - weight, place, next);
      place = next;
    });
  }
  if (place !== symbols.length) throw malformedZstd();
  return { bits, symbols, bitCounts };
}

export function malformedZstd(): SerializationError {
  return new SerializationError("malformed Zstandard data");
}
