import { dtypeOfArray, nativeDtype, parseDtype } from "./dtype.ts";
import type { Dtype, PartArray } from "./dtype.ts";
import { readElement, writeElement } from "./elements.ts";
import type { NdArrayElement } from "./elements.ts";
import { describeType } from "./errors.ts";
import { readFloat16s } from "./float16.ts";
import { nest, packNested } from "./nested-arrays.ts";
import type { NestedArray } from "./nested-arrays.ts";
import { allocateBytes, elementPlaces, packElements, swapBytes } from "./packed-elements.ts";
import {
  checkShape,
  checkStrides,
  elementCount,
  extentOf,
  formatShape,
  invalid,
  orderOf,
  reshapedStrides,
  stridesOf,
  withRest,
} from "./shape.ts";
import type { NdArrayOrder } from "./shape.ts";
import { checkIndex, resolveRange } from "./slices.ts";
import type { SliceRange } from "./slices.ts";

/** How memory is seen as an array. */
export interface NdArrayOptions {
  /** Sizes of the dimensions. Default: one dimension of all that is there. */
  readonly shape?: readonly number[] | undefined;
  /** As NumPy has it: `"<f8"`, `"float64"`. Default: the type of the typed array. */
  readonly dtype?: string | undefined;
  /** How the elements lie, where there are no strides. Default `"C"`. */
  readonly order?: NdArrayOrder | undefined;
  /** For each dimension the bytes from one element to the next. */
  readonly strides?: readonly number[] | undefined;
  /** Bytes before the element whose indices are all 0. Default 0. */
  readonly offset?: number | undefined;
}

/**
 * An array of numbers with any number of dimensions, as NumPy has them: a view on memory, of which nothing is copied but where
 * a method says so. The view itself can't be changed; its elements are the memory's and change with it.
 *
 * Indices and ranges count from the end where they are negative. Bad arguments are `INVALID_ARGUMENT`.
 */
export class NdArray {
  /** Type and byte order of the elements, in the form of NumPy's `dtype.str`: `"<f8"`. */
  readonly dtype: string;
  /** Sizes of the dimensions. */
  readonly shape: readonly number[];
  /** For each dimension the bytes from one element to the next. */
  readonly strides: readonly number[];
  /** How the elements lie, where they do so without gaps; `"C"` where both are true. */
  readonly order: NdArrayOrder | undefined;
  /** The memory from the first to the last element: their bytes and nothing else, where there is an order. */
  readonly data: Uint8Array;
  readonly #dtype: Dtype;
  /** Where in `data` the element is whose indices are all 0. */
  readonly #first: number;
  #view: DataView | undefined;

  /**
   * A view of memory. Without strides and offset the memory has to be as large as the shape says, else it may be larger.
   *
   * @throws ColloquyError `INVALID_ARGUMENT` for an unknown dtype, and for shape, strides or offset that don't fit the memory.
   */
  constructor(memory: ArrayBufferView | ArrayBufferLike, options: NdArrayOptions = {}) {
    const bytes = bytesOf(memory);
    const dtype = options.dtype === undefined ? dtypeOfMemory(memory) : parseDtype(options.dtype);
    const { itemBytes } = dtype;
    const offset = checkOffset(options.offset, bytes.length);
    const shape = checkShape(options.shape ?? [countOf(bytes.length - offset, dtype)], itemBytes);
    const given = options.strides === undefined ? undefined : checkStrides(options.strides, shape);
    const strides = given ?? stridesOf(shape, itemBytes, checkOrder(options.order));
    const { start, end } = extentOf(shape, strides, itemBytes);
    const isWhole = given === undefined && options.offset === undefined;
    if (offset + start < 0 || offset + end > bytes.length || (isWhole && end !== bytes.length)) {
      const array = `an array of ${dtype.text} with the shape ${formatShape(shape)}`;
      if (isWhole) throw invalid(`${array} needs ${end} bytes, the memory has ${bytes.length}`);
      const layout = given === undefined ? "" : ` and the strides ${formatShape(strides)}`;
      const extent = `from byte ${offset + start} to ${offset + end}`;
      throw invalid(`${array}${layout} is ${extent}, the memory has ${bytes.length} bytes`);
    }
    this.#dtype = dtype;
    this.#first = 0 - start;
    this.dtype = dtype.text;
    this.shape = shape;
    this.order = orderOf(shape, strides, itemBytes);
    // Where a stride has no meaning it is the same for all.
    this.strides = Object.freeze(this.order === undefined ? strides : stridesOf(shape, itemBytes, this.order));
    this.data = bytes.subarray(offset + start, offset + end);
  }

