import { ColloquyError, SerializationError, describeType } from "./errors.ts";
import { ownName } from "./own-name.ts";

/** A class, one with a private constructor too. */
export interface Class<T = unknown> {
  readonly prototype: T;
  readonly name: string;
}

/**
 * Makes the triple for one type: the class, a function to what the codec can encode, and one back. Called without arguments
 * once for each connection.
 */
// oxlint-disable-next-line typescript/no-explicit-any -- the data between the two functions is theirs
export type SerializerFactory<T = any> = () => readonly [
  type: Class<T>,
  serialize: (value: T) => unknown,
  // oxlint-disable-next-line typescript/no-explicit-any -- as above
  deserialize: (data: any) => T,
];

/** How the values of one type cross. */
export interface Conversion {
  /** What one value takes beyond its data, where that is counted. */
  readonly cost?: number;
  serialize(value: unknown): unknown;
  deserialize(data: unknown): unknown;
}

interface Serializer {
  readonly typeId: number;
  readonly name: string;
  readonly conversion: Conversion;
}

/** A value as it crosses: the number of its type, and its data in terms of the codec. */
export interface ExtendedValue {
  readonly typeId: number;
  readonly data: unknown;
}

/** Types with negative numbers, which are part of the protocol. The codec of each connection has its own. */
export interface BuiltinTypes {
  /** False: the peer is plain, and takes none of them. */
  readonly sendable: boolean;
  /** The extended form of a value that the codec doesn't know, or undefined where this is no built-in type. */
  encode(value: unknown): ExtendedValue | undefined;
  /** True for bytes that are better sent beside the message than in it. */
  isBeside(bytes: Uint8Array): boolean;
  /** Why a value isn't sent that nothing else takes; undefined where this is no built-in type. */
  refusal(value: unknown): string | undefined;
  /** The value of an extended form. What it takes in memory beyond `data` is spent from the budget. */
  decode(typeId: number, data: unknown, budget: DecodingBudget): unknown;
  /** References that have come so far, which the peer takes as held here. */
  readonly arrivals?: number;
  /** Whether this is such a reference, as a built-in type or as what the fallback reads. */
  isReference?(typeId: number, data: unknown): boolean;
  /** @throws SerializationError for data of which nothing may be made. */
  checkData?(data: unknown): void;
}

/** What the message that is being decoded may still cost. */
export interface DecodingBudget {
  /** @throws SerializationError where it is used up. */
  spend(cost: number): void;
}

/** References in a message that has failed already: how many there may be is bounded. */
const UNCOUNTED: DecodingBudget = { spend: () => {} };

/** The types of one codec: user's serializers by exact class, the `Object` fallback, and built-in types. */
export class SerializerTable {
  builtins: BuiltinTypes | undefined;
  #byPrototype: Map<object, Serializer> | undefined;
  #byId: readonly Serializer[] = [];
  #fallback: Serializer | undefined;
  /** References that have counted already, while others are looked for in a message that has failed; -1 at all other times. */
  #counted = -1;

  get names(): string[] {
    return this.#byId.map((serializer) => serializer.name);
  }

  /** Takes the serializers of another table, and their numbers. */
  adopt(other: SerializerTable): void {
    this.#byPrototype = other.#byPrototype;
    this.#byId = other.#byId;
    this.#fallback = other.#fallback;
  }

