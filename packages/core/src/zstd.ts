import zlib from "node:zlib";
import { SerializationError } from "./errors.ts";
import { messageOf } from "./readable.ts";
import { decodeZstdFrame } from "./zstd-decoder.ts";

/** What `node:zlib` has of Zstandard from Node 22.15 on. */
interface ZstdOfNode {
  zstdCompressSync(bytes: Uint8Array, options: object): Buffer;
  zstdDecompressSync(bytes: Uint8Array, options: object): Buffer;
  createZstdCompress(options: object): Zlib;
  createZstdDecompress(options: object): Zlib;
}

type Zlib = ReturnType<typeof zlib.createGzip>;

/** Undefined where this runtime has none. */
export const zstdOfNode: ZstdOfNode | undefined =
  "zstdDecompressSync" in zlib ? (zlib as unknown as ZstdOfNode) : undefined;

/** The parameter of `node:zlib` for the level; in the other direction, for how far back a frame may look. */
export const ZSTD_PARAMETER = 100;
/** 32 MiB. */
export const LARGEST_ZSTD_WINDOW_LOG = 25;

/**
 * Decompresses the Zstandard frame `source[start..end)` into `target[from..to)`, which it fills to the last byte.
 *
 * @throws SerializationError for a frame that is malformed, or holds fewer or more bytes.
 */
export function decompressZstd(
  source: Uint8Array,
  start: number,
  end: number,
  target: Uint8Array,
  from: number,
  to: number,
): void {
  if (zstdOfNode === undefined) return decodeZstdFrame(source, start, end, target, from, to);
  let result: Buffer;
  try {
    result = zstdOfNode.zstdDecompressSync(source.subarray(start, end), {
      maxOutputLength: to - from,
      params: { [ZSTD_PARAMETER]: LARGEST_ZSTD_WINDOW_LOG },
    });
  } catch (error) {
    throw new SerializationError(`malformed Zstandard data: ${messageOf(error)}`, { cause: error });
  }
  if (result.length !== to - from) throw new SerializationError("malformed Zstandard data: it is too short");
  target.set(result, from);
}
