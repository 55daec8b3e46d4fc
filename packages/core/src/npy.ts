import { parseDtype } from "./dtype.ts";
import { messageOf } from "./readable.ts";
import { NdArray } from "./ndarray.ts";
import { formatNpyHeader, parseNpyHeader } from "./npy-header.ts";
import { allocateBytes } from "./packed-elements.ts";
import { checkShape, elementCount, invalid } from "./shape.ts";

/** `\x93NUMPY`. */
const MAGIC = Buffer.from("934e554d5059", "hex");
/** The magic bytes and those of the version. */
const VERSION_END = 8;
const MAX_HEADER_BYTES = 65_536;
/** Elements start at a multiple of this. */
const ALIGNMENT = 64;

/**
 * The array of an `.npy` file (format 1.0, 2.0 and 3.0): `readNpy(await readFile(path))`. It is a view of `bytes` where the
 * elements are aligned there, as they are in what is read from a file, else a copy.
 *
 * @throws ColloquyError `INVALID_ARGUMENT` for what is no such file, for one that is cut off or goes on behind the array, and for
 * arrays of Python objects, text, times and structures.
 */
export function readNpy(bytes: Uint8Array): NdArray {
  if (!(bytes instanceof Uint8Array)) throw invalid("readNpy takes the bytes of an .npy file");
  const file = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  const { text, end: start } = headerOf(file);
  const { descr, fortranOrder, shape } = parseNpyHeader(text);
  try {
    const dtype = parseDtype(descr);
    const end = start + elementCount(checkShape(shape, dtype.itemBytes)) * dtype.itemBytes;
    checkEnd(file, end);
    const place = file.subarray(start, end);
    const elements = place.byteOffset % dtype.partBytes === 0 ? place : new Uint8Array(place);
    return new NdArray(elements, { dtype: dtype.text, shape, order: fortranOrder ? "F" : "C" });
  } catch (error) {
    throw invalid(`.npy file: ${messageOf(error)}`);
  }
}

/**
 * The bytes of an `.npy` file (format 1.0), which are those that NumPy writes. An array without an order is written in C
 * order.
 */
export function writeNpy(array: NdArray): Uint8Array {
  if (!(array instanceof NdArray)) throw invalid("writeNpy takes an NdArray");
  const { dtype, shape, order, data } = array.contiguous();
  const header = formatNpyHeader({ descr: dtype, fortranOrder: order === "F", shape });
  // The length of the header has two bytes; a line end closes it. NumPy pads what is aligned, too.
  const start = (Math.floor((VERSION_END + 2 + header.length + 1) / ALIGNMENT) + 1) * ALIGNMENT;
  const file = Buffer.from(allocateBytes(start + data.length).buffer);
  file.fill(" ", 0, start);
  MAGIC.copy(file);
  file.writeUInt16BE(0x0100, MAGIC.length);
  file.writeUInt16LE(start - VERSION_END - 2, VERSION_END);
  file.write(header, VERSION_END + 2, "latin1");
  file[start - 1] = 0x0a;
  file.set(data, start);
  return new Uint8Array(file.buffer);
}

function headerOf(file: Buffer): { readonly text: string; readonly end: number } {
  if (!file.subarray(0, MAGIC.length).equals(MAGIC)) throw invalid("no .npy file: it doesn't start with \\x93NUMPY");
  const [major, minor] = [file[6], file[7]];
  if (major === undefined || major < 1 || major > 3 || minor !== 0)
    throw invalid(`.npy file of the format ${major}.${minor}; 1.0, 2.0 and 3.0 are known`);
  const start = VERSION_END + (major === 1 ? 2 : 4);
  if (file.length < start) throw invalid(`.npy file that is cut off after ${file.length} bytes, in its header`);
  const length = major === 1 ? file.readUInt16LE(VERSION_END) : file.readUInt32LE(VERSION_END);
  if (length > MAX_HEADER_BYTES)
    throw invalid(`.npy file with a header of ${length} bytes; the limit is ${MAX_HEADER_BYTES}`);
  const end = start + length;
  if (file.length < end) throw invalid(`.npy file that is cut off after ${file.length} bytes, in its header`);
  // UTF-8 in 3.0, where names of fields have other characters; such arrays are refused all the same.
  return { text: file.toString("latin1", start, end), end };
}

function checkEnd(file: Buffer, end: number): void {
  if (file.length < end) throw invalid(`cut off after ${file.length} bytes; the array ends at ${end}`);
  if (file.length > end)
    throw invalid(
      `the array ends at byte ${end} of ${file.length}; of several arrays read one at a time, bytes.subarray(0, ${end})`,
    );
}