  add(type: Class, conversion: Conversion): void {
    const { serialize, deserialize } = conversion as Record<keyof Conversion, unknown>;
    if (typeof type !== "function" || typeof serialize !== "function" || typeof deserialize !== "function") {
      throw new ColloquyError(
        "INVALID_ARGUMENT",
        "a serializer is a class and two functions: [type, serialize, deserialize]",
      );
    }
    const name = ownName(type);
    const prototype = type.prototype as object;
    const isFallback = (type as unknown) === Object;
    if (isFallback ? this.#fallback !== undefined : this.has(prototype)) {
      throw new ColloquyError("INVALID_ARGUMENT", `there is already a serializer for type "${name}"`);
    }
    const serializer: Serializer = { typeId: this.#byId.length, name, conversion };
    // An array of one element takes a literal only: one that grows has room for sixteen more.
    this.#byId = this.#byId.length === 0 ? [serializer] : [...this.#byId, serializer];
    if (isFallback) this.#fallback = serializer;
    else (this.#byPrototype ??= new Map()).set(prototype, serializer);
  }

  /** True where a serializer for `Object` takes what no other one does. */
  get hasFallback(): boolean {
    return this.#fallback !== undefined;
  }

  /** True where values that the codec doesn't know may be of a built-in type that the peer takes. */
  get takesBuiltins(): boolean {
    return this.builtins?.sendable === true;
  }

  /** True for bytes that are better sent beside the message: the built-in types decide. */
  isLarge(bytes: Uint8Array): boolean {
    return this.builtins?.isBeside(bytes) === true && !this.has(Object.getPrototypeOf(bytes) as object);
  }

  /** True for types whose values are made without the codec: built-in ones, and references. */
  isSelfContained(typeId: number): boolean {
    return typeId < 0 || this.#byId[typeId]?.conversion.cost !== undefined;
  }

  /** True where instances of this prototype have a serializer of their own. */
  has(prototype: object): boolean {
    return this.#byPrototype?.has(prototype) === true;
  }

  /**
   * The extended form of a value that the codec itself doesn't know.
   *
   * @throws SerializationError where nothing takes the value, or where its serializer throws.
   */
  encode(value: unknown): ExtendedValue {
    const isObject = (typeof value === "object" && value !== null) || typeof value === "function";
    const own = isObject ? this.#byPrototype?.get(Object.getPrototypeOf(value) as object) : undefined;
    if (own === undefined) {
      const builtin = this.builtins?.encode(value);
      if (builtin !== undefined) return builtin;
    }
    const serializer = own ?? (isObject ? this.#fallback : undefined);
    if (serializer === undefined)
      throw new SerializationError(
        this.builtins?.refusal(value) ?? refusalOf(value, `no serializer for ${describeType(value)}`),
      );
    try {
      return { typeId: serializer.typeId, data: serializer.conversion.serialize(value) };
    } catch (error) {
      throw wrapped(`the serializer of ${serializer.name} failed for ${describeType(value)}`, error);
    }
  }

  /** References that have come so far. */
  get arrivals(): number {
    return this.builtins?.arrivals ?? 0;
  }

  /**
   * A message can't be decoded, and its sender takes all references in it as held here. `readAgain` reads it from the start; only
   * references are taken, but for those that have come since there were `before` of them. Nothing is found behind what can't be read at all.
   */
  rescueReferences(before: number, readAgain: () => void): void {
    if (this.builtins?.isReference === undefined) return;
    this.#counted = this.arrivals - before;
    try {
      readAgain();
    } catch {
      // Why the message fails is known.
    } finally {
      this.#counted = -1;
    }
  }

  /**
   * The value of an extended form.
   *
   * @throws SerializationError for an unknown type, or where its deserializer throws.
   */
  decode(typeId: unknown, data: unknown, budget: DecodingBudget): unknown {
    if (typeof typeId !== "number" || !Number.isInteger(typeId)) throw new SerializationError("type id is no integer");
    if (this.#counted >= 0 && !this.#isRescued(typeId, data)) return null;
    const spent = this.#counted >= 0 ? UNCOUNTED : budget;
    if (typeId < 0) {
      if (this.builtins === undefined) throw new SerializationError(`built-in type ${typeId} outside of a connection`);
      return this.builtins.decode(typeId, data, spent);
    }
    const serializer = this.#byId[typeId];
    if (serializer === undefined) {
      throw new SerializationError(
        `unknown type id ${typeId}; there are ${this.#byId.length} serializers (${this.names.join(", ")})`,
      );
    }
    const { cost } = serializer.conversion;
    if (cost !== undefined) spent.spend(cost);
    try {
      this.checked(data);
      return serializer.conversion.deserialize(data);
    } catch (error) {
      throw wrapped(`the deserializer of ${serializer.name} failed`, error);
    }
  }

  /** Data of which something is made. @throws SerializationError */
  checked<T>(data: T): T {
    this.builtins?.checkData?.(data);
    return data;
  }

  #isRescued(typeId: number, data: unknown): boolean {
    if (typeId >= 0 && typeId !== this.#fallback?.typeId) return false;
    if (!this.builtins!.isReference!(typeId, data)) return false;
    if (this.#counted === 0) return true;
    this.#counted--;
    return false;
  }
}

/** What a factory makes; `number` is its place. @throws ColloquyError `INVALID_ARGUMENT` where that is no triple. */
export function tripleOf(factory: SerializerFactory, number: number): ReturnType<SerializerFactory> {
  const made: unknown = factory();
  if (Array.isArray(made)) return made as unknown as ReturnType<SerializerFactory>;
  const reason = `serializer ${number} returns ${describeType(made)} instead of [type, serialize, deserialize]`;
  throw new ColloquyError("INVALID_ARGUMENT", reason);
}

/** Why a value isn't sent that nothing takes, and what to do: `reason` is for those of which the type says nothing better. */
export function refusalOf(value: unknown, reason: string): string {
  if (value instanceof Promise) return "a promise; await it first";
  return typeof value === "object" && value !== null ? `${reason}; see extraSerializers` : reason;
}

function wrapped(reason: string, error: unknown): SerializationError {
  if (error instanceof SerializationError) return error;
  const detail = error instanceof Error ? `: ${error.message}` : "";
  return new SerializationError(`${reason}${detail}`, { cause: error });
}
