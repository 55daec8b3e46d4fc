import { isDeepStrictEqual } from "node:util";
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { NdArray } from "../src/ndarray.ts";
import { readNpy, writeNpy } from "../src/npy.ts";
import { applyStep, shapes, steps } from "./ndarray-oracle.ts";
import { bytes, expectSame, hex, thrownBy } from "./support.ts";

/** Files that NumPy has written. */
const FILES = [
  {
    what: "float64 in C order",
    dtype: "<f8",
    shape: [2, 3],
    order: "C",
    elements: [
      [1, 2, 3],
      [-4.5, 0.1, 1e300],
    ],
    file: "934e554d5059010076007b276465736372273a20273c6638272c2027666f727472616e5f6f72646572273a2046616c73652c20277368617065273a2028322c2033292c207d202020202020202020202020202020202020202020202020202020202020202020202020202020202020202020202020202020202020202020200a000000000000f03f0000000000000040000000000000084000000000000012c09a9999999999b93f9c7500883ce4377e",
  },
  {
    what: "float64 in Fortran order",
    dtype: "<f8",
    shape: [2, 3],
    order: "F",
    elements: [
      [1, 2, 3],
      [4, 5, 6],
    ],
    file: "934e554d5059010076007b276465736372273a20273c6638272c2027666f727472616e5f6f72646572273a20547275652c20277368617065273a2028322c2033292c207d20202020202020202020202020202020202020202020202020202020202020202020202020202020202020202020202020202020202020202020200a000000000000f03f00000000000010400000000000000040000000000000144000000000000008400000000000001840",
  },
  {
    what: "big-endian int16",
    dtype: ">i2",
    shape: [3],
    order: "C",
    elements: [1, -2, 258],
    file: "934e554d5059010076007b276465736372273a20273e6932272c2027666f727472616e5f6f72646572273a2046616c73652c20277368617065273a2028332c292c207d2020202020202020202020202020202020202020202020202020202020202020202020202020202020202020202020202020202020202020202020200a0001fffe0102",
  },
  {
    what: "bool",
    dtype: "|b1",
    shape: [2, 1],
    order: "C",
    elements: [[true], [false]],
    file: "934e554d5059010076007b276465736372273a20277c6231272c2027666f727472616e5f6f72646572273a2046616c73652c20277368617065273a2028322c2031292c207d202020202020202020202020202020202020202020202020202020202020202020202020202020202020202020202020202020202020202020200a0100",
  },
  {
    what: "uint64",
    dtype: "<u8",
    shape: [2],
    order: "C",
    elements: [2n ** 64n - 1n, 0n],
    file: "934e554d5059010076007b276465736372273a20273c7538272c2027666f727472616e5f6f72646572273a2046616c73652c20277368617065273a2028322c292c207d2020202020202020202020202020202020202020202020202020202020202020202020202020202020202020202020202020202020202020202020200affffffffffffffff0000000000000000",
  },
  {
    what: "int8",
    dtype: "|i1",
    shape: [2],
    order: "C",
    elements: [-128, 127],
    file: "934e554d5059010076007b276465736372273a20277c6931272c2027666f727472616e5f6f72646572273a2046616c73652c20277368617065273a2028322c292c207d2020202020202020202020202020202020202020202020202020202020202020202020202020202020202020202020202020202020202020202020200a807f",
  },
  {
    what: "float16 with specials",
    dtype: "<f2",
    shape: [6],
    order: "C",
    elements: [1, -0, Infinity, 2 ** -24, 65_504, 0.0999755859375],
    file: "934e554d5059010076007b276465736372273a20273c6632272c2027666f727472616e5f6f72646572273a2046616c73652c20277368617065273a2028362c292c207d2020202020202020202020202020202020202020202020202020202020202020202020202020202020202020202020202020202020202020202020200a003c0080007c0100ff7b662e",
  },
  {
    what: "complex64",
    dtype: "<c8",
    shape: [2],
    order: "C",
    elements: [
      [1, -2],
      [0, 0.5],
    ],
    file: "934e554d5059010076007b276465736372273a20273c6338272c2027666f727472616e5f6f72646572273a2046616c73652c20277368617065273a2028322c292c207d2020202020202020202020202020202020202020202020202020202020202020202020202020202020202020202020202020202020202020202020200a0000803f000000c0000000000000003f",
  },
  {
    what: "big-endian complex128 in Fortran order",
    dtype: ">c16",
    shape: [2, 2],
    order: "F",
    elements: [
      [
        [1, -2],
        [3, 0],
      ],
      [
        [0, 4],
        [5, 0],
      ],
    ],
    file: "934e554d5059010076007b276465736372273a20273e633136272c2027666f727472616e5f6f72646572273a20547275652c20277368617065273a2028322c2032292c207d202020202020202020202020202020202020202020202020202020202020202020202020202020202020202020202020202020202020202020200a3ff0000000000000c000000000000000000000000000000040100000000000004008000000000000000000000000000040140000000000000000000000000000",
  },
  {
    what: "no dimensions",
    dtype: "<i4",
    shape: [],
    order: "C",
    elements: 7,
    file: "934e554d5059010076007b276465736372273a20273c6934272c2027666f727472616e5f6f72646572273a2046616c73652c20277368617065273a2028292c207d20202020202020202020202020202020202020202020202020202020202020202020202020202020202020202020202020202020202020202020202020200a07000000",
  },
  {
    what: "no elements",
    dtype: "<f4",
    shape: [0, 3],
    order: "C",
    elements: [],
    file: "934e554d5059010076007b276465736372273a20273c6634272c2027666f727472616e5f6f72646572273a2046616c73652c20277368617065273a2028302c2033292c207d202020202020202020202020202020202020202020202020202020202020202020202020202020202020202020202020202020202020202020200a",
  },
  {
    what: "format 2.0",
    dtype: "|u1",
    shape: [2],
    order: "C",
    elements: [1, 2],
    file: "934e554d50590200740000007b276465736372273a20277c7531272c2027666f727472616e5f6f72646572273a2046616c73652c20277368617065273a2028322c292c207d202020202020202020202020202020202020202020202020202020202020202020202020202020202020202020202020202020202020202020200a0102",
  },
  {
    what: "format 3.0",
    dtype: "|u1",
    shape: [2],
    order: "C",
    elements: [1, 2],
    file: "934e554d50590300740000007b276465736372273a20277c7531272c2027666f727472616e5f6f72646572273a2046616c73652c20277368617065273a2028322c292c207d202020202020202020202020202020202020202020202020202020202020202020202020202020202020202020202020202020202020202020200a0102",
  },
  {
    what: "three dimensions",
    dtype: "<u2",
    shape: [2, 2, 2],
    order: "C",
    elements: [
      [
        [0, 1],
        [2, 3],
      ],
      [
        [4, 5],
        [6, 7],
      ],
    ],
    file: "934e554d5059010076007b276465736372273a20273c7532272c2027666f727472616e5f6f72646572273a2046616c73652c20277368617065273a2028322c20322c2032292c207d202020202020202020202020202020202020202020202020202020202020202020202020202020202020202020202020202020202020200a00000100020003000400050006000700",
  },
] as const;

