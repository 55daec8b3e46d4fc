import { writeByte } from "./byte-writer.ts";
import type { ByteWriter } from "./byte-writer.ts";
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
import {
  SHAPE_EXTENSION,
  writeArrayHead,
  writeBytes,
  writeMapHead,
  writeNumber,
  writeText,
} from "./msgpack-writing.ts";
import type { SerializerTable } from "./serializers.ts";
import type { Shapes } from "./shapes.ts";

/** `{"__type__": [` of an extended value. */
const EXTENDED_HEAD = Buffer.from([0x81, 0xa8, ...Buffer.from(TYPE_KEY), 0x92]);

/** Writes values as MsgPack in place: no intermediate tree, no buffer of its own. */
export class MsgPackEncoder {
  /** Where the next value goes. */
  writer: ByteWriter;
  readonly #table: SerializerTable;
  readonly #shapes: Shapes;

  constructor(table: SerializerTable, shapes: Shapes, writer: ByteWriter) {
    this.#table = table;
    this.#shapes = shapes;
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
        return writeText(this.writer, value);
      case "number":
        return writeNumber(this.writer, value);
      case "boolean":
        return writeByte(this.writer, value ? 0xc3 : 0xc2);
      case "object":
        if (value === null) return writeByte(this.writer, 0xc0);
        return this.#writeObject(value, depth);
      default:
        return this.#writeExtended(value, depth);
    }
  }

  /** For functions of shapes. */
  within(error: unknown, key: string): unknown {
    return within(error, key);
  }

  #writeObject(value: object, depth: number): void {
    const prototype: unknown = Object.getPrototypeOf(value);
    if (prototype === Object.prototype) return this.#writeMap(value as Record<string, unknown>, depth);
    if (prototype === Array.prototype ? Array.isArray(value) : isPlainArray(value))
      return this.#writeArray(value as unknown[], depth);
    if (isPlainMap(value)) return this.#writeMap(value as Record<string, unknown>, depth);
    if (isPlainBytes(value) && !this.#table.isLarge(value)) return writeBytes(this.writer, value);
    return this.#writeExtended(value, depth);
  }

  #writeArray(value: readonly unknown[], depth: number): void {
    if (depth <= 0) throw tooDeep();
    const length = value.length;
    writeArrayHead(this.writer, length);
    let index = 0;
    try {
      for (; index < length; index++) this.write(value[index], depth - 1);
    } catch (error) {
      throw within(error, index);
    }
  }

  #writeMap(value: Record<string, unknown>, depth: number): void {
    if (depth <= 0) throw tooDeep();
    const keys = Object.keys(value);
    const count = keys.length;
    if (count === 0 && isAsyncIterable(value)) return this.#writeExtended(value, depth);
    if (count > 0 && this.#shapes.maxSentCount > 0) {
      const shape = this.#shapes.sent(keys);
      if (shape?.write !== undefined) {
        this.#writeShapeHead(count, shape.id);
        return shape.write(this, value, depth - 1);
      }
    }
    writeMapHead(this.writer, count);
    let key = "";
    try {
      for (let index = 0; index < count; index++) {
        key = keys[index]!;
        if (key.charCodeAt(0) === 95 || key.length > LONGEST_KEY) checkKey(key);
        writeText(this.writer, key);
        this.write(value[key], depth - 1);
      }
    } catch (error) {
      throw within(error, key);
    }
  }

  /** An array whose first element is the number of the shape, the values behind. */
  #writeShapeHead(keyCount: number, id: number): void {
    const { writer } = this;
    writeArrayHead(writer, keyCount + 1);
    writer.reserve(3);
    const { bytes, position } = writer;
    bytes[position] = 0xd4;
    bytes[position + 1] = SHAPE_EXTENSION;
    bytes[position + 2] = id;
    writer.position = position + 3;
  }

  #writeExtended(value: unknown, depth: number): void {
    const { writer } = this;
    const extended = this.#table.encode(value);
    // A serializer may encode with this codec on its own account.
    this.writer = writer;
    // The map and the pair in it are two levels.
    if (depth < 2) throw tooDeep();
    writer.append(EXTENDED_HEAD);
    writeNumber(writer, extended.typeId);
    try {
      this.write(extended.data, depth - 2);
    } catch (error) {
      throw withinData(error, value, extended);
    }
  }
}
