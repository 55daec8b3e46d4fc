import { ProtocolError, quoted } from "./errors.ts";
import { ExtendedFrameReader, HEADER_BYTES, PIECE_HEAD_BYTES } from "./extended-frames.ts";
import type { ExtendedFrameListener } from "./extended-frames.ts";
import { FrameBody } from "./frame-body.ts";

/** All of a header but the bit of extended frames. */
const LENGTH_BITS = 0x7fff_ffff;
/** Frames of most connections lie within their chunks: never opened. */
const NO_BODY = new FrameBody();
/** A listener is asked behind so many bytes, however few frames they are. */
const MOST_UNASKED_BYTES = 2048;

export interface FrameListener {
  /** Takes a payload, `bytes[start..end)`. The bytes are valid during the call only. */
  onFrame(bytes: Buffer, start: number, end: number): void;
  /** How many frames it takes before it is asked again. 0: others have their turn, what comes next is kept until `goOn`. */
  mayTake?(): number;
}

export interface ExtendedFrameHost {
  /** Makes what takes extended frames, when the first one comes. */
  extendedFrames(): ExtendedFrameListener;
}

/**
 * Cuts a byte stream into length-prefixed frames (`docs/protocol.md` section 1). A frame that lies within one chunk is handed
 * out in place; one that spans several is put together, and where it is large the transport may read straight into its place.
 * Memory follows what has arrived, never a declared length.
 */
export class FrameDecoder {
  /** Largest payload; changes take effect at the next header. */
  maxPayloadBytes: number;
  readonly #listener: FrameListener;
  /** Bytes of a header that is incomplete, and their value so far. */
  #headerFilled = 0;
  #header = 0;
  #body: FrameBody = NO_BODY;
  /** Where extended frames are allowed. */
  #host: ExtendedFrameHost | undefined;
  #extended: ExtendedFrameReader | undefined;
  /** Where the header of a piece is read to that probably comes next: no byte of the piece goes elsewhere first. */
  #probe: Buffer | undefined;
  /** There was a frame within the limit. */
  #begun = false;
  /** The last frame was an extended one. */
  #afterExtended = false;
  #stopped = false;
  /** Frames that the listener takes before it is asked. */
  #count = 1;
  #isHeld = false;
  /** What is kept. */
  #rest: Buffer | undefined;

  constructor(maxPayloadBytes: number, listener: FrameListener) {
    this.maxPayloadBytes = maxPayloadBytes;
    this.#listener = listener;
  }

  /** Takes extended frames from now on. */
  takeExtended(host: ExtendedFrameHost): void {
    this.#host = host;
  }

