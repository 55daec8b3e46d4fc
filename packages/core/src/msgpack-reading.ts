const NO_VIEW = new DataView(new ArrayBuffer(0));
/** Larger messages have memory of their own, which must not be kept. */
const LARGEST_VIEWED_BYTES = 65_536;
const NO_BYTES = Buffer.alloc(0);
/** On the memory of the message that was read last: mostly what all sockets read into. */
let view: DataView = NO_VIEW;
/** What it was made for: engines take long to say which memory bytes are in. */
let viewed: Buffer = NO_BYTES;

export function readFloat32(bytes: Buffer, start: number): number {
  if (viewed !== bytes) look(bytes);
  return view.getFloat32(start + bytes.byteOffset);
}

export function readFloat64(bytes: Buffer, start: number): number {
  if (viewed !== bytes) look(bytes);
  return view.getFloat64(start + bytes.byteOffset);
}

function look(bytes: Buffer): void {
  if (view.buffer !== bytes.buffer) view = new DataView(bytes.buffer);
  viewed = bytes;
}

/** A message has been read: what is large isn't kept for its numbers. */
export function forgetMemory(): void {
  if (view.byteLength <= LARGEST_VIEWED_BYTES) return;
  view = NO_VIEW;
  viewed = NO_BYTES;
}

/** An unsigned integer of 8 bytes; a bigint where a number would lose digits. */
export function readUnsigned64(bytes: Buffer, start: number): number | bigint {
  const high = bytes.readUInt32BE(start);
  if (high >= 0x20_0000) return bytes.readBigUInt64BE(start);
  return high * 0x1_0000_0000 + bytes.readUInt32BE(start + 4);
}

/** The same with a sign. */
export function readSigned64(bytes: Buffer, start: number): number | bigint {
  const value = bytes.readBigInt64BE(start);
  const near = Number(value);
  return Number.isSafeInteger(near) ? near : value;
}
