import { isDeepStrictEqual } from "node:util";
import type { Codec, CodecClass } from "./codec.ts";
import { SerializationError, describeType } from "./errors.ts";
import { ownName } from "./own-name.ts";
import type { SerializerFactory } from "./serializers.ts";
import { StandardTypes } from "./standard-types.ts";

class Sample {
  readonly content: unknown;
  constructor(content: unknown) {
    this.content = content;
  }
}
class OtherSample extends Sample {}
class Unknown {}

const samples: readonly SerializerFactory[] = [
  () => [Sample, ({ content }: Sample) => [content], ([content]: [unknown]) => new Sample(content)],
  () => [OtherSample, ({ content }: Sample) => ({ content }), ({ content }: Sample) => new OtherSample(content)],
];

const CARRIED: readonly unknown[] = [
  null,
  true,
  false,
  0,
  -1,
  127,
  128,
  -129,
  65_536,
  2 ** 32,
  Number.MAX_SAFE_INTEGER,
  Number.MIN_SAFE_INTEGER,
  0.1,
  -1.5e300,
  "",
  "\0\u001f\u2028 ä 日本 😀",
  "long ".repeat(2000),
  [],
  {},
  [null, [[], {}]],
  { "": 1, "a b": { then: null, constructor: 1, toString: "x" }, ä: [] },
  Array.from({ length: 300 }, (_, index) => index),
];

/** Carried as they are, or refused. */
const CARRIED_OR_REFUSED: readonly unknown[] = [
  -0,
  Number.NaN,
  Infinity,
  -Infinity,
  undefined,
  [undefined],
  { a: undefined },
  1n,
  new Uint8Array([0, 255]),
  new Date(0),
  new Date(Number.NaN),
  new Map([[1, 2]]),
  new Set([1]),
  /x/,
  "\ud800",
  Symbol.iterator,
  describeType,
  new Unknown(),
  { __type__: [0, [1]] },
];

/** Carried on a connection whose peer has said hello. */
const BUILTIN: readonly unknown[] = [
  undefined,
  [undefined, { a: undefined }],
  -(2n ** 70n),
  new Date(5),
  new URL("http://a/b?c#d"),
  new Map<unknown, unknown>([[new Date(1), new Set([1n, "a"])]]),
  new RangeError("x", { cause: new Map([[1, new Sample(2)]]) }),
];

/** Carried there, or refused by codecs that have no bytes. */
const BUILTIN_OF_BYTES: readonly unknown[] = [
  Uint8Array.of(0, 255),
  Float64Array.of(1.5, -0),
  new BigInt64Array(0),
  Uint8Array.of(1, 2).buffer,
  new DataView(Uint8Array.of(1, 2).buffer),
];

/**
 * Holds a codec to what channels and users rely on: what it takes arrives as it was, or is refused with a `SerializationError`;
 * serializers match exact classes; an instance can be used again after a failure; broken input is an error.
 *
 * Rejects with an `Error` that names the rule. For the tests of a codec of one's own; it needs no test framework.
 */
export async function checkCodec(codec: CodecClass): Promise<void> {
  const contract = new CodecContract(codec);
  for (const value of CARRIED) await contract.carries(value);
  for (const value of CARRIED_OR_REFUSED) await contract.carriesOrRefuses(value);
  for (const value of BUILTIN) await contract.carriesBuiltin(value);
  for (const value of BUILTIN_OF_BYTES) await contract.carriesBuiltin(value, true);
  await contract.serializers();
  await contract.place();
  await contract.again();
  await contract.brokenInput();
}

class CodecContract {
  readonly #make: CodecClass;

  constructor(codec: CodecClass) {
    this.#make = codec;
  }

  async carries(value: unknown): Promise<void> {
    const given: unknown = structuredClone(value);
    const bytes = await new this.#make(samples).encode(given);
    if (!(bytes instanceof Uint8Array)) this.#broken("encode gives a Uint8Array, or a promise of one");
    if (!isDeepStrictEqual(given, value)) this.#broken(`encode leaves its argument as it is: ${shown(value)}`);
    const kept = Uint8Array.from(bytes);
    const decoded = await new this.#make(samples).decode(bytes);
    if (!isDeepStrictEqual(decoded, value))
      this.#broken(`what decode returns is what encode was given: ${shown(value)}`);
    if (!isDeepStrictEqual(Uint8Array.from(bytes), kept)) this.#broken("decode leaves the bytes as they are");
    bytes.fill(0);
    if (!isDeepStrictEqual(decoded, value)) this.#broken("decode keeps nothing of the bytes");
  }

