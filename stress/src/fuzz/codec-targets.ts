import { ExtData, decode as decodeMsgPack } from "@msgpack/msgpack";
import {
  DEFAULT_LIMITS,
  JsonCodec,
  MsgPackBloscCodec,
  MsgPackCodec,
  ProtocolError,
  SerializationError,
  StandardTypes,
  StructuredCloneCodec,
  compressed,
  type Codec,
  type CodecClass,
} from "@colloquy/core";
import { aiomasPayloads, jsonSuite, msgpackSuite, storedInputs } from "./corpus.ts";
import { check, type Target } from "./target.ts";
import { sampleBuiltins, sampleValues } from "./values.ts";
import { jsonWords, msgpackWords, packedWords } from "./words.ts";

const smallLimits = { ...DEFAULT_LIMITS, maxMessageBytes: 2048, maxDecodedCost: 4096, maxDepth: 8 };
const shapes = [["x", "y"], ["a", "b", "c"], ["id"], Array.from({ length: 64 }, (_, index) => `k${index}`)];

/** What the first byte of an input chooses, bit by bit. */
const MODE = { message: 1, builtins: 2, serializers: 4, smallLimits: 8, segments: 16 };
const MODE_BITS = 31;
const codecBits = MODE.builtins | MODE.serializers | MODE.smallLimits;

class Point {
  readonly x: unknown;
  constructor(x: unknown) {
    this.x = x;
  }
}

const serializers = [() => [Point, ({ x }: Point) => x, (x: unknown) => new Point(x)] as const];

function newCodec(type: CodecClass, mode: number): Codec {
  const codec = new type((mode & MODE.serializers) === 0 ? [] : serializers);
  if ((mode & MODE.smallLimits) !== 0) codec.limits = smallLimits;
  if ((mode & MODE.builtins) !== 0) {
    const types = new StandardTypes(codec, "standard");
    types.expected = true;
    codec.setBuiltins(types);
  }
  for (const [id, keys] of shapes.entries()) codec.shapes?.receive(id, keys);
  return codec;
}

/** What the same bytes are to another decoder: throws where the two differ. */
type Comparison = (bytes: Buffer, value: unknown) => void;

class CodecTarget implements Target {
  readonly maxBytes = 2048;
  readonly atOnce = 1;
  readonly seeds: readonly Buffer[];
  readonly words: readonly Buffer[];
  readonly #codecs: readonly Codec[];
  readonly #compare: Comparison | undefined;
  readonly #message = { type: 0, id: 0, content: undefined as unknown, error: undefined };

  constructor(
    name: string,
    type: CodecClass,
    payloads: readonly Buffer[],
    words: readonly Buffer[],
    compare?: Comparison,
  ) {
    this.words = words;
    this.#compare = compare;
    this.#codecs = Array.from({ length: codecBits + 1 }, (_, mode) => newCodec(type, mode));
    const given = payloads.flatMap((payload) => [0, MODE.message].map((mode) => withMode(mode, payload)));
    this.seeds = [...given, ...this.#encodedSamples(), ...storedInputs(name)];
  }

  #encodedSamples(): Buffer[] {
    const codec = this.#codecs[MODE.builtins]!;
    const values = [...sampleValues(), ...sampleBuiltins()];
    return values.flatMap((value) => {
      const alone = tryEncode(codec, value);
      const inMessage = tryEncode(codec, [0, 1, ["echo", [value], {}]]);
      return [
        ...(alone === undefined ? [] : [withMode(MODE.builtins, alone), withMode(0, alone)]),
        ...(inMessage === undefined ? [] : [withMode(MODE.builtins | MODE.message, inMessage)]),
      ];
    });
  }

  run(input: Buffer): void | Promise<void> {
    const mode = input[0]! & MODE_BITS;
    const codec = this.#codecs[mode & codecBits]!;
    const bytes = input.subarray(1);
    return (mode & MODE.message) === 0 ? this.#decode(codec, bytes, mode) : this.#decodeMessage(codec, bytes, mode);
  }

  #decode(codec: Codec, bytes: Buffer, mode: number): void | Promise<void> {
    let value: unknown;
    try {
      value = codec.decode(bytes);
    } catch (error) {
      return accept(error);
    }
    if (value instanceof Promise) return value.then((decoded) => roundTrip(codec, decoded), accept);
    if (mode === 0) this.#compare?.(bytes, value);
    return roundTrip(codec, value);
  }

  #decodeMessage(codec: Codec, bytes: Buffer, mode: number): void | Promise<void> {
    const message = this.#message;
    if ((mode & MODE.segments) !== 0) codec.segments.open([Buffer.alloc(8), Buffer.alloc(96)]);
    let later: void | Promise<void>;
    try {
      later = codec.decodeMessage(bytes, 0, bytes.length, message);
    } catch (error) {
      return accept(error);
    } finally {
      if ((mode & MODE.segments) !== 0) codec.segments.close();
    }
    if (later !== undefined) return later.then(() => this.#checkMessage(), accept);
    this.#checkMessage();
  }

  #checkMessage(): void {
    const { type, id, content, error } = this.#message;
    this.#message.content = undefined;
    check(type >= 0 && type <= 3 && Number.isInteger(type), `a message of type ${type}`);
    check(id >= 0 && id <= 0xffff_ffff && Number.isInteger(id), `a message with the id ${id}`);
    if (error === undefined) return;
    check(
      (error as unknown) instanceof SerializationError && content === undefined,
      "an error that is none of the content",
    );
  }
}

