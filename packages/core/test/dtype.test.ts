import { describe, expect, it } from "vitest";
import { dtypeOfArray, nativeDtype, parseDtype, readDtype } from "../src/dtype.ts";
import { thrownBy } from "./support.ts";

const LITTLE = new Uint8Array(Uint16Array.of(1).buffer)[0] === 1;
const NATIVE = LITTLE ? "<" : ">";

describe("parseDtype", () => {
  it.each([
    ["<f8", "<f8", "f", 8, 8, Float64Array],
    ["<f4", "<f4", "f", 4, 4, Float32Array],
    ["<f2", "<f2", "f", 2, 2, undefined],
    ["|b1", "|b1", "b", 1, 1, Uint8Array],
    ["|i1", "|i1", "i", 1, 1, Int8Array],
    ["|u1", "|u1", "u", 1, 1, Uint8Array],
    ["<i2", "<i2", "i", 2, 2, Int16Array],
    ["<u2", "<u2", "u", 2, 2, Uint16Array],
    ["<i4", "<i4", "i", 4, 4, Int32Array],
    ["<u4", "<u4", "u", 4, 4, Uint32Array],
    ["<i8", "<i8", "i", 8, 8, BigInt64Array],
    ["<u8", "<u8", "u", 8, 8, BigUint64Array],
    ["<c8", "<c8", "c", 8, 4, Float32Array],
    ["<c16", "<c16", "c", 16, 8, Float64Array],
  ])("knows %s", (text, canonical, kind, itemBytes, partBytes, partArray) => {
    expect(parseDtype(text)).toMatchObject({ text: canonical, kind, itemBytes, partBytes, partArray });
  });

  it("knows the names of NumPy, in the byte order of this machine", () => {
    const names = {
      bool: "|b1",
      int8: "|i1",
      uint8: "|u1",
      int16: `${NATIVE}i2`,
      uint16: `${NATIVE}u2`,
      int32: `${NATIVE}i4`,
      uint32: `${NATIVE}u4`,
      int64: `${NATIVE}i8`,
      uint64: `${NATIVE}u8`,
      float16: `${NATIVE}f2`,
      float32: `${NATIVE}f4`,
      float64: `${NATIVE}f8`,
      complex64: `${NATIVE}c8`,
      complex128: `${NATIVE}c16`,
    };
    for (const [name, text] of Object.entries(names)) {
      expect(parseDtype(name)).toMatchObject({ text, native: true });
      expect(parseDtype(text.slice(1)).text).toBe(text);
      expect(parseDtype(`=${text.slice(1)}`).text).toBe(text);
    }
  });

  it("tells byte orders apart, where there is one", () => {
    expect(parseDtype(">f8")).toMatchObject({ text: ">f8", littleEndian: false, native: !LITTLE });
    expect(parseDtype("<f8")).toMatchObject({ text: "<f8", littleEndian: true, native: LITTLE });
    for (const text of ["<u1", ">u1", "|u1", "=u1"])
      expect(parseDtype(text)).toMatchObject({ text: "|u1", native: true });
    expect(nativeDtype(parseDtype(LITTLE ? ">c16" : "<c16")).text).toBe(`${NATIVE}c16`);
  });

  it.each([
    ["|O", "Python objects"],
    ["O", "Python objects"],
    ["<U3", "text"],
    ["|S7", "text"],
    ["<M8[ns]", "times"],
    ["<m8[25us]", "times"],
    ["|V16", "structured"],
    ["<f16", "unknown dtype"],
    ["<c32", "unknown dtype"],
    ["<f3", "unknown dtype"],
    ["|f8", "unknown dtype"],
    ["", "unknown dtype"],
    ["<f8 ", "unknown dtype"],
    ["__proto__", "unknown dtype"],
    ["float65", "unknown dtype"],
  ])("refuses %j and says why", (text, why) => {
    const error = thrownBy(() => parseDtype(text));
    expect(error).toMatchObject({ code: "INVALID_ARGUMENT" });
    expect(error.message).toContain(why);
    expect(error.message).toContain(JSON.stringify(text));
  });

  it.each([[undefined], [null], [8], [["<f8"]], [{}]])("refuses %j, which is no text", (value) => {
    expect(thrownBy(() => parseDtype(value))).toMatchObject({ code: "INVALID_ARGUMENT" });
  });
});

describe("readDtype", () => {
  it("takes only what says which byte order is meant", () => {
    expect(readDtype(">i4").text).toBe(">i4");
    expect(readDtype("|b1").text).toBe("|b1");
    for (const text of ["=f8", "f8", "float64", "<u1"]) {
      expect(thrownBy(() => readDtype(text)).message).toContain("dtype.str");
    }
  });
});

describe("dtypeOfArray", () => {
  it.each([
    [new Float64Array(), "f8"],
    [new Float32Array(), "f4"],
    [new Int8Array(), "i1"],
    [new Uint8Array(), "u1"],
    [Buffer.alloc(0), "u1"],
    [new Uint8ClampedArray(), "u1"],
    [new Int16Array(), "i2"],
    [new Uint16Array(), "u2"],
    [new Int32Array(), "i4"],
    [new Uint32Array(), "u4"],
    [new BigInt64Array(), "i8"],
    [new BigUint64Array(), "u8"],
  ])("%o has elements of %s", (array, code) => {
    expect(dtypeOfArray(array)).toMatchObject({ code, native: true });
  });

  it("is undefined for other views", () => {
    expect(dtypeOfArray(new DataView(new ArrayBuffer(8)))).toBeUndefined();
  });
});