  async carriesOrRefuses(value: unknown): Promise<void> {
    const error = await errorOf(async () => {
      const decoded = await new this.#make(samples).decode(await new this.#make(samples).encode([value]));
      if (!isSame(decoded, [value])) this.#broken(`a value is carried as it is or refused: ${shown(value)}`);
    });
    if (error instanceof BrokenRule) throw error;
    if (error === undefined || error instanceof SerializationError) return;
    this.#broken(`what is refused is refused with a SerializationError: ${shown(value)}`, error);
  }

  async carriesBuiltin(value: unknown, mayRefuse = false): Promise<void> {
    const error = await errorOf(async () => {
      const decoded = await this.#connected().decode(await this.#connected().encode([value]));
      if (!isDeepStrictEqual(decoded, [value]))
        this.#broken(`a value of a built-in type arrives as it is: ${shown(value)}`);
    });
    if (error instanceof BrokenRule) throw error;
    if (error === undefined || (mayRefuse && error instanceof SerializationError)) return;
    this.#broken(`built-in types are carried: ${shown(value)}`, error);
  }

  #connected(): Codec {
    const codec = new this.#make(samples);
    const types = new StandardTypes(codec, "standard");
    types.expected = true;
    codec.setBuiltins(types);
    return codec;
  }

  async serializers(): Promise<void> {
    const value = [new Sample(1), { deep: [new OtherSample(new Sample(null))] }];
    const decoded = await new this.#make(samples).decode(await new this.#make(samples).encode(value));
    if (!isDeepStrictEqual(decoded, value)) this.#broken("serializers carry their class, wherever it stands");
    const narrow = new this.#make(samples.slice(0, 1));
    const error = await errorOf(async () => narrow.encode(new OtherSample(1)));
    if (!(error instanceof SerializationError))
      this.#broken("a serializer takes instances of its own class only", error);
  }

  async place(): Promise<void> {
    const error = await errorOf(async () => new this.#make(samples).encode([0, { a: new Unknown() }]));
    if (!(error instanceof SerializationError)) this.#broken("a class without a serializer is refused", error);
    if (!isDeepStrictEqual(error.place, [1, "a"]))
      this.#broken("a SerializationError names the place in the value", error);
  }

  async again(): Promise<void> {
    const codec = new this.#make(samples);
    const first = await codec.encode(["first"]);
    const kept = Uint8Array.from(first);
    await errorOf(async () => codec.encode([new Unknown()]));
    const second = await codec.encode(["second", new Sample("x")]);
    if (!isDeepStrictEqual(Uint8Array.from(first), kept)) this.#broken("the bytes of encode stay as they are");
    await errorOf(async () => codec.decode(second.subarray(0, second.length - 1)));
    const decoded = await codec.decode(second);
    if (!isDeepStrictEqual(decoded, ["second", new Sample("x")])) this.#broken("a codec works after a failure");
  }

  async brokenInput(): Promise<void> {
    const whole = await new this.#make(samples).encode([{ key: "value" }, new Sample([1, 2])]);
    for (let end = 0; end < whole.length; end++) {
      const error = await errorOf(async () => new this.#make(samples).decode(whole.subarray(0, end)));
      if (!(error instanceof Error))
        this.#broken(`input that is cut after ${end} of ${whole.length} bytes is an error`);
    }
    const deep = new this.#make(samples);
    const cycle: unknown[] = [];
    cycle.push(cycle);
    const error = await errorOf(async () => deep.encode(cycle));
    if (error instanceof RangeError) this.#broken("a cycle is carried or refused, it doesn't end the stack", error);
  }

  #broken(rule: string, cause?: unknown): never {
    throw new BrokenRule(`codec ${ownName(this.#make)}: ${rule}`, cause === undefined ? {} : { cause });
  }
}

class BrokenRule extends Error {}

/** Also for a Date without a time, which isn't equal to another one everywhere. */
function isSame(found: unknown, wanted: readonly [unknown]): boolean {
  const time = (value: unknown): number | undefined => (value instanceof Date ? value.getTime() : undefined);
  const isDate = Array.isArray(found) && found.length === 1 && time(wanted[0]) !== undefined;
  return isDate ? Object.is(time(found[0]), time(wanted[0])) : isDeepStrictEqual(found, wanted);
}

async function errorOf(action: () => Promise<unknown>): Promise<unknown> {
  try {
    await action();
    return undefined;
  } catch (error) {
    return error ?? new Error("nothing was thrown");
  }
}

function shown(value: unknown): string {
  if (typeof value === "symbol" || typeof value === "function") return typeof value;
  if (Object.is(value, -0)) return "-0";
  const text = typeof value === "object" && value !== null ? described(value) : String(value);
  return text.length > 80 ? `${text.slice(0, 80)}...` : text;
}

function described(value: object): string {
  try {
    return `${describeType(value)} ${JSON.stringify(value)}`;
  } catch {
    // A BigInt in it.
    return describeType(value);
  }
}
