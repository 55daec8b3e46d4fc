import type { ByteWriter } from "./byte-writer.ts";
import {
  TYPE_KEY,
  checkKey,
  checkString,
  checkSymbols,
  isPlainArray,
  isPlainBytes,
  isPlainMap,
  tooDeep,
  within,
} from "./lower-lift.ts";
import type { SerializerTable } from "./serializers.ts";

const SHORT_TEXT_LENGTH = 48;
/** `{"__type__": [` of an extended value. */
const EXTENDED_HEAD = Buffer.from([0x81, 0xa8, ...Buffer.from(TYPE_KEY), 0x92]);

/** Writes values as MsgPack in place: no intermediate tree, no buffer of its own. */
export class MsgPackEncoder {
  readonly #table: SerializerTable;

  constructor(table: SerializerTable) {
    this.#table = table;
  }

  /**
   * Appends one value; `depth` is how many levels of arrays and maps it may have.
   *
   * @throws SerializationError with the place in the value.
   */
  write(writer: ByteWriter, value: unknown, depth: number): void {
    switch (typeof value) {
      case "string":
        return writeText(writer, value);
      case "number":
        return writeNumber(writer, value);
      case "boolean":
        return writeByte(writer, value ? 0xc3 : 0xc2);
      case "object":
        if (value === null) return writeByte(writer, 0xc0);
        if (isPlainArray(value)) return this.#writeArray(writer, value, depth);
        if (this.#isPlain(value)) return this.#writeMap(writer, value as Record<string, unknown>, depth);
        if (isPlainBytes(value)) return writeBytes(writer, value);
        return this.#writeExtended(writer, value, depth);
      default:
        return this.#writeExtended(writer, value, depth);
    }
  }

  #isPlain(value: object): boolean {
    return Object.getPrototypeOf(value) === Object.prototype || isPlainMap(value);
  }

  #writeArray(writer: ByteWriter, value: readonly unknown[], depth: number): void {
    if (depth <= 0) throw tooDeep();
    const length = value.length;
    writeArrayHead(writer, length);
    let index = 0;
    try {
      for (; index < length; index++) this.write(writer, value[index], depth - 1);
    } catch (error) {
      throw within(error, index);
    }
  }

  #writeMap(writer: ByteWriter, value: Record<string, unknown>, depth: number): void {
    if (depth <= 0) throw tooDeep();
    if (Object.getOwnPropertySymbols(value).length > 0) checkSymbols(value);
    const keys = Object.keys(value);
    writeMapHead(writer, keys.length);
    let key = "";
    try {
      for (let index = 0; index < keys.length; index++) {
        key = keys[index]!;
        if (key.charCodeAt(0) === 95) checkKey(key);
        writeText(writer, key);
        this.write(writer, value[key], depth - 1);
      }
    } catch (error) {
      throw within(error, key);
    }
  }

  #writeExtended(writer: ByteWriter, value: unknown, depth: number): void {
    const extended = this.#table.encode(value);
    // The map and the pair in it are two levels.
    if (depth < 2) throw tooDeep();
    writer.append(EXTENDED_HEAD);
    writeNumber(writer, extended.typeId);
    this.write(writer, extended.data, depth - 2);
  }
}

export function writeByte(writer: ByteWriter, byte: number): void {
  writer.reserve(1);
  writer.bytes[writer.position++] = byte;
}

function writeArrayHead(writer: ByteWriter, length: number): void {
  if (length < 16) writeByte(writer, 0x90 | length);
  else writeHead(writer, length, 0xdc, 0xdd);
}

function writeMapHead(writer: ByteWriter, size: number): void {
  if (size < 16) writeByte(writer, 0x80 | size);
  else writeHead(writer, size, 0xde, 0xdf);
}

