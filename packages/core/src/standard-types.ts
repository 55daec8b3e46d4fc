import type { Codec } from "./codec.ts";
import { ENTRY_COST } from "./decoded-cost.ts";
import { SerializationError, describeType, quoted } from "./errors.ts";
import { arrayOn } from "./ndarray-serializer.ts";
import { NdArray } from "./ndarray.ts";
import { HelloWanted } from "./segments.ts";
import { readError, writeError } from "./standard-errors.ts";
import type { BuiltinTypes, DecodingBudget, ExtendedValue } from "./serializers.ts";

/** Type ids of `docs/protocol.md` section 3. */
const UNDEFINED_ID = -1;
const DATE_ID = -4;
const MAP_ID = -5;
const SET_ID = -6;
const BIGINT_ID = -7;
const ERROR_ID = -8;
const URL_ID = -9;
const TYPED_ARRAY_ID = -10;
const BUFFER_ID = -11;
const VIEW_ID = -12;
const NDARRAY_ID = -13;

/** What an array takes beyond the data that it is made of. */
export const NDARRAY_COST = 512;
/** What an entry of a map or set takes beyond its place in an array. */
export const HASHED_ENTRY_COST: number = 2 * ENTRY_COST;
const MAX_BIGINT_DIGIT_COUNT = 4096;
const BIGINT = /^-?(?:0|[1-9]\d*)$/;
const LONGEST_URL = 65_536;

type TypedArrayClass = {
  readonly prototype: object;
  readonly name: string;
  readonly BYTES_PER_ELEMENT: number;
  new (buffer: ArrayBuffer, offset: number, length: number): ArrayBufferView;
};

/** In the order of their numbers in structured clones, `docs/protocol.md` section 3. */
export const TYPED_ARRAYS: readonly TypedArrayClass[] = [
  Int8Array,
  Uint8Array,
  Uint8ClampedArray,
  Int16Array,
  Uint16Array,
  Int32Array,
  Uint32Array,
  Float32Array,
  Float64Array,
  BigInt64Array,
  BigUint64Array,
];
const BY_NAME: ReadonlyMap<string, TypedArrayClass> = new Map(TYPED_ARRAYS.map((type) => [type.name, type]));
const BY_PROTOTYPE: ReadonlyMap<object, TypedArrayClass> = new Map([
  ...TYPED_ARRAYS.map((type) => [type.prototype, type] as const),
  [Buffer.prototype, Uint8Array],
]);

/** The types of JavaScript that peers know who said hello, by exact class. */
export class StandardTypes implements BuiltinTypes {
  readonly #codec: Codec;

  constructor(codec: Codec) {
    this.#codec = codec;
  }

