import { isDeepStrictEqual } from "node:util";
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { NdArray } from "../src/ndarray.ts";
import { allIndices, applyStep, shapes, steps } from "./ndarray-oracle.ts";
import type { Listed } from "./ndarray-oracle.ts";
import { bytes, expectSame, hex, thrownBy } from "./support.ts";

const DTYPES = ["bool", "int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64"].concat([
  "float16",
  "float32",
  "float64",
  "complex64",
  "complex128",
]);

function invalid(action: () => unknown): string {
  const error = thrownBy(action);
  expect(error).toMatchObject({ code: "INVALID_ARGUMENT" });
  return error.message;
}

/** 2 rows of 3. */
function small(): NdArray {
  return new NdArray(Float64Array.of(1, 2, 3, 4, 5, 6), { shape: [2, 3] });
}

describe("a new NdArray", () => {
  it("is a view of a typed array", () => {
    const memory = Float64Array.of(1, 2, 3, 4, 5, 6);
    const array = new NdArray(memory, { shape: [2, 3] });
    expect(array).toMatchObject({ dtype: "<f8", shape: [2, 3], strides: [24, 8], order: "C" });
    expect(array).toMatchObject({ size: 6, itemBytes: 8, byteLength: 48 });
    expect(array.get(1, 0)).toBe(4);
    expect(array.get(-1, -1)).toBe(6);
    memory[3] = 40;
    expect(array.get(1, 0)).toBe(40);
    expect(array.data.buffer).toBe(memory.buffer);
  });

  it("has one dimension without a shape", () => {
    expect(new NdArray(Int16Array.of(1, 2, 3))).toMatchObject({ dtype: "<i2", shape: [3], strides: [2], order: "C" });
    expect(new NdArray(new Float32Array(4), { dtype: "complex64" })).toMatchObject({ dtype: "<c8", shape: [2] });
    expect(new NdArray(Buffer.from("abc"))).toMatchObject({ dtype: "|u1", shape: [3] });
    expect(new NdArray(new ArrayBuffer(16), { dtype: "<i4", offset: 8 })).toMatchObject({ shape: [2] });
  });

  it("may lie in the order of Fortran, or as strides and an offset say", () => {
    const memory = Float64Array.of(1, 2, 3, 4, 5, 6);
    const fortran = new NdArray(memory, { shape: [2, 3], order: "F" });
    expect(fortran).toMatchObject({ strides: [8, 16], order: "F" });
    expect(fortran.toNested()).toEqual([
      [1, 3, 5],
      [2, 4, 6],
    ]);
    const other = new NdArray(memory, { shape: [2, 2], strides: [-24, 8], offset: 32 });
    expect(other.order).toBeUndefined();
    expect(other.toNested()).toEqual([
      [5, 6],
      [2, 3],
    ]);
    expect(other.data).toEqual(new Uint8Array(memory.buffer, 8, 40));
  });

  it("may have no dimensions, and no elements", () => {
    const scalar = new NdArray(Float64Array.of(7), { shape: [] });
    expect(scalar).toMatchObject({ shape: [], strides: [], size: 1, order: "C" });
    expect(scalar.get()).toBe(7);
    expect(scalar.toNested()).toBe(7);
    const empty = new NdArray(new Float64Array(), { shape: [2, 0, 3] });
    expect(empty).toMatchObject({ size: 0, byteLength: 0, order: "C" });
    expect(empty.toNested()).toEqual([[], []]);
    expect([...empty.values()]).toEqual([]);
    expect(empty.transpose().toNested()).toEqual([[], [], []]);
    expect(empty.toTypedArray()).toEqual(new Float64Array());
  });

  it("reads every dtype, in both byte orders", () => {
    const cases = [
      ["|b1", "0001ff", [false, true, true]],
      ["|i1", "ff7f", [-1, 127]],
      ["|u1", "ff7f", [255, 127]],
      [">i2", "8001 0102", [-32_767, 258]],
      ["<u2", "0180 0201", [32_769, 258]],
      [">i4", "80000001", [-2_147_483_647]],
      ["<u4", "010000 80", [2_147_483_649]],
      [">i8", "8000000000000001", [-9_223_372_036_854_775_807n]],
      ["<u8", "ffffffffffffffff", [18_446_744_073_709_551_615n]],
      [">f2", "3c00 0001 fc00", [1, 2 ** -24, -Infinity]],
      ["<f2", "003c ff7b 0080", [1, 65_504, -0]],
      [">f4", "3fc00000", [1.5]],
      ["<f4", "0000c0bf", [-1.5]],
      [">f8", "3ff8000000000000", [1.5]],
      [">c8", "3f800000 c0000000", [[1, -2]]],
      ["<c16", "000000000000f03f 00000000000000c0", [[1, -2]]],
    ] as const;
    for (const [dtype, text, elements] of cases) {
      const array = new NdArray(bytes(text), { dtype });
      expectSame(array.toNested(), elements);
      expectSame([...array.values()], elements);
      expectSame(array.toNative().toNested(), elements);
      expect(NdArray.from(elements as any, dtype).bytes).toEqual(
        dtype === "|b1" ? Uint8Array.of(0, 1, 1) : array.bytes,
      );
    }
  });

  it("refuses what doesn't fit the memory, and says what", () => {
    const memory = new Float64Array(6);
    expect(invalid(() => new NdArray(memory, { shape: [2, 2] }))).toBe(
      "an array of <f8 with the shape (2, 2) needs 32 bytes, the memory has 48",
    );
    expect(invalid(() => new NdArray(memory, { shape: [7] }))).toContain("needs 56 bytes, the memory has 48");
    expect(invalid(() => new NdArray(memory, { shape: [5], offset: 16 }))).toContain(
      "is from byte 16 to 56, the memory has 48 bytes",
    );
    expect(invalid(() => new NdArray(memory, { shape: [2], strides: [48] }))).toContain("and the strides (48,)");
    expect(invalid(() => new NdArray(memory, { shape: [2], strides: [-8] }))).toContain("from byte -8 to 8");
    expect(invalid(() => new NdArray(memory, { shape: [0], offset: 49 }))).toContain("offset 49");
    expect(invalid(() => new NdArray(memory, { offset: -8 }))).toContain("offset -8");
    expect(invalid(() => new NdArray(new Uint8Array(7), { dtype: "<f8" }))).toContain("7 bytes for elements of <f8");
  });

  it("refuses what is no shape, no strides, no order and no memory", () => {
    const memory = new Uint8Array(4);
    expect(invalid(() => new NdArray(memory, { shape: [-1, -4] }))).toContain("at 0 of the shape is -1");
    expect(invalid(() => new NdArray(memory, { shape: [4, 1.5] }))).toContain("at 1 of the shape is 1.5");
    expect(invalid(() => new NdArray(memory, { shape: ["4"] as any }))).toContain("at 0 of the shape is string");
    expect(invalid(() => new NdArray(memory, { shape: 4 as any }))).toContain("not number");
    expect(invalid(() => new NdArray(memory, { shape: [4].concat(Array(32).fill(1)) }))).toContain("at most 32");
    expect(invalid(() => new NdArray(memory, { shape: [4], strides: [1, 1] }))).toContain("as many");
    expect(invalid(() => new NdArray(memory, { shape: [4], strides: [0.5] }))).toContain("0.5 as a stride");
    expect(invalid(() => new NdArray(memory, { order: "K" as any }))).toContain("order");
    expect(invalid(() => new NdArray([1, 2] as any))).toContain("NdArray.from");
    expect(invalid(() => new NdArray(new ArrayBuffer(8)))).toContain("give a dtype");
    expect(invalid(() => new NdArray(memory, { dtype: "|O" }))).toContain("Python objects");
  });

  it("can't be made to look beyond the memory by later changes of what it was made from", () => {
    const shape = [2, 3];
    const array = new NdArray(new Uint8Array(6), { shape });
    shape[0] = 1_000;
    expect(array.shape).toEqual([2, 3]);
    expect(() => ((array.shape as number[])[0] = 9)).toThrow(TypeError);
    expect(() => ((array.strides as number[])[0] = 9)).toThrow(TypeError);
  });
});