function withMode(mode: number, payload: Buffer): Buffer {
  return Buffer.concat([Buffer.from([mode]), payload]);
}

function accept(error: unknown): void {
  if (!(error instanceof SerializationError || error instanceof ProtocolError)) throw error;
}

function tryEncode(codec: Codec, value: unknown): Buffer | undefined {
  try {
    const bytes = codec.encode(value);
    // Those of a promise are too long to be inputs.
    return bytes instanceof Uint8Array ? Buffer.from(bytes) : undefined;
  } catch (error) {
    accept(error);
    return undefined;
  }
}

/** What was decoded is encoded, and decoded to what is encoded in the same way. */
function roundTrip(codec: Codec, value: unknown): void | Promise<void> {
  const bytes = tryEncode(codec, value);
  if (bytes === undefined || bytes.length > codec.limits.maxMessageBytes) return;
  let again: unknown;
  try {
    again = codec.decode(bytes);
  } catch (error) {
    return allowLimit(error, bytes);
  }
  if (again instanceof Promise)
    return again.then(
      (late) => compareEncoded(codec, late, bytes),
      (error: unknown) => allowLimit(error, bytes),
    );
  compareEncoded(codec, again, bytes);
}

function compareEncoded(codec: Codec, value: unknown, bytes: Buffer): void {
  const second = tryEncode(codec, value);
  check(second !== undefined && second.equals(bytes), `${second?.toString("hex")} from ${bytes.toString("hex")}`);
}

/** What fits in one form may be too large in another. */
function allowLimit(error: unknown, bytes: Buffer): void {
  if (error instanceof SerializationError && error.message.includes("(max")) return;
  throw new Error(`what was encoded can't be decoded: ${bytes.toString("hex")}`, { cause: error });
}

function compareJson(bytes: Buffer, value: unknown): void {
  const [ours, theirs] = [JSON.stringify(value), JSON.stringify(JSON.parse(bytes.toString()))];
  check(
    ours === theirs || ours.includes("__type__") || theirs.includes("__type__"),
    `${ours} where JSON.parse has ${theirs}`,
  );
}

function compareMsgPack(bytes: Buffer, value: unknown): void {
  // The other decoder takes much longer.
  if (bytes.at(-1)! % 8 !== 0) return;
  const others = narrowed(decodeMsgPack(bytes, { useBigInt64: true }));
  const [ours, theirs] = [tryEncode(builtins, value), tryEncode(builtins, others)];
  // Shapes are extensions to it, which it hands out as they are.
  if (ours === undefined || theirs === undefined) return;
  check(ours.equals(theirs), `${ours.toString("hex")}, theirs is ${theirs.toString("hex")}`);
}

const builtins = newCodec(MsgPackCodec, MODE.builtins);

/** Integers of 8 bytes as numbers where they fit. */
function narrowed(value: unknown): unknown {
  if (typeof value === "bigint") return Number.isSafeInteger(Number(value)) ? Number(value) : value;
  if (Array.isArray(value)) return value.map((one) => narrowed(one));
  if (value instanceof ExtData) return Symbol("not for our encoder");
  if (value instanceof Uint8Array || typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, narrowed(one)]));
}

/** Small enough for the samples to be packed. */
const threshold = 32;

export const codecTargets: Readonly<Record<string, () => Target>> = {
  json: () => new CodecTarget("json", JsonCodec, [...jsonSuite(), ...aiomasPayloads("json")], jsonWords, compareJson),
  msgpack: () =>
    new CodecTarget(
      "msgpack",
      MsgPackCodec,
      [...msgpackSuite(), ...aiomasPayloads("msgpack")],
      msgpackWords,
      compareMsgPack,
    ),
  clone: () => new CodecTarget("clone", StructuredCloneCodec, [], msgpackWords),
  "msgpack-blosc": () =>
    new CodecTarget("msgpack-blosc", MsgPackBloscCodec, aiomasPayloads("msgpack-blosc"), [
      ...msgpackWords,
      ...packedWords,
    ]),
  deflate: () =>
    new CodecTarget(
      "deflate",
      compressed(MsgPackCodec, { algorithm: "deflate", threshold }),
      [],
      [...msgpackWords, ...packedWords],
    ),
  brotli: () =>
    new CodecTarget(
      "brotli",
      compressed(MsgPackCodec, { algorithm: "brotli", threshold }),
      [],
      [...msgpackWords, ...packedWords],
    ),
};
