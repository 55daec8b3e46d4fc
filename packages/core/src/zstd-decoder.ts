import { BackwardBits } from "./backward-bits.ts";
import { copyLiterals, copyMatch } from "./match-copy.ts";
import { ZstdLiterals } from "./zstd-literals.ts";
import { buildFseTable, fseTableOf, malformedZstd, readFseTable } from "./zstd-tables.ts";
import type { FseTable } from "./zstd-tables.ts";

const MAGIC = 0xfd2f_b528;
const BLOCK_HEAD_BYTES = 3;
const LARGEST_BLOCK_BYTES = 131_072;

/** One of the three numbers of a sequence: how much each code stands for, and how many bits are added. */
interface SequenceCode {
  readonly bases: readonly number[];
  readonly extraBits: readonly number[];
  readonly maxLog: number;
  readonly predefined: FseTable;
}

const NOTHING = -1;
const zeros = (count: number): number[] => Array.from({ length: count }, () => 0);
const ones = (count: number, value = 1): number[] => Array.from({ length: count }, () => value);

const LITERAL_BITS = [...zeros(16), 1, 1, 1, 1, 2, 2, 3, 3, 4, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16];
const MATCH_BITS = [...zeros(32), 1, 1, 1, 1, 2, 2, 3, 3, 4, 4, 5, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16];

const LITERAL_CODE: SequenceCode = {
  bases: sums(LITERAL_BITS, 0),
  extraBits: LITERAL_BITS,
  maxLog: 9,
  predefined: buildFseTable(
    [4, 3, ...ones(6, 2), ...ones(5, 2), ...ones(3), ...ones(9, 2), 3, 2, ...ones(5), ...ones(4, NOTHING)],
    6,
  ),
};
const MATCH_CODE: SequenceCode = {
  bases: sums(MATCH_BITS, 3),
  extraBits: MATCH_BITS,
  maxLog: 9,
  predefined: buildFseTable([1, 4, 3, ...ones(6, 2), ...ones(37), ...ones(7, NOTHING)], 6),
};
const OFFSET_CODE: SequenceCode = {
  bases: Array.from({ length: 32 }, (_, code) => 2 ** code),
  extraBits: Array.from({ length: 32 }, (_, code) => code),
  maxLog: 8,
  predefined: buildFseTable([...ones(6), ...ones(3, 2), ...ones(15), ...ones(5, NOTHING)], 5),
};

/** Each code begins where the one before ends. */
function sums(bits: readonly number[], first: number): number[] {
  let base = first;
  return bits.map((count) => {
    const own = base;
    base += 2 ** count;
    return own;
  });
}

/**
 * Decompresses the one Zstandard frame `source[start..end)` into `target[from..to)`, which it fills to the last byte. Nothing outside
 * of the two ranges is read into it or written. For Node before 22.15, which has no Zstandard of its own.
 *
 * The format is that of RFC 8878; frames with a dictionary are refused, checksums aren't looked at.
 *
 * @throws SerializationError for a frame that is malformed, or holds fewer or more bytes.
 */
export function decodeZstdFrame(
  source: Uint8Array,
  start: number,
  end: number,
  target: Uint8Array,
  from: number,
  to: number,
): void {
  const view = new DataView(source.buffer, source.byteOffset, source.byteLength);
  if (end - start < 6 || view.getUint32(start, true) !== MAGIC) throw malformedZstd();
  const descriptor = source[start + 4]!;
  const hasWindow = (descriptor & 0x20) === 0;
  const sizeFlag = descriptor >> 6;
  const sizeBytes = sizeFlag === 0 ? (hasWindow ? 0 : 1) : 2 ** sizeFlag;
  const blocks = start + 5 + (hasWindow ? 1 : 0) + sizeBytes;
  const checksumBytes = (descriptor & 4) === 0 ? 0 : 4;
  // Reserved bit; a dictionary.
  if ((descriptor & 8) !== 0 || (descriptor & 3) !== 0 || blocks > end - checksumBytes) throw malformedZstd();
  const position = new ZstdBlocks(source, target, from, to).read(blocks, end - checksumBytes);
  if (position !== end - checksumBytes) throw malformedZstd();
}

/** The blocks of one frame. */
class ZstdBlocks {
  readonly #source: Uint8Array;
  readonly #target: Uint8Array;
  readonly #from: number;
  readonly #to: number;
  readonly #literals: ZstdLiterals;
  #filled: number;
  #tables: (FseTable | undefined)[] = [undefined, undefined, undefined];
  #recent = [1, 4, 8];

  constructor(source: Uint8Array, target: Uint8Array, from: number, to: number) {
    this.#source = source;
    this.#target = target;
    this.#from = from;
    this.#to = to;
    this.#filled = from;
    this.#literals = new ZstdLiterals(source);
  }

