import { ByteWriter } from "./byte-writer.ts";
import { CostBudget } from "./decoded-cost.ts";
import { ProtocolError, SerializationError, describeType } from "./errors.ts";
import { messageOf } from "./readable.ts";
import { DEFAULT_LIMITS } from "./limits.ts";
import type { Limits } from "./limits.ts";
import { lift, located, lower } from "./lower-lift.ts";
import type { PlainRules } from "./lower-lift.ts";
import { readMessage } from "./message.ts";
import type { Message } from "./message.ts";
import { HelloWanted, Segments } from "./segments.ts";
import type { SegmentPacker } from "./segments.ts";
import { SerializerTable, tripleOf } from "./serializers.ts";
import type { Shapes } from "./shapes.ts";
import type { BuiltinTypes, Class, SerializerFactory } from "./serializers.ts";

const ALL_PLAIN: PlainRules = { anyNumber: true, bytes: true };

/** What `deserialize` was given, by what it has thrown. */
const liftedFrom = new WeakMap<SerializationError, unknown>();

/** A class of codecs, as options take it: each connection gets an instance of its own. */
export type CodecClass = new (serializers?: Iterable<SerializerFactory>) => Codec;

/** Makes the codec of a connection from the first byte of its first payload (-1: the payload is empty). */
export type CodecChooser = (firstByte: number) => Codec;

/**
 * Turns values into bytes and back. A codec of one's own extends this class and has two methods, which call `serialize` and
 * `deserialize` for the types that its format doesn't know.
 *
 * Values are null, booleans, numbers, strings, arrays and plain objects; `Uint8Array` where the format has bytes; instances
 * of exactly the classes that have a serializer. Towards peers that said hello a connection adds the built-in types, such as dates
 * and Maps. `Object` as a serializer's type takes everything else. Whatever is left is a `SerializationError` that names the type
 * and the place.
 */
export abstract class Codec {
  /** @internal */
  readonly table: SerializerTable = new SerializerTable();
  /** Bounds of depth and memory for what is decoded; a channel sets those of its connection. */
  limits: Limits = DEFAULT_LIMITS;
  /** @internal Shapes of maps that the connection agrees on; undefined where the format has none. */
  readonly shapes: Shapes | undefined = undefined;
  /** @internal Large binary values of the message that is encoded or decoded. */
  readonly segments: Segments = new Segments();
  /** @internal Makes segments smaller for the wire; undefined: they cross as they are. */
  readonly packer: SegmentPacker | undefined = undefined;
  /** @internal Bytes of a message, once it is unpacked, that the peer takes. */
  maxSentBytes: number = Infinity;
  /** What was given to `deserialize` last, by the message that is decoded. */
  #liftedFrom: unknown;
  /** 1 while a message is encoded, or decoded: `[type, id, content]` itself doesn't count as depth. */
  #encodedDepth = 0;
  #decodedDepth = 0;

  constructor(serializers: Iterable<SerializerFactory> = []) {
    let number = 0;
    for (const factory of serializers) this.addSerializer(...tripleOf(factory, number++));
  }

  /** Bytes for a value, or a promise of them. */
  abstract encode(value: unknown): Uint8Array | Promise<Uint8Array>;

  /** The value of bytes, or a promise of it. In a connection the bytes are a copy: views of them may be handed out. */
  abstract decode(bytes: Uint8Array): unknown;

  /** Name for hello and messages. */
  get name(): string {
    return this.constructor.name;
  }

  /** @internal Another one with the same serializers, for values that don't leave. It packs nothing. */
  twin(): Codec {
    const twin = new (this.constructor as CodecClass)();
    twin.table.adopt(this.table);
    twin.limits = this.limits;
    return twin;
  }

  /** @internal Whether it makes its bytes smaller. */
  get packs(): boolean {
    return false;
  }

  /** @internal What one byte of a message can take at most once it is decoded; Infinity: that isn't known. */
  get mostCostOfByte(): number {
    return Infinity;
  }

  /** The kind of codec and its serializers: `JSON[Point, Point3]`, as aiomas writes it. */
  toString(): string {
    const kind = this.name === "json" ? "JSON" : this.constructor.name.replace(/Codec$/, "");
    return `${kind}[${this.serializerNames.join(", ")}]`;
  }

  /** Names of the serializers, in order of their type ids. */
  get serializerNames(): readonly string[] {
    return this.table.names;
  }

  /**
   * Adds a type. Its number on the wire is the number of serializers before it, so both sides add the same in the same order.
   *
   * @throws ColloquyError `INVALID_ARGUMENT` for a type that has one already.
   */
  addSerializer<T>(type: Class<T>, serialize: (value: T) => unknown, deserialize: (data: never) => T): void {
    this.table.add(type, { serialize, deserialize });
  }

  /** Sets the types with negative ids. */
  setBuiltins(builtins: BuiltinTypes | undefined): void {
    this.table.builtins = builtins;
  }

  /** @internal How bytes stand in a message: as they are, or what `bytesInline` reads. */
  inlineBytes(bytes: Uint8Array): unknown {
    return bytes;
  }