  /** @throws HelloWanted for such a value where it isn't known yet whether the peer knows them. */
  encode(value: unknown): ExtendedValue | undefined {
    const extended = this.#extendedForm(value);
    if (extended !== undefined && this.#codec.segments.support === "unknown")
      throw new HelloWanted(describeType(value));
    return extended;
  }

  #extendedForm(value: unknown): ExtendedValue | undefined {
    if (value === undefined) return { typeId: UNDEFINED_ID, data: null };
    if (typeof value === "bigint") return { typeId: BIGINT_ID, data: digitsOf(value) };
    if (typeof value !== "object" || value === null) return undefined;
    const prototype = Object.getPrototypeOf(value) as object | null;
    switch (prototype) {
      case Date.prototype:
        return { typeId: DATE_ID, data: Number.isNaN((value as Date).getTime()) ? null : (value as Date).getTime() };
      case Map.prototype:
        return { typeId: MAP_ID, data: [...(value as Map<unknown, unknown>)].flat(1) };
      case Set.prototype:
        return { typeId: SET_ID, data: [...(value as Set<unknown>)] };
      case URL.prototype:
        return { typeId: URL_ID, data: (value as URL).href };
      case ArrayBuffer.prototype:
        return { typeId: BUFFER_ID, data: this.#bytesOut(new Uint8Array(value as ArrayBuffer), 1) };
      case DataView.prototype:
        return { typeId: VIEW_ID, data: this.#bytesOut(bytesOf(value as DataView), 1) };
      case NdArray.prototype:
        return { typeId: NDARRAY_ID, data: this.#arrayOut(value as NdArray) };
      default:
    }
    const type = prototype === null ? undefined : BY_PROTOTYPE.get(prototype);
    if (type !== undefined) {
      const bytes = this.#bytesOut(bytesOf(value as ArrayBufferView), type.BYTES_PER_ELEMENT);
      return { typeId: TYPED_ARRAY_ID, data: [type.name, bytes] };
    }
    return value instanceof Error ? { typeId: ERROR_ID, data: writeError(value) } : undefined;
  }

  decode(typeId: number, data: unknown, budget?: DecodingBudget): unknown {
    switch (typeId) {
      case UNDEFINED_ID:
        return undefined;
      case DATE_ID:
        return new Date(typeof data === "number" ? data : Number.NaN);
      case MAP_ID:
        return readMap(arrayOf(data, "a Map"), budget);
      case SET_ID:
        budget?.spend(arrayOf(data, "a Set").length * HASHED_ENTRY_COST);
        return new Set(arrayOf(data, "a Set"));
      case BIGINT_ID:
        return readBigInt(data);
      case ERROR_ID:
        return readError(data);
      case URL_ID:
        return readUrl(data);
      case BUFFER_ID:
        return this.#bytesIn(data, 1).buffer;
      case VIEW_ID:
        return new DataView(this.#bytesIn(data, 1).buffer);
      case NDARRAY_ID:
        budget?.spend(NDARRAY_COST);
        return this.#arrayIn(data);
      case TYPED_ARRAY_ID:
        return this.#readTypedArray(data);
      default:
        throw new SerializationError(`unknown built-in type ${typeId}`);
    }
  }

  /** Bytes as they stand in the message: the number of a segment, or as the codec carries them. */
  #bytesOut(bytes: Uint8Array, itemBytes: number): unknown {
    return this.#codec.segments.add(bytes, itemBytes) ?? this.#codec.inlineBytes(bytes);
  }

  #arrayOut(array: NdArray): unknown[] {
    // What has to be packed is so when the array can leave.
    const { dtype, shape, order, data } = this.#codec.segments.support === "unknown" ? array : array.contiguous();
    return [dtype, shape, order, this.#bytesOut(data, array.itemBytes)];
  }

  #arrayIn(data: unknown): NdArray {
    const [dtype, shape, order, bytes] = arrayOf(data, "an NdArray");
    return arrayOn(this.#bytesIn(bytes, 1), dtype, shape, order);
  }

  /** Memory of their own, from its start to its end. */
  #bytesIn(data: unknown, itemBytes: number): Uint8Array<ArrayBuffer> {
    const bytes = typeof data === "number" ? this.#codec.segments.use(data) : this.#codec.bytesInline(data);
    if (bytes.length % itemBytes !== 0)
      throw new SerializationError(`${bytes.length} bytes for elements of ${itemBytes} bytes`);
    const whole = bytes.byteOffset === 0 && bytes.buffer.byteLength === bytes.length ? bytes : Uint8Array.from(bytes);
    return new Uint8Array(whole.buffer as ArrayBuffer);
  }

  #readTypedArray(data: unknown): ArrayBufferView {
    const [name, bytes] = arrayOf(data, "a typed array");
    const type = typeof name === "string" ? BY_NAME.get(name) : undefined;
    if (type === undefined)
      throw new SerializationError(
        `no typed array: ${typeof name === "string" ? quoted(name, 32) : describeType(name)}`,
      );
    const { buffer } = this.#bytesIn(bytes, type.BYTES_PER_ELEMENT);
    return new type(buffer, 0, buffer.byteLength / type.BYTES_PER_ELEMENT);
  }
}

/** The bytes of a view, its own and no others. */
export function bytesOf(view: ArrayBufferView): Uint8Array {
  return new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
}

function arrayOf(data: unknown, what: string): unknown[] {
  if (Array.isArray(data)) return data;
  throw new SerializationError(`malformed data of ${what}: no array`);
}

function readMap(entries: unknown[], budget: DecodingBudget | undefined): Map<unknown, unknown> {
  if (entries.length % 2 !== 0) throw new SerializationError("malformed data of a Map: a key without a value");
  budget?.spend((entries.length / 2) * HASHED_ENTRY_COST);
  const map = new Map<unknown, unknown>();
  for (let index = 0; index < entries.length; index += 2) map.set(entries[index], entries[index + 1]);
  return map;
}

/** @throws SerializationError for one that takes long to read. */
export function digitsOf(value: bigint): string {
  const digits = value.toString();
  if (digits.length > MAX_BIGINT_DIGIT_COUNT)
    throw new SerializationError(`BigInt of ${digits.length} digits; the limit is ${MAX_BIGINT_DIGIT_COUNT}`);
  return digits;
}

/** @throws SerializationError */
export function readBigInt(data: unknown): bigint {
  if (typeof data === "string" && data.length <= MAX_BIGINT_DIGIT_COUNT && BIGINT.test(data)) return BigInt(data);
  throw new SerializationError(`malformed data of a BigInt: not at most ${MAX_BIGINT_DIGIT_COUNT} decimal digits`);
}

/** @throws SerializationError */
export function readUrl(data: unknown): URL {
  if (typeof data === "string" && data.length <= LONGEST_URL && URL.canParse(data)) return new URL(data);
  throw new SerializationError("malformed data of a URL");
}