  /**
   * A new array of nested arrays, `[[1, 2], [3, 4]]`. Without a dtype it is `float64` of numbers, `int64` of bigints and `bool` of
   * booleans; a complex number is a pair, `[re, im]`.
   *
   * @throws ColloquyError `INVALID_ARGUMENT` for arrays of different lengths on one level, and for elements that don't fit the dtype.
   */
  static from(nested: NestedArray, dtype?: string): NdArray {
    const packed = packNested(nested, dtype);
    return new NdArray(packed.bytes, { dtype: packed.dtype.text, shape: packed.shape });
  }

  /** A new array in which all elements are 0, or false. */
  static zeros(shape: readonly number[], dtype: string = "float64", order: NdArrayOrder = "C"): NdArray {
    const { itemBytes, text } = parseDtype(dtype);
    const bytes = allocateBytes(elementCount(checkShape(shape, itemBytes)) * itemBytes, true);
    return new NdArray(bytes, { dtype: text, shape, order });
  }

  /** How many elements there are. */
  get size(): number {
    return elementCount(this.shape);
  }

  /** Bytes of one element. */
  get itemBytes(): number {
    return this.#dtype.itemBytes;
  }

  /** Bytes of all elements, without what may lie between them. */
  get byteLength(): number {
    return this.size * this.#dtype.itemBytes;
  }

  /** Bytes of the elements in C order. A copy where they don't lie so. */
  get bytes(): Uint8Array {
    return this.contiguous("C").data;
  }

