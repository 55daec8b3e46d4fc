import zlib from "node:zlib";
import { checkBrotliWindow } from "./brotli-window.ts";
import { ColloquyError, SerializationError, quoted } from "./errors.ts";
import { messageOf } from "./readable.ts";
import { LARGEST_ZSTD_WINDOW_LOG, ZSTD_PARAMETER, zstdOfNode } from "./zstd.ts";

const LARGEST_CHUNK_BYTES = 131_072;
const LEAST_CHUNK_BYTES = 1024;

/** The compressors of `node:zlib`; zstd from Node 22.15 on. */
export type CompressionAlgorithm = "deflate" | "gzip" | "brotli" | "zstd";

/** A stream of `node:zlib`, which works in threads of its own. */
export type Engine = NodeJS.ReadWriteStream & { readonly bytesWritten: number; destroy(): void };

interface EngineOptions {
  readonly chunkSize?: number;
  readonly maxOutputLength?: number;
  readonly info?: boolean;
}

/** One algorithm as `node:zlib` has it. */
export interface Compression {
  readonly name: CompressionAlgorithm;
  readonly levels: { readonly least: number; readonly most: number; readonly usual: number };
  /** Refuses data whose head asks for more memory than what it is said to hold. */
  checkHead?(packed: Uint8Array, plainBytes: number): void;
  packNow(plain: Uint8Array, level: number): Buffer;
  unpackNow(packed: Uint8Array, options: EngineOptions): unknown;
  packer(level: number, plainBytes: number, options: EngineOptions): Engine;
  unpacker(options: EngineOptions): Engine;
}

const { BROTLI_PARAM_QUALITY, BROTLI_PARAM_SIZE_HINT } = zlib.constants;

const brotliOptions = (level: number, size: number): object => ({
  params: { [BROTLI_PARAM_QUALITY]: level, [BROTLI_PARAM_SIZE_HINT]: size },
});
const zstdOptions = (level: number, size: number): object => ({
  params: { [ZSTD_PARAMETER]: level },
  pledgedSrcSize: size,
});
const unzstdOptions = { params: { [ZSTD_PARAMETER]: LARGEST_ZSTD_WINDOW_LOG } };

/** The usual levels are the fast ones: who waits for an answer waits for the compressor, too. */
const COMPRESSIONS: Readonly<Record<CompressionAlgorithm, Compression>> = {
  deflate: {
    name: "deflate",
    levels: { least: 1, most: 9, usual: 1 },
    packNow: (plain, level) => zlib.deflateSync(plain, { level }),
    unpackNow: (packed, options) => zlib.inflateSync(packed, options),
    packer: (level, _size, options) => zlib.createDeflate({ ...options, level }),
    unpacker: (options) => zlib.createInflate(options),
  },
  gzip: {
    name: "gzip",
    levels: { least: 1, most: 9, usual: 1 },
    packNow: (plain, level) => zlib.gzipSync(plain, { level }),
    unpackNow: (packed, options) => zlib.gunzipSync(packed, options),
    packer: (level, _size, options) => zlib.createGzip({ ...options, level }),
    unpacker: (options) => zlib.createGunzip(options),
  },
  brotli: {
    name: "brotli",
    levels: { least: 0, most: 11, usual: 1 },
    checkHead: checkBrotliWindow,
    packNow: (plain, level) => zlib.brotliCompressSync(plain, brotliOptions(level, plain.length)),
    unpackNow: (packed, options) => zlib.brotliDecompressSync(packed, options),
    packer: (level, size, options) => zlib.createBrotliCompress({ ...options, ...brotliOptions(level, size) }),
    unpacker: (options) => zlib.createBrotliDecompress(options),
  },
  zstd: {
    name: "zstd",
    // Beyond 19 frames look back further than other implementations have to take.
    levels: { least: 1, most: 19, usual: 1 },
    packNow: (plain, level) => zstdOfNode!.zstdCompressSync(plain, zstdOptions(level, plain.length)),
    unpackNow: (packed, options) => zstdOfNode!.zstdDecompressSync(packed, { ...options, ...unzstdOptions }),
    packer: (level, size, options) => zstdOfNode!.createZstdCompress({ ...options, ...zstdOptions(level, size) }),
    unpacker: (options) => zstdOfNode!.createZstdDecompress({ ...options, ...unzstdOptions }),
  },
};

/**
 * @throws ColloquyError `INVALID_ARGUMENT` for what is no algorithm, `UNSUPPORTED` for zstd where `node:zlib` has none.
 */
