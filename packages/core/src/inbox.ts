import type { Codec, CodecChooser } from "./codec.ts";
import { ProtocolError, SerializationError } from "./errors.ts";
import { readingFailed } from "./message-failures.ts";
import { FrameDecoder } from "./frame-decoder.ts";
import type { ExtendedFrameHost, FrameListener } from "./frame-decoder.ts";
import { IncomingSegments } from "./incoming-segments.ts";
import type { ReceiptSource, SegmentListener, SegmentedMessage } from "./incoming-segments.ts";
import type { MessageSize } from "./held-bytes.ts";
import type { Limits } from "./limits.ts";
import { isAnswer } from "./message.ts";
import type { Message } from "./message.ts";
import { Queue } from "./queue.ts";
import { Reading } from "./reading.ts";
import type { ReadSource } from "./reading.ts";
import type { StallListener } from "./stall-watch.ts";
import type { Transport } from "./transport.ts";

export interface InboxListener extends StallListener {
  /** A message; the object is used again for the next one. */
  onMessage(message: Message): void;
  /** The codec follows from the first payload: this is it. */
  onCodec(codec: Codec): void;
  /** What took a while to decode, or to come, may be there now, and what came meanwhile is read. */
  onIdle(): void;
  /** The first payload isn't one of this side's codec; nothing more is read. */
  onUnreadableStart(payload: Buffer, error: ProtocolError): void;
}

/** A payload that waits to be decoded. */
interface UndecodedMessage {
  readonly payload: Buffer;
  readonly segmented: SegmentedMessage | undefined;
  readonly segments: Buffer[];
}

const NONE: never[] = [];

/** What one endpoint receives: chunks become frames, frames become messages, in order. */
export class Inbox implements FrameListener, ExtendedFrameHost, SegmentListener, MessageSize, ReadSource {
  readonly frames: FrameDecoder;
  /** Of the message that was decoded last. */
  payloadBytes = 0;
  segmentBytes = 0;
  receivedMessages = 0;
  receivedBytes = 0;
  readonly #transport: Transport;
  readonly #limits: Limits;
  readonly #receipts: ReceiptSource;
  readonly #listener: InboxListener;
  /** Payloads that came while a codec was decoding one in a promise. */
  #undecoded: Queue<UndecodedMessage> | undefined;
  #undecodedBytes = 0;
  readonly #message: Message = { type: 0, id: 0, content: undefined, error: undefined };
  #codec: Codec | undefined;
  #choose: CodecChooser | undefined;
  #decoding = false;
  /** Messages whose segments are being unpacked. */
  #unpackingCount = 0;
  #segments: IncomingSegments | undefined;
  #stopped = false;
  readonly reading: Reading;

  constructor(
    transport: Transport,
    codec: Codec | CodecChooser,
    limits: Limits,
    receipts: ReceiptSource,
    listener: InboxListener,
  ) {
    this.#transport = transport;
    this.#limits = limits;
    this.#receipts = receipts;
    this.#listener = listener;
    this.frames = new FrameDecoder(limits.maxMessageBytes, this);
    this.reading = new Reading(transport, limits, this, listener);
    if (typeof codec === "function") this.#choose = codec;
    else this.#codec = codec;
  }

  /** True while a message is being decoded in a promise, and until what has come is handled. */
  get busy(): boolean {
    return !this.#stopped && (this.#mustWait || this.#unpackingCount > 0 || this.frames.isHeld);
  }

  get unhandledBytes(): number {
    return this.frames.heldBytes + this.#undecodedBytes;
  }

  get mostCostOfByte(): number {
    return this.#codec!.mostCostOfByte;
  }

  get isAmidMessage(): boolean {
    return this.frames.pendingBytes > 0 || this.isReceiving;
  }

  /** A message with segments is on its way here: what has begun in time is answered, though smaller ones may have overtaken it. */
  get isReceiving(): boolean {
    return this.#segments?.isReceiving === true;
  }

  #afterRead(): void {
    if (this.isAmidMessage) this.reading.watch();
    if (this.#segments !== undefined) this.#listener.onIdle();
  }

  /** Takes messages with segments from now on. */
  takeSegments(): void {
    this.frames.takeExtended(this);
  }

