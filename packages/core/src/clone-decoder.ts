import { CLONE_BYTE, KIND } from "./clone-kinds.ts";
import { CloneReader } from "./clone-reader.ts";
import { ConstructorWatch } from "./constructor-watch.ts";
import { SCALAR_COST } from "./decoded-cost.ts";
import { SerializationError, valueStep } from "./errors.ts";
import { addAll, setAll } from "./key-chains.ts";
import { indexKeyCost, indexOfKey } from "./index-key-cost.ts";
import type { Limits } from "./limits.ts";
import { checkKey, isMap, tooDeep, within } from "./lower-lift.ts";
import { newArray } from "./message-decoder.ts";
import type { MessageDecoder } from "./message-decoder.ts";
import { arrayOn } from "./ndarray-serializer.ts";
import type { NdArray } from "./ndarray.ts";
import type { Segments } from "./segments.ts";
import type { SerializerTable } from "./serializers.ts";
import { ERROR_COST, completeError, newError, readError } from "./standard-errors.ts";
import { NDARRAY_COST } from "./standard-arrays.ts";
import { BYTES_COST, TYPED_ARRAYS } from "./standard-bytes.ts";
import { BIGINT_COST, COLLECTION_COST, DATE_COST, readBigInt, readUrl } from "./standard-values.ts";

/** In the place of what is made once its data is there, and of a hole in an array. */
const UNFINISHED = Symbol("unfinished");
const HOLE = Symbol("hole");

/**
 * Reads structured clones. Nothing is made on the word of the bytes: counts are held against what is left, depth and memory are
 * bounded (`Limits.maxDepth`, `Limits.maxDecodedCost`), and there is no kind that runs code.
 */
export class CloneDecoder implements MessageDecoder {
  readonly #table: SerializerTable;
  readonly #segments: Segments;
  readonly #reader = new CloneReader();
  /** In the order of their numbers. */
  #objects: unknown[] = [];
  readonly #constructors = new ConstructorWatch();
  /** True where keys that are indices have been counted. */
  #isChecked = false;

  constructor(table: SerializerTable, segments: Segments) {
    this.#table = table;
    this.#segments = segments;
  }

  open(bytes: Buffer, start: number, end: number, limits: Limits): void {
    this.#reader.open(bytes, start, end, limits);
    this.#isChecked = false;
  }

  /** Whether a clone starts here. */
  readStart(): boolean {
    return this.#reader.byte() === CLONE_BYTE;
  }

  readMessageHead(): boolean {
    return this.readStart() && this.#reader.byte() === 0x93;
  }

  /**
   * Reads one value of at most `depth` levels.
   *
   * @throws SerializationError with the place in the value.
   */
  read(depth: number): unknown {
    const value = this.#read(depth);
    if (value === HOLE) throw new SerializationError("a hole outside of an array");
    return value;
  }

  /**
   * Reads the one value that is left, of at most `depth` levels. One that may take more memory than is allowed is checked as a whole
   * before anything is made of it.
   *
   * @throws SerializationError with the place in the value; also where bytes are left.
   */
  readLast(depth: number): unknown {
    this.#isChecked = this.#reader.check(depth);
    const value = this.read(depth);
    this.#reader.finish();
    return value;
  }

  /** Lets go of everything. */
  close(): void {
    this.#reader.close();
    this.#objects = [];
    this.#constructors.clear();
  }