  /** @internal @throws SerializationError */
  bytesInline(data: unknown): Uint8Array {
    if (data instanceof Uint8Array) return data;
    throw new SerializationError(`${describeType(data)} in place of bytes`);
  }

  /** `value` in terms of null, booleans, numbers, strings, bytes, arrays and plain objects. */
  protected serialize(value: unknown): unknown {
    try {
      return lower(value, this.table, ALL_PLAIN, this.limits.maxDepth + this.#encodedDepth);
    } catch (error) {
      throw located(error);
    }
  }

  /** The value that a result of `serialize` stands for; `plain` is changed in place. */
  protected deserialize(plain: unknown): unknown {
    try {
      const budget = new CostBudget(this.limits.maxDecodedCost);
      return lift(plain, this.table, this.limits.maxDepth + this.#decodedDepth, budget);
    } catch (thrown) {
      const error = located(thrown);
      // Where this decodes in promises, others may have come between.
      if (error instanceof SerializationError) liftedFrom.set(error, plain);
      throw error;
    } finally {
      // A deserializer may decode with this codec: the outermost is the last.
      this.#liftedFrom = plain;
    }
  }

  /**
   * Appends the bytes of a message, or promises them. The default goes through `encode`; codecs on the hot path write in place.
   *
   * @internal
   */
  encodeMessage(writer: ByteWriter, type: number, id: number, content: unknown): void | Promise<Uint8Array> {
    this.#encodedDepth = 1;
    let bytes: unknown;
    try {
      bytes = this.encode([type, id, content]);
    } catch (error) {
      throw withoutMessagePlace(error);
    } finally {
      if (!(bytes instanceof Promise)) this.#encodedDepth = 0;
    }
    if (!(bytes instanceof Promise)) return writer.append(checkedBytes(bytes, this.name));
    const settled = (): void => void (this.#encodedDepth = 0);
    return bytes.finally(settled).then(
      (ready: unknown) => checkedBytes(ready, this.name),
      (error: unknown) => {
        throw withoutMessagePlace(error);
      },
    );
  }

  /**
   * Reads a message. Content that can't be decoded is `message.error` where the header is known.
   *
   * @internal
   * @throws ProtocolError where the payload is no message.
   */
  decodeMessage(bytes: Buffer, start: number, end: number, message: Message): void | Promise<void> {
    this.#liftedFrom = undefined;
    this.#decodedDepth = 1;
    try {
      // A codec may keep them for as long as it decodes; a socket reads into the same memory again.
      const decoded = this.decode(Buffer.from(bytes.subarray(start, end)));
      if (!(decoded instanceof Promise)) {
        this.#decodedDepth = 0;
        this.#liftedFrom = undefined;
        return readMessage(decoded, message);
      }
      return decoded.then(
        (ready) => {
          this.#decodedDepth = 0;
          this.#liftedFrom = undefined;
          readMessage(ready, message);
        },
        (error: unknown) => this.#readHeaderOf(error, message),
      );
    } catch (error) {
      this.#readHeaderOf(error, message);
    }
  }

  /** After a failure in `deserialize` the header of the message is there all the same. */
  #readHeaderOf(error: unknown, message: Message): void {
    const plain = (error instanceof SerializationError ? liftedFrom.get(error) : undefined) ?? this.#liftedFrom;
    this.#decodedDepth = 0;
    this.#liftedFrom = undefined;
    if (error instanceof ProtocolError) throw error;
    if (!(error instanceof SerializationError)) {
      throw new ProtocolError(`${this.name} can't decode a message: ${messageOf(error)}`, { cause: error });
    }
    if (!Array.isArray(plain) || plain.length !== 3)
      throw new ProtocolError(`not a message: ${error.message}`, { cause: error });
    readMessage([plain[0], plain[1], undefined], message);
    message.error = withoutMessagePlace(error) as SerializationError;
  }
}

/** What `encode` of a codec of one's own has returned. @throws SerializationError for anything but bytes. */
export function checkedBytes(encoded: unknown, name: string): Uint8Array {
  if (encoded instanceof Uint8Array) return encoded;
  throw new SerializationError(`encode of codec "${name}" gave ${describeType(encoded)} in place of a Uint8Array`);
}

/** For values that are encoded by themselves. It holds memory while that is done only. */
const alone = new ByteWriter();

/** What `write` has written, in memory of its own. It may encode others meanwhile. */
export function encodeAlone(write: (writer: ByteWriter) => void): Uint8Array {
  const mark = alone.mark();
  try {
    write(alone);
    return alone.copyFrom(mark);
  } catch (error) {
    throw located(error);
  } finally {
    alone.rewind(mark);
  }
}

/** `error` with its place relative to the content, not to `[type, id, content]`. */
function withoutMessagePlace(error: unknown): unknown {
  if (error instanceof HelloWanted) return error;
  return error instanceof SerializationError && error.place[0] === 2 ? error.at(error.place.slice(1)) : error;
}
