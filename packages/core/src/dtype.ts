import { ColloquyError, describeType, quoted } from "./errors.ts";

/** `b` booleans, `i` and `u` integers with and without a sign, `f` floating point, `c` complex numbers. */
export type DtypeKind = "b" | "i" | "u" | "f" | "c";

type PartArrayClass =
  | Uint8ArrayConstructor
  | Int8ArrayConstructor
  | Uint16ArrayConstructor
  | Int16ArrayConstructor
  | Uint32ArrayConstructor
  | Int32ArrayConstructor
  | BigUint64ArrayConstructor
  | BigInt64ArrayConstructor
  | Float32ArrayConstructor
  | Float64ArrayConstructor;

/** A typed array whose elements are those of an array, or the two parts of each complex number. */
export type PartArray = InstanceType<PartArrayClass>;

/** The type of the elements of an array, as NumPy has it. */
export interface Dtype {
  /** The form that NumPy's `dtype.str` has: `<f8`, `|u1`. */
  readonly text: string;
  /** Without the byte order: `f8`. */
  readonly code: string;
  readonly kind: DtypeKind;
  readonly itemBytes: number;
  /** Bytes of what has a byte order: half of a complex number, else the whole element. */
  readonly partBytes: number;
  readonly littleEndian: boolean;
  /** Whether it has this machine's byte order, or none. */
  readonly native: boolean;
  /** What views elements in native byte order: `Uint8Array` for booleans, undefined for `f2`. A complex number is two parts. */
  readonly partArray: PartArrayClass | undefined;
}

/** By code: the names that NumPy has for it, what views it. */
const TYPES: readonly (readonly [code: string, name: string, partArray: PartArrayClass | undefined])[] = [
  ["b1", "bool", Uint8Array],
  ["i1", "int8", Int8Array],
  ["u1", "uint8", Uint8Array],
  ["i2", "int16", Int16Array],
  ["u2", "uint16", Uint16Array],
  ["i4", "int32", Int32Array],
  ["u4", "uint32", Uint32Array],
  ["i8", "int64", BigInt64Array],
  ["u8", "uint64", BigUint64Array],
  ["f2", "float16", undefined],
  ["f4", "float32", Float32Array],
  ["f8", "float64", Float64Array],
  ["c8", "complex64", Float32Array],
  ["c16", "complex128", Float64Array],
];
const IS_LITTLE_ENDIAN = new Uint8Array(Uint16Array.of(1).buffer)[0] === 1;
const NATIVE_ORDER = IS_LITTLE_ENDIAN ? "<" : ">";
const BY_TEXT: ReadonlyMap<string, Dtype> = allDtypes();
/** By the name that a typed array has of its class. */
const CODES_OF_ARRAYS: ReadonlyMap<string, string> = new Map([
  ["Int8Array", "i1"],
  ["Uint8Array", "u1"],
  ["Uint8ClampedArray", "u1"],
  ["Int16Array", "i2"],
  ["Uint16Array", "u2"],
  ["Int32Array", "i4"],
  ["Uint32Array", "u4"],
  ["BigInt64Array", "i8"],
  ["BigUint64Array", "u8"],
  ["Float16Array", "f2"],
  ["Float32Array", "f4"],
  ["Float64Array", "f8"],
]);
const SHOWN_LENGTH = 32;

/**
 * The dtype of a text: `"<f8"`, `">i4"`, `"|b1"`, `"f8"` and `"=f8"` in this machine's byte order, `"float64"`.
 *
 * @throws ColloquyError `INVALID_ARGUMENT` for any other.
 */
export function parseDtype(text: unknown): Dtype {
  const dtype = typeof text === "string" ? BY_TEXT.get(text) : undefined;
  if (dtype !== undefined) return dtype;
  throw new ColloquyError("INVALID_ARGUMENT", unknownDtype(text));
}

/**
 * The dtype of a text from elsewhere, where only NumPy's `dtype.str` says which byte order is meant.
 *
 * @throws ColloquyError `INVALID_ARGUMENT`
 */
export function readDtype(text: unknown): Dtype {
  const dtype = parseDtype(text);
  if (dtype.text === text) return dtype;
  throw new ColloquyError(
    "INVALID_ARGUMENT",
    `dtype ${quoted(text as string, SHOWN_LENGTH)} in place of a dtype.str such as "<f8"`,
  );
}

/** The dtype of the elements of a typed array; undefined for other views of memory. */
export function dtypeOfArray(array: ArrayBufferView): Dtype | undefined {
  const code = CODES_OF_ARRAYS.get((array as Partial<Float64Array>)[Symbol.toStringTag] ?? "");
  return code === undefined ? undefined : BY_TEXT.get(code);
}

/** The same type in this machine's byte order. */
export function nativeDtype({ code }: Dtype): Dtype {
  return BY_TEXT.get(code)!;
}

function allDtypes(): Map<string, Dtype> {
  const all = new Map<string, Dtype>();
  for (const [code, name, partArray] of TYPES) {
    const kind = code[0] as DtypeKind;
    const itemBytes = Number(code.slice(1));
    const partBytes = kind === "c" ? itemBytes / 2 : itemBytes;
    for (const order of partBytes === 1 ? ["|"] : ["<", ">"]) {
      const native = order === "|" || order === NATIVE_ORDER;
      const littleEndian = order === "|" ? IS_LITTLE_ENDIAN : order === "<";
      const text = `${order}${code}`;
      const dtype = Object.freeze({ text, code, kind, itemBytes, partBytes, littleEndian, native, partArray });
      const spellings = native ? [text, `=${code}`, code, name] : [text];
      if (order === "|") spellings.push(`<${code}`, `>${code}`);
      for (const spelling of spellings) all.set(spelling, dtype);
    }
  }
  return all;
}

function unknownDtype(text: unknown): string {
  if (typeof text !== "string") return `dtype that is no text: ${describeType(text)}`;
  const shown = quoted(text, SHOWN_LENGTH);
  const known = 'arrays have booleans, integers, floating point and complex numbers, such as "<f8"';
  switch (/^[<>|=]?([OUSaVmM])\d*(?:\[.*)?$/.exec(text.slice(0, SHOWN_LENGTH))?.[1]) {
    case "O":
      return `dtype ${shown}: arrays of Python objects aren't supported; ${known}`;
    case "U":
    case "S":
    case "a":
      return `dtype ${shown}: arrays of text aren't supported; ${known}`;
    case "m":
    case "M":
      return `dtype ${shown}: arrays of times aren't supported, send them as int64; ${known}`;
    case "V":
      return `dtype ${shown}: structured and raw arrays aren't supported; ${known}`;
    default:
      return `unknown dtype ${shown}; ${known}`;
  }
}
