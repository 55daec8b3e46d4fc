import { NdArray, readNpy, writeNpy } from "@colloquy/core";
import { bloscContainers, storedInputs } from "./corpus.ts";
import {
  BloscReader,
  compressLz4,
  decodeZstdFrame,
  decompressBloscLz,
  decompressLz4,
  decompressSnappy,
} from "./internals.ts";
import { check, orRefused, type Target } from "./target.ts";
import { packedWords, plainWords } from "./words.ts";

const mostPlainBytes = 4096;
const guardBytes = 64;
/** What is looked at behind each input; what lies beyond shows in a later one. */
const seenGuardBytes = 8;
const guard = 0xa5;

type Decompressor = typeof decompressLz4;

/** One compressor: the first two bytes of an input are how much it is to hold, the rest what it reads. */
class DecompressorTarget implements Target {
  readonly maxBytes = 1024;
  readonly atOnce = 1;
  readonly seeds: readonly Buffer[];
  readonly words = packedWords;
  readonly #decompress: Decompressor;
  readonly #target = Buffer.alloc(guardBytes + mostPlainBytes + guardBytes, guard);

  constructor(
    name: string,
    decompress: Decompressor,
    samples: readonly (readonly [plainBytes: number, packed: Buffer])[],
  ) {
    this.#decompress = decompress;
    const made = samples.map(([plainBytes, packed]) => Buffer.concat([lengthBytes(plainBytes), packed]));
    this.seeds = [...made, ...storedInputs(name)].filter(({ length }) => length <= this.maxBytes);
  }

  run(input: Buffer): void {
    if (input.length < 2) return;
    const plainBytes = input.readUInt16BE() % (mostPlainBytes + 1);
    const end = guardBytes + plainBytes;
    // It reads in the middle of other bytes, as it does in a container.
    orRefused(() => this.#decompress(input, 2, input.length, this.#target, guardBytes, end));
    const isGuarded =
      this.#isGuarded(guardBytes - seenGuardBytes, guardBytes) && this.#isGuarded(end, end + seenGuardBytes);
    this.#target.fill(guard, isGuarded ? guardBytes : 0, isGuarded ? end : this.#target.length);
    check(isGuarded, "bytes outside of the target were written");
  }

  #isGuarded(from: number, to: number): boolean {
    for (let index = from; index < to; index++) if (this.#target[index] !== guard) return false;
    return true;
  }
}

/** What LZ4 packs is what it was before; and what it reads is read strictly. */
class Lz4Target extends DecompressorTarget {
  readonly #packed = Buffer.alloc(2048);
  readonly #plain = Buffer.alloc(1024);

  override run(input: Buffer): void {
    super.run(input);
    const packedEnd = compressLz4(input, this.#packed, 0, this.#packed.length);
    if (packedEnd <= 0) return;
    decompressLz4(this.#packed, 0, packedEnd, this.#plain, 0, input.length);
    check(this.#plain.compare(input, 0, input.length, 0, input.length) === 0, "LZ4 gives back something else");
  }
}

class BloscTarget implements Target {
  readonly maxBytes = 2048;
  readonly atOnce = 1;
  readonly words = packedWords;
  readonly seeds: readonly Buffer[] = [...bloscContainers(), ...storedInputs("blosc")].filter(
    ({ length }) => length <= this.maxBytes,
  );

  run(input: Buffer): void {
    orRefused(() => {
      const reader = new BloscReader(input, 0, input.length, 65_536);
      while (reader.step(1024));
      return reader.take();
    });
  }
}

class NpyTarget implements Target {
  readonly maxBytes = 1024;
  readonly atOnce = 1;
  readonly words: readonly Buffer[] = [
    ...plainWords,
    ...["'descr': '<f8'", "'fortran_order': True", "'shape': (2, 3), }", "(0,)", "()", "False", "{", "}", "\n"].map(
      (text) => Buffer.from(text),
    ),
  ];
  readonly seeds: readonly Buffer[];

  constructor() {
    const arrays = [
      new NdArray(new Float64Array(6), { shape: [2, 3] }),
      new NdArray(new Int16Array(4), { shape: [2, 2], order: "F" }),
      new NdArray(new Uint8Array(0), { shape: [0, 3] }),
      new NdArray(new Float32Array(1), { shape: [] }),
    ];
    this.seeds = [...arrays.map((array) => Buffer.from(writeNpy(array))), ...storedInputs("npy")];
  }

  run(input: Buffer): void {
    const array = orRefused(() => readNpy(input));
    if (array === undefined) return;
    const file = writeNpy(array);
    check(Buffer.from(writeNpy(readNpy(file))).equals(file), "an array that isn't what was written");
  }
}

/** Blocks of one compressor, without the container that python-blosc has put around them. */
function blocksOf(compressor: number): [number, Buffer][] {
  return bloscContainers().flatMap((container) => {
    const [flags, plainBytes, blockBytes] = [container[2]!, container.readUInt32LE(4), container.readUInt32LE(8)];
    if (flags >> 5 !== compressor || (flags & 2) !== 0) return [];
    const start = container.readUInt32LE(16);
    const packed = container.subarray(start + 4, start + 4 + container.readUInt32LE(start));
    const whole = Math.min(plainBytes, blockBytes, mostPlainBytes);
    // Some blocks have a stream for each byte of an element.
    return [whole, whole / container[3]!]
      .filter((length) => Number.isInteger(length))
      .map((length): [number, Buffer] => [length, packed]);
  });
}

function lengthBytes(length: number): Buffer {
  const bytes = Buffer.alloc(2);
  bytes.writeUInt16BE(length);
  return bytes;
}

function lz4Samples(): [number, Buffer][] {
  return ["", "abc", "a".repeat(500), "abcabcabc".repeat(40), "The quick brown fox ".repeat(9)].map((text) => {
    const target = Buffer.alloc(1024);
    const plain = Buffer.from(text);
    return [plain.length, target.subarray(0, Math.max(compressLz4(plain, target, 0, plain.length), 0))];
  });
}

export const readerTargets: Readonly<Record<string, () => Target>> = {
  blosclz: () => new DecompressorTarget("blosclz", decompressBloscLz, blocksOf(0)),
  lz4: () => new Lz4Target("lz4", decompressLz4, [...lz4Samples(), ...blocksOf(1)]),
  snappy: () => new DecompressorTarget("snappy", decompressSnappy, blocksOf(2)),
  zstd: () => new DecompressorTarget("zstd", decodeZstdFrame, blocksOf(4)),
  blosc: () => new BloscTarget(),
  npy: () => new NpyTarget(),
};