function writeHead(writer: ByteWriter, length: number, head16: number, head32: number): void {
  writer.reserve(5);
  if (length < 0x1_0000) {
    writer.bytes[writer.position] = head16;
    writer.view.setUint16(writer.position + 1, length);
    writer.position += 3;
  } else {
    writer.bytes[writer.position] = head32;
    writer.view.setUint32(writer.position + 1, length);
    writer.position += 5;
  }
}

/** Integers in their shortest form, all else, -0 too, as float64. */
export function writeNumber(writer: ByteWriter, value: number): void {
  writer.reserve(9);
  const position = writer.position;
  if (Number.isSafeInteger(value) && !Object.is(value, -0)) {
    if (value >= 0 && value < 0x80) {
      writer.bytes[writer.position++] = value;
      return;
    }
    writer.position += value >= 0 ? writeUnsigned(writer, position, value) : writeNegative(writer, position, value);
    return;
  }
  writer.bytes[position] = 0xcb;
  writer.view.setFloat64(position + 1, value);
  writer.position += 9;
}

function writeUnsigned(writer: ByteWriter, position: number, value: number): number {
  const { bytes, view } = writer;
  if (value < 0x100) {
    bytes[position] = 0xcc;
    bytes[position + 1] = value;
    return 2;
  }
  if (value < 0x1_0000) {
    bytes[position] = 0xcd;
    view.setUint16(position + 1, value);
    return 3;
  }
  if (value < 0x1_0000_0000) {
    bytes[position] = 0xce;
    view.setUint32(position + 1, value);
    return 5;
  }
  bytes[position] = 0xcf;
  view.setUint32(position + 1, Math.floor(value / 0x1_0000_0000));
  view.setUint32(position + 5, value >>> 0);
  return 9;
}

function writeNegative(writer: ByteWriter, position: number, value: number): number {
  const { bytes, view } = writer;
  if (value >= -0x20) {
    bytes[position] = value & 0xff;
    return 1;
  }
  if (value >= -0x80) {
    bytes[position] = 0xd0;
    view.setInt8(position + 1, value);
    return 2;
  }
  if (value >= -0x8000) {
    bytes[position] = 0xd1;
    view.setInt16(position + 1, value);
    return 3;
  }
  if (value >= -0x8000_0000) {
    bytes[position] = 0xd2;
    view.setInt32(position + 1, value);
    return 5;
  }
  bytes[position] = 0xd3;
  view.setInt32(position + 1, Math.floor(value / 0x1_0000_0000));
  view.setUint32(position + 5, value >>> 0);
  return 9;
}

export function writeText(writer: ByteWriter, text: string): void {
  const length = text.length;
  if (length < SHORT_TEXT_LENGTH) {
    writer.reserve(2 + length);
    const { bytes } = writer;
    const start = writer.position + (length < 32 ? 1 : 2);
    let index = 0;
    for (; index < length; index++) {
      const code = text.charCodeAt(index);
      if (code > 0x7f) break;
      bytes[start + index] = code;
    }
    if (index === length) {
      writeTextHead(writer, length);
      writer.position += length;
      return;
    }
  }
  checkString(text);
  const size = Buffer.byteLength(text);
  writer.reserve(5 + size);
  writeTextHead(writer, size);
  writer.bytes.write(text, writer.position, size, "utf8");
  writer.position += size;
}

function writeTextHead(writer: ByteWriter, size: number): void {
  if (size < 32) {
    writer.bytes[writer.position++] = 0xa0 | size;
  } else if (size < 0x100) {
    writer.bytes[writer.position] = 0xd9;
    writer.bytes[writer.position + 1] = size;
    writer.position += 2;
  } else writeHead(writer, size, 0xda, 0xdb);
}

function writeBytes(writer: ByteWriter, value: Uint8Array): void {
  writer.reserve(5 + value.length);
  if (value.length < 0x100) {
    writer.bytes[writer.position] = 0xc4;
    writer.bytes[writer.position + 1] = value.length;
    writer.position += 2;
  } else writeHead(writer, value.length, 0xc5, 0xc6);
  writer.append(value);
}
