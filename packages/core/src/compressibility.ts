import { shuffleBytes } from "./byte-shuffle.ts";
import { compressLz4 } from "./lz4.ts";

const SLICE_BYTES = 4096;
const SLICE_COUNT = 4;
const SAMPLE_BYTES = SLICE_BYTES * SLICE_COUNT;
/** Of few bytes a smaller part is looked at. */
const LEAST_PARTS = 32;
const COUNTED_STEP = 4;
/** What shrinks by less than this part goes as it is: it would cost the time of both sides. */
export const LEAST_GAIN: number = 1 / 16;
/** Bits that a byte takes where each stands for itself. */
const NOISE_BITS = 8 * (1 - LEAST_GAIN);

/** Scratch memory, used within one call. */
let sample: Buffer | undefined;
let packed: Buffer | undefined;

/**
 * Whether a sample of `bytes` shrinks: slices from all over them, shuffled as elements of `itemBytes` bytes, compressed with LZ4.
 * `byEntropy`: or it would because some bytes are rarer than others, for compressors that make use of that. Takes some 10 to 30 us.
 */
export function seemsCompressible(bytes: Uint8Array, itemBytes: number, byEntropy: boolean): boolean {
  sample ??= Buffer.allocUnsafeSlow(SAMPLE_BYTES);
  packed ??= Buffer.allocUnsafeSlow(SLICE_BYTES);
  const sliceBytes = Math.min(SLICE_BYTES, Math.floor(bytes.length / LEAST_PARTS));
  const stride = Math.floor((bytes.length - sliceBytes) / (SLICE_COUNT - 1) / itemBytes) * itemBytes;
  let packedBytes = 0;
  for (let index = 0; index < SLICE_COUNT; index++) {
    const slice = bytes.subarray(index * stride, index * stride + sliceBytes);
    const plain = sample.subarray(index * sliceBytes, (index + 1) * sliceBytes);
    shuffleBytes(slice, plain, itemBytes);
    packedBytes += compressLz4(plain, packed, 0, sliceBytes) || sliceBytes;
  }
  const sampleBytes = sliceBytes * SLICE_COUNT;
  if (packedBytes <= sampleBytes * (1 - LEAST_GAIN)) return true;
  return byEntropy && entropyOf(sample.subarray(0, sampleBytes)) < NOISE_BITS;
}

/** Bits for each byte, by how often it stands there: every fourth one tells. */
function entropyOf(bytes: Uint8Array): number {
  const counts = new Uint32Array(256);
  for (let index = 0; index < bytes.length; index += COUNTED_STEP) counts[bytes[index]!]!++;
  const total = Math.ceil(bytes.length / COUNTED_STEP);
  let bits = 0;
  for (let value = 0; value < counts.length; value++) {
    const count = counts[value]!;
    if (count > 0) bits -= count * Math.log2(count / total);
  }
  return bits / total;
}