describe("NdArray.from", () => {
  it("takes nested arrays, and tells the dtype by the first element", () => {
    expectSame(
      NdArray.from([
        [1, 2, 3],
        [4, 5, 6],
      ]),
      small(),
    );
    expect(NdArray.from([true, false])).toMatchObject({ dtype: "|b1", data: Uint8Array.of(1, 0) });
    expect(NdArray.from([[1n], [-1n]])).toMatchObject({ dtype: "<i8", shape: [2, 1] });
    expect(NdArray.from(5)).toMatchObject({ dtype: "<f8", shape: [] });
    expect(NdArray.from([])).toMatchObject({ dtype: "<f8", shape: [0] });
    expect(NdArray.from([[], []])).toMatchObject({ shape: [2, 0] });
    expect(NdArray.from([[1, 2]], "complex64")).toMatchObject({ dtype: "<c8", shape: [1] });
    expect(NdArray.from([], "complex64")).toMatchObject({ shape: [0] });
    expect(NdArray.from([1, 2], ">i2")).toMatchObject({ dtype: ">i2", data: Uint8Array.of(0, 1, 0, 2) });
  });

  it("refuses arrays of different lengths, with the place", () => {
    expect(invalid(() => NdArray.from([[1, 2], [3]]))).toBe(
      "an array of 1 in place of an array of 2; the shape is (2, 2), at [1]",
    );
    expect(invalid(() => NdArray.from([[1, 2], 3] as any))).toContain("number in place of an array of 2");
    expect(invalid(() => NdArray.from([1, [2]] as any))).toContain("Array in an array of <f8");
    expect(invalid(() => NdArray.from([1, undefined, 3] as any))).toContain("undefined in an array of <f8");
    expect(invalid(() => NdArray.from([1, 2, 3], "complex64"))).toContain("[re, im]");
    expect(invalid(() => NdArray.from("text" as any))).toContain("string in an array");
  });

  it.each([
    ["int8", 128],
    ["int8", -129],
    ["uint8", -1],
    ["uint8", 256],
    ["int16", 32_768],
    ["uint32", 4_294_967_296],
    ["int32", 1.5],
    ["int32", Number.NaN],
    ["int64", 2n ** 63n],
    ["int64", -(2n ** 63n) - 1n],
    ["uint64", 2n ** 64n],
    ["uint64", -1n],
    ["int64", 2 ** 63],
    ["bool", 1],
    ["float64", 1n],
    ["float64", "1"],
    ["complex128", [1]],
    ["complex128", [1, 2, 3]],
  ])("%s has no %s", (dtype, value) => {
    expect(invalid(() => NdArray.from([value as any], dtype))).toMatch(/in an array of|no pairs/);
  });

  it("takes numbers and bigints for integers", () => {
    expect(NdArray.from([-128, 127n], "int8").toNested()).toEqual([-128, 127]);
    expect(NdArray.from([0, 2 ** 32 - 1], "uint32").toNested()).toEqual([0, 4_294_967_295]);
    expect(NdArray.from([-(2n ** 63n), 2n ** 63n - 1n, 5], "int64").toNested()).toEqual([
      -(2n ** 63n),
      2n ** 63n - 1n,
      5n,
    ]);
    expect(NdArray.from([2n ** 64n - 1n, 2 ** 63], "uint64").toNested()).toEqual([2n ** 64n - 1n, 2n ** 63n]);
  });

  it("refuses arrays that contain themselves or go on for ever", () => {
    const cyclic: unknown[] = [];
    cyclic.push(cyclic, cyclic);
    expect(invalid(() => NdArray.from(cyclic as any))).toContain("deeper than 32");
    let deep: unknown = 1;
    for (let level = 0; level < 32; level++) deep = [deep];
    expect(NdArray.from(deep as any).shape).toHaveLength(32);
    expect(invalid(() => NdArray.from([deep] as any))).toContain("33 dimensions");
  });

  it("gives what toNested has, of every dtype", () => {
    for (const dtype of DTYPES) {
      const zeros = NdArray.zeros([2, 2], dtype);
      expectSame(NdArray.from(zeros.toNested(), dtype), zeros);
    }
  });
});

