/**
 * Puts the bytes of elements of `itemBytes` bytes into planes: all first bytes, then all second ones, and so on. Numbers that are
 * near each other differ in few planes. What is left behind the last whole element follows as it is. `target` has the same
 * length and other memory.
 */
export function shuffleBytes(source: Uint8Array, target: Uint8Array, itemBytes: number): void {
  const count = Math.floor(source.length / itemBytes);
  if (itemBytes === 8) shuffleEight(source, target, count);
  else if (itemBytes === 4) shuffleFour(source, target, count);
  else {
    for (let plane = 0; plane < itemBytes; plane++) {
      const start = plane * count;
      for (let index = 0, at = plane; index < count; index++, at += itemBytes) target[start + index] = source[at]!;
    }
  }
  target.set(source.subarray(count * itemBytes), count * itemBytes);
}

/** Undoes `shuffleBytes`. */
export function unshuffleBytes(source: Uint8Array, target: Uint8Array, itemBytes: number): void {
  const count = Math.floor(source.length / itemBytes);
  if (itemBytes === 8) unshuffleEight(source, target, count);
  else if (itemBytes === 4) unshuffleFour(source, target, count);
  else {
    for (let plane = 0; plane < itemBytes; plane++) {
      const start = plane * count;
      for (let index = 0, at = plane; index < count; index++, at += itemBytes) target[at] = source[start + index]!;
    }
  }
  target.set(source.subarray(count * itemBytes), count * itemBytes);
}

/** The common sizes, in one pass over the elements: it takes half the time. */
function shuffleFour(source: Uint8Array, target: Uint8Array, count: number): void {
  const [second, third, fourth] = [count, 2 * count, 3 * count];
  for (let index = 0, at = 0; index < count; index++, at += 4) {
    target[index] = source[at]!;
    target[second + index] = source[at + 1]!;
    target[third + index] = source[at + 2]!;
    target[fourth + index] = source[at + 3]!;
  }
}

function unshuffleFour(source: Uint8Array, target: Uint8Array, count: number): void {
  const [second, third, fourth] = [count, 2 * count, 3 * count];
  for (let index = 0, at = 0; index < count; index++, at += 4) {
    target[at] = source[index]!;
    target[at + 1] = source[second + index]!;
    target[at + 2] = source[third + index]!;
    target[at + 3] = source[fourth + index]!;
  }
}

function shuffleEight(source: Uint8Array, target: Uint8Array, count: number): void {
  const [second, third, fourth] = [count, 2 * count, 3 * count];
  const [fifth, sixth, seventh, eighth] = [4 * count, 5 * count, 6 * count, 7 * count];
  for (let index = 0, at = 0; index < count; index++, at += 8) {
    target[index] = source[at]!;
    target[second + index] = source[at + 1]!;
    target[third + index] = source[at + 2]!;
    target[fourth + index] = source[at + 3]!;
    target[fifth + index] = source[at + 4]!;
    target[sixth + index] = source[at + 5]!;
    target[seventh + index] = source[at + 6]!;
    target[eighth + index] = source[at + 7]!;
  }
}

function unshuffleEight(source: Uint8Array, target: Uint8Array, count: number): void {
  const [second, third, fourth] = [count, 2 * count, 3 * count];
  const [fifth, sixth, seventh, eighth] = [4 * count, 5 * count, 6 * count, 7 * count];
  for (let index = 0, at = 0; index < count; index++, at += 8) {
    target[at] = source[index]!;
    target[at + 1] = source[second + index]!;
    target[at + 2] = source[third + index]!;
    target[at + 3] = source[fourth + index]!;
    target[at + 4] = source[fifth + index]!;
    target[at + 5] = source[sixth + index]!;
    target[at + 6] = source[seventh + index]!;
    target[at + 7] = source[eighth + index]!;
  }
}
