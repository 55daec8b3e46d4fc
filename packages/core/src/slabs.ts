/** Memory that messages are encoded into, from `used` on. What lies before belongs to those who got it. */
export interface Slab {
  readonly bytes: Buffer<ArrayBuffer>;
  readonly view: DataView;
  used: number;
}

const SLAB_BYTES = 65_536;
/** Connections that write in the same turn get smaller ones from this many on. */
const MANY = 8;
const SMALL_SLAB_BYTES = 4096;
/** A slab with less room isn't used again. */
const LEAST_ROOM_BYTES = 1024;

/** Slabs that nobody writes into. All connections share them: a batch is written within one turn, mostly by one after another. */
const idle: Slab[] = [];
let leasedCount = 0;

/** A slab with room for `count` bytes, for one writer alone until it is returned. */
export function leaseSlab(count: number): Slab {
  const last = idle[idle.length - 1];
  if (last !== undefined && last.used + count <= last.bytes.length) {
    idle.pop();
    leasedCount++;
    return last;
  }
  const bytes = Buffer.allocUnsafeSlow(Math.max(count, leasedCount < MANY ? SLAB_BYTES : SMALL_SLAB_BYTES));
  leasedCount++;
  return { bytes, view: new DataView(bytes.buffer), used: 0 };
}

export function returnSlab(slab: Slab): void {
  leasedCount--;
  const { length } = slab.bytes;
  if (length !== SLAB_BYTES || length - slab.used < LEAST_ROOM_BYTES) return;
  // The oldest goes: it may have too little room for what comes.
  if (idle.push(slab) > MANY) idle.shift();
}