describe("NdArray.zeros", () => {
  it("is of any shape and order", () => {
    expectSame(NdArray.zeros([2, 3]), new NdArray(new Float64Array(6), { shape: [2, 3] }));
    expect(NdArray.zeros([2, 3], ">i2", "F")).toMatchObject({ dtype: ">i2", order: "F", byteLength: 12 });
    expect(NdArray.zeros([])).toMatchObject({ size: 1 });
    expect(NdArray.zeros([2], "bool").toNested()).toEqual([false, false]);
  });

  it("has its limits", () => {
    expect(invalid(() => NdArray.zeros([2 ** 30, 2 ** 30]))).toContain("2^53-1 bytes");
    expect(invalid(() => NdArray.zeros([0, 2 ** 30, 2 ** 30]))).toContain("2^53-1 bytes");
    expect(thrownBy(() => NdArray.zeros([2 ** 49]))).toMatchObject({ code: "RESOURCE_EXHAUSTED" });
  });
});

describe("get and set", () => {
  it("reach each element, through any view", () => {
    const array = small();
    array.transpose().slice([1, 3]).set([0, 1], 50);
    expect(array.toNested()).toEqual([
      [1, 2, 3],
      [4, 50, 6],
    ]);
    array.set([-1, -1], 60);
    expect(array.get(1, 2)).toBe(60);
  });

  it("refuse indices that are not there", () => {
    const array = small();
    expect(invalid(() => array.get(2, 0))).toBe("index 2 of dimension 0, which has 2");
    expect(invalid(() => array.get(0, -4))).toBe("index -4 of dimension 1, which has 3");
    expect(invalid(() => array.get(0))).toBe("1 indices for an array of 2 dimensions");
    expect(invalid(() => array.get(0, 0.5))).toContain("0.5 as an index");
    expect(invalid(() => array.get("0" as any, 0))).toContain("string as an index");
    expect(invalid(() => array.set([0, 3], 1))).toContain("index 3");
    expect(invalid(() => array.set([0, 0], true))).toContain("boolean in an array of <f8");
  });

  it("a complex number is a pair, or a real one", () => {
    const array = NdArray.zeros([2], ">c16");
    array.set([0], [1, -2]);
    array.set([1], 3);
    expect(array.toNested()).toEqual([
      [1, -2],
      [3, 0],
    ]);
  });
});

