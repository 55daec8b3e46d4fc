import {
  BLOSC_HEADER_BYTES,
  BYTE_SHUFFLED,
  COPIED,
  UNSPLIT,
  copiedStart,
  readBloscHeader,
  writeBloscHeader,
} from "./blosc-header.ts";
import { BloscReader } from "./blosc-reader.ts";
import { BLOSC_SEGMENTS, packBlosc, unpackBlosc } from "./blosc-segments.ts";
import { BLOSC_BLOCK_BYTES, BloscWriter } from "./blosc-writer.ts";
import { seemsCompressible } from "./compressibility.ts";
import { MsgPackCodec } from "./msgpack-codec.ts";
import type { SerializerFactory } from "./serializers.ts";
import type { SegmentPacker } from "./segments.ts";
import { WrappingCodec } from "./wrapping-codec.ts";
import type { Packing } from "./wrapping-codec.ts";

/** Smaller messages aren't worth it; they stay in place. */
const LEAST_PACKED_BYTES = 1024;
/** Type size of bytes that stand in a container as they are: what python-blosc writes where nothing else is said. */
const PLAIN_ITEM_BYTES = 8;
const PLAIN_FLAGS = BYTE_SHUFFLED | COPIED | UNSPLIT;
/** The bytes of messages aren't elements. */
const ITEM_BYTES = 1;

/**
 * MsgPack in containers of Blosc 1, as aiomas has it with python-blosc, in both directions: all compressors, filters and type
 * sizes are read. It writes LZ4; what is small or doesn't shrink stands in its container as it is, in place. Typed arrays
 * that travel beside messages are shuffled by the size of their elements and packed in the same way.
 *
 * Up to 128 KiB `encode` and `decode` work at once; larger messages take some turns of the event loop and are promises.
 */
export class MsgPackBloscCodec extends WrappingCodec {
  override readonly packer: SegmentPacker = BLOSC_SEGMENTS;

  constructor(serializers: Iterable<SerializerFactory> = []) {
    super(new MsgPackCodec(serializers), BLOSC_HEADER_BYTES, LEAST_PACKED_BYTES);
  }

  override get name(): string {
    return "msgpack-blosc";
  }

  protected override packingOf(plain: Buffer): Packing {
    if (plain.length <= BLOSC_BLOCK_BYTES) return "now";
    return seemsCompressible(plain, ITEM_BYTES, false) ? "later" : "not";
  }

  protected override writeHead(target: Buffer, position: number, plainBytes: number): void {
    // What python-blosc writes: whole elements, or one byte.
    const blockBytes = plainBytes < PLAIN_ITEM_BYTES ? 1 : plainBytes - (plainBytes % PLAIN_ITEM_BYTES);
    const containerBytes = BLOSC_HEADER_BYTES + plainBytes;
    writeBloscHeader(target, position, PLAIN_FLAGS, PLAIN_ITEM_BYTES, plainBytes, blockBytes, containerBytes);
  }

  protected override packNow(plain: Buffer): Buffer | undefined {
    const writer = new BloscWriter(plain, ITEM_BYTES);
    writer.step(plain.length);
    return writer.shrinks ? writer.take() : undefined;
  }

  protected override packLater(plain: Buffer): Promise<Buffer | undefined> {
    return packBlosc(plain, ITEM_BYTES);
  }

  protected override plainStart(bytes: Buffer, start: number, end: number): number {
    return copiedStart(bytes, start, end);
  }

  protected override unpack(bytes: Buffer, start: number, end: number, maxBytes: number): Buffer | Promise<Buffer> {
    const { byteLength } = readBloscHeader(bytes, start, end, maxBytes, "maxMessageBytes");
    if (byteLength > BLOSC_BLOCK_BYTES)
      return unpackBlosc(new BloscReader(Buffer.from(bytes.subarray(start, end)), 0, end - start, maxBytes));
    const reader = new BloscReader(bytes, start, end, maxBytes);
    reader.step(byteLength);
    return reader.take();
  }
}
