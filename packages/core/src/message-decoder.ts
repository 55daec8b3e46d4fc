import { ProtocolError, SerializationError } from "./errors.ts";
import { explained } from "./lower-lift.ts";
import { setHeader } from "./message.ts";
import type { Message } from "./message.ts";

/** Reads the values of a binary format one after another; it stands at the start of a message. */
export interface MessageDecoder {
  /** Whether an array of three starts here. */
  readMessageHead(): boolean;
  /** @throws SerializationError */
  read(depth: number): unknown;
  /** Reads the one value that is left. @throws SerializationError */
  readLast(depth: number): unknown;
  /** Lets go of the bytes. */
  close(): void;
}

/** Engines make tables of arrays that are longer from the start. */
const LONGEST_PRESET_LENGTH = 2 ** 24;

/** For so many elements. */
export function newArray(count: number): unknown[] {
  return Array<unknown>(Math.min(count, LONGEST_PRESET_LENGTH));
}

/**
 * Reads `[type, id, content]`. Content that can't be decoded is `message.error`.
 *
 * @throws ProtocolError where the payload is no message; `format` names what it should be in.
 */
export function decodeMessageWith(decoder: MessageDecoder, maxDepth: number, message: Message, format: string): void {
  try {
    readHeader(decoder, message, format);
    message.content = decoder.readLast(maxDepth);
    message.error = undefined;
  } catch (thrown) {
    const error = explained(thrown);
    if (!(error instanceof SerializationError)) throw error;
    message.content = undefined;
    message.error = error;
  } finally {
    decoder.close();
  }
}

function readHeader(decoder: MessageDecoder, message: Message, format: string): void {
  let type: unknown;
  let id: unknown;
  try {
    if (!decoder.readMessageHead()) throw new ProtocolError(`payload is not [type, id, content] ${format}`);
    type = decoder.read(0);
    id = decoder.read(0);
  } catch (error) {
    if (!(error instanceof SerializationError)) throw error;
    throw new ProtocolError(`not a message: ${error.message}`, { cause: error });
  }
  setHeader(message, type, id);
}