describe("slice, transpose and reshape", () => {
  it("are views", () => {
    const array = small();
    for (const view of [array.slice(1), array.transpose(), array.reshape([3, 2]), array.slice(null, [0, 2])])
      expect(view.data.buffer).toBe(array.data.buffer);
    expect(array.slice(1)).toMatchObject({ shape: [3], order: "C", data: { length: 24 } });
    expect(array.transpose()).toMatchObject({ shape: [3, 2], order: "F" });
    expect(array.slice(null, 1)).toMatchObject({ shape: [2], strides: [24], order: undefined });
    expect(array.slice(0, [null, null, -1]).toNested()).toEqual([3, 2, 1]);
    expect(array.slice(-1, [-2]).toNested()).toEqual([5, 6]);
    expect(array.slice()).toStrictEqual(array);
    expect(array.reshape([-1]).toNested()).toEqual([1, 2, 3, 4, 5, 6]);
  });

  it("reshape copies only where it has to", () => {
    const array = NdArray.zeros([4, 6]);
    const part = array.slice(null, [0, 4]);
    expect(part.reshape([2, 2, 2, 2]).data.buffer).toBe(array.data.buffer);
    expect(part.reshape([4, 1, 4]).data.buffer).toBe(array.data.buffer);
    expect(part.reshape([16]).data.buffer).not.toBe(array.data.buffer);
    expect(array.transpose().reshape([6, 2, 2]).data.buffer).toBe(array.data.buffer);
    expect(array.transpose().reshape([24]).data.buffer).not.toBe(array.data.buffer);
  });

  it("refuse what they can't do", () => {
    const array = small();
    expect(invalid(() => array.slice(null, null, null))).toContain("3 ranges");
    expect(invalid(() => array.slice(2))).toContain("index 2");
    expect(invalid(() => array.slice([0, 1, 0]))).toContain("step 0");
    expect(invalid(() => array.slice([0.5]))).toContain("whole number");
    expect(invalid(() => array.slice("1" as any))).toContain("string as a range");
    expect(invalid(() => array.transpose([0, 0]))).toContain("each of them once");
    expect(invalid(() => array.transpose([0]))).toContain("each of them once");
    expect(invalid(() => array.transpose([0, 2]))).toContain("each of them once");
    expect(invalid(() => array.reshape([4]))).toBe("6 elements can't have the shape (4,)");
    expect(invalid(() => array.reshape([4, -1]))).toContain("-1");
    expect(invalid(() => array.reshape([-1, -1]))).toContain("-1");
    expect(invalid(() => NdArray.zeros([0]).reshape([0, -1]))).toContain("-1");
  });

  it("a step that is never taken may be as large as it wants", () => {
    expect(
      small()
        .slice([1, null, 2 ** 53 - 1])
        .toNested(),
    ).toEqual([[4, 5, 6]]);
    expect(small().slice([null, null, -(2 ** 53) + 1], [5, 0]).shape).toEqual([1, 0]);
  });
});

