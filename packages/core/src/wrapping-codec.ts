import type { ByteWriter } from "./byte-writer.ts";
import { Codec } from "./codec.ts";
import { ProtocolError, SerializationError } from "./errors.ts";
import { messageTooLarge } from "./limits.ts";
import type { Message } from "./message.ts";
import type { Segments } from "./segments.ts";
import type { SerializerTable } from "./serializers.ts";
import type { Shapes } from "./shapes.ts";
import { asBuffer } from "./utf8.ts";

/** Whether bytes are packed, and if so, whether that takes long. */
export type Packing = "not" | "now" | "later";

/**
 * A codec around another one, whose bytes it packs: a head in front says how. To the rest the two are one codec; they have the same
 * types, segments and shapes. What isn't packed is written and read in place.
 */
export abstract class WrappingCodec extends Codec {
  override readonly table: SerializerTable;
  override readonly segments: Segments;
  override readonly shapes: Shapes | undefined;
  readonly #inner: Codec;
  /** Bytes of the head where the rest isn't packed. */
  readonly #headBytes: number;

  /** Shorter messages are never packed. */
  readonly #leastPackedBytes: number;

  constructor(inner: Codec, headBytes: number, leastPackedBytes: number) {
    super();
    this.#leastPackedBytes = leastPackedBytes;
    this.table = inner.table;
    this.segments = inner.segments;
    this.shapes = inner.shapes;
    this.#inner = inner;
    this.#headBytes = headBytes;
  }

  override get packs(): boolean {
    return true;
  }

  /** What is done with bytes of at least the least length. They are valid during the call only. */
  protected abstract packingOf(plain: Buffer): Packing;

  /** Writes the head of `plainBytes` bytes that stand behind it as they are. */
  protected abstract writeHead(target: Buffer, position: number, plainBytes: number): void;

  /** The packed bytes with their head, or undefined where they don't shrink. `plain` is valid during the call only. */
  protected abstract packNow(plain: Buffer): Buffer | undefined;

  /** The same in a promise. `plain` stays as it is meanwhile. */
  protected abstract packLater(plain: Buffer): Promise<Buffer | undefined>;

  /** Where the bytes start that stand there as they are; -1: they are packed. @throws SerializationError */
  protected abstract plainStart(bytes: Buffer, start: number, end: number): number;

  /**
   * Undoes packing, for at most `maxBytes` bytes. `bytes` are valid during the call only.
   *
   * @throws SerializationError
   */
  protected abstract unpack(bytes: Buffer, start: number, end: number, maxBytes: number): Buffer | Promise<Buffer>;

  override twin(): Codec {
    return this.#followed().twin();
  }

  override encode(value: unknown): Uint8Array | Promise<Uint8Array> {
    const plain = this.#followed().encode(value);
    return plain instanceof Promise ? plain.then((bytes) => this.#wrap(asBuffer(bytes))) : this.#wrap(asBuffer(plain));
  }

  override decode(bytes: Uint8Array): unknown {
    const inner = this.#followed();
    const buffer = asBuffer(bytes);
    const start = this.plainStart(buffer, 0, buffer.length);
    if (start >= 0) return inner.decode(bytes.subarray(start));
    const unpacked = this.unpack(buffer, 0, buffer.length, this.limits.maxMessageBytes);
    return unpacked instanceof Promise ? unpacked.then((plain) => inner.decode(plain)) : inner.decode(unpacked);
  }

  override encodeMessage(writer: ByteWriter, type: number, id: number, content: unknown): void | Promise<Uint8Array> {
    const mark = writer.mark();
    writer.reserve(this.#headBytes);
    writer.position += this.#headBytes;
    const later = this.#followed().encodeMessage(writer, type, id, content);
    if (later !== undefined) return later.then((bytes) => this.#wrapMessage(asBuffer(bytes)));
    const head = writer.at(mark);
    const plainBytes = writer.position - head - this.#headBytes;
    if (plainBytes >= this.#leastPackedBytes) {
      const plain = writer.bytes.subarray(head + this.#headBytes, writer.position);
      const packing = this.packingOf(plain);
      if (packing === "later") return this.#packMessageLater(plain);
      const packed = packing === "now" ? this.#packMessage(plain) : undefined;
      if (packed !== undefined) {
        writer.rewind(mark);
        return writer.append(packed);
      }
    }
    this.writeHead(writer.bytes, head, plainBytes);
  }

  override decodeMessage(bytes: Buffer, start: number, end: number, message: Message): void | Promise<void> {
    const inner = this.#followed();
    try {
      const plain = this.plainStart(bytes, start, end);
      if (plain >= 0) return inner.decodeMessage(bytes, plain, end, message);
      const unpacked = this.unpack(bytes, start, end, this.limits.maxMessageBytes);
      if (!(unpacked instanceof Promise)) return inner.decodeMessage(unpacked, 0, unpacked.length, message);
      return unpacked.then((whole) => inner.decodeMessage(whole, 0, whole.length, message), refuseMessage);
    } catch (error) {
      refuseMessage(error);
    }
  }

  override inlineBytes(bytes: Uint8Array): unknown {
    return this.#inner.inlineBytes(bytes);
  }

  override bytesInline(data: unknown): Uint8Array {
    return this.#inner.bytesInline(data);
  }

  /** The inner codec, with the limits of this one. */
  #followed(): Codec {
    this.#inner.limits = this.limits;
    return this.#inner;
  }

  #wrap(plain: Buffer): Buffer | Promise<Buffer> {
    const packing = plain.length < this.#leastPackedBytes ? "not" : this.packingOf(plain);
    if (packing === "later") return this.#packLater(plain);
    return (packing === "now" ? this.packNow(plain) : undefined) ?? this.#withHead(plain);
  }

  async #packLater(plain: Buffer): Promise<Buffer> {
    // What comes next is written into the same memory.
    const whole = this.#withHead(plain);
    return (await this.packLater(whole.subarray(this.#headBytes))) ?? whole;
  }

  #packMessage(plain: Buffer): Buffer | undefined {
    this.#checkSent(plain);
    return this.packNow(plain);
  }

  async #packMessageLater(plain: Buffer): Promise<Buffer> {
    this.#checkSent(plain);
    return this.#packLater(plain);
  }

  async #wrapMessage(plain: Buffer): Promise<Buffer> {
    this.#checkSent(plain);
    return this.#wrap(plain);
  }

  /** A copy behind its head. */
  #withHead(plain: Buffer): Buffer {
    const whole = Buffer.allocUnsafeSlow(this.#headBytes + plain.length);
    this.writeHead(whole, 0, plain.length);
    plain.copy(whole, this.#headBytes);
    return whole;
  }

  /** The peer holds the bytes to its limit once they are unpacked. */
  #checkSent({ length }: Buffer): void {
    const limit = this.maxSentBytes;
    if (length <= limit) return;
    throw messageTooLarge(length, limit, this.limits.maxMessageBytes);
  }
}

function refuseMessage(error: unknown): never {
  if (!(error instanceof SerializationError)) throw error;
  throw new ProtocolError(`not a message: ${error.message}`, { cause: error });
}
