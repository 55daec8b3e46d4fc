import { BloscReader } from "./blosc-reader.ts";
import { BloscWriter } from "./blosc-writer.ts";
import { seemsCompressible } from "./compressibility.ts";
import { SerializationError } from "./errors.ts";
import { memoryIsGone } from "./segments.ts";
import type { SegmentPacker, SentSegment } from "./segments.ts";
import { nextTurn } from "./turns.ts";
import { asBuffer } from "./utf8.ts";

/** Bytes that are packed or unpacked in one turn of the event loop: about a millisecond. */
export const BLOSC_TURN_BYTES = 262_144;
const LARGEST_BYTES = 0x7fff_ffff - 0x10_0000;

/** Packs segments into Blosc containers with the size of their elements, and unpacks them. */
export const BLOSC_SEGMENTS: SegmentPacker = {
  async packSegment({ bytes, itemBytes }: SentSegment): Promise<Uint8Array | undefined> {
    if (bytes.length === 0) throw memoryIsGone();
    if (bytes.length > LARGEST_BYTES || !seemsCompressible(bytes, itemBytes, false)) return undefined;
    return packBlosc(bytes, itemBytes);
  },

  async unpackSegment(packed: Uint8Array, rawLength: number): Promise<Buffer> {
    const reader = new BloscReader(asBuffer(packed), 0, packed.length, rawLength, "as announced");
    const { byteLength } = reader.header;
    if (byteLength !== rawLength)
      throw new SerializationError(`a segment of ${byteLength} bytes that was announced with ${rawLength}`);
    return unpackBlosc(reader);
  },
};

/** A container, or undefined where it would not be smaller. Others are let in between. */
export async function packBlosc(bytes: Uint8Array, itemBytes: number): Promise<Buffer | undefined> {
  const { length } = bytes;
  const writer = new BloscWriter(bytes, itemBytes);
  while (writer.step(BLOSC_TURN_BYTES)) {
    if (!writer.shrinks) return undefined;
    await nextTurn();
    if (bytes.length !== length) throw memoryIsGone();
  }
  return writer.shrinks ? writer.take() : undefined;
}

/** What a container holds. Others are let in between. */
export async function unpackBlosc(reader: BloscReader): Promise<Buffer> {
  while (reader.step(BLOSC_TURN_BYTES)) await nextTurn();
  return reader.take();
}