export function compressionOf(algorithm: CompressionAlgorithm): Compression {
  if (!Object.hasOwn(COMPRESSIONS, algorithm)) {
    const shown = typeof algorithm === "string" ? quoted(algorithm, 32) : typeof algorithm;
    const known = Object.keys(COMPRESSIONS).join(", ");
    throw new ColloquyError("INVALID_ARGUMENT", `algorithm is ${shown}; it takes one of ${known}`);
  }
  if (algorithm === "zstd" && zstdOfNode === undefined) {
    const reason = `zstd takes a node:zlib that has it, from Node 22.15 on; this is ${process.version}`;
    throw new ColloquyError("UNSUPPORTED", `${reason}. deflate, gzip and brotli are there`);
  }
  return COMPRESSIONS[algorithm];
}

/**
 * What `packed` holds, at once: exactly `plainBytes` bytes.
 *
 * @throws SerializationError
 */
export function unpackNow(compression: Compression, packed: Uint8Array, plainBytes: number): Buffer {
  compression.checkHead?.(packed, plainBytes);
  const options = { maxOutputLength: plainBytes, info: true, chunkSize: chunkBytes(plainBytes) };
  let result: { buffer: Buffer; engine: Engine };
  try {
    result = compression.unpackNow(packed, options) as typeof result;
  } catch (error) {
    throw malformed(compression, messageOf(error), error);
  }
  checkEnd(compression, result.engine, packed, result.buffer.length, plainBytes);
  return result.buffer;
}

/** `head`, then the bytes of `parts`, packed in other threads. Undefined where it is more than `maxBytes`. */
export function packLater(
  engine: Engine,
  head: Buffer,
  parts: Iterable<Uint8Array>,
  maxBytes: number,
): Promise<Buffer | undefined> {
  return new Promise((resolve, reject) => {
    const packed = [head];
    let bytes = head.length;
    engine.on("error", reject);
    engine.on("data", (chunk: Buffer) => {
      bytes += chunk.length;
      packed.push(chunk);
      if (bytes <= maxBytes) return;
      engine.destroy();
      resolve(undefined);
    });
    engine.on("end", () => resolve(Buffer.concat(packed, bytes)));
    feed(engine, parts).catch(reject);
  });
}

/** One part at a time: it may be written into the same memory as the one before. */
async function feed(engine: Engine, parts: Iterable<Uint8Array>): Promise<void> {
  for (const part of parts) {
    const error = await new Promise<unknown>((resolve) => void engine.write(part, resolve));
    // It was destroyed: the rest doesn't matter.
    if (error != null) return;
  }
  engine.end();
}

/** Takes what an engine has unpacked, in order. The bytes are valid during the call only. */
export interface UnpackedBytes {
  add(bytes: Buffer): void;
}

/**
 * Unpacks in other threads, exactly `plainBytes` bytes: `target` never gets more.
 *
 * Rejects with `SERIALIZATION_ERROR`.
 */
export function unpackLater(
  compression: Compression,
  packed: Uint8Array,
  plainBytes: number,
  target: UnpackedBytes,
): Promise<void> {
  return new Promise((resolve, reject) => {
    compression.checkHead?.(packed, plainBytes);
    const engine = compression.unpacker({ chunkSize: chunkBytes(plainBytes) });
    let bytes = 0;
    const fail = (error: unknown): void => {
      engine.destroy();
      reject(error);
    };
    engine.on("error", (error) => reject(malformed(compression, error.message, error)));
    engine.on("data", (chunk: Buffer) => {
      bytes += chunk.length;
      if (bytes > plainBytes) return fail(malformed(compression, `more than ${plainBytes} bytes`));
      target.add(chunk);
    });
    engine.on("end", () => {
      try {
        checkEnd(compression, engine, packed, bytes, plainBytes);
        resolve();
      } catch (error) {
        reject(error);
      }
    });
    engine.end(packed);
  });
}

/** Bytes that an engine writes at a time. */
export function chunkBytes(plainBytes: number): number {
  return Math.min(Math.max(plainBytes, LEAST_CHUNK_BYTES), LARGEST_CHUNK_BYTES);
}

function checkEnd(
  compression: Compression,
  { bytesWritten }: Engine,
  packed: Uint8Array,
  bytes: number,
  plainBytes: number,
): void {
  if (bytes !== plainBytes) throw malformed(compression, `${bytes} bytes in place of ${plainBytes}`);
  if (bytesWritten !== packed.length)
    throw malformed(compression, `${packed.length - bytesWritten} bytes behind its end`);
}

function malformed({ name }: Compression, reason: string, cause?: unknown): SerializationError {
  return new SerializationError(`malformed ${name} data: ${reason}`, cause === undefined ? {} : { cause });
}