/** Files that NumPy has written, of arrays that there are none of here. */
const OTHERS = [
  [
    "Python objects",
    "934e554d5059010076007b276465736372273a20277c4f272c2027666f727472616e5f6f72646572273a2046616c73652c20277368617065273a2028322c292c207d202020202020202020202020202020202020202020202020202020202020202020202020202020202020202020202020202020202020202020202020200a8003636e756d70792e636f72652e6d756c746961727261790a5f7265636f6e7374727563740a7100636e756d70790a6e6461727261790a71014b008571024301627103877104527105284b014b02857106636e756d70790a64747970650a710758020000004f387108898887710952710a284b0358010000007c710b4e4e4e4affffffff4affffffff4b3f74710c62895d710d287d710e5d710f4b016165747110622e",
  ],
  [
    "structured",
    "934e554d5059010076007b276465736372273a205b282761272c20273c663427292c20282762272c20273c693227295d2c2027666f727472616e5f6f72646572273a2046616c73652c20277368617065273a2028322c292c207d202020202020202020202020202020202020202020202020202020202020202020202020200a000000000000000000000000",
  ],
  [
    "text",
    "934e554d5059010076007b276465736372273a20273c5532272c2027666f727472616e5f6f72646572273a2046616c73652c20277368617065273a2028312c292c207d2020202020202020202020202020202020202020202020202020202020202020202020202020202020202020202020202020202020202020202020200a6100000062000000",
  ],
  [
    "times",
    "934e554d5059010076007b276465736372273a20273c4d385b445d272c2027666f727472616e5f6f72646572273a2046616c73652c20277368617065273a2028312c292c207d2020202020202020202020202020202020202020202020202020202020202020202020202020202020202020202020202020202020202020200a5647000000000000",
  ],
] as const;

/** A file with a header of one's own, in format 1.0. */
function fileOf(header: string, data: Uint8Array = Buffer.alloc(0), version = 1): Buffer {
  const head = Buffer.from(header, "latin1");
  const length = Buffer.alloc(version === 1 ? 2 : 4);
  length.writeUIntLE(head.length, 0, length.length);
  return Buffer.concat([bytes("934e554d5059"), Buffer.of(version, 0), length, head, data]);
}

function refusal(file: Uint8Array): string {
  const error = thrownBy(() => readNpy(file));
  expect(error).toMatchObject({ code: "INVALID_ARGUMENT" });
  return error.message;
}