  /** Returns the position behind the last block. */
  read(start: number, end: number): number {
    const source = this.#source;
    let position = start;
    for (let isLast = false; !isLast;) {
      if (end - position < BLOCK_HEAD_BYTES) throw malformedZstd();
      const head = source[position]! | (source[position + 1]! << 8) | (source[position + 2]! << 16);
      position += BLOCK_HEAD_BYTES;
      isLast = (head & 1) === 1;
      const kind = (head >> 1) & 3;
      const size = head >> 3;
      const bytes = kind === 1 ? 1 : size;
      if (bytes > end - position || size > LARGEST_BLOCK_BYTES || kind === 3) throw malformedZstd();
      if (kind === 2) this.#readCompressed(position, position + size);
      else {
        if (size > this.#to - this.#filled) throw malformedZstd();
        if (kind === 1) this.#target.fill(source[position]!, this.#filled, this.#filled + size);
        else copyLiterals(this.#target, this.#filled, source, position, size);
        this.#filled += size;
      }
      position += bytes;
    }
    if (this.#filled !== this.#to) throw malformedZstd();
    return position;
  }

  #readCompressed(start: number, end: number): void {
    const source = this.#source;
    let position = this.#literals.read(start, end);
    if (position >= end) throw malformedZstd();
    let count = source[position++]!;
    if (count >= 128) {
      const isLong = count === 255;
      if (end - position < (isLong ? 2 : 1)) throw malformedZstd();
      if (isLong) count = source[position]! + (source[position + 1]! << 8) + 0x7f00;
      else count = ((count - 128) << 8) + source[position]!;
      position += isLong ? 2 : 1;
    }
    if (count > 0) this.#readSequences(count, position, end);
    else if (position !== end) throw malformedZstd();
    const { bytes, used } = this.#literals;
    this.#append(bytes.length - used);
  }

  #readSequences(count: number, start: number, end: number): void {
    if (start >= end) throw malformedZstd();
    const modes = this.#source[start]!;
    if ((modes & 3) !== 0) throw malformedZstd();
    let position = start + 1;
    position = this.#readTable(0, modes >> 6, LITERAL_CODE, position, end);
    position = this.#readTable(1, (modes >> 4) & 3, OFFSET_CODE, position, end);
    position = this.#readTable(2, (modes >> 2) & 3, MATCH_CODE, position, end);
    if (position >= end) throw malformedZstd();
    const bits = new BackwardBits(this.#source, position, end);
    const [literals, offsets, matches] = this.#tables as [FseTable, FseTable, FseTable];
    let literalState = bits.read(literals.log);
    let offsetState = bits.read(offsets.log);
    let matchState = bits.read(matches.log);
    for (let index = 0; index < count; index++) {
      const offset = numberOf(OFFSET_CODE, offsets.symbols[offsetState]!, bits);
      const matchLength = numberOf(MATCH_CODE, matches.symbols[matchState]!, bits);
      const literalLength = numberOf(LITERAL_CODE, literals.symbols[literalState]!, bits);
      if (index < count - 1) {
        literalState = literals.bases[literalState]! + bits.read(literals.bitCounts[literalState]!);
        matchState = matches.bases[matchState]! + bits.read(matches.bitCounts[matchState]!);
        offsetState = offsets.bases[offsetState]! + bits.read(offsets.bitCounts[offsetState]!);
      }
      if (bits.left < 0) throw malformedZstd();
      this.#execute(literalLength, this.#distanceOf(offset, literalLength), matchLength);
    }
    if (bits.left !== 0) throw malformedZstd();
  }

  /** Returns the position behind the table. */
  #readTable(number: number, mode: number, code: SequenceCode, start: number, end: number): number {
    const maxSymbol = code.bases.length - 1;
    if (mode === 0) this.#tables[number] = code.predefined;
    else if (mode === 1) {
      const symbol = this.#source[start]!;
      if (start >= end || symbol > maxSymbol) throw malformedZstd();
      this.#tables[number] = fseTableOf(symbol);
      return start + 1;
    } else if (mode === 2) {
      const { table, next } = readFseTable(this.#source, start, end, code.maxLog, maxSymbol);
      this.#tables[number] = table;
      return next;
    } else if (this.#tables[number] === undefined) throw malformedZstd();
    return start;
  }

  /** The three smallest numbers stand for distances that were used before. */
  #distanceOf(value: number, literalLength: number): number {
    const recent = this.#recent;
    if (value > 3) {
      this.#recent = [value - 3, recent[0]!, recent[1]!];
      return value - 3;
    }
    const place = literalLength === 0 ? value : value - 1;
    const distance = place === 3 ? recent[0]! - 1 : recent[place]!;
    if (place === 1) this.#recent = [distance, recent[0]!, recent[2]!];
    else if (place > 1) this.#recent = [distance, recent[0]!, recent[1]!];
    return distance;
  }

  #execute(literalLength: number, distance: number, matchLength: number): void {
    this.#append(literalLength);
    if (distance < 1 || distance > this.#filled - this.#from || matchLength > this.#to - this.#filled)
      throw malformedZstd();
    this.#filled = copyMatch(this.#target, this.#filled, distance, matchLength);
  }

  #append(count: number): void {
    const { bytes, used } = this.#literals;
    if (count > bytes.length - used || count > this.#to - this.#filled) throw malformedZstd();
    this.#filled = copyLiterals(this.#target, this.#filled, bytes, used, count);
    this.#literals.used += count;
  }
}

function numberOf(code: SequenceCode, symbol: number, bits: BackwardBits): number {
  return code.bases[symbol]! + bits.readLong(code.extraBits[symbol]!);
}
