import { types } from "node:util";
import { writeByte } from "./byte-writer.ts";
import type { ByteWriter } from "./byte-writer.ts";
import { CLONE_BYTE, KIND } from "./clone-kinds.ts";
import { ColloquyError, SerializationError, describeType, valueStep } from "./errors.ts";
import { checkKey, isAsyncIterable, isPlainArray, isPlainBytes, isPlainMap, tooDeep, within } from "./lower-lift.ts";
import { writeArrayHead, writeBytes, writeMapHead, writeNumber, writeText } from "./msgpack-writing.ts";
import { NdArray } from "./ndarray.ts";
import type { Segments } from "./segments.ts";
import type { ExtendedValue, SerializerTable } from "./serializers.ts";
import { TYPED_ARRAYS, bytesOf } from "./standard-bytes.ts";
import { partsOf } from "./standard-errors.ts";
import { digitsOf, hrefOf } from "./standard-values.ts";

const TYPED_ARRAY_NUMBERS: ReadonlyMap<object, number> = new Map([
  ...TYPED_ARRAYS.map(({ prototype }, number) => [prototype, number] as const),
  [Buffer.prototype, TYPED_ARRAYS.findIndex(({ name }) => name === "Uint8Array")],
]);

/** Writes values as structured clones in place. Each object has a number, and where it comes again, the number stands for it. */
export class CloneEncoder {
  /** Where the next value goes. */
  writer: ByteWriter;
  readonly #table: SerializerTable;
  readonly #segments: Segments;
  /** The objects of the message. Below 0, -1 - number: an instance whose serializer's data is being written. */
  readonly #numbers = new Map<object, number>();

  constructor(table: SerializerTable, segments: Segments, writer: ByteWriter) {
    this.#table = table;
    this.#segments = segments;
    this.writer = writer;
  }

  /**
   * Appends one value, with at most `depth` levels of containers in it; cycles have no depth.
   *
   * @throws SerializationError with the place in the value.
   */
  write(value: unknown, depth: number): void {
    try {
      this.#write(value, depth);
    } finally {
      this.#numbers.clear();
    }
  }

