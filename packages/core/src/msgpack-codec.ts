import { ByteWriter, writeByte } from "./byte-writer.ts";
import { Codec, encodeAlone } from "./codec.ts";
import { located } from "./lower-lift.ts";
import { decodeMessageWith } from "./message-decoder.ts";
import type { Message } from "./message.ts";
import { MsgPackDecoder } from "./msgpack-decoder.ts";
import { MsgPackEncoder } from "./msgpack-encoder.ts";
import { writeNumber } from "./msgpack-writing.ts";
import { Shapes } from "./shapes.ts";
import { asBuffer } from "./utf8.ts";
import { MOST_COST_OF_BYTE } from "./msgpack-check.ts";

const NOWHERE = new ByteWriter();
/** None are ever agreed on. */
const NO_SHAPES = new Shapes();

/**
 * Standard MsgPack: `str` for text, `bin` for `Uint8Array` and `Buffer` (both arrive as `Uint8Array` on memory of its own).
 * Integers beyond 2^53-1 arrive as bigint; extension types are refused.
 */
export class MsgPackCodec extends Codec {
  override readonly shapes: Shapes = new Shapes();
  readonly #encoder: MsgPackEncoder = new MsgPackEncoder(this.table, this.shapes, NOWHERE);
  /** What leaves a connection has no shapes in it. */
  #alone: MsgPackEncoder | undefined;
  readonly #decoder: MsgPackDecoder = new MsgPackDecoder(this.table, this.shapes);

  override get name(): string {
    return "msgpack";
  }

  override get mostCostOfByte(): number {
    return MOST_COST_OF_BYTE;
  }

  override encode(value: unknown): Uint8Array {
    const encoder = (this.#alone ??= new MsgPackEncoder(this.table, NO_SHAPES, NOWHERE));
    return this.segments.apart(() =>
      encodeAlone((writer) => {
        encoder.writer = writer;
        encoder.write(value, this.limits.maxDepth);
      }),
    );
  }

  override decode(bytes: Uint8Array): unknown {
    const buffer = asBuffer(bytes);
    this.#decoder.open(buffer, 0, buffer.length, this.limits);
    try {
      return this.segments.apart(() => this.#decoder.readLast(this.limits.maxDepth));
    } catch (error) {
      throw located(error);
    } finally {
      this.#decoder.close();
    }
  }

  override encodeMessage(writer: ByteWriter, type: number, id: number, content: unknown): void {
    writeByte(writer, 0x93);
    writeByte(writer, type);
    writeNumber(writer, id);
    this.#encoder.writer = writer;
    this.#encoder.write(content, this.limits.maxDepth);
  }

  override decodeMessage(bytes: Buffer, start: number, end: number, message: Message): void {
    const before = this.table.arrivals;
    this.#decodeMessage(bytes, start, end, message);
    if (message.error === undefined) return;
    this.table.rescueReferences(before, () => this.#decodeMessage(bytes, start, end, { ...message }));
  }

  #decodeMessage(bytes: Buffer, start: number, end: number, message: Message): void {
    const decoder = this.#decoder;
    decoder.open(bytes, start, end, this.limits);
    decodeMessageWith(decoder, this.limits.maxDepth, message, "in MsgPack");
  }
}
