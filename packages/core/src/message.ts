import { ProtocolError } from "./errors.ts";
import type { SerializationError } from "./errors.ts";

/** Message types of the wire, `docs/protocol.md` section 2. */
export const REQUEST = 0;
export const RESULT = 1;
export const EXCEPTION = 2;
export const NOTIFICATION = 3;

/** True for what answers a request. */
export function isAnswer(type: number): boolean {
  return type === RESULT || type === EXCEPTION;
}

/** Ids are unsigned 32-bit integers. */
export const LARGEST_ID = 0xffff_ffff;

/** The id, or handle, after this one: they go round. */
export function following(id: number): number {
  return id === LARGEST_ID ? 0 : id + 1;
}

/** `[type, id, content]` as a codec reads it. One object is used again for every message of a channel. */
export interface Message {
  type: number;
  id: number;
  content: unknown;
  /** Set where the header could be read and the content could not: only this message fails. */
  error: SerializationError | undefined;
}

/**
 * Takes over type and id.
 *
 * @throws ProtocolError for an unknown type or an id that is no unsigned 32-bit integer.
 */
export function setHeader(message: Message, type: unknown, id: unknown): void {
  if (typeof type !== "number" || !Number.isInteger(type) || type < REQUEST || type > NOTIFICATION) {
    throw new ProtocolError("unknown message type");
  }
  if (typeof id !== "number" || !Number.isInteger(id) || id < 0 || id > LARGEST_ID) {
    throw new ProtocolError("message id is no unsigned 32-bit integer");
  }
  message.type = type;
  message.id = id;
}

/**
 * Takes over a decoded `[type, id, content]`.
 *
 * @throws ProtocolError for anything else.
 */
export function readMessage(decoded: unknown, message: Message): void {
  if (!Array.isArray(decoded) || decoded.length !== 3) throw new ProtocolError("payload is not [type, id, content]");
  setHeader(message, decoded[0], decoded[1]);
  message.content = decoded[2];
  message.error = undefined;
}
