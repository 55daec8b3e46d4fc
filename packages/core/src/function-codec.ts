import { Codec, checkedBytes } from "./codec.ts";
import type { CodecClass } from "./codec.ts";
import { ColloquyError, describeType } from "./errors.ts";
import type { SerializerFactory } from "./serializers.ts";
import { asBuffer } from "./utf8.ts";

/** A pair of functions that a codec is made of. */
export interface CodecFunctions {
  /** Name for hello and messages; the same on both sides. Default: `"custom"`. */
  readonly name?: string | undefined;
  /** Bytes of null, booleans, numbers, strings, `Uint8Array`, arrays and plain objects, or a promise of them. */
  readonly encode: (value: unknown) => Uint8Array | Promise<Uint8Array>;
  /** The value of bytes, which are its own, or a promise of it. */
  readonly decode: (bytes: Buffer) => unknown;
}

/**
 * A codec class from two functions. Serializers apply as in a subclass of `Codec`: instances reach `encode` in terms of the values that
 * it takes, and are made again from what `decode` returns.
 *
 * @throws ColloquyError `INVALID_ARGUMENT` for what are no functions, and for a name that is none.
 */
export function codec(functions: CodecFunctions): CodecClass {
  const { name = "custom", encode, decode } = functions;
  if (typeof encode !== "function" || typeof decode !== "function")
    throw new ColloquyError("INVALID_ARGUMENT", "codec takes two functions: codec({ encode, decode })");
  if (typeof name !== "string" || name === "")
    throw new ColloquyError("INVALID_ARGUMENT", `the name of a codec is ${describeType(name)}; it takes a text`);
  return class extends FunctionCodec {
    constructor(serializers: Iterable<SerializerFactory> = []) {
      super(name, encode, decode, serializers);
    }
  };
}

class FunctionCodec extends Codec {
  readonly #name: string;
  readonly #encode: CodecFunctions["encode"];
  readonly #decode: CodecFunctions["decode"];

  constructor(
    name: string,
    encode: CodecFunctions["encode"],
    decode: CodecFunctions["decode"],
    serializers: Iterable<SerializerFactory>,
  ) {
    super(serializers);
    this.#name = name;
    this.#encode = encode;
    this.#decode = decode;
  }

  override get name(): string {
    return this.#name;
  }

  override toString(): string {
    return `${this.#name}[${this.serializerNames.join(", ")}]`;
  }

  override encode(value: unknown): Uint8Array | Promise<Uint8Array> {
    const encode = this.#encode;
    const bytes: unknown = encode(this.serialize(value));
    return bytes instanceof Promise
      ? bytes.then((ready) => checkedBytes(ready, this.#name))
      : checkedBytes(bytes, this.#name);
  }

  override decode(bytes: Uint8Array): unknown {
    const decode = this.#decode;
    const plain = decode(asBuffer(bytes));
    return plain instanceof Promise ? plain.then((ready) => this.deserialize(ready)) : this.deserialize(plain);
  }
}