  /** Bytes of a frame that has begun and is not complete. */
  get pendingBytes(): number {
    if (this.#extended?.isOpen === true) return HEADER_BYTES + this.#extended.pendingBytes;
    return this.#body.isOpen ? HEADER_BYTES + this.#body.filledBytes : this.#headerFilled;
  }

  /** The listener has had its turn: what comes is kept. */
  get isHeld(): boolean {
    return this.#isHeld;
  }

  /** Bytes that are kept. */
  get heldBytes(): number {
    return this.#rest === undefined ? 0 : this.#rest.length;
  }

  /** No more frames, also not from the chunk that is being read. */
  stop(): void {
    this.#stopped = true;
    this.#isHeld = false;
    this.#rest = undefined;
    this.#headerFilled = 0;
    this.#body.drop();
    this.#extended?.drop();
  }

  /**
   * Reads one chunk and calls the listener for each frame that is complete. The chunk isn't kept.
   *
   * @throws ProtocolError for a length over the limit, and for an extended frame where none are taken.
   */
  push(chunk: Buffer): void {
    if (!this.#isHeld) this.#read(chunk, false);
    else this.#rest = this.#rest === undefined ? Buffer.from(chunk) : Buffer.concat([this.#rest, chunk]);
  }

  /** Reads what was kept. @throws ProtocolError as `push` */
  goOn(): void {
    const rest = this.#rest;
    this.#isHeld = false;
    this.#rest = undefined;
    if (rest !== undefined) this.#read(rest, true);
  }

  /** `isOwn`: the memory of the chunk is nobody else's. */
  #read(chunk: Buffer, isOwn: boolean): void {
    const end = chunk.length;
    let position = 0;
    if (this.#body.isOpen || this.#headerFilled > 0 || this.#extended?.isOpen === true) {
      position = this.#continue(chunk);
      if (this.#isTurnOver()) return this.#hold(chunk, position, isOwn);
    }
    // What has come in large chunks may be the next of many in this turn.
    let left = end < MOST_UNASKED_BYTES ? 1 : 0;
    let asked = position;
    while (!this.#stopped && end - position >= HEADER_BYTES) {
      if (left <= 0 || position - asked >= MOST_UNASKED_BYTES) {
        if (this.#isTurnOver()) return this.#hold(chunk, position, isOwn);
        left = this.#count;
        asked = position;
      }
      position = this.#frame(readHeader(chunk, position), chunk, position + HEADER_BYTES);
      left--;
    }
    if (!this.#stopped) this.#keepHeader(chunk, position, end);
  }

  #isTurnOver(): boolean {
    const count = this.#listener.mayTake?.() ?? Infinity;
    if (count === 0) return true;
    this.#count = count;
    return false;
  }

  #hold(chunk: Buffer, position: number, isOwn: boolean): void {
    if (this.#stopped) return;
    this.#isHeld = true;
    const rest = chunk.subarray(position);
    if (rest.length > 0) this.#rest = isOwn ? rest : Buffer.from(rest);
  }

  /** Where a transport may read the next bytes to, if it isn't what all share; `fill` follows. */
  room(): Buffer | undefined {
    if (this.#isHeld) return undefined;
    if (this.#extended?.isOpen === true) return this.#extended.room();
    if (this.#body.isOpen) return this.#body.room();
    if (!this.#afterExtended || this.#extended?.expectsPiece !== true) return undefined;
    this.#probe ??= Buffer.allocUnsafeSlow(HEADER_BYTES + PIECE_HEAD_BYTES);
    return this.#probe.subarray(this.#headerFilled);
  }

  /** Bytes have been read into what `room` returned. */
  fill(count: number): void {
    if (this.#stopped) return;
    if (this.#extended?.isOpen === true) this.#extended.fill(count);
    else if (this.#body.isOpen) {
      this.#body.fill(count);
      if (this.#body.isComplete) this.#finish();
    } else return this.push(this.#probe!.subarray(this.#headerFilled, this.#headerFilled + count));
    if (this.#isTurnOver()) this.#isHeld = !this.#stopped;
  }

  /** A frame whose header has been read and whose content starts at `start`; returns where the next one does. */
  #frame(header: number, chunk: Buffer, start: number): number {
    if (header < 0) return this.#extendedFrame(header & LENGTH_BITS, chunk, start);
    if (header > this.maxPayloadBytes) throw oversized(header, this.maxPayloadBytes, !this.#begun);
    this.#begun = true;
    this.#afterExtended = false;
    const end = start + header;
    if (end <= chunk.length) {
      this.#listener.onFrame(chunk, start, end);
      return end;
    }
    if (this.#body === NO_BODY) this.#body = new FrameBody();
    this.#body.begin(header);
    return this.#body.append(chunk, start);
  }

  #extendedFrame(length: number, chunk: Buffer, start: number): number {
    if (this.#host === undefined) throw new ProtocolError("extended frame from a peer that was not told to send any");
    this.#extended ??= new ExtendedFrameReader(this.#host.extendedFrames());
    this.#extended.begin(length);
    this.#afterExtended = true;
    return this.#extended.read(chunk, start, this.maxPayloadBytes);
  }

  /** Goes on with the frame that has begun; returns where the rest of the chunk starts. */
  #continue(chunk: Buffer): number {
    if (this.#extended?.isOpen === true) return this.#extended.read(chunk, 0, this.maxPayloadBytes);
    if (this.#body.isOpen) {
      const position = this.#body.append(chunk, 0);
      if (this.#body.isComplete) this.#finish();
      return position;
    }
    const position = Math.min(HEADER_BYTES - this.#headerFilled, chunk.length);
    this.#keepHeader(chunk, 0, position);
    if (this.#headerFilled < HEADER_BYTES) return position;
    this.#headerFilled = 0;
    return this.#frame(this.#header, chunk, position);
  }

  #keepHeader(chunk: Buffer, start: number, end: number): void {
    for (let index = start; index < end; index++) {
      this.#header = (this.#header << 8) | chunk[index]!;
      this.#headerFilled++;
    }
  }

  #finish(): void {
    this.#body.lend((bytes, length) => this.#listener.onFrame(bytes, 0, length));
  }
}

/**
 * The header of a frame as a signed number, which engines keep as a small integer: the length of its payload, or below 0 for an
 * extended frame, whose length is in the lower 31 bits.
 */
function readHeader(bytes: Buffer, position: number): number {
  const high = (bytes[position]! << 24) | (bytes[position + 1]! << 16);
  return high | (bytes[position + 2]! << 8) | bytes[position + 3]!;
}

/** What doesn't speak this protocol most often answers in text or TLS: as a length both are huge. */
function oversized(length: number, limit: number, isFirst: boolean): ProtocolError {
  const reason = `frame of ${length} bytes; the limit is ${limit} (maxMessageBytes)`;
  const start = Buffer.alloc(HEADER_BYTES);
  start.writeUInt32BE(length);
  const text = start.toString("latin1");
  const isText = /^[\t\r\n -~]+$/.test(text);
  const isTls = (start[0] === 0x15 || start[0] === 0x16) && start[1] === 0x03;
  if (!isFirst || !(isText || isTls)) return new ProtocolError(reason, { limit: "maxMessageBytes" });
  const found = isText ? `the text ${quoted(text)}` : "those of TLS";
  return new ProtocolError(`the peer doesn't speak this protocol, its first bytes are ${found} (${reason})`);
}
