import { spreadOf } from "../statistics.ts";

/** Calls that are written, and read again, at a time: as many as are in flight in the other measurement. */
const BATCH = 64;
const ROUNDS = 7;
const CALLS = 200_000;
const LENGTH_BYTES = 1;

class Adder {
  readonly #number: number;
  constructor(number: number) {
    this.#number = number;
  }
  add(n: number): number {
    return this.#number + n;
  }
}

/**
 * What the machine's memory leaves of the rate where calls go to random ones of so many objects, without a library: paths are
 * written to a buffer, read again and split, and a `Map` has the objects.
 */
export function shareByHand(count: number): number {
  const table = new Map<string, Adder>();
  const callers: { readonly path: string }[] = [];
  for (let number = 0; number < count; number++) {
    table.set(String(number), new Adder(number));
    // In one piece: what a template makes is put together when it is read first.
    callers.push({ path: Buffer.from(`agents/${number}/add`).toString("latin1") });
  }
  const buffer = Buffer.alloc(65_536);
  const last = new Uint32Array(CALLS).fill(count - 1);
  const drawn = Uint32Array.from({ length: CALLS }, () => Math.floor(Math.random() * count));
  const timeOf = (targets: Uint32Array): number => {
    const start = process.cpuUsage();
    for (let made = 0; made < CALLS; made += BATCH)
      callBatch(table, callers, buffer, targets.subarray(made, made + BATCH));
    const { user, system } = process.cpuUsage(start);
    return user + system;
  };
  const shares: number[] = [];
  for (let round = -1; round < ROUNDS; round++) {
    const one = timeOf(last);
    const random = timeOf(drawn);
    // The first round warms up.
    if (round >= 0) shares.push(one / random);
  }
  return spreadOf(shares)!.median;
}

function callBatch(
  table: ReadonlyMap<string, Adder>,
  callers: readonly { readonly path: string }[],
  buffer: Buffer,
  targets: Uint32Array,
): void {
  let end = 0;
  for (const target of targets) {
    const length = buffer.write(callers[target]!.path, end + LENGTH_BYTES, "latin1");
    buffer[end] = length;
    end += LENGTH_BYTES + length;
  }
  for (let start = 0; start < end;) {
    const from = start + LENGTH_BYTES;
    start = from + buffer[start]!;
    const names = buffer.toString("latin1", from, start).split("/");
    if (names[2] !== "add" || Number.isNaN(table.get(names[1]!)!.add(1))) throw new Error("found something else");
  }
}
