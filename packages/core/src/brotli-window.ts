import { SerializationError } from "./errors.ts";

/** What encoders take when nobody says otherwise. */
const USUAL_WINDOW_BITS = 22;
/** What a window holds less than its power of two, RFC 7932 section 9.1. */
const WINDOW_GAP_BYTES = 16;

/**
 * A decoder fills a window of the size in the head before it gives out a byte. One that looks back further than all that `plainBytes` can
 * hold, and than encoders do by default, is refused: its only use is to take memory.
 *
 * @throws SerializationError
 */
export function checkBrotliWindow(packed: Uint8Array, plainBytes: number): void {
  const bits = windowBits(packed[0] ?? 0);
  const isTooLarge = bits > USUAL_WINDOW_BITS && 2 ** (bits - 1) - WINDOW_GAP_BYTES >= plainBytes;
  if (!isTooLarge) return;
  const reason = `a window of ${bits} bits for ${plainBytes} bytes; up to ${USUAL_WINDOW_BITS} bits are taken, or as many as the bytes need`;
  throw new SerializationError(`malformed brotli data: ${reason}`);
}

/** Of the head of a stream, RFC 7932 section 9.1. A large window, which the decoder refuses, has less than 10. */
function windowBits(head: number): number {
  if ((head & 1) === 0) return 16;
  const large = (head >> 1) & 7;
  if (large !== 0) return 17 + large;
  const small = (head >> 4) & 7;
  return small === 0 ? 17 : 8 + small;
}
