import { deepStrictEqual } from "node:assert/strict";
import type { Timing } from "../measure.ts";
import type { TestedCodec } from "./codecs.ts";

/** What one codec takes for one sample. */
export interface CodecMeasurement {
  /** Bytes of the encoded sample. */
  readonly bytes: number;
  /** Nanoseconds of CPU for one. */
  readonly encodeNs: number;
  readonly decodeNs: number;
}

const batchUs = 2_000;

/** Checks that the value comes back, then measures both ways. Throws where it doesn't. */
export function measureCodec(codec: TestedCodec, value: unknown, timing: Timing): CodecMeasurement {
  // A second message may be encoded in another way than the first.
  for (let time = 0; time < 2; time++) deepStrictEqual(plain(codec.decode(codec.encode(value))), value);
  const encodeNs = nanosecondsEach(() => codec.encode(value), timing);
  const bytes = codec.encode(value);
  const decodeNs = nanosecondsEach(() => codec.decode(bytes), timing);
  deepStrictEqual(plain(codec.decode(bytes)), value);
  return { bytes: bytes.length, encodeNs, decodeNs };
}

/** The same content with the prototypes of literals: records of some codecs have classes of their own. */
function plain(value: unknown): unknown {
  return structuredClone(value);
}

let sink: unknown;

function nanosecondsEach(work: () => unknown, { warmUpMs, timedMs }: Timing): number {
  let batch = 1;
  let warm = 0;
  while (warm < warmUpMs * 1000) {
    const elapsed = cpuUs(work, batch);
    warm += elapsed;
    if (elapsed < batchUs) batch *= 2;
  }
  let count = 0;
  let total = 0;
  while (total < timedMs * 1000) {
    total += cpuUs(work, batch);
    count += batch;
  }
  return (total * 1000) / count;
}

/** Time of CPU of all threads, so with garbage collection, and without what other processes take meanwhile. */
function cpuUs(work: () => unknown, times: number): number {
  const start = process.cpuUsage();
  for (let time = 0; time < times; time++) sink = work();
  const { user, system } = process.cpuUsage(start);
  if (sink === undefined) throw new Error("the codec returned nothing");
  return user + system;
}
