import { JsonCodec, MsgPackBloscCodec, MsgPackCodec, StructuredCloneCodec, compressed } from "@colloquy/core";
import type { CodecClass } from "@colloquy/core";

const algorithms = ["deflate", "gzip", "brotli", "zstd"] as const;

/** The codecs of the library by name, as far as this Node has what they need. */
export function codecKinds(): ReadonlyMap<string, CodecClass> {
  const kinds = new Map<string, CodecClass>([
    ["json", JsonCodec],
    ["msgpack", MsgPackCodec],
    ["structured clone", StructuredCloneCodec],
    ["msgpack-blosc", MsgPackBloscCodec],
  ]);
  for (const algorithm of algorithms) {
    const kind = tryCompressed(algorithm);
    if (kind !== undefined) kinds.set(`msgpack + ${algorithm}`, kind);
  }
  return kinds;
}

/** The codec that all ratios are relative to. */
export const yardstick = "msgpack";

function tryCompressed(algorithm: (typeof algorithms)[number]): CodecClass | undefined {
  try {
    const kind = compressed(MsgPackCodec, { algorithm });
    new kind();
    return kind;
  } catch {
    // zstd came with Node 22.15.
    return undefined;
  }
}
