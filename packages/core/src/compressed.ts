import { Codec } from "./codec.ts";
import type { CodecClass } from "./codec.ts";
import { LEAST_GAIN, seemsCompressible } from "./compressibility.ts";
import { CompressedSegments, WholeBytes } from "./compressed-segments.ts";
import { chunkBytes, compressionOf, packLater, unpackLater, unpackNow } from "./compression.ts";
import type { Compression, CompressionAlgorithm } from "./compression.ts";
import { ColloquyError, SerializationError, describeType } from "./errors.ts";
import { OPTION, checkOptions } from "./options.ts";
import type { OptionKind } from "./options.ts";
import type { SerializerFactory } from "./serializers.ts";
import type { SegmentPacker } from "./segments.ts";
import { WrappingCodec } from "./wrapping-codec.ts";
import type { Packing } from "./wrapping-codec.ts";

/** First byte of a payload that follows as it is, `docs/protocol.md` section 3. */
export const PLAIN_HEAD = 0x00;
/** First byte of one that is packed. */
export const PACKED_HEADS: Readonly<Record<CompressionAlgorithm, number>> = {
  deflate: 0x11,
  gzip: 0x12,
  brotli: 0x13,
  zstd: 0x14,
};
const PLAIN_HEAD_BYTES = 1;
/** The first byte and the length of what is packed. */
const PACKED_HEAD_BYTES = 5;
const USUAL_THRESHOLD = 1024;
/** What is longer is packed and unpacked in other threads; below, the way there and back takes longer than the work. */
const LARGEST_AT_ONCE_BYTES = 16_384;

/** Options of `compressed`. */
export interface CompressedOptions {
  /** zstd takes Node 22.15 or later. */
  readonly algorithm: CompressionAlgorithm;
  /** Bytes from which on messages are packed; smaller ones go as they are, with one byte in front. Default: 1,024. */
  readonly threshold?: number | undefined;
  /** deflate and gzip 1 to 9, brotli 0 to 11, zstd 1 to 19. Default: 1, the fast one. */
  readonly level?: number | undefined;
}

const OPTIONS: Readonly<Record<keyof CompressedOptions, OptionKind>> = {
  algorithm: OPTION.any,
  threshold: {
    takes: "a number of bytes",
    accepts: (value) => typeof value === "number" && value >= 0,
  },
  level: OPTION.any,
};

interface Settings {
  readonly compression: Compression;
  readonly threshold: number;
  readonly level: number;
}

/**
 * A codec class around another one that packs its messages, and the large binary values beside them: a message below `threshold`, or
 * one that doesn't shrink, goes as it is. Both sides use the same codec and algorithm; `threshold` and `level` are each side's own.
 * Messages of more than 16 KiB are packed and unpacked in other threads, in order; `encode` and `decode` are promises then.
 *
 * @throws ColloquyError `INVALID_ARGUMENT` for a codec that compresses by itself and for options out of range, `UNSUPPORTED` for zstd
 * where `node:zlib` has none.
 */
export function compressed(codec: CodecClass, options: CompressedOptions): CodecClass {
  const settings = checkedSettings(codec, options);
  const made = class extends CompressedCodec {
    constructor(serializers: Iterable<SerializerFactory> = []) {
      super(new codec(serializers), settings);
    }
  };
  Object.defineProperty(made, "name", { value: `${codec.name}+${options.algorithm}` });
  return made;
}

function checkedSettings(codec: CodecClass, options: CompressedOptions): Settings {
  if ((codec as unknown) instanceof Codec) {
    const reason = `compressed takes a class of codecs, not an instance of ${describeType(codec)}; pass the class`;
    throw new ColloquyError("INVALID_ARGUMENT", reason);
  }
  if (typeof codec !== "function" || typeof codec.prototype?.encodeMessage !== "function")
    throw new ColloquyError("INVALID_ARGUMENT", `compressed takes a class of codecs, not ${describeType(codec)}`);
  if ((codec.prototype as Codec).packs)
    throw new ColloquyError("INVALID_ARGUMENT", `${codec.name} compresses already; compressed takes one that doesn't`);
  if (typeof options !== "object" || options === null) {
    const reason = `options of compressed are ${describeType(options)}; it takes { algorithm: "deflate" } or another one`;
    throw new ColloquyError("INVALID_ARGUMENT", reason);
  }
  checkOptions("compressed", options, OPTIONS);
  const compression = compressionOf(options.algorithm);
  const { threshold = USUAL_THRESHOLD, level = compression.levels.usual } = options;
  const { least, most } = compression.levels;
  if (!(Number.isInteger(level) && level >= least && level <= most)) {
    const reason = `level is ${String(level)}; ${compression.name} takes ${least} to ${most}`;
    throw new ColloquyError("INVALID_ARGUMENT", reason);
  }
  return { compression, threshold, level };
}

