import { NdArray } from "@colloquy/core";

/** Reads an input as a list of decisions, so that what is built from them follows changes of single bytes. Behind its end all are 0. */
export class Choices {
  readonly #bytes: Buffer;
  #position = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  get ended(): boolean {
    return this.#position >= this.#bytes.length;
  }

  byte(): number {
    return this.#bytes[this.#position++] ?? 0;
  }

  /** 0 to `count` - 1. */
  below(count: number): number {
    return this.byte() % count;
  }

  number32(): number {
    return ((this.byte() << 24) | (this.byte() << 16) | (this.byte() << 8) | this.byte()) >>> 0;
  }

  of<T>(list: readonly T[]): T {
    return list[this.below(list.length)]!;
  }

  bytes(count: number): Buffer {
    const start = this.#position;
    this.#position += count;
    return this.#bytes.subarray(start, start + count);
  }

  text(): string {
    return this.bytes(this.below(40)).toString("utf8").replaceAll("\ufffd", "?");
  }
}

const NUMBERS = [
  0,
  -0,
  1,
  -1,
  127,
  128,
  -128,
  -129,
  65_536,
  2 ** 31,
  2 ** 32,
  2 ** 53 - 1,
  1 - 2 ** 53,
  1e300,
  0.1,
  -1.5,
];
const KEYS = ["x", "y", "id", "name", "0", "7", "constructor", "length", "", "toString", "ключ"];

/** Values that every codec carries. */
export function plainValue(choices: Choices, depth: number): unknown {
  switch (choices.below(depth > 0 ? 9 : 6)) {
    case 0:
      return choices.of([null, true, false]);
    case 1:
      return choices.of(NUMBERS);
    case 2:
      return choices.byte() - 64;
    case 3:
      return choices.bytes(8).length === 8 ? finiteOf(choices.bytes(8)) : 0.5;
    case 4:
    case 5:
      return choices.text();
    case 6:
      return Array.from({ length: choices.below(9) }, () => plainValue(choices, depth - 1));
    default:
      return mapOf(choices, () => plainValue(choices, depth - 1));
  }
}

/** Values that a peer takes which has said hello. */
export function richValue(choices: Choices, depth: number): unknown {
  const inner = (): unknown => richValue(choices, depth - 1);
  switch (choices.below(depth > 0 ? 14 : 9)) {
    case 0:
      return undefined;
    case 1:
      return new Date(choices.number32() * 1000);
    case 2:
      return BigInt(choices.number32()) ** BigInt(choices.below(9)) * choices.of([1n, -1n]);
    case 3:
      return typedArrayOf(choices);
    case 4:
      return choices.of([Number.NaN, Infinity, -Infinity, -0]);
    case 5:
      return new URL(`https://example.org/${encodeURIComponent(choices.text())}`);
    case 6:
      return new Uint8Array(choices.bytes(choices.below(64))).buffer;
    case 7:
    case 8:
      return plainValue(choices, depth);
    case 9:
      return new Map(Array.from({ length: choices.below(5) }, () => [inner(), inner()]));
    case 10:
      return new Set(Array.from({ length: choices.below(5) }, inner));
    case 11:
      return new NdArray(new Float64Array(6), {
        shape: choices.of([[6], [2, 3], [3, 2], [1, 6, 1]]),
        order: choices.of(["C", "F"]),
      });
    case 12:
      return Array.from({ length: choices.below(9) }, inner);
    default:
      return mapOf(choices, inner);
  }
}

function mapOf(choices: Choices, value: () => unknown): Record<string, unknown> {
  const map: Record<string, unknown> = {};
  for (let count = choices.below(7); count > 0; count--) {
    const key = choices.below(3) === 0 ? choices.text() : choices.of(KEYS);
    // It has a meaning of its own.
    if (key !== "__proto__") map[key] = value();
  }
  return map;
}

function finiteOf(bytes: Buffer): number {
  const value = bytes.length === 8 ? bytes.readDoubleBE() : 0.25;
  return Number.isFinite(value) ? value : 0;
}

function typedArrayOf(choices: Choices): ArrayBufferView {
  const bytes = new Uint8Array(choices.bytes(8 * choices.below(12)));
  const whole = bytes.slice(0, bytes.length - (bytes.length % 8)).buffer;
  const types: readonly (new (bytes: ArrayBuffer) => ArrayBufferView)[] = [
    Uint8Array,
    Int16Array,
    Float32Array,
    Float64Array,
    BigInt64Array,
    Uint8ClampedArray,
    DataView,
  ];
  return new (choices.of(types))(whole);
}

/** One of each kind, for a corpus. */
export function sampleValues(): unknown[] {
  return [
    [null, true, false, 0, -1, 1.5, 2 ** 40, "text", "ключ", '\u0000\n"', "a".repeat(40), "b".repeat(300)],
    { x: 1, y: 2, nested: { list: [1, [2, [3, []]]], empty: {} } },
    Array.from({ length: 20 }, (_, index) => ({ id: index, name: `n${index}` })),
    Object.fromEntries(Array.from({ length: 40 }, (_, index) => [`k${index}`, index])),
    { 0: "a", 5: "b", 4_294_967_294: "c", 1_000_000: "d" },
    Array.from({ length: 300 }, (_, index) => index * 1000),
    new Uint8Array([1, 2, 3, 255]),
  ];
}

/** The same of the built-in types. */
export function sampleBuiltins(): unknown[] {
  const error = Object.assign(new RangeError("too far", { cause: new TypeError("why") }), { code: "E_FAR", limit: 7 });
  return [
    undefined,
    [new Date(0), new Date(Number.NaN), new Date(8.64e15)],
    new Map<unknown, unknown>([
      ["a", 1],
      [2, new Map()],
      [{ k: 1 }, new Set([1, "x"])],
    ]),
    new Set([1, 2, [3]]),
    [0n, -1n, 2n ** 64n, 10n ** 40n],
    new URL("https://example.org/a?b=c#d"),
    error,
    new AggregateError([new Error("a"), error], "both"),
    [
      new Float64Array([1, -0, Number.NaN]),
      new Int16Array([1, -1]),
      new BigUint64Array([1n]),
      new Uint8ClampedArray(3),
    ],
    new Float32Array([1.5, 2.5]).buffer,
    new DataView(new ArrayBuffer(5)),
    new NdArray(new Float64Array([1, 2, 3, 4, 5, 6]), { shape: [2, 3] }),
    new NdArray(new Int16Array([1, 2, 3, 4]), { shape: [2, 2], order: "F" }),
    new NdArray(new Uint8Array(0), { shape: [0, 3] }),
  ];
}
