/** What the numbers of an array are like. */
export type Kind = "smooth" | "noise";

export const mebibyte = 1_048_576;

/** An array of `bytes` bytes: a slow wave, as measurements have it, or noise in every bit. */
export function makeArray(kind: Kind, bytes: number): Float64Array {
  return kind === "smooth" ? wave(bytes / 8) : noise(bytes);
}

function wave(length: number): Float64Array {
  const array = new Float64Array(length);
  for (let index = 0; index < length; index++) array[index] = Math.round(Math.sin(index / 500) * 1e6) / 1e3;
  return array;
}

function noise(bytes: number): Float64Array {
  const words = new Uint32Array(bytes / 4);
  let state = 0x9e37_79b9;
  for (let index = 0; index < words.length; index++) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    words[index] = state;
  }
  return new Float64Array(words.buffer);
}

/** Depends on every byte and its place. */
export function checksumOf(array: ArrayBufferView): number {
  const words = new Int32Array(array.buffer, array.byteOffset, array.byteLength / 4);
  let sum = 0;
  for (let index = 0; index < words.length; index++) sum = (Math.imul(sum, 31) + words[index]!) | 0;
  return sum;
}
