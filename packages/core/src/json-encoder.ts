import { writeByte } from "./byte-writer.ts";
import type { ByteWriter } from "./byte-writer.ts";
import { SerializationError, describeType } from "./errors.ts";
import {
  TYPE_KEY,
  LONGEST_KEY,
  checkKey,
  isPlainArray,
  isPlainBytes,
  isAsyncIterable,
  isPlainMap,
  tooDeep,
  within,
  withinData,
} from "./lower-lift.ts";
import type { SerializerTable } from "./serializers.ts";

const SHORT_TEXT_LENGTH = 64;
/** The least number of each count of digits from two on, as far as 32 bits go. */
const POWERS = Int32Array.from({ length: 9 }, (_, index) => 10 ** (index + 1));
const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COMMA = 0x2c;
const COLON = 0x3a;
const MINUS = 0x2d;
const ZERO = 0x30;

/** 1 for characters of ASCII that stand for themselves in a text. */
const PLAIN = Uint8Array.from({ length: 0x7f }, (_, code) =>
  Number(code >= 0x20 && code !== QUOTE && code !== BACKSLASH),
);

/** Writes values as JSON in place, in one pass with the checks: no text in between, no tree. */
export class JsonEncoder {
  /** Where the next value goes. */
  writer: ByteWriter;
  readonly #table: SerializerTable;

  constructor(table: SerializerTable, writer: ByteWriter) {
    this.#table = table;
    this.writer = writer;
  }

  /**
   * Appends one value; `depth` is how many levels of arrays and maps it may have.
   *
   * @throws SerializationError with the place in the value.
   */
  write(value: unknown, depth: number): void {
    switch (typeof value) {
      case "string":
        return writeJsonText(this.writer, value);
      case "number":
        return writeJsonNumber(this.writer, value);
      case "boolean":
        return writeAscii(this.writer, value ? "true" : "false");
      case "object":
        if (value === null) return writeAscii(this.writer, "null");
        return this.#writeObject(value, depth);
      default:
        return this.#writeExtended(value, depth);
    }
  }

  #writeObject(value: object, depth: number): void {
    const prototype: unknown = Object.getPrototypeOf(value);
    if (prototype === Object.prototype) return this.#writeMap(value as Record<string, unknown>, depth);
    if (prototype === Array.prototype ? Array.isArray(value) : isPlainArray(value))
      return this.#writeArray(value as unknown[], depth);
    if (isPlainMap(value)) return this.#writeMap(value as Record<string, unknown>, depth);
    if (isPlainBytes(value) && !this.#table.takesBuiltins && !this.#table.has(prototype as object))
      throw new SerializationError(`${describeType(value)}: JSON has no bytes; MsgPackCodec carries them`);
    return this.#writeExtended(value, depth);
  }

  #writeArray(value: readonly unknown[], depth: number): void {
    if (depth <= 0) throw tooDeep();
    writeByte(this.writer, 0x5b);
    let index = 0;
    try {
      for (; index < value.length; index++) {
        if (index > 0) writeByte(this.writer, COMMA);
        this.write(value[index], depth - 1);
      }
    } catch (error) {
      throw within(error, index);
    }
    writeByte(this.writer, 0x5d);
  }

  #writeMap(value: Record<string, unknown>, depth: number): void {
    if (depth <= 0) throw tooDeep();
    const keys = Object.keys(value);
    if (keys.length === 0 && isAsyncIterable(value)) return this.#writeExtended(value, depth);
    writeByte(this.writer, 0x7b);
    let key = "";
    try {
      for (let index = 0; index < keys.length; index++) {
        key = keys[index]!;
        if (key.charCodeAt(0) === 95 || key.length > LONGEST_KEY) checkKey(key);
        if (index > 0) writeByte(this.writer, COMMA);
        writeJsonText(this.writer, key);
        writeByte(this.writer, COLON);
        this.write(value[key], depth - 1);
      }
    } catch (error) {
      throw within(error, key);
    }
    writeByte(this.writer, 0x7d);
  }

  #writeExtended(value: unknown, depth: number): void {
    const { writer } = this;
    const extended = this.#table.encode(value);
    // A serializer may encode with this codec on its own account.
    this.writer = writer;
    // The map and the pair in it are two levels.
    if (depth < 2) throw tooDeep();
    writeAscii(writer, `{"${TYPE_KEY}":[${extended.typeId},`);
    try {
      this.write(extended.data, depth - 2);
    } catch (error) {
      throw withinData(error, value, extended);
    }
    writeAscii(writer, "]}");
  }
}

/** @throws SerializationError for what JSON has no form of. */
export function writeJsonNumber(writer: ByteWriter, value: number): void {
  if ((value | 0) === value) {
    if (value === 0 && Object.is(value, -0)) writeAscii(writer, "-0.0");
    // Its opposite has more than 31 bits.
    else if (value === -0x8000_0000) writeAscii(writer, "-2147483648");
    else writeInteger(writer, value);
  } else if (Number.isFinite(value)) writeAscii(writer, String(value));
  else throw new SerializationError(`${value} has no form in JSON`);
}

/** An integer of 32 bits. */
function writeInteger(writer: ByteWriter, value: number): void {
  writer.reserve(11);
  const { bytes } = writer;
  let first = writer.position;
  let rest = value | 0;
  if (rest < 0) {
    bytes[first++] = MINUS;
    rest = -rest | 0;
  }
  let end = first + 1;
  for (let index = 0; index < POWERS.length && rest >= POWERS[index]!; index++) end++;
  writer.position = end;
  for (let place = end - 1; place >= first; place--) {
    const next = (rest / 10) | 0;
    bytes[place] = ZERO + rest - next * 10;
    rest = next;
  }
}

/** Texts without anything to escape are copied; the rest is what `JSON.stringify` makes of it. */
function writeJsonText(writer: ByteWriter, text: string): void {
  const length = text.length;
  if (length < SHORT_TEXT_LENGTH) {
    writer.reserve(length + 2);
    const { bytes, position } = writer;
    bytes[position] = QUOTE;
    let index = 0;
    for (; index < length; index++) {
      const code = text.charCodeAt(index);
      if (code > 0x7e || PLAIN[code] !== 1) break;
      bytes[position + 1 + index] = code;
    }
    if (index === length) {
      bytes[position + 1 + length] = QUOTE;
      writer.position = position + length + 2;
      return;
    }
  }
  const quoted = JSON.stringify(text);
  // Three bytes at most for a UTF-16 unit; a large text is measured instead.
  writer.reserve(quoted.length < 1024 ? quoted.length * 3 : Buffer.byteLength(quoted));
  writer.position += writer.bytes.write(quoted, writer.position, "utf8");
}

/** Text of ASCII as it is. */
function writeAscii(writer: ByteWriter, text: string): void {
  writer.reserve(text.length);
  const { bytes, position } = writer;
  for (let index = 0; index < text.length; index++) bytes[position + index] = text.charCodeAt(index);
  writer.position = position + text.length;
}
