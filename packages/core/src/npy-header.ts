import { quoted } from "./errors.ts";
import { formatShape, invalid } from "./shape.ts";

/** What the header of an `.npy` file says. */
export interface NpyHeader {
  readonly descr: string;
  readonly fortranOrder: boolean;
  readonly shape: readonly number[];
}

/** NumPy leaves room for the size that grows when elements are appended to the file. */
const GROWING_SIZE_DIGITS = 21;

/**
 * Reads the header: a dictionary of Python with the three entries of NumPy. Nothing else of Python's syntax is known, and nothing
 * is evaluated.
 *
 * @throws ColloquyError `INVALID_ARGUMENT`
 */
export function parseNpyHeader(text: string): NpyHeader {
  return new HeaderReader(text).read();
}

/** The text of a header, without what pads it. */
export function formatNpyHeader({ descr, fortranOrder, shape }: NpyHeader): string {
  const order = fortranOrder ? "True" : "False";
  const text = `{'descr': '${descr}', 'fortran_order': ${order}, 'shape': ${formatShape(shape)}, }`;
  const growing = shape.at(fortranOrder ? -1 : 0);
  return growing === undefined ? text : text + " ".repeat(GROWING_SIZE_DIGITS - String(growing).length);
}

class HeaderReader {
  /** One token of a Python literal, of those that headers have, and the white space before it. */
  readonly #token = /\s*(?:('[^'\\\n]*'|"[^"\\\n]*")|(True|False)\b|(\d{1,16})L?\b|([{}()[\],:]))/y;
  readonly #text: string;
  #position = 0;

  constructor(text: string) {
    this.#text = text;
  }

  read(): NpyHeader {
    const entries = new Map<string, unknown>();
    this.#expect("{");
    while (!this.#takes("}")) {
      const key = this.#textToken();
      if (entries.has(key)) throw this.#fault(`the key ${quoted(key, 32)} twice`);
      this.#expect(":");
      entries.set(key, this.#value(key));
      if (!this.#takes(",")) {
        this.#expect("}");
        break;
      }
    }
    if (this.#text.slice(this.#position).trim() !== "") throw this.#fault("something after the dictionary");
    const [descr, fortranOrder, shape] = ["descr", "fortran_order", "shape"].map((key) => entries.get(key));
    if (typeof descr !== "string" || typeof fortranOrder !== "boolean" || !Array.isArray(shape))
      throw this.#fault("not all of descr, fortran_order and shape");
    return { descr, fortranOrder, shape: shape as number[] };
  }

  #value(key: string): unknown {
    switch (key) {
      case "descr":
        if (this.#takes("[")) throw invalid(".npy file of a structured array, which isn't supported");
        return this.#textToken();
      case "fortran_order":
        return this.#booleanToken();
      case "shape":
        return this.#sizes();
      default:
        throw this.#fault(`the unknown key ${quoted(key, 32)}`);
    }
  }

  #sizes(): number[] {
    const sizes: number[] = [];
    this.#expect("(");
    while (!this.#takes(")")) {
      sizes.push(this.#sizeToken());
      if (!this.#takes(",")) {
        // One number in parentheses is a number, no tuple.
        if (sizes.length === 1) throw this.#fault("a shape that is no tuple");
        this.#expect(")");
        break;
      }
    }
    return sizes;
  }

  #textToken(): string {
    const text = this.#next()?.[1];
    if (text === undefined) throw this.#fault("no text in quotes");
    return text.slice(1, -1);
  }

  #booleanToken(): boolean {
    const word = this.#next()?.[2];
    if (word === undefined) throw this.#fault("neither True nor False");
    return word === "True";
  }

  #sizeToken(): number {
    const digits = this.#next()?.[3];
    if (digits === undefined) throw this.#fault("no size");
    return Number(digits);
  }

  #expect(sign: string): void {
    if (!this.#takes(sign)) throw this.#fault(`no "${sign}"`);
  }

  /** Goes on behind the sign, if it is the next token. */
  #takes(sign: string): boolean {
    const before = this.#position;
    if (this.#next()?.[4] === sign) return true;
    this.#position = before;
    return false;
  }

  #next(): RegExpExecArray | null {
    this.#token.lastIndex = this.#position;
    const token = this.#token.exec(this.#text);
    if (token !== null) this.#position = this.#token.lastIndex;
    return token;
  }

  #fault(found: string): Error {
    return invalid(`header of an .npy file: ${found}, at ${this.#position} of ${quoted(this.#text, 128)}`);
  }
}