describe("copies", () => {
  it("contiguous gives the array itself where it can", () => {
    const array = small();
    expect(array.contiguous()).toBe(array);
    expect(array.contiguous("C")).toBe(array);
    const fortran = array.transpose();
    expect(fortran.contiguous()).toBe(fortran);
    expect(fortran.contiguous("F")).toBe(fortran);
    expect(array.slice(1).contiguous("F").data.buffer).toBe(array.data.buffer);
    expect(fortran.contiguous("C")).toMatchObject({ order: "C", strides: [16, 8] });
    expect(array.contiguous("F")).toMatchObject({ order: "F", strides: [8, 16] });
    expect(array.contiguous("F").toNested()).toEqual(array.toNested());
    const part = array.slice(null, [0, 3, 2]).contiguous();
    expectSame(
      part,
      NdArray.from([
        [1, 3],
        [4, 6],
      ]),
    );
    expect(invalid(() => array.contiguous("K" as any))).toContain("order");
  });

  it("bytes are those in C order", () => {
    const array = NdArray.from(
      [
        [1, 2],
        [3, 4],
      ] as const,
      ">i2",
    );
    expect(array.bytes).toBe(array.data);
    expect(hex(array.transpose().bytes)).toBe("0001000300020004");
    expect(hex(array.transpose().data)).toBe("0001000200030004");
  });

  it("toTypedArray is a view where it can be", () => {
    const memory = Float64Array.of(1, 2, 3, 4, 5, 6);
    const array = new NdArray(memory, { shape: [2, 3] });
    expect(array.toTypedArray()).toEqual(memory);
    expect(array.toTypedArray().buffer).toBe(memory.buffer);
    expect(array.slice(1).toTypedArray()).toEqual(Float64Array.of(4, 5, 6));
    expect(array.slice(1).toTypedArray().buffer).toBe(memory.buffer);
    expect(array.transpose().toTypedArray()).toEqual(Float64Array.of(1, 4, 2, 5, 3, 6));
    expect(new NdArray(new Float32Array([1, 2]), { dtype: "complex64" }).toTypedArray()).toEqual(Float32Array.of(1, 2));
    expect(NdArray.from([true, false]).toTypedArray()).toEqual(Uint8Array.of(1, 0));
    expect(NdArray.from([1, -0.5], "float16").toTypedArray()).toEqual(Float32Array.of(1, -0.5));
    expect(NdArray.from([1n], "uint64").toTypedArray()).toEqual(BigUint64Array.of(1n));
  });

  it("toTypedArray copies what isn't aligned, or has the other byte order", () => {
    const memory = new Uint8Array(17);
    const shifted = new NdArray(memory.subarray(1), { dtype: "<f8" });
    shifted.set([1], 2.5);
    expect(shifted.get(1)).toBe(2.5);
    expect(shifted.toTypedArray()).toEqual(Float64Array.of(0, 2.5));
    const swapped = NdArray.from([1, 2, 3], ">i4");
    expect(swapped.toTypedArray()).toEqual(Int32Array.of(1, 2, 3));
    expect(swapped.slice([null, null, -2]).toTypedArray()).toEqual(Int32Array.of(3, 1));
    expect(hex(swapped.data)).toBe("000000010000000200000003");
  });

  it("toNative turns bytes around, and keeps the order", () => {
    const array = NdArray.from(
      [
        [1, 2],
        [3, 4],
      ],
      ">f4",
    );
    expect(array.toNative()).toMatchObject({ dtype: "<f4", order: "C" });
    expect(array.toNative().toNested()).toEqual(array.toNested());
    expect(array.transpose().toNative()).toMatchObject({ dtype: "<f4", order: "F" });
    expect(array.transpose().toNative().toNested()).toEqual(array.transpose().toNested());
    expect(array.toNested()).toEqual([
      [1, 2],
      [3, 4],
    ]);
    const native = small();
    expect(native.toNative()).toBe(native);
    const complex = NdArray.from([[1, 2]], ">c16");
    expect(complex.toNative().toNested()).toEqual([[1, 2]]);
  });

  it("toNested refuses shapes that stand for millions of empty arrays", () => {
    const empty = new NdArray(new Uint8Array(), { shape: [2 ** 40, 0] });
    expect(invalid(() => empty.toNested())).toContain("empty arrays");
    expect(new NdArray(new Uint8Array(), { shape: [0, 2 ** 40] }).toNested()).toEqual([]);
  });
});

