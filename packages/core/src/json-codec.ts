import type { ByteWriter } from "./byte-writer.ts";
import { Codec } from "./codec.ts";
import { ProtocolError, SerializationError, quoted } from "./errors.ts";
import { checkJsonCost } from "./json-check.ts";
import { isPlainJson, writeJson } from "./json-writer.ts";
import { lift, located } from "./lower-lift.ts";
import { readMessage, setHeader } from "./message.ts";
import type { Message } from "./message.ts";
import { asBuffer, readUtf8 } from "./utf8.ts";

/** Text that may hold a key that has a meaning, also where it is written with escapes. */
const NEEDS_LIFT = /"__|"constructor"|"then"|"toJSON"|\\u00[2-7]/;
/** `[type, id,` of a message whose content is broken. */
const HEADER = /^\s*\[\s*([0-3])\s*,\s*(\d{1,10})\s*,/;

/**
 * JSON in UTF-8, the default. Carries what JSON carries and refuses the rest: NaN, the infinities, `undefined`, bytes. -0 stays
 * -0. Integers beyond 2^53-1 from other languages lose digits, as everywhere with `JSON.parse`.
 */
export class JsonCodec extends Codec {
  override get name(): string {
    return "json";
  }

  override encode(value: unknown): Uint8Array {
    try {
      return Buffer.from(this.#stringify(value), "utf8");
    } catch (error) {
      throw located(error);
    }
  }

  override decode(bytes: Uint8Array): unknown {
    const buffer = asBuffer(bytes);
    try {
      return this.#parse(buffer, 0, buffer.length, 0);
    } catch (error) {
      throw located(error);
    }
  }

  override encodeMessage(writer: ByteWriter, type: number, id: number, content: unknown): void {
    const text = `[${type},${id},${this.#stringify(content)}]`;
    // Three bytes at most for a UTF-16 unit; a large text is measured instead.
    writer.reserve(text.length < 1024 ? text.length * 3 : Buffer.byteLength(text));
    writer.position += writer.bytes.write(text, writer.position, "utf8");
  }

  override decodeMessage(bytes: Buffer, start: number, end: number, message: Message): void {
    let parsed: unknown;
    try {
      parsed = this.#parse(bytes, start, end, 1);
    } catch (error) {
      if (!(error instanceof SerializationError)) throw error;
      this.#failContent(bytes, start, end, message, error);
      return;
    }
    readMessage(parsed, message);
  }

  #stringify(value: unknown): string {
    const depth = this.limits.maxDepth;
    return isPlainJson(value, depth) ? JSON.stringify(value) : writeJson(value, this.table, depth);
  }

  /** `outerDepth` is 1 where the value is a message, whose own array doesn't count. */
  #parse(bytes: Buffer, start: number, end: number, outerDepth: number): unknown {
    const depth = this.limits.maxDepth + outerDepth;
    checkJsonCost(bytes, start, end, depth, this.limits.maxDecodedCost);
    const text = readUtf8(bytes, start, end);
    let plain: unknown;
    try {
      plain = JSON.parse(text);
    } catch (error) {
      throw new SerializationError(`not JSON: ${quoted((error as SyntaxError).message).slice(1, -1)}`, {
        cause: error,
      });
    }
    return NEEDS_LIFT.test(text) ? lift(plain, this.table, depth) : plain;
  }

  #failContent(bytes: Buffer, start: number, end: number, message: Message, error: SerializationError): void {
    const header = HEADER.exec(bytes.toString("latin1", start, Math.min(end, start + 64)));
    if (header === null) throw new ProtocolError(`not a message in JSON: ${error.message}`, { cause: error });
    setHeader(message, Number(header[1]), Number(header[2]));
    message.content = undefined;
    message.error = error.place[0] === 2 ? error.at(error.place.slice(1)) : error;
  }
}
