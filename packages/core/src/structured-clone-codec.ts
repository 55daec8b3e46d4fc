import { ByteWriter, writeByte } from "./byte-writer.ts";
import { CloneDecoder } from "./clone-decoder.ts";
import { CloneEncoder } from "./clone-encoder.ts";
import { CLONE_BYTE } from "./clone-kinds.ts";
import { Codec, encodeAlone } from "./codec.ts";
import { SerializationError } from "./errors.ts";
import { located } from "./lower-lift.ts";
import { decodeMessageWith } from "./message-decoder.ts";
import type { Message } from "./message.ts";
import { writeArrayHead, writeNumber } from "./msgpack-writing.ts";
import { Segments } from "./segments.ts";
import { asBuffer } from "./utf8.ts";
import { MOST_COST_OF_BYTE } from "./msgpack-check.ts";

const NOWHERE = new ByteWriter();

/**
 * What JavaScript's structured cloning carries, as data and never as code: Map, Set, Date, URL, BigInt, errors with their causes and
 * fields, typed arrays, ArrayBuffer, DataView, `NdArray`, `undefined`, holes, -0 and NaN; references that are shared, and cycles. The
 * counterpart of pickle in PyZMQ.
 *
 * A view crosses with the bytes that it shows; views of one buffer arrive apart. Errors arrive without their stack. What is neither of
 * these nor has a serializer is refused: functions, instances of other classes, proxies, RegExp. Serializers apply everywhere, also in
 * Maps, Sets and cycles; one whose data leads back to its own instance is refused.
 */
export class StructuredCloneCodec extends Codec {
  readonly #encoder: CloneEncoder = new CloneEncoder(this.table, this.segments, NOWHERE);
  readonly #decoder: CloneDecoder = new CloneDecoder(this.table, this.segments);

  override get name(): string {
    return "structured-clone";
  }

  override get mostCostOfByte(): number {
    return MOST_COST_OF_BYTE;
  }

  override encode(value: unknown): Uint8Array {
    // What leaves a connection has its bytes in it.
    return encodeAlone((writer) => {
      writeByte(writer, CLONE_BYTE);
      new CloneEncoder(this.table, new Segments(), writer).write(value, this.limits.maxDepth);
    });
  }

  override decode(bytes: Uint8Array): unknown {
    const buffer = asBuffer(bytes);
    const decoder = new CloneDecoder(this.table, new Segments());
    decoder.open(buffer, 0, buffer.length, this.limits);
    try {
      if (!decoder.readStart()) throw new SerializationError("no structured clone");
      return decoder.readLast(this.limits.maxDepth);
    } catch (error) {
      throw located(error);
    }
  }

  override encodeMessage(writer: ByteWriter, type: number, id: number, content: unknown): void {
    writeByte(writer, CLONE_BYTE);
    writeArrayHead(writer, 3);
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
    decodeMessageWith(decoder, this.limits.maxDepth, message, "as a structured clone");
  }
}
