// What the fuzzer reaches below the public entry of core: the decoders alone, without what stands in front of them in a connection. It is
// the built code, the same instance that the package has loaded.
export { decompressBloscLz } from "../../../packages/core/dist/blosclz.js";
export { BloscReader } from "../../../packages/core/dist/blosc-reader.js";
export { FrameDecoder } from "../../../packages/core/dist/frame-decoder.js";
export { IncomingSegments } from "../../../packages/core/dist/incoming-segments.js";
export { compressLz4, decompressLz4 } from "../../../packages/core/dist/lz4.js";
export { decompressSnappy } from "../../../packages/core/dist/snappy.js";
export { decodeZstdFrame } from "../../../packages/core/dist/zstd-decoder.js";
