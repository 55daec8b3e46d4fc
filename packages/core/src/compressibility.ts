import { shuffleBytes } from "./byte-shuffle.ts";
import { compressLz4 } from "./lz4.ts";

const SLICE_BYTES = 4096;
const SLICE_COUNT = 4;
const SAMPLE_BYTES = SLICE_BYTES * SLICE_COUNT;
/** Of few bytes a smaller part is looked at. */
const LEAST_PARTS = 32;
const COUNTED_STEP = 4;
/** For a look at what may be noise: few bytes, since this often runs before the engine has compiled it. */
const GLANCE_SLICE_BYTES = 256;
const GLANCE_BYTES = GLANCE_SLICE_BYTES * SLICE_COUNT;
/** Of the squared deviations from equal counts, by the count, noise has 255 with a deviation of 22.6. */
const MOST_DEVIATION = 255 + 5 * 22.6;
const WORD_BYTES = 4;
const WORD_PLACE_SHIFT = 21;
/** What shrinks by less than this part goes as it is: it would cost the time of both sides. */
export const LEAST_GAIN: number = 1 / 16;
/** Bits that a byte takes where each stands for itself. */
const NOISE_BITS = 8 * (1 - LEAST_GAIN);

/** Scratch memory, used within one call. */
const counts = new Uint16Array(256);
const words = new Int32Array(2 ** (32 - WORD_PLACE_SHIFT));
let sample: Buffer | undefined;
let packed: Buffer | undefined;

/**
 * Whether a sample of `bytes` shrinks: slices from all over them, shuffled as elements of `itemBytes` bytes, compressed with LZ4.
 * `byEntropy`: or it would because some bytes are rarer than others, for compressors that make use of that. Takes some 10 to 30 us, and
 * 5 for what looks like noise.
 */
export function seemsCompressible(bytes: Uint8Array, itemBytes: number, byEntropy: boolean): boolean {
  if (looksLikeNoise(bytes)) return false;
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

/**
 * Whether all bytes are about as frequent in four short slices, and no word comes twice: of what compresses by a sixteenth some bytes are so much
 * more frequent that this sees it, or words repeat.
 */
function looksLikeNoise(bytes: Uint8Array): boolean {
  if (bytes.length < GLANCE_BYTES) return false;
  const stride = Math.floor((bytes.length - GLANCE_SLICE_BYTES) / (SLICE_COUNT - 1) / WORD_BYTES) * WORD_BYTES;
  counts.fill(0);
  words.fill(0);
  for (let slice = 0; slice < SLICE_COUNT; slice++) {
    const end = slice * stride + GLANCE_SLICE_BYTES;
    for (let at = slice * stride; at < end; at += WORD_BYTES) {
      const first = bytes[at]!;
      const second = bytes[at + 1]!;
      const third = bytes[at + 2]!;
      const fourth = bytes[at + 3]!;
      counts[first]!++;
      counts[second]!++;
      counts[third]!++;
      counts[fourth]!++;
      const word = first | (second << 8) | (third << 16) | (fourth << 24);
      const place = Math.imul(word, 0x9e37_79b1) >>> WORD_PLACE_SHIFT;
      if (words[place] === word) return false;
      words[place] = word;
    }
  }
  const expected = GLANCE_BYTES / counts.length;
  let deviation = 0;
  for (let value = 0; value < counts.length; value++) deviation += (counts[value]! - expected) ** 2;
  return deviation / expected < MOST_DEVIATION;
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
