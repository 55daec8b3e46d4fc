import { isUtf8 } from "node:buffer";
import { SerializationError } from "./errors.ts";

/**
 * Text of `bytes[start..end)`.
 *
 * @throws SerializationError for bytes that aren't UTF-8, instead of putting U+FFFD in their place.
 */
export function readUtf8(bytes: Buffer, start: number, end: number): string {
  const text = start === 0 && end === bytes.length ? bytes.toString() : bytes.toString("utf8", start, end);
  if (text.includes("\ufffd") && !isUtf8(bytes.subarray(start, end))) throw new SerializationError("text is not UTF-8");
  return text;
}

/** A Buffer on the same memory. */
export function asBuffer(bytes: Uint8Array): Buffer {
  return bytes instanceof Buffer ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
