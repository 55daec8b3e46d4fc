import type { Codec } from "./codec.ts";
import { ColloquyError, SerializationError, describeType } from "./errors.ts";
import { messageOf } from "./readable.ts";
import { HelloWanted } from "./segments.ts";
import type { BuiltinTypes, DecodingBudget, ExtendedValue } from "./serializers.ts";
import { NDARRAY } from "./standard-arrays.ts";
import { BUFFER, TYPED_ARRAY, VIEW } from "./standard-bytes.ts";
import { ERROR } from "./standard-errors.ts";
import { BIGINT, DATE, URL_TYPE, MAP, SET } from "./standard-values.ts";
import type { StandardType } from "./standard-values.ts";

const UNDEFINED_ID = -1;
/** For the time that the map around it takes to read. */
const UNDEFINED_COST = 64;

/** The types of `docs/protocol.md` section 3, but for `undefined` and references. */
const TYPES: readonly StandardType<never>[] = [
  DATE,
  MAP,
  SET,
  BIGINT,
  ERROR,
  URL_TYPE,
  TYPED_ARRAY,
  BUFFER,
  VIEW,
  NDARRAY,
];
const BY_ID: ReadonlyMap<number, StandardType<never>> = new Map(TYPES.map((type) => [type.id, type]));
const BY_PROTOTYPE: ReadonlyMap<unknown, StandardType<never>> = new Map(
  TYPES.flatMap((type) => type.classes.map(({ prototype }) => [prototype, type] as const)),
);

/** Whether the peer takes built-in types: it does, it is plain, or it has to be asked first. */
export type PeerTypes = "standard" | "plain" | "unknown";

/** The types of JavaScript that peers know who said hello, by exact class; errors of all classes. */
export class StandardTypes implements BuiltinTypes {
  /** What may be sent. */
  peer: PeerTypes;
  /** This side has said hello: the peer may send them. */
  expected = false;
  /** Why a peer that is plain takes none. */
  whyPlain = "the peer said no hello, so it takes no built-in types";
  readonly #codec: Codec;

  constructor(codec: Codec, peer: PeerTypes) {
    this.#codec = codec;
    this.peer = peer;
  }

  get sendable(): boolean {
    return this.peer !== "plain";
  }

  /** @throws HelloWanted for such a value where it isn't known yet whether the peer knows them. */
  encode(value: unknown): ExtendedValue | undefined {
    if (this.peer === "plain") return undefined;
    const extended = this.#extendedForm(value);
    if (extended !== undefined && this.peer === "unknown") throw new HelloWanted(describeType(value));
    return extended;
  }

  /** Where the peer isn't known it gets in the message what fits there: it may be plain. */
  isBeside(bytes: Uint8Array): boolean {
    const { segments, limits } = this.#codec;
    if (this.peer === "plain" || !segments.takes(bytes.length)) return false;
    return this.peer === "standard" || bytes.length >= limits.maxMessageBytes;
  }

  refusal(value: unknown): string | undefined {
    if (this.peer !== "plain" || (value !== undefined && typeOf(value) === undefined)) return undefined;
    const advice = typeof value === "object" ? "; a serializer in extraSerializers carries it" : "";
    return `${describeType(value)}: ${this.whyPlain}${advice}`;
  }

  decode(typeId: number, data: unknown, budget: DecodingBudget): unknown {
    if (!this.expected) throw new SerializationError(`built-in type ${typeId} from a peer that said no hello`);
    if (typeId === UNDEFINED_ID) {
      budget.spend(UNDEFINED_COST);
      return undefined;
    }
    const type = BY_ID.get(typeId);
    if (type === undefined) throw new SerializationError(`unknown built-in type ${typeId}`);
    try {
      return type.read(data, this.#codec, budget);
    } catch (error) {
      if (error instanceof ColloquyError) throw error;
      // More than the engine can hold.
      throw new SerializationError(`built-in type ${typeId}: ${messageOf(error)}`, { cause: error });
    }
  }

  #extendedForm(value: unknown): ExtendedValue | undefined {
    if (value === undefined) return { typeId: UNDEFINED_ID, data: null };
    const type = typeOf(value);
    if (type === undefined) return undefined;
    try {
      return { typeId: type.id, data: type.write(value as never, this.#codec) };
    } catch (error) {
      if (error instanceof ColloquyError) throw error;
      // Memory that was given away, or an object that has the prototype alone.
      throw new SerializationError(`${describeType(value)} can't be read: ${messageOf(error)}`, { cause: error });
    }
  }
}

function typeOf(value: unknown): StandardType<never> | undefined {
  if (typeof value === "bigint") return BIGINT;
  if (typeof value !== "object" || value === null) return undefined;
  return BY_PROTOTYPE.get(Object.getPrototypeOf(value)) ?? (value instanceof Error ? ERROR : undefined);
}