  extendedFrames(): IncomingSegments {
    return (this.#segments = new IncomingSegments(this.#limits, this, this.#receipts.segments, this.reading));
  }

  /** There is room in the output again. */
  confirm(): void {
    if (!this.#stopped) this.#segments?.confirm();
  }

  push(chunk: Buffer): void {
    this.#read(chunk.length, chunk);
  }

  /** Memory for the next bytes of a large message under way. */
  room(): Buffer | undefined {
    return this.#stopped ? undefined : this.frames.room();
  }

  /** Bytes have come into what `room` returned. */
  filled(count: number): void {
    this.#read(count, undefined);
  }

  #read(count: number, chunk: Buffer | undefined): void {
    if (this.#stopped) return;
    this.receivedBytes += count;
    this.reading.begin(count);
    try {
      if (chunk === undefined) this.frames.fill(count);
      else this.frames.push(chunk);
      this.#afterRead();
    } catch (error) {
      this.#break(error);
    }
  }

  mayTake(): number {
    return this.reading.mayTake();
  }

  /** Another turn for what has come. */
  goOn(): void {
    if (this.#stopped) return;
    this.guard(() => {
      if (this.#mustWait && !this.#decoding) this.#decodeUndecoded();
      if (!this.reading.isYielding) this.frames.goOn();
      this.#afterRead();
    });
    if (!this.busy) this.#listener.onIdle();
  }

  /** Handles what was kept meanwhile: what that throws ends the connection. */
  guard(handle: () => void): void {
    try {
      handle();
    } catch (error) {
      this.#break(error);
    }
  }

  /** No more messages. */
  stop(): void {
    this.#stopped = true;
    this.reading.stop();
    this.frames.stop();
    this.#segments?.clear();
  }

  onFrame(bytes: Buffer, start: number, end: number): void {
    this.receivedMessages++;
    // The bytes are valid now only: what waits is copied.
    if (this.#mustWait)
      this.#keep({ payload: Buffer.from(bytes.subarray(start, end)), segmented: undefined, segments: NONE });
    else this.#decode(bytes, start, end);
  }

  onSegmented(segmented: SegmentedMessage): void {
    this.receivedMessages++;
    const { payload, segments } = segmented;
    if (segments.some(({ rawLength }) => rawLength > 0)) return void this.#unpack(segmented);
    this.#decodeSegmented({ payload, segmented, segments: segments.map(({ bytes }) => bytes) });
  }

  #keep(message: UndecodedMessage): void {
    (this.#undecoded ??= new Queue()).push(message);
    this.#undecodedBytes += message.payload.length;
  }

  /** Others may pass meanwhile, as they may while segments come; many may be there in one turn. */
  async #unpack(segmented: SegmentedMessage): Promise<void> {
    const { payload, segments } = segmented;
    this.#unpackingCount++;
    const unpacked: Buffer[] = [];
    try {
      const { packer } = this.#codec!;
      if (packer === undefined)
        throw new ProtocolError(`a packed segment; ${this.#codec!.name} has no way to unpack it`);
      for (const { bytes, rawLength } of segments) {
        unpacked.push(rawLength === 0 ? bytes : await packer.unpackSegment(bytes, rawLength));
      }
    } catch (error) {
      if (!(error instanceof SerializationError)) return this.#break(error);
    } finally {
      this.#unpackingCount--;
    }
    try {
      // Without its segments the header is still read, so that the other side learns of the failure.
      this.#decodeSegmented({ payload, segmented, segments: unpacked });
      this.#listener.onIdle();
    } catch (error) {
      this.#break(error);
    }
  }

  #decodeSegmented(message: UndecodedMessage): void {
    if (this.#stopped) return;
    if (this.#mustWait || this.reading.mayTake() === 0) this.#keep(message);
    else this.#decodeKept(message);
  }

  #decodeKept({ payload, segmented, segments }: UndecodedMessage): void {
    const codec = this.#codec!;
    codec.segments.open(segments);
    this.segmentBytes = segments.reduce((sum, { length }) => sum + length, 0);
    if (segmented !== undefined) this.#segments!.release(segmented);
    if (this.#stopped) return codec.segments.close();
    this.#decode(payload, 0, payload.length);
    if (this.#decoding) return;
    codec.segments.close();
    this.segmentBytes = 0;
  }

  get #mustWait(): boolean {
    return this.#decoding || (this.#undecoded !== undefined && this.#undecoded.length > 0);
  }

  #decode(bytes: Buffer, start: number, end: number): void {
    let decoded: void | Promise<void>;
    this.payloadBytes = end - start;
    try {
      if (this.#choose !== undefined) this.#useChosen(this.#choose(end > start ? bytes[start]! : -1));
      decoded = this.#codec!.decodeMessage(bytes, start, end, this.#message);
    } catch (error) {
      if (this.receivedMessages === 1) return this.#failStart(bytes.subarray(start, end), error);
      throw error;
    }
    if (decoded === undefined) return this.#deliver();
    if (this.receivedMessages > 1) return this.#waitFor(decoded);
    const first = Buffer.from(bytes.subarray(start, end));
    this.#waitFor(decoded.catch((error: unknown) => this.#failStart(first, error)));
  }

  #deliver(): void {
    // What this side has asked for is its own affair.
    if (this.#message.error !== undefined)
      this.reading.countOverhead(isAnswer(this.#message.type) ? 0 : this.payloadBytes);
    // A deserializer may have ended the connection.
    if (!this.#stopped) this.#listener.onMessage(this.#message);
  }

  /** A peer that begins with what can't be read may speak another codec. */
  #failStart(payload: Buffer, error: unknown): void {
    if (this.#stopped || !(error instanceof ProtocolError)) throw error;
    this.stop();
    // Its end is still to be seen.
    this.#transport.resume();
    this.#listener.onUnreadableStart(payload, error);
  }

  #useChosen(codec: Codec): void {
    this.#codec = codec;
    this.#choose = undefined;
    this.#listener.onCodec(codec);
  }

  #waitFor(decoded: Promise<void>): void {
    this.#decoding = true;
    this.reading.pause();
    decoded
      .then(() => {
        this.#decoding = false;
        this.#codec!.segments.close();
        this.#deliver();
        this.segmentBytes = 0;
        this.#decodeUndecoded();
      })
      .catch((error: unknown) => this.#break(error));
  }

  /** What came while a message was being decoded, as far as this turn has time. */
  #decodeUndecoded(): void {
    while (this.#mustWait && !this.#decoding && !this.#stopped) {
      if (this.reading.mayTake() === 0) return;
      const message = this.#undecoded!.shift()!;
      this.#undecodedBytes -= message.payload.length;
      this.#decodeKept(message);
    }
    if (this.#decoding || this.#stopped) return;
    this.reading.resume();
    this.#listener.onIdle();
  }

  #break(error: unknown): void {
    if (!this.#stopped) this.#listener.onBroken(readingFailed(error));
  }
}
