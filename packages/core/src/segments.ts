import { ColloquyError, SerializationError } from "./errors.ts";
import type { PlaceStep } from "./errors.ts";
import { MAX_SEGMENT_COUNT } from "./extended-frames.ts";

/** Binary values of fewer bytes stay in the message. */
export const LEAST_SEGMENT_BYTES = 32_768;

/** A large binary value on its way out: the caller's own memory. */
export interface SentSegment {
  readonly bytes: Uint8Array;
  /** Bytes of one element. */
  readonly itemBytes: number;
}

/** Makes segments smaller for the wire, and back. */
export interface SegmentPacker {
  /** What crosses in place of the bytes, or undefined where they cross as they are. */
  packSegment(segment: SentSegment): Promise<Uint8Array | undefined>;
  /** `rawLength` bytes. Rejects with `SERIALIZATION_ERROR` where they aren't what `packed` holds. */
  unpackSegment(packed: Uint8Array, rawLength: number): Promise<Buffer>;
}

/** What the peer takes beside messages: nothing, segments, or it has to be asked first. */
export type SegmentSupport = "none" | "segments" | "unknown";

const NONE: never[] = [];

/**
 * The large binary values of the message that a codec encodes or decodes, which travel beside its payload
 * (`docs/protocol.md` section 8). One for each codec of a connection.
 */
export class Segments {
  support: SegmentSupport = "none";
  /** A message of the connection is being encoded, not a value for somebody else. */
  #isEncoding = false;
  #sent: SentSegment[] = NONE;
  #received: (Buffer | undefined)[] = NONE;

  /** The next message is being encoded. */
  begin(): void {
    this.#isEncoding = true;
  }

  /** What `action` encodes or decodes is no part of a message: it stands for itself. */
  apart<T>(action: () => T): T {
    const [isEncoding, received] = [this.#isEncoding, this.#received];
    if (!isEncoding && received === NONE) return action();
    this.#isEncoding = false;
    this.#received = NONE;
    try {
      return action();
    } finally {
      this.#isEncoding = isEncoding;
      this.#received = received;
    }
  }

  /** Whether a binary value of so many bytes travels beside the message that is being encoded: what `add` goes by. */
  takes(length: number): boolean {
    if (length < LEAST_SEGMENT_BYTES || !this.#isEncoding || this.support === "none") return false;
    return this.#sent.length < MAX_SEGMENT_COUNT;
  }

  /**
   * The number under which `bytes` travel beside the message, or undefined where they stay in it.
   *
   * @throws HelloWanted where it isn't known yet what the peer takes.
   */
  add(bytes: Uint8Array, itemBytes: number): number | undefined {
    if (!this.takes(bytes.length)) return undefined;
    if (this.support === "unknown") throw new HelloWanted("large binary values");
    if (this.#sent === NONE) this.#sent = [];
    return this.#sent.push({ bytes, itemBytes }) - 1;
  }

  /** The message is encoded, or has failed: hands out what it has. */
  take(): readonly SentSegment[] {
    this.#isEncoding = false;
    const sent = this.#sent;
    this.#sent = NONE;
    return sent;
  }

  /** The next message to be decoded has come with these. */
  open(received: Buffer[]): void {
    this.#received = received;
  }

  close(): void {
    this.#received = NONE;
  }

  /**
   * The bytes of a number: memory of their own, aligned for every type.
   *
   * @throws SerializationError for a number that the message doesn't have, or that stands in it twice.
   */
  use(index: unknown): Buffer {
    const bytes = typeof index === "number" ? this.#received[index] : undefined;
    if (bytes === undefined)
      throw new SerializationError("a segment that didn't come with this message, or stands in it twice");
    this.#received[index as number] = undefined;
    return bytes;
  }
}

/** Memory that was given away, or has shrunk, before it was sent. */
export function memoryIsGone(): ColloquyError {
  const reason = "a binary value was detached or has shrunk before it was sent; flushed() tells when it has been";
  return new ColloquyError("INVALID_ARGUMENT", reason);
}

/** Thrown by an encoder: the value can be sent once the peer has said that it takes such values. */
export class HelloWanted extends SerializationError {
  readonly #what: string;

  constructor(what: string, place: readonly PlaceStep[] = []) {
    super(`${what}: it goes once the peer has said hello, and the peer can't be asked now`, { place });
    this.#what = what;
  }

  override at(place: readonly PlaceStep[]): HelloWanted {
    return new HelloWanted(this.#what, place);
  }
}
