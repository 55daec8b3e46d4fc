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
