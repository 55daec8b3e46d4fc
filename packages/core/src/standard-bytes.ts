import type { Codec } from "./codec.ts";
import { describeType, quoted } from "./errors.ts";
import type { DecodingBudget } from "./serializers.ts";
import { arrayOf, malformed } from "./standard-values.ts";
import type { StandardType } from "./standard-values.ts";

/** What bytes are to the engine beside their memory: three objects, and the time that it takes to make them. */
export const BYTES_COST = 2048;

interface TypedArrayClass {
  readonly prototype: object;
  readonly name: string;
  readonly BYTES_PER_ELEMENT: number;
  new (buffer: ArrayBuffer, offset: number, length: number): ArrayBufferView;
}

/** Newer than the oldest runtime. */
const { Float16Array } = globalThis as { readonly Float16Array?: TypedArrayClass };

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
  ...(Float16Array === undefined ? [] : [Float16Array]),
];
const BY_NAME: ReadonlyMap<unknown, TypedArrayClass> = new Map(TYPED_ARRAYS.map((type) => [type.name, type]));
const BY_PROTOTYPE: ReadonlyMap<unknown, TypedArrayClass> = new Map([
  ...TYPED_ARRAYS.map((type) => [type.prototype, type] as const),
  [Buffer.prototype, Uint8Array],
]);

/** Its class and the bytes of its elements; of a view its own part. */
export const TYPED_ARRAY: StandardType<ArrayBufferView> = {
  id: -10,
  classes: [...TYPED_ARRAYS, Buffer],
  write(array, codec) {
    const { name, BYTES_PER_ELEMENT } = BY_PROTOTYPE.get(Object.getPrototypeOf(array))!;
    return [name, bytesOut(bytesOf(array), codec, BYTES_PER_ELEMENT)];
  },
  read(data, codec, budget) {
    const [name, bytes] = arrayOf(data, "a typed array");
    const type = BY_NAME.get(name);
    if (type === undefined) {
      const shown = typeof name === "string" ? quoted(name, 32) : describeType(name);
      throw malformed("a typed array", `no class ${shown} here`);
    }
    const size = type.BYTES_PER_ELEMENT;
    const { buffer } = bytesIn(bytes, codec, budget);
    if (buffer.byteLength % size !== 0)
      throw malformed(`a ${type.name}`, `${buffer.byteLength} bytes for elements of ${size}`);
    return new type(buffer, 0, buffer.byteLength / size);
  },
};

export const BUFFER: StandardType<ArrayBuffer> = {
  id: -11,
  classes: [ArrayBuffer],
  write: (buffer, codec) => bytesOut(new Uint8Array(buffer, 0, buffer.byteLength), codec, 1),
  read: (data, codec, budget) => bytesIn(data, codec, budget).buffer,
};

export const VIEW: StandardType<DataView> = {
  id: -12,
  classes: [DataView],
  write: (view, codec) => bytesOut(bytesOf(view), codec, 1),
  read: (data, codec, budget) => new DataView(bytesIn(data, codec, budget).buffer),
};

/** Bytes as they stand in the message: the number of a segment, or as the codec carries them. */
export function bytesOut(bytes: Uint8Array, codec: Codec, itemBytes: number): unknown {
  return codec.segments.add(bytes, itemBytes) ?? codec.inlineBytes(bytes);
}

/** The bytes on memory of their own, from its start to its end. */
export function bytesIn(data: unknown, codec: Codec, budget: DecodingBudget): Uint8Array<ArrayBuffer> {
  budget.spend(typeof data === "string" ? BYTES_COST + data.length : BYTES_COST);
  const bytes = typeof data === "number" ? codec.segments.use(data) : codec.bytesInline(data);
  const { buffer, byteLength } = bytes;
  if (buffer instanceof ArrayBuffer && buffer.byteLength === byteLength) return new Uint8Array(buffer);
  return new Uint8Array(bytes);
}

/** The part of the memory that a view shows. */
export function bytesOf(view: ArrayBufferView): Uint8Array {
  return new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
}
