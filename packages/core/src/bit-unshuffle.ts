/**
 * Undoes the bit shuffle of Blosc, which puts the bits of elements into planes: the lowest bits of all first bytes, then the next
 * ones, and so on. Where the number of elements is no multiple of eight, nothing was shuffled. What is left behind the last whole
 * element follows as it is. `target` has the same length and other memory.
 */
export function unshuffleBits(source: Uint8Array, target: Uint8Array, itemBytes: number): void {
  const count = Math.floor(source.length / itemBytes);
  if (count % 8 !== 0) return target.set(source);
  const planeBytes = count / 8;
  for (let byte = 0; byte < itemBytes; byte++) {
    const plane = byte * 8 * planeBytes;
    for (let group = 0; group < planeBytes; group++) {
      let low = 0;
      let high = 0;
      for (let bit = 0; bit < 4; bit++) {
        low |= source[plane + bit * planeBytes + group]! << (bit * 8);
        high |= source[plane + (bit + 4) * planeBytes + group]! << (bit * 8);
      }
      spreadGroup(low, high, target, group * 8 * itemBytes + byte, itemBytes);
    }
  }
  target.set(source.subarray(count * itemBytes), count * itemBytes);
}

/** The columns of eight rows of eight bits, four rows in each number: a transposition in three steps of swaps. */
function spreadGroup(firstRows: number, lastRows: number, target: Uint8Array, start: number, step: number): void {
  let low = firstRows;
  let high = lastRows;
  let swap = (low ^ (low >>> 7)) & 0x00aa_00aa;
  low ^= swap ^ (swap << 7);
  swap = (high ^ (high >>> 7)) & 0x00aa_00aa;
  high ^= swap ^ (swap << 7);
  swap = (low ^ (low >>> 14)) & 0x0000_cccc;
  low ^= swap ^ (swap << 14);
  swap = (high ^ (high >>> 14)) & 0x0000_cccc;
  high ^= swap ^ (swap << 14);
  swap = (low & 0xf0f0_f0f0) >>> 4;
  const lower = (low & 0x0f0f_0f0f) | ((high << 4) & 0xf0f0_f0f0);
  const upper = swap | (high & 0xf0f0_f0f0);
  for (let index = 0; index < 4; index++) {
    target[start + index * step] = lower >>> (index * 8);
    target[start + (index + 4) * step] = upper >>> (index * 8);
  }
}