  #write(value: unknown, depth: number): void {
    switch (typeof value) {
      case "string":
        return writeText(this.writer, value);
      case "number":
        return writeNumber(this.writer, value);
      case "boolean":
        return writeByte(this.writer, value ? 0xc3 : 0xc2);
      case "undefined":
        return this.#writeKind(KIND.undefined);
      case "bigint":
        this.#writeKind(KIND.bigint);
        return writeText(this.writer, digitsOf(value));
      case "object":
        return value === null ? writeByte(this.writer, 0xc0) : this.#writeObject(value, depth);
      case "function":
        return this.#writeObject(value, depth);
      default:
        throw new SerializationError(`${describeType(value)} has no form in this codec`);
    }
  }

  #writeObject(value: object, depth: number): void {
    const number = this.#numbers.get(value);
    if (number !== undefined) return this.#writeReference(value, number);
    // What a proxy shows could change from one look to the next.
    if (typeof value === "function" || types.isProxy(value)) return this.#writeExtended(value, depth);
    const prototype = Object.getPrototypeOf(value) as object | null;
    if (prototype !== null && this.#table.has(prototype)) return this.#writeExtended(value, depth);
    if (isPlainArray(value)) return this.#writeArray(value, depth);
    if (isPlainMap(value)) return this.#writeMap(value as Record<string, unknown>, depth);
    if (!this.#writeKnown(value, prototype!, depth)) this.#writeExtended(value, depth);
  }

  /** False for what is of none of the known classes. */
  #writeKnown(value: object, prototype: object, depth: number): boolean {
    switch (prototype) {
      case Date.prototype:
        this.#begin(value, KIND.date);
        writeNumber(this.writer, (value as Date).getTime());
        return true;
      case Map.prototype:
        this.#writeEntries(value as Map<unknown, unknown>, depth);
        return true;
      case Set.prototype:
        this.#writeMembers(value as Set<unknown>, depth);
        return true;
      case URL.prototype:
        this.#begin(value, KIND.url);
        writeText(this.writer, hrefOf(value as URL));
        return true;
      case ArrayBuffer.prototype:
        this.#begin(value, KIND.buffer);
        this.#writeBytes(new Uint8Array(value as ArrayBuffer, 0, (value as ArrayBuffer).byteLength), 1);
        return true;
      case DataView.prototype:
        this.#begin(value, KIND.view);
        this.#writeBytes(bytesOf(value as DataView), 1);
        return true;
      case NdArray.prototype:
        this.#writeNdArray(value as NdArray);
        return true;
      default:
        return this.#writeOtherKnown(value, prototype, depth);
    }
  }

  #writeOtherKnown(value: object, prototype: object, depth: number): boolean {
    const number = TYPED_ARRAY_NUMBERS.get(prototype);
    if (number !== undefined) {
      const bytes = bytesOf(value as ArrayBufferView);
      if (isPlainBytes(value) && !this.#table.isLarge(value)) {
        this.#number(value);
        writeBytes(this.writer, bytes);
        return true;
      }
      this.#begin(value, KIND.typedArray);
      writeByte(this.writer, number);
      this.#writeBytes(bytes, TYPED_ARRAYS[number]!.BYTES_PER_ELEMENT);
      return true;
    }
    if (!(value instanceof Error)) return false;
    this.#writeError(value, depth);
    return true;
  }

  #writeArray(value: readonly unknown[], depth: number): void {
    if (depth <= 0) throw tooDeep();
    this.#number(value);
    const { length } = value;
    writeArrayHead(this.writer, length);
    let index = 0;
    try {
      for (; index < length; index++) {
        const item = value[index];
        if (item === undefined && !(index in value)) this.#writeKind(KIND.hole);
        else this.#write(item, depth - 1);
      }
    } catch (error) {
      throw within(error, index);
    }
  }

  #writeMap(value: Record<string, unknown>, depth: number): void {
    if (depth <= 0) throw tooDeep();
    const keys = Object.keys(value);
    if (keys.length === 0 && isAsyncIterable(value)) return this.#writeExtended(value, depth);
    this.#number(value);
    writeMapHead(this.writer, keys.length);
    let key = "";
    try {
      for (key of keys) {
        checkKey(key);
        writeText(this.writer, key);
        this.#write(value[key], depth - 1);
      }
    } catch (error) {
      throw within(error, key);
    }
  }

  #writeEntries(value: ReadonlyMap<unknown, unknown>, depth: number): void {
    if (depth <= 0) throw tooDeep();
    this.#begin(value, KIND.map);
    writeNumber(this.writer, value.size);
    // Serializers, which are user code, may change it meanwhile.
    const entries = Array.from(value);
    let index = 0;
    let inKey = true;
    try {
      for (; index < entries.length; index++) {
        inKey = true;
        this.#write(entries[index]![0], depth - 1);
        inKey = false;
        this.#write(entries[index]![1], depth - 1);
      }
    } catch (error) {
      throw within(error, inKey ? { key: index } : valueStep(entries[index]![0], index));
    }
  }

  #writeMembers(value: ReadonlySet<unknown>, depth: number): void {
    if (depth <= 0) throw tooDeep();
    this.#begin(value, KIND.set);
    writeNumber(this.writer, value.size);
    let index = 0;
    try {
      for (const item of Array.from(value)) {
        this.#write(item, depth - 1);
        index++;
      }
    } catch (error) {
      throw within(error, index);
    }
  }

  /** Its type, its order, how many dimensions it has and their sizes, and its bytes without gaps. */
  #writeNdArray(value: NdArray): void {
    this.#begin(value, KIND.ndarray);
    const { dtype, shape, order, data } = value.contiguous();
    writeText(this.writer, dtype);
    writeText(this.writer, order!);
    writeNumber(this.writer, shape.length);
    for (const size of shape) writeNumber(this.writer, size);
    this.#writeBytes(data, value.itemBytes);
  }

  /** Name, message, how it is made, and a map of what else it has. */
  #writeError(value: Error, depth: number): void {
    if (depth <= 0) throw tooDeep();
    // The errors of this library are made of all their parts: none of these can lead back to them.
    const isWhole = value instanceof ColloquyError;
    const number = this.#numbers.size;
    this.#begin(value, KIND.error);
    if (isWhole) this.#numbers.set(value, -1 - number);
    const { name, message, ...rest } = partsOf(value);
    writeText(this.writer, name);
    writeText(this.writer, message);
    writeByte(this.writer, isWhole ? 0xc0 : "errors" in rest ? 0xc3 : 0xc2);
    this.#writeMap(rest, depth);
    this.#numbers.set(value, number);
  }

  #writeExtended(value: object, depth: number): void {
    if (depth < 2) throw tooDeep();
    const { writer } = this;
    const number = this.#numbers.size;
    // Its data may have it in it: then there is nothing yet that a reference could be to.
    this.#numbers.set(value, -1 - number);
    const extended = this.#encoded(value);
    // A serializer may encode with this codec on its own account.
    this.writer = writer;
    this.#writeKind(KIND.extended);
    writeNumber(writer, extended.typeId);
    this.#write(extended.data, depth - 2);
    this.#numbers.set(value, number);
  }

  #encoded(value: object): ExtendedValue {
    try {
      return this.#table.encode(value);
    } catch (error) {
      if (!(error instanceof SerializationError) || !types.isProxy(value)) throw error;
      throw new SerializationError(`a Proxy can't be carried: ${error.reason}`, { cause: error });
    }
  }

  #writeReference(value: object, number: number): void {
    if (number < 0)
      throw new SerializationError(`the ${describeType(value)} has itself in the data that it is made of`);
    this.#writeKind(KIND.reference);
    writeNumber(this.writer, number);
  }

  /** Bytes, or the number of the segment that has them. */
  #writeBytes(bytes: Uint8Array, itemBytes: number): void {
    const segment = this.#segments.add(bytes, itemBytes);
    if (segment === undefined) writeBytes(this.writer, bytes);
    else writeNumber(this.writer, segment);
  }

  #begin(value: object, kind: number): void {
    this.#number(value);
    this.#writeKind(kind);
  }

  #number(value: object): void {
    this.#numbers.set(value, this.#numbers.size);
  }

  #writeKind(kind: number): void {
    const { writer } = this;
    writer.reserve(2);
    writer.bytes[writer.position] = CLONE_BYTE;
    writer.bytes[writer.position + 1] = kind;
    writer.position += 2;
  }
}
