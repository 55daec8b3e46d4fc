import type { Dtype } from "./dtype.ts";
import { ColloquyError, describeType } from "./errors.ts";
import { float16Bits, readFloat16 } from "./float16.ts";

/** One element: a boolean, a number, a bigint of `int64` and `uint64`, the two parts of a complex number. */
export type NdArrayElement = number | bigint | boolean | readonly [re: number, im: number];

interface Accessor {
  read(view: DataView, at: number, littleEndian: boolean): NdArrayElement;
  write(view: DataView, at: number, value: never, littleEndian: boolean): void;
}

/** By code of the dtype. Values that are written have been checked. */
const ACCESSORS: Readonly<Record<string, Accessor>> = {
  b1: {
    read: (view, at) => view.getUint8(at) !== 0,
    write: (view, at, value: boolean) => view.setUint8(at, value ? 1 : 0),
  },
  i1: { read: (view, at) => view.getInt8(at), write: (view, at, value: number) => view.setInt8(at, value) },
  u1: { read: (view, at) => view.getUint8(at), write: (view, at, value: number) => view.setUint8(at, value) },
  i2: {
    read: (view, at, little) => view.getInt16(at, little),
    write: (view, at, value: number, little) => view.setInt16(at, value, little),
  },
  u2: {
    read: (view, at, little) => view.getUint16(at, little),
    write: (view, at, value: number, little) => view.setUint16(at, value, little),
  },
  i4: {
    read: (view, at, little) => view.getInt32(at, little),
    write: (view, at, value: number, little) => view.setInt32(at, value, little),
  },
  u4: {
    read: (view, at, little) => view.getUint32(at, little),
    write: (view, at, value: number, little) => view.setUint32(at, value, little),
  },
  i8: {
    read: (view, at, little) => view.getBigInt64(at, little),
    write: (view, at, value: bigint, little) => view.setBigInt64(at, value, little),
  },
  u8: {
    read: (view, at, little) => view.getBigUint64(at, little),
    write: (view, at, value: bigint, little) => view.setBigUint64(at, value, little),
  },
  f2: {
    read: (view, at, little) => readFloat16(view.getUint16(at, little)),
    write: (view, at, value: number, little) => view.setUint16(at, float16Bits(value), little),
  },
  f4: {
    read: (view, at, little) => view.getFloat32(at, little),
    write: (view, at, value: number, little) => view.setFloat32(at, value, little),
  },
  f8: {
    read: (view, at, little) => view.getFloat64(at, little),
    write: (view, at, value: number, little) => view.setFloat64(at, value, little),
  },
  c8: {
    read: (view, at, little) => [view.getFloat32(at, little), view.getFloat32(at + 4, little)],
    write(view, at, [re, im]: [number, number], little) {
      view.setFloat32(at, re, little);
      view.setFloat32(at + 4, im, little);
    },
  },
  c16: {
    read: (view, at, little) => [view.getFloat64(at, little), view.getFloat64(at + 8, little)],
    write(view, at, [re, im]: [number, number], little) {
      view.setFloat64(at, re, little);
      view.setFloat64(at + 8, im, little);
    },
  },
};

export function readElement(dtype: Dtype, view: DataView, at: number): NdArrayElement {
  return ACCESSORS[dtype.code]!.read(view, at, dtype.littleEndian);
}

/** @throws ColloquyError `INVALID_ARGUMENT` for a value that no element of the dtype has. */
export function writeElement(dtype: Dtype, view: DataView, at: number, value: unknown): void {
  ACCESSORS[dtype.code]!.write(view, at, checkElement(dtype, value) as never, dtype.littleEndian);
}

function checkElement(dtype: Dtype, value: unknown): NdArrayElement {
  switch (dtype.kind) {
    case "b":
      if (typeof value === "boolean") return value;
      break;
    case "i":
    case "u":
      return checkInteger(dtype, value);
    case "f":
      if (typeof value === "number") return value;
      break;
    case "c":
      if (typeof value === "number") return [value, 0];
      if (isPair(value)) return value;
      break;
    default:
  }
  throw unfit(dtype, value);
}

/** Numbers and bigints alike, as long as the value fits. */
function checkInteger(dtype: Dtype, value: unknown): number | bigint {
  const bits = dtype.itemBytes * 8;
  const lowest = dtype.kind === "i" ? -(2 ** (bits - 1)) : 0;
  // Behind the last; comparisons of numbers with bigints are exact.
  const end = dtype.kind === "i" ? -lowest : 2 ** bits;
  const isInteger = typeof value === "bigint" || (typeof value === "number" && Number.isInteger(value));
  if (!isInteger || (value as number) < lowest || (value as number) >= end) throw unfit(dtype, value);
  return bits === 64 ? BigInt(value) : Number(value);
}

function isPair(value: unknown): value is readonly [number, number] {
  return Array.isArray(value) && value.length === 2 && typeof value[0] === "number" && typeof value[1] === "number";
}

const WANTED = { b: "a boolean", i: "an integer of its range", u: "an integer of its range", f: "a number" } as const;

function unfit(dtype: Dtype, value: unknown): ColloquyError {
  const found =
    typeof value === "number" || typeof value === "bigint" ? String(value).slice(0, 32) : describeType(value);
  const wanted = dtype.kind === "c" ? "a pair of numbers, [re, im]" : WANTED[dtype.kind];
  return new ColloquyError("INVALID_ARGUMENT", `${found} in an array of ${dtype.text}, which takes ${wanted}`);
}