  #read(depth: number): unknown {
    const reader = this.#reader;
    const head = reader.byte();
    const number = reader.number(head);
    if (number !== undefined) return number;
    const length = reader.textLength(head);
    if (length >= 0) return reader.text(length);
    if (head < 0x90) return this.#map(head & 0x0f, depth);
    if (head < 0xa0) return this.#array(head & 0x0f, depth);
    switch (head) {
      case 0xc0:
        return null;
      case CLONE_BYTE:
        return this.#kind(reader.byte(), depth);
      case 0xc2:
        return false;
      case 0xc3:
        return true;
      case 0xc4:
      case 0xc5:
      case 0xc6:
        return this.#made(reader.bytes(reader.unsigned(1 << (head - 0xc4))));
      case 0xdc:
      case 0xdd:
        return this.#array(reader.unsigned(2 << (head - 0xdc)), depth);
      case 0xde:
      case 0xdf:
        return this.#map(reader.unsigned(2 << (head - 0xde)), depth);
      default:
        throw new SerializationError(`structured clone with the unknown byte 0x${head.toString(16)}`);
    }
  }

  #kind(kind: number, depth: number): unknown {
    switch (kind) {
      case KIND.reference:
        return this.#reference();
      case KIND.undefined:
        return undefined;
      case KIND.extended:
        return this.#extended(depth);
      case KIND.hole:
        return HOLE;
      case KIND.date:
        return this.#made(new Date(this.#reader.numberValue("the time of a Date")), DATE_COST);
      case KIND.map:
        return this.#entries(depth);
      case KIND.set:
        return this.#members(depth);
      case KIND.bigint:
        this.#reader.spend(BIGINT_COST);
        return readBigInt(this.#reader.textValue());
      case KIND.error:
        return this.#error(depth);
      case KIND.url:
        return this.#made(readUrl(this.#reader.textValue(), this.#reader));
      case KIND.typedArray:
        return this.#typedArray();
      case KIND.buffer:
        return this.#made(this.#bytes(1).buffer, BYTES_COST);
      case KIND.view:
        return this.#made(new DataView(this.#bytes(1).buffer), BYTES_COST);
      case KIND.ndarray:
        return this.#made(this.#ndArray(), NDARRAY_COST);
      default:
        throw new SerializationError(`structured clone with a value of the unknown kind ${kind}`);
    }
  }

  /** An object gets its number before what is in it. `cost` is that of kinds: what MsgPack has, too, the check counts. */
  #made<T>(object: T, cost = 0): T {
    if (cost > 0) this.#reader.spend(cost);
    this.#objects.push(object);
    return object;
  }

  #reference(): unknown {
    const number = this.#reader.numberValue("a reference");
    const object = this.#objects[number];
    if (object === undefined) throw new SerializationError(`reference to object ${number}, which hasn't come`);
    if (object === UNFINISHED) throw new SerializationError(`reference to object ${number} from within its own data`);
    return object;
  }

  #array(declared: number, depth: number): unknown[] {
    if (depth <= 0) throw tooDeep();
    const count = this.#reader.declare(declared, 1, "elements");
    // An empty array that grows has room for seventeen.
    const result = this.#made(newArray(count));
    let index = 0;
    try {
      for (; index < count; index++) {
        const item = this.#read(depth - 1);
        if (item !== HOLE) result[index] = item;
        else if (index >= result.length) result.length = index + 1;
      }
    } catch (error) {
      throw within(error, index);
    }
    return result;
  }

  #map(declared: number, depth: number): Record<string, unknown> {
    if (depth <= 0) throw tooDeep();
    const count = this.#reader.declare(declared, 2, "keys and values");
    const result = this.#made<Record<string, unknown>>({});
    let key: string | undefined;
    let highestIndex = -1;
    try {
      for (let entry = 0; entry < count; entry++) {
        key = undefined;
        key = this.#reader.textValue();
        const index = indexOfKey(key);
        if (index >= 0) {
          if (!this.#isChecked) this.#reader.spend(indexKeyCost(index, highestIndex));
          highestIndex = Math.max(index, highestIndex);
        }
        checkKey(key);
        const value = this.read(depth - 1);
        this.#constructors.checkEntry(result, key, value);
        result[key] = value;
      }
    } catch (error) {
      throw key === undefined ? error : within(error, key);
    }
    return result;
  }

  #entries(depth: number): Map<unknown, unknown> {
    if (depth <= 0) throw tooDeep();
    const count = this.#reader.hashedCount("a Map", 2, "keys and values");
    const result = this.#made(new Map<unknown, unknown>(), COLLECTION_COST);
    const entries = newArray(2 * count);
    let index = 0;
    let key: unknown = UNFINISHED;
    try {
      for (; index < count; index++) {
        key = UNFINISHED;
        key = this.read(depth - 1);
        entries[2 * index] = key;
        entries[2 * index + 1] = this.read(depth - 1);
      }
    } catch (error) {
      throw within(error, key === UNFINISHED ? { key: index } : valueStep(key, index));
    }
    setAll(result, entries, this.#reader);
    return result;
  }

  #members(depth: number): Set<unknown> {
    if (depth <= 0) throw tooDeep();
    const count = this.#reader.hashedCount("a Set", 1, "values");
    const result = this.#made(new Set<unknown>(), COLLECTION_COST);
    const values = newArray(count);
    let index = 0;
    try {
      for (; index < count; index++) values[index] = this.read(depth - 1);
    } catch (error) {
      throw within(error, index);
    }
    addAll(result, values, this.#reader);
    return result;
  }

  #error(depth: number): Error {
    if (depth <= 0) throw tooDeep();
    const [name, message, gathers] = [this.#reader.textValue(), this.#reader.textValue(), this.#reader.byte()];
    if (gathers !== 0xc0 && gathers !== 0xc2 && gathers !== 0xc3)
      throw new SerializationError("malformed Error in a structured clone: neither null nor a boolean");
    if (gathers === 0xc0) {
      const place = this.#objects.push(UNFINISHED) - 1;
      const whole = readError({ ...this.#errorParts(depth), name, message }, this.#reader);
      this.#objects[place] = whole;
      return whole;
    }
    const error = this.#made(newError(name, message, gathers === 0xc3), ERROR_COST);
    completeError(error, this.#errorParts(depth), this.#reader);
    return this.#constructors.whole(error);
  }

  #errorParts(depth: number): Readonly<Record<string, unknown>> {
    const parts = this.#read(depth);
    if (isMap(parts)) return this.#table.checked(parts);
    throw new SerializationError("malformed Error in a structured clone: no map");
  }

  #extended(depth: number): unknown {
    if (depth < 2) throw tooDeep();
    const place = this.#objects.push(UNFINISHED) - 1;
    const typeId = this.#reader.numberValue("a type id");
    const data = this.read(depth - 2);
    const objects = this.#objects;
    const value = this.#table.decode(typeId, data, this.#reader);
    objects[place] = value;
    return value;
  }

  #typedArray(): ArrayBufferView {
    const number = this.#reader.byte();
    const type = TYPED_ARRAYS[number];
    if (type === undefined) throw new SerializationError(`structured clone with the unknown typed array ${number}`);
    const { buffer } = this.#bytes(type.BYTES_PER_ELEMENT);
    return this.#made(new type(buffer, 0, buffer.byteLength / type.BYTES_PER_ELEMENT), BYTES_COST);
  }

  #ndArray(): NdArray {
    const [dtype, order] = [this.#reader.textValue(), this.#reader.textValue()];
    const count = this.#reader.declare(this.#reader.numberValue("the number of dimensions"), 1, "dimensions");
    this.#reader.spend(count * SCALAR_COST);
    const shape = Array.from({ length: count }, () => this.#reader.numberValue("the size of a dimension"));
    return arrayOn(this.#bytes(1), dtype, shape, order);
  }

  /** Bytes that stand here, or those of a segment: memory of their own, from its start to its end. */
  #bytes(itemBytes: number): Uint8Array<ArrayBuffer> {
    const reader = this.#reader;
    const head = reader.byte();
    const isHere = head >= 0xc4 && head <= 0xc6;
    const bytes = isHere
      ? reader.bytes(reader.unsigned(1 << (head - 0xc4)))
      : (this.#segments.use(reader.number(head)) as Uint8Array<ArrayBuffer>);
    if (bytes.length % itemBytes !== 0)
      throw new SerializationError(`${bytes.length} bytes for elements of ${itemBytes} bytes`);
    return bytes.byteOffset === 0 && bytes.buffer.byteLength === bytes.length ? bytes : Uint8Array.from(bytes);
  }
}
