import { ColloquyError, describeType } from "./errors.ts";

/** A sequence of numbers from 0 up to 1 that follows from its seed, on every machine. */
export type Random = () => number;

/**
 * Random numbers of a run that can be made again: the same seed gives the same numbers. Not for secrets.
 *
 * @throws ColloquyError `INVALID_ARGUMENT` for a seed that is no text and no finite number.
 */
export function seededRandom(seed: number | string): Random {
  if (typeof seed !== "string" && !Number.isFinite(seed)) {
    const what = typeof seed === "number" ? seed : describeType(seed);
    throw new ColloquyError("INVALID_ARGUMENT", `seed must be a text or a finite number but is ${what}`);
  }
  const states = [0x9e3779b9, 0x243f6a88, 0xb7e15162, hashOf(`${typeof seed}:${seed}`)] as [
    number,
    number,
    number,
    number,
  ];
  const random = (): number => next(states);
  // Seeds that are alike have states that are alike at first.
  for (let count = 0; count < 16; count++) random();
  return random;
}

/** FNV-1a. */
function hashOf(text: string): number {
  let hash = 0x811c9dc5;
  for (let index = 0; index < text.length; index++) hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193);
  return hash >>> 0;
}

/** One step of sfc32: small, fast, passes PractRand. */
function next(states: [number, number, number, number]): number {
  let [a, b, c, counter] = states;
  const result = (a + b + counter) | 0;
  counter = (counter + 1) | 0;
  a = b ^ (b >>> 9);
  b = (c + (c << 3)) | 0;
  c = ((c << 21) | (c >>> 11)) + result;
  states[0] = a;
  states[1] = b;
  states[2] = c | 0;
  states[3] = counter;
  return (result >>> 0) / 0x1_0000_0000;
}