describe("two arrays", () => {
  it("are deeply equal where dtype, shape, order and elements are", () => {
    const sliced = NdArray.from([0, 1, 2, 3]).slice([1, 3]);
    expect(isDeepStrictEqual(sliced, NdArray.from([1, 2]))).toBe(true);
    expect(isDeepStrictEqual(new NdArray(Buffer.from([1])), new NdArray(Uint8Array.of(1)))).toBe(true);
    // The stride of a dimension with one index has no meaning.
    expect(isDeepStrictEqual(NdArray.from([[1, 2]]).transpose(), NdArray.from([[1], [2]]))).toBe(true);
    expect(isDeepStrictEqual(NdArray.from([1, 2]), NdArray.from([1, 3]))).toBe(false);
    expect(isDeepStrictEqual(NdArray.from([1, 2]), NdArray.from([[1, 2]]))).toBe(false);
    expect(isDeepStrictEqual(NdArray.zeros([2], "int8"), NdArray.zeros([2], "uint8"))).toBe(false);
    expect(NdArray.from([1])).not.toEqual(NdArray.from([2]));
  });
});

describe("views of views", () => {
  const dtypes = fc.constantFrom(...DTYPES.flatMap((name) => [name, NdArray.zeros([1], name).dtype.replace("<", ">")]));

  /** Any bits are an element, but for booleans other than 0 and 1 and the many forms of NaN. */
  function filled(shape: readonly number[], dtype: string, seed: number, shift: number): NdArray {
    const zeros = NdArray.zeros(shape, dtype);
    const memory = new Uint8Array(zeros.byteLength + shift);
    const array = new NdArray(memory.subarray(shift), { shape, dtype });
    let next = seed;
    for (const indices of allIndices(shape)) {
      next = (next * 75 + 74) % 65_537;
      array.set(indices, elementOf(zeros.dtype, next));
    }
    return array;
  }

  function elementOf(dtype: string, number: number): any {
    if (dtype === "|b1") return number % 2 === 0;
    if (dtype.includes("c")) return [number % 100, -(number % 7) / 4];
    if (dtype.includes("f")) return ((number % 2000) - 1000) / 8;
    return number % 128;
  }

  it("have the elements that lists have, whatever was done to them", () => {
    fc.assert(
      fc.property(shapes, steps, dtypes, fc.nat(65_536), fc.nat(8), (shape, todo, dtype, seed, shift) => {
        let array = filled(shape, dtype, seed, shift);
        let listed: Listed = { shape, elements: allIndices(shape).map((indices) => array.get(...indices)) };
        for (const step of todo) [array, listed] = applyStep(step, array, listed);
        expectSame(array.shape, listed.shape);
        expectSame([...array.values()], listed.elements);
        expectSame(
          allIndices(array.shape).map((indices) => array.get(...indices)),
          listed.elements,
        );
        const packed = [array.contiguous(), array.contiguous("C"), array.contiguous("F")];
        for (const copy of packed) expect(copy.data.length).toBe(array.byteLength);
        expect(packed[1]!.order).toBe("C");
        expect(packed[2]!.transpose().order).toBe("C");
        for (const copy of [...packed, array.toNative()]) {
          expectSame(copy.shape, listed.shape);
          expectSame([...copy.values()], listed.elements);
        }
        const flat = [...array.toTypedArray()].map((part) => (array.dtype === "|b1" ? part === 1 : part));
        expectSame(flat, (listed.elements as any[]).flat());
        if (array.size > 0) expectSame(NdArray.from(array.toNested(), array.dtype), array.contiguous("C"));
        expect(array.bytes.length).toBe(array.byteLength);
      }),
      { numRuns: 2000 },
    );
  });

  it("have all their elements within the memory that they are of", () => {
    fc.assert(
      fc.property(shapes, steps, (shape, todo) => {
        const memory = new Uint8Array(1_000).fill(7);
        let array = new NdArray(memory, { shape, dtype: "uint8", offset: 300 });
        let listed: Listed = { shape, elements: allIndices(shape).map(() => 7) };
        for (const step of todo) [array, listed] = applyStep(step, array, listed);
        if (array.data.buffer !== memory.buffer || array.size === 0) return;
        expect(array.data.byteOffset).toBeGreaterThanOrEqual(300);
        expect(array.data.byteOffset + array.data.length).toBeLessThanOrEqual(300 + allIndices(shape).length);
      }),
      { numRuns: 500 },
    );
  });
});