describe("readNpy", () => {
  it.each(FILES)("reads $what", ({ dtype, shape, order, elements, file }) => {
    const array = readNpy(bytes(file));
    expect(array).toMatchObject({ dtype, shape, order });
    expectSame(array.toNested(), elements);
  });

  it("is a view where the elements are aligned, else a copy", () => {
    const file = bytes(FILES[0].file);
    const aligned = new Uint8Array(file.length + 8);
    aligned.set(file, 8);
    expect(readNpy(aligned.subarray(8)).data.buffer).toBe(aligned.buffer);
    const shifted = new Uint8Array(file.length + 1);
    shifted.set(file, 1);
    const array = readNpy(shifted.subarray(1));
    expect(array.data.buffer).not.toBe(shifted.buffer);
    expect(array.toTypedArray().buffer).toBe(array.data.buffer);
    expectSame(array, readNpy(aligned.subarray(8)));
  });

  it.each([
    ["without padding", "{'descr': '|u1', 'fortran_order': False, 'shape': (2,), }"],
    ["in double quotes", '{"descr": "|u1", "fortran_order": False, "shape": (2,)}\n'],
    ["in another order", "{'shape': (2,), 'fortran_order': False, 'descr': '|u1'}"],
    ["close together", "{'descr':'|u1','fortran_order':False,'shape':(2,)}"],
    ["far apart", " {\n'descr' : '|u1' ,\t'fortran_order' : False , 'shape' : ( 2 , ) , } "],
    ["by Python 2", "{'descr': '|u1', 'fortran_order': False, 'shape': (2L,), }"],
    ["with another spelling of the dtype", "{'descr': 'uint8', 'fortran_order': False, 'shape': (2,), }"],
  ])("reads a header that is written %s", (_how, header) => {
    expectSame(readNpy(fileOf(header, bytes("0102"))), new NdArray(Uint8Array.of(1, 2)));
  });

  it.each(OTHERS)("refuses an array of %s", (what, file) => {
    expect(refusal(bytes(file))).toContain(what);
  });

  it("refuses what is cut off, and what goes on", () => {
    const file = bytes(FILES[0].file);
    for (let length = 0; length < file.length; length++) expect(refusal(file.subarray(0, length))).not.toBe("");
    expect(refusal(file.subarray(0, file.length - 1))).toContain("cut off after 175 bytes; the array ends at 176");
    expect(refusal(Buffer.concat([file, file]))).toContain("bytes.subarray(0, 176)");
  });

  it("refuses other files and formats", () => {
    expect(refusal(Buffer.from("PK\x03\x04"))).toContain("NUMPY");
    expect(refusal(bytes("934e554d5059 0400 0000"))).toContain("format 4.0");
    expect(refusal(bytes("934e554d5059 0000 0000"))).toContain("format 0.0");
    expect(refusal(bytes("934e554d5059 0101 0000"))).toContain("format 1.1");
    expect(refusal("934e" as any)).toContain("readNpy takes");
  });
});

describe("writeNpy", () => {
  it.each(FILES.filter(({ what }) => !what.startsWith("format")))("writes $what as NumPy does", ({ file }) => {
    expect(hex(writeNpy(readNpy(bytes(file))))).toBe(file);
  });

  it("writes views without an order in C order", () => {
    const array = NdArray.from([1, 2, 3, 4], "int8").slice([null, null, -2]);
    expect(hex(writeNpy(array).subarray(-2))).toBe("0402");
  });

  it("pads a header that is aligned already, as NumPy does", () => {
    const lengths = Array.from({ length: 32 }, (_, count) => {
      const shape = Array.from({ length: count + 1 }, () => 1);
      return writeNpy(NdArray.zeros(shape, "uint8")).length - 1;
    });
    expect(lengths).toEqual([...Array(14).fill(128), ...Array(18).fill(192)]);
  });

  it("refuses what is no array", () => {
    expect(thrownBy(() => writeNpy([1] as any))).toMatchObject({ code: "INVALID_ARGUMENT" });
  });

  it("writes what is read as the same", () => {
    const dtypes = fc.constantFrom("|b1", "|i1", ">u2", "<i4", ">i8", "<u8", "<f2", ">f4", "<f8", ">c8", "<c16");
    fc.assert(
      fc.property(shapes, steps, dtypes, (shape, todo, dtype) => {
        let array = NdArray.zeros(shape, dtype);
        array.data.forEach((_, index) => (array.data[index] = (index * 7) % 251));
        for (const step of todo)
          [array] = applyStep(step, array, { shape: array.shape, elements: [...array.values()] });
        const file = writeNpy(array);
        expect(isDeepStrictEqual(readNpy(file), array.contiguous())).toBe(true);
        expect(file.length % 64).toBe(array.byteLength % 64);
      }),
    );
  });
});
