const NO_VIEW = new DataView(new ArrayBuffer(0));
/** Larger messages have memory of their own, which must not be kept. */
const LARGEST_VIEWED_BYTES = 65_536;
/** On the memory of the message that was read last: mostly what all sockets read into. */
let view: DataView = NO_VIEW;

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

export function readFloat32(bytes: Buffer, start: number): number {
  return viewOf(bytes).getFloat32(bytes.byteOffset + start);
}

export function readFloat64(bytes: Buffer, start: number): number {
  return viewOf(bytes).getFloat64(bytes.byteOffset + start);
}

/** A message has been read: what it had of its own isn't held any more. */
export function forgetLarge(): void {
  if (view.byteLength > LARGEST_VIEWED_BYTES) view = NO_VIEW;
}

function viewOf({ buffer }: Buffer): DataView {
  if (view.buffer !== buffer) view = new DataView(buffer);
  return view;
}
