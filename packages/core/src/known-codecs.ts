import { BLOSC_VERSION } from "./blosc-header.ts";
import { CLONE_BYTE } from "./clone-kinds.ts";
import { Codec } from "./codec.ts";
import type { CodecChooser, CodecClass } from "./codec.ts";
import { ColloquyError, ProtocolError, describeType, isClass, quoted } from "./errors.ts";
import { JsonCodec } from "./json-codec.ts";
import { MsgPackBloscCodec } from "./msgpack-blosc-codec.ts";
import { MsgPackCodec } from "./msgpack-codec.ts";
import { ownName } from "./own-name.ts";
import type { SerializerFactory } from "./serializers.ts";
import { StructuredCloneCodec } from "./structured-clone-codec.ts";

/** What each codec's messages begin with. */
export const BY_FIRST_BYTE: ReadonlyMap<number, CodecClass> = new Map<number, CodecClass>([
  [0x5b, JsonCodec],
  [0x93, MsgPackCodec],
  [BLOSC_VERSION, MsgPackBloscCodec],
  [CLONE_BYTE, StructuredCloneCodec],
]);

/** What a server with the codec `"auto"` takes. */
const AUTO: readonly CodecClass[] = [JsonCodec, MsgPackCodec, MsgPackBloscCodec];
export const AUTO_NAMES = "json, msgpack or msgpack-blosc";

/** A class of codecs, or `"auto"` on a server: what the first message of each connection shows. */
export type CodecOption = CodecClass | "auto";

function checkedClass(option: unknown): CodecClass {
  if (typeof option === "function" && option.prototype instanceof Codec) return option as CodecClass;
  if (option instanceof Codec)
    throw new ColloquyError("INVALID_ARGUMENT", `codec is an instance of ${describeType(option)}; pass the class`);
  const shown = typeof option === "string" ? quoted(option) : describeType(option);
  throw new ColloquyError("INVALID_ARGUMENT", `codec is ${shown}; it takes a class, such as JsonCodec or MsgPackCodec`);
}

/**
 * The serializers of an option, which may be a generator.
 *
 * @throws ColloquyError `INVALID_ARGUMENT` where they are none.
 */
export function factoriesOf(option: Iterable<SerializerFactory> | undefined): readonly SerializerFactory[] {
  const given: unknown = option ?? [];
  if (typeof (given as Partial<Iterable<unknown>>)[Symbol.iterator] !== "function") {
    const reason = `extraSerializers is ${describeType(given)}; it takes an array of functions`;
    throw new ColloquyError("INVALID_ARGUMENT", reason);
  }
  const factories = [...(given as Iterable<SerializerFactory>)];
  checkFactories(factories);
  return factories;
}

function checkFactories(serializers: Iterable<unknown>): void {
  for (const factory of serializers) {
    if (typeof factory === "function" && !isClass(factory)) continue;
    const form = "() => [Type, serialize, deserialize]";
    throw new ColloquyError(
      "INVALID_ARGUMENT",
      `a serializer is ${isClass(factory) ? `the class ${ownName(factory)}` : describeType(factory)}; extraSerializers takes functions ${form}`,
    );
  }
}

/**
 * Checks the options of a server, which makes no codec before somebody connects. The factories are called: what is wrong with the
 * serializers is said now, with "auto", too. Returns such a codec.
 *
 * @throws ColloquyError `INVALID_ARGUMENT`, or what a factory throws.
 */
export function checkCodecOption(option: CodecOption, factories: readonly SerializerFactory[]): Codec {
  return codecFor(option === "auto" ? JsonCodec : option, factories, ignore) as Codec;
}

/**
 * The codec of one connection of a server, or what makes it once the first byte is there: it ends the connection where a factory
 * throws then, and tells `onFailure`.
 */
export function codecFor(
  option: CodecOption,
  factories: readonly SerializerFactory[],
  onFailure: (error: unknown) => void,
): Codec | CodecChooser {
  if (option !== "auto") return new (checkedClass(option))(factories);
  return (firstByte) => {
    const type = classOf(firstByte);
    try {
      return new type(factories);
    } catch (error) {
      onFailure(error);
      throw error;
    }
  };
}

function classOf(firstByte: number): CodecClass {
  const type = BY_FIRST_BYTE.get(firstByte);
  if (type !== undefined && AUTO.includes(type)) return type;
  throw new ProtocolError(`the first byte, ${firstByte}, is none of JSON, MsgPack or Blosc`);
}

/** The codec of a side that connects: it speaks first, so it has to know. */
export function connectingCodec(
  option: CodecClass | undefined,
  serializers: Iterable<SerializerFactory> | undefined,
): Codec {
  if ((option as CodecOption) === "auto") {
    throw new ColloquyError("INVALID_ARGUMENT", 'codec "auto" is for servers; the side that connects takes a class');
  }
  return codecFor(option ?? JsonCodec, factoriesOf(serializers), ignore) as Codec;
}

function ignore(): void {}
