import { writeByte } from "./byte-writer.ts";
import type { ByteWriter } from "./byte-writer.ts";
import { checkString } from "./lower-lift.ts";

/** Extension type of the numbers of shapes, `docs/protocol.md` section 3. */
export const SHAPE_EXTENSION = 1;

const SHORT_TEXT_LENGTH = 48;

export function writeArrayHead(writer: ByteWriter, length: number): void {
  if (length < 16) writeByte(writer, 0x90 | length);
  else writeHead(writer, length, 0xdc, 0xdd);
}

export function writeMapHead(writer: ByteWriter, size: number): void {
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
  // The integers of 32 bits without their sign, which most are; -0 is none of them.
  if (value >>> 0 === value && (value !== 0 || !Object.is(value, -0))) {
    writer.position = writeUnsigned(writer, position, value);
  } else if (Number.isSafeInteger(value) && value !== 0) {
    writer.position =
      position + (value > 0 ? writeUnsigned64(writer, position, value) : writeNegative(writer, position, value));
  } else {
    writer.bytes[position] = 0xcb;
    writer.view.setFloat64(position + 1, value);
    writer.position = position + 9;
  }
}

/** Returns the position behind. */
function writeUnsigned(writer: ByteWriter, position: number, value: number): number {
  const { bytes } = writer;
  if (value < 0x80) {
    bytes[position] = value;
    return position + 1;
  }
  if (value < 0x100) {
    bytes[position] = 0xcc;
    bytes[position + 1] = value;
    return position + 2;
  }
  if (value < 0x1_0000) {
    bytes[position] = 0xcd;
    bytes[position + 1] = value >>> 8;
    bytes[position + 2] = value;
    return position + 3;
  }
  bytes[position] = 0xce;
  writer.view.setUint32(position + 1, value);
  return position + 5;
}

function writeUnsigned64(writer: ByteWriter, position: number, value: number): number {
  writer.bytes[position] = 0xcf;
  writer.view.setUint32(position + 1, Math.floor(value / 0x1_0000_0000));
  writer.view.setUint32(position + 5, value >>> 0);
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

export function writeBytes(writer: ByteWriter, value: Uint8Array): void {
  writer.reserve(5 + value.length);
  if (value.length < 0x100) {
    writer.bytes[writer.position] = 0xc4;
    writer.bytes[writer.position + 1] = value.length;
    writer.position += 2;
  } else writeHead(writer, value.length, 0xc5, 0xc6);
  writer.append(value);
}