class CompressedCodec extends WrappingCodec {
  override readonly packer: SegmentPacker;
  readonly #settings: Settings;
  readonly #name: string;
  readonly #text: () => string;

  constructor(inner: Codec, settings: Settings) {
    super(inner, PLAIN_HEAD_BYTES, settings.threshold);
    this.#settings = settings;
    this.#name = `${inner.name}+${settings.compression.name}`;
    this.#text = () => `${inner.toString()}+${settings.compression.name}`;
    this.packer = new CompressedSegments(settings.compression, settings.level);
  }

  override get name(): string {
    return this.#name;
  }

  override toString(): string {
    return this.#text();
  }

  protected override packingOf(plain: Buffer): Packing {
    if (plain.length <= LARGEST_AT_ONCE_BYTES) return "now";
    return seemsCompressible(plain, 1, true) ? "later" : "not";
  }

  protected override writeHead(target: Buffer, position: number): void {
    target[position] = PLAIN_HEAD;
  }

  protected override packNow(plain: Buffer): Buffer | undefined {
    const { compression, level } = this.#settings;
    const packed = compression.packNow(plain, level);
    if (packed.length > plain.length * (1 - LEAST_GAIN)) return undefined;
    return Buffer.concat([this.#packedHead(plain.length), packed]);
  }

  protected override packLater(plain: Buffer): Promise<Buffer | undefined> {
    const { compression, level } = this.#settings;
    const engine = compression.packer(level, plain.length, { chunkSize: chunkBytes(plain.length) });
    return packLater(engine, this.#packedHead(plain.length), [plain], plain.length * (1 - LEAST_GAIN));
  }

  protected override plainStart(bytes: Buffer, start: number, end: number): number {
    if (end > start && bytes[start] === PLAIN_HEAD) return start + PLAIN_HEAD_BYTES;
    const { name } = this.#settings.compression;
    if (end - start < PACKED_HEAD_BYTES || bytes[start] !== PACKED_HEADS[name])
      throw this.#foreign(end > start ? bytes[start]! : -1);
    return -1;
  }

  protected override unpack(bytes: Buffer, start: number, end: number, maxBytes: number): Buffer | Promise<Buffer> {
    const { compression } = this.#settings;
    const plainBytes = bytes.readUInt32BE(start + 1);
    if (plainBytes > maxBytes) {
      const reason = `${plainBytes} bytes once they are unpacked; the limit is ${maxBytes} (maxMessageBytes)`;
      throw new SerializationError(reason, { limit: "maxMessageBytes" });
    }
    const packed = bytes.subarray(start + PACKED_HEAD_BYTES, end);
    if (plainBytes <= LARGEST_AT_ONCE_BYTES) return unpackNow(compression, packed, plainBytes);
    const whole = new WholeBytes(plainBytes, 1);
    return unpackLater(compression, Buffer.from(packed), plainBytes, whole).then(() => whole.take());
  }

  #packedHead(plainBytes: number): Buffer {
    const head = Buffer.allocUnsafe(PACKED_HEAD_BYTES);
    head[0] = PACKED_HEADS[this.#settings.compression.name];
    head.writeUInt32BE(plainBytes, 1);
    return head;
  }

  #foreign(firstByte: number): SerializationError {
    const other = Object.entries(PACKED_HEADS).find(([, head]) => head === firstByte)?.[0];
    const spoken = other === undefined ? "doesn't compress" : `compresses with ${other}`;
    return new SerializationError(`the peer ${spoken}; this side speaks ${this.name}`);
  }
}