  /** The element at as many indices as there are dimensions. A bigint of 64-bit integers; `[re, im]` of complex numbers. */
  get(...indices: readonly number[]): NdArrayElement {
    return readElement(this.#dtype, this.#memory, this.#placeOf(indices));
  }

  /** Changes an element, in the memory that this is a view of. Integers that don't fit are refused. */
  set(indices: readonly number[], value: NdArrayElement): void {
    writeElement(this.#dtype, this.#memory, this.#placeOf(indices), value);
  }

  /** The elements in C order. */
  *values(): Generator<NdArrayElement, void> {
    for (const place of elementPlaces(this.shape, this.strides, this.#first))
      yield readElement(this.#dtype, this.#memory, place);
  }

  /**
   * A view of a part: for each dimension an index, a range `[start, stop, step]`, or null for all of it, as is what isn't named.
   * `a.slice(0, [2, 4])` is NumPy's `a[0, 2:4]`.
   */
  slice(...ranges: readonly SliceRange[]): NdArray {
    if (ranges.length > this.shape.length)
      throw invalid(`${ranges.length} ranges for an array of ${this.shape.length} dimensions`);
    const [shape, strides]: [number[], number[]] = [[], []];
    let offset = this.#first;
    for (const [axis, size] of this.shape.entries()) {
      const stride = this.strides[axis]!;
      const range = ranges[axis] ?? null;
      if (typeof range === "number") {
        offset += checkIndex(range, size, axis) * stride;
      } else {
        const indices = resolveRange(range, size, axis);
        offset += indices.start * stride;
        shape.push(indices.size);
        strides.push(indices.step * stride);
      }
    }
    return this.#viewed(shape, strides, offset);
  }

  /** A view with the dimensions in another order; without `axes` in the opposite one. */
  transpose(axes: readonly number[] = this.shape.map((_, axis) => axis).toReversed()): NdArray {
    const dimensions = this.shape.length;
    const order = axes.map((axis) => (axis < 0 ? axis + dimensions : axis));
    if (axes.length !== dimensions || this.shape.some((_, axis) => !order.includes(axis)))
      throw invalid(`axes ${formatShape(axes)}; an array of ${dimensions} dimensions takes each of them once`);
    return this.#viewed(
      order.map((axis) => this.shape[axis]!),
      order.map((axis) => this.strides[axis]!),
      this.#first,
    );
  }

  /**
   * The same elements in C order with another shape, one of whose sizes may be -1: what is left. A view where the strides allow
   * it, else a copy.
   */
  reshape(shape: readonly number[]): NdArray {
    const { size } = this;
    const wanted = checkShape(withRest(shape, size), this.itemBytes);
    if (elementCount(wanted) !== size) throw invalid(`${size} elements can't have the shape ${formatShape(wanted)}`);
    if (this.order === "C") return this.#viewed(wanted, stridesOf(wanted, this.itemBytes, "C"), this.#first);
    const strides = reshapedStrides(this.shape, this.strides, wanted);
    return strides === undefined ? this.contiguous("C").reshape(wanted) : this.#viewed(wanted, strides, this.#first);
  }

  /** This array where its elements lie in that order without gaps (without `order`: in any), else a copy where they do. */
  contiguous(order: NdArrayOrder | undefined = this.order): NdArray {
    if (checkOrder(order) === "F") {
      const turned = this.transpose();
      const packed = turned.contiguous("C");
      return packed === turned ? this : packed.transpose();
    }
    if (this.order === "C") return this;
    const packed = packElements(this.data, this.shape, this.strides, this.#first, this.itemBytes);
    return new NdArray(packed, { dtype: this.dtype, shape: this.shape });
  }

  /** This array where it has the byte order of this machine, else a copy that has. */
  toNative(): NdArray {
    if (this.#dtype.native) return this;
    const packed = this.contiguous();
    const bytes = this.#nativeBytes(packed);
    return new NdArray(bytes, { dtype: nativeDtype(this.#dtype).text, shape: this.shape, order: packed.order });
  }

  /**
   * The elements in C order: complex numbers as two each, booleans as 0 and 1, `float16` as `Float32Array`. A view where they lie
   * in C order and in this machine's byte order, aligned, and aren't `float16`; else a copy.
   */
  toTypedArray(): PartArray {
    const bytes = this.#nativeBytes(this.contiguous("C"));
    const { partArray, partBytes } = this.#dtype;
    const aligned = bytes.byteOffset % partBytes === 0 ? bytes : bytes.slice();
    const count = bytes.length / partBytes;
    if (partArray !== undefined) return new partArray(aligned.buffer as ArrayBuffer, aligned.byteOffset, count);
    return readFloat16s(new Uint16Array(aligned.buffer, aligned.byteOffset, count));
  }

  /** Nested arrays with the elements as `get` returns them; the element itself where there are no dimensions. */
  toNested(): NestedArray {
    return nest([...this.values()], this.shape);
  }

  get #memory(): DataView {
    this.#view ??= new DataView(this.data.buffer, this.data.byteOffset, this.data.length);
    return this.#view;
  }

  #placeOf(indices: readonly number[]): number {
    const { shape, strides } = this;
    if (indices.length !== shape.length)
      throw invalid(`${indices.length} indices for an array of ${shape.length} dimensions`);
    let place = this.#first;
    for (let axis = 0; axis < shape.length; axis++)
      place += checkIndex(indices[axis], shape[axis]!, axis) * strides[axis]!;
    return place;
  }

  /** The bytes of this array or of a packed copy of it, in this machine's byte order. */
  #nativeBytes(packed: NdArray): Uint8Array {
    if (this.#dtype.native) return packed.data;
    const bytes = packed === this ? packed.data.slice() : packed.data;
    swapBytes(bytes, this.#dtype.partBytes);
    return bytes;
  }

  #viewed(shape: readonly number[], strides: readonly number[], first: number): NdArray {
    const offset = shape.includes(0) ? 0 : first;
    return new NdArray(this.data, { dtype: this.dtype, shape, strides, offset });
  }
}

function bytesOf(memory: ArrayBufferView | ArrayBufferLike): Uint8Array {
  if (ArrayBuffer.isView(memory)) return new Uint8Array(memory.buffer, memory.byteOffset, memory.byteLength);
  if (memory instanceof ArrayBuffer || memory instanceof SharedArrayBuffer) return new Uint8Array(memory);
  throw invalid(
    `an NdArray is a view of a typed array or an ArrayBuffer, not of ${describeType(memory)}; see NdArray.from`,
  );
}

function dtypeOfMemory(memory: ArrayBufferView | ArrayBufferLike): Dtype {
  const dtype = ArrayBuffer.isView(memory) ? dtypeOfArray(memory) : undefined;
  if (dtype !== undefined) return dtype;
  throw invalid(`${describeType(memory)} doesn't say what the elements are; give a dtype`);
}

function checkOffset(offset: number | undefined, byteLength: number): number {
  if (offset === undefined) return 0;
  if (Number.isSafeInteger(offset) && offset >= 0 && offset <= byteLength) return offset;
  throw invalid(`the offset ${String(offset)} in memory of ${byteLength} bytes`);
}

function checkOrder(order: NdArrayOrder | undefined): NdArrayOrder {
  if (order === undefined || order === "C" || order === "F") return order ?? "C";
  throw invalid('an order other than "C" and "F"');
}

function countOf(byteLength: number, { text, itemBytes }: Dtype): number {
  if (byteLength % itemBytes === 0) return byteLength / itemBytes;
  throw invalid(`${byteLength} bytes for elements of ${text}, which have ${itemBytes} each`);
}
