import * as fc from "fast-check";

/** Values that every codec carries. */
export const key: fc.Arbitrary<string> = fc
  .string({ unit: "grapheme", maxLength: 12 })
  .filter((text) => text !== "__proto__" && text !== "__type__");

const leaf = fc.oneof(
  fc.constant(null),
  fc.boolean(),
  fc.integer(),
  fc.maxSafeInteger(),
  fc.double({ noNaN: true, noDefaultInfinity: true }),
  fc.string({ unit: "grapheme" }),
  fc.string({ unit: "binary-ascii", maxLength: 80 }),
);

export const { value }: { value: fc.Arbitrary<unknown> } = fc.letrec((tie) => ({
  value: fc.oneof({ depthSize: "small", withCrossShrink: true }, leaf, tie("array"), tie("map")),
  array: fc.array(tie("value"), { maxLength: 20 }),
  map: fc.dictionary(key, tie("value"), { maxKeys: 20, noNullPrototype: true }),
}));

/** Chooses among so many forms, one after the other and over again. */
export type Choose = (count: number) => number;

export const choices: fc.Arbitrary<Choose> = fc
  .array(fc.nat(59), { minLength: 1, maxLength: 40 })
  .map((numbers) => (count) => {
    numbers.push(numbers.shift()!);
    return numbers.at(-1)! % count;
  });

/** MsgPack of any width: heads and integers are as long as chosen. */
export function anyWidth(given: unknown, choose: Choose): Buffer {
  if (given === null) return Buffer.from([0xc0]);
  if (typeof given === "boolean") return Buffer.from([given ? 0xc3 : 0xc2]);
  if (typeof given === "number") return numberOfAnyWidth(given, choose);
  if (typeof given === "string") {
    const text = Buffer.from(given);
    return Buffer.concat([head(text.length, 0xa0, 32, [0xd9, 0xda, 0xdb], choose), text]);
  }
  if (given instanceof Uint8Array) return Buffer.concat([head(given.length, 0, 0, [0xc4, 0xc5, 0xc6], choose), given]);
  if (Array.isArray(given)) {
    const items = given.map((item) => anyWidth(item, choose));
    return Buffer.concat([head(items.length, 0x90, 16, [-1, 0xdc, 0xdd], choose), ...items]);
  }
  const entries = Object.entries(given as object)
    .flat()
    .map((item) => anyWidth(item, choose));
  return Buffer.concat([head(entries.length / 2, 0x80, 16, [-1, 0xde, 0xdf], choose), ...entries]);
}

/** The head of a length in one of the forms that hold it: in the first byte, or behind it in 1, 2 or 4 bytes. */
function head(length: number, fix: number, fixLimit: number, heads: readonly number[], choose: Choose): Buffer {
  const forms: Buffer[] = length < fixLimit ? [Buffer.from([fix | length])] : [];
  for (const [index, byte] of heads.entries()) {
    const size = 1 << index;
    if (byte < 0 || length >= 256 ** size) continue;
    const form = Buffer.alloc(1 + size, byte);
    form.writeUIntBE(length, 1, size);
    forms.push(form);
  }
  return forms[choose(forms.length)]!;
}

function numberOfAnyWidth(given: number, choose: Choose): Buffer {
  const double = Buffer.alloc(9, 0xcb);
  double.writeDoubleBE(given, 1);
  const forms: Buffer[] = [double];
  if (Object.is(Math.fround(given), given)) {
    const single = Buffer.alloc(5, 0xca);
    single.writeFloatBE(given, 1);
    forms.push(single);
  }
  if (Number.isSafeInteger(given) && !Object.is(given, -0)) {
    if (given >= 0 && given < 128) forms.push(Buffer.from([given]));
    if (given < 0 && given >= -32) forms.push(Buffer.from([given & 0xff]));
    for (let index = 0; index < 4; index++) {
      const bits = 8 << index;
      if (given >= 0 && given < 2 ** bits) forms.push(integer(0xcc + index, BigInt.asUintN(bits, BigInt(given)), bits));
      if (given >= -(2 ** (bits - 1)) && given < 2 ** (bits - 1))
        forms.push(integer(0xd0 + index, BigInt.asUintN(bits, BigInt(given)), bits));
    }
  }
  return forms[choose(forms.length)]!;
}

function integer(first: number, given: bigint, bits: number): Buffer {
  return Buffer.from(first.toString(16) + given.toString(16).padStart(bits / 4, "0"), "hex");
}

/** JSON in any style: space between tokens, escapes where none are needed, numbers with exponents. */
export function anyStyle(given: unknown, choose: Choose): string {
  const space = (): string => ["", "", " ", "\n", "\t\r "][choose(5)]!;
  if (typeof given === "string") return textInAnyStyle(given, choose);
  if (typeof given === "number") return numberInAnyStyle(given, choose);
  if (Array.isArray(given)) {
    const items = given.map((item) => space() + anyStyle(item, choose) + space());
    return `[${items.length === 0 ? space() : items.join(",")}]`;
  }
  if (typeof given !== "object" || given === null) return JSON.stringify(given);
  const entries = Object.entries(given).map(
    ([name, item]) =>
      space() + textInAnyStyle(name, choose) + space() + ":" + space() + anyStyle(item, choose) + space(),
  );
  return `{${entries.length === 0 ? space() : entries.join(",")}}`;
}

function textInAnyStyle(given: string, choose: Choose): string {
  const units = Array.from({ length: given.length }, (_, index) => {
    const hexadecimal = given.charCodeAt(index).toString(16).padStart(4, "0");
    const plain = JSON.stringify(given[index]).slice(1, -1);
    if (/[\ud800-\udfff]/.test(given[index]!)) return choose(2) === 0 ? undefined : `\\u${hexadecimal}`;
    const forms = [plain, plain, `\\u${hexadecimal}`, `\\u${hexadecimal.toUpperCase()}`, plain === "/" ? "\\/" : plain];
    return forms[choose(forms.length)]!;
  });
  // Both halves of a pair are escaped, or none.
  const isWhole = units.every((unit) => unit !== undefined);
  return `"${isWhole ? units.join("") : JSON.stringify(given).slice(1, -1)}"`;
}

function numberInAnyStyle(given: number, choose: Choose): string {
  const plain = Object.is(given, -0) ? "-0" : String(given);
  const exponential = Object.is(given, -0) ? "-0.0e1" : given.toExponential();
  return [plain, exponential, exponential.replace("e", "E")][choose(3)]!;
}
