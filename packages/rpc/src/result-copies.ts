import { SerializationError, StandardTypes, decodedSize, refusal, messageOf } from "@colloquy/core";
import type { BuiltinTypes, Codec, ColloquyError, DecodingBudget, ExtendedValue, Limits } from "@colloquy/core";
import { Answer } from "./answer.ts";
import { CopyTurns } from "./copy-turns.ts";
import type { Steps } from "./copy-turns.ts";
import { isService, isStreamValue } from "./members.ts";
import { nodeOf } from "./proxy.ts";

/** Of what a copy refers to. Such copies never leave. */
const KEPT_ID = -3;
const NO_BYTES = new Uint8Array(0);

/** A value that becomes an argument. The same key stands for the same value; the number of its request, where it is the whole result. */
export interface CopySource {
  readonly key: number | object;
  readonly value: unknown;
}

/** The request that copies are made for. */
export interface CopyTaker {
  /** Aborts when it is over. */
  readonly signal: AbortSignal;
  /** All of its copies take so many bytes in memory, as far as that is known. @throws ColloquyError where these are too many. */
  hold(bytes: number): void;
  /** So many bytes have been written or read for it. */
  onCopied(bytes: number): void;
}

/** A result in the bytes of the codec, with what it refers to. */
interface EncodedResult {
  readonly bytes: Uint8Array;
  readonly kept: unknown[];
  /** What a copy takes in memory, once one was made. */
  size: number | undefined;
  /** Why none can be made. */
  failure: ColloquyError | undefined;
}

/**
 * Copies results that become arguments on this side as if they had crossed to the caller and back: through the codec of the connection. What
 * crosses by reference stays what it is: services, functions, streams, signals.
 */
export class ResultCopies implements BuiltinTypes {
  readonly sendable = true;
  readonly #codec: Codec;
  readonly #standard: StandardTypes;
  readonly #turns: CopyTurns;
  /** By the numbers of their requests, as long as others wait for copies. */
  readonly #encoded = new Map<number, EncodedResult>();
  #encodedBytes = 0;
  /** What the result refers to that is being copied. */
  #kept: unknown[] = [];

  /** `isTimed`: it may depend on time what is copied in one turn of the event loop. */
  constructor(codec: Codec, isTimed: boolean) {
    this.#codec = codec.twin();
    this.#standard = new StandardTypes(this.#codec, "standard");
    this.#standard.expected = true;
    this.#codec.setBuiltins(this);
    this.#turns = new CopyTurns(isTimed);
  }

  /**
   * A copy of each, also where one comes twice, when those before have got theirs. Rejects with `SERIALIZATION_ERROR` for what can't be encoded,
   * with `RESULT_NOT_KEPT` for more than a message may have (the caller sends them itself then), with what `hold` throws, and with why the
   * request is over.
   */
  async copy(sources: readonly CopySource[], taker: CopyTaker, limits: Limits): Promise<unknown[]> {
    try {
      return await this.#turns.take(taker.signal, this.#copyAll(sources, taker, limits));
    } finally {
      if (this.#turns.isIdle) this.#forget();
    }
  }

  *#copyAll(sources: readonly CopySource[], taker: CopyTaker, limits: Limits): Steps<unknown[]> {
    yield* this.#turns.rest(taker.signal);
    this.#codec.limits = limits;
    const counts = new Map<number | object, number>();
    for (const { key } of sources) counts.set(key, (counts.get(key) ?? 0) + 1);
    const charge = new CopyCharge(taker, limits);
    const encodedByKey = new Map<number | object, EncodedResult>();
    const firstCopies = new Map<number | object, unknown>();
    for (const { key, value } of sources) {
      if (encodedByKey.has(key)) continue;
      const count = counts.get(key)!;
      const encoded = yield* this.#encodedOf(key, value, taker);
      encodedByKey.set(key, encoded);
      charge.add(count * encoded.bytes.length, count * (encoded.size ?? encoded.bytes.length));
      if (encoded.size !== undefined) continue;
      const [copy] = yield* this.#decode(encoded, taker);
      firstCopies.set(key, copy);
      encoded.size = Math.max(decodedSize(copy, limits.maxDecodedCost), encoded.bytes.length);
      charge.add(0, count * (encoded.size - encoded.bytes.length));
    }
    const copies: unknown[] = [];
    for (const { key } of sources) {
      const isMade = firstCopies.has(key);
      const [copy] = isMade ? [firstCopies.get(key)] : yield* this.#decode(encodedByKey.get(key)!, taker);
      firstCopies.delete(key);
      copies.push(copy);
    }
    return copies;
  }

  /** Encoded once for all that wait for it. */
  *#encodedOf(key: number | object, value: unknown, taker: CopyTaker): Steps<EncodedResult> {
    const known = typeof key === "number" ? this.#encoded.get(key) : undefined;
    const encoded = known ?? (yield* this.#encode(value, taker));
    if (typeof key === "number" && known === undefined) this.#remember(key, encoded);
    if (encoded.failure !== undefined) throw encoded.failure;
    return encoded;
  }

  *#encode(value: unknown, taker: CopyTaker): Steps<EncodedResult> {
    yield* this.#turns.rest(taker.signal);
    const kept: unknown[] = (this.#kept = []);
    const failed = (failure: ColloquyError): EncodedResult => ({ bytes: NO_BYTES, kept, size: undefined, failure });
    try {
      // In an array: a result with a `then` is no promise.
      const encoding = this.#codec.encode([value]);
      const bytes = encoding instanceof Promise ? ((yield encoding) as Uint8Array) : encoding;
      taker.onCopied(bytes.length);
      if (bytes.length > this.#codec.limits.maxMessageBytes) return failed(tooLarge());
      return { bytes, kept, size: undefined, failure: undefined };
    } catch (error) {
      return failed(failureOf(error));
    }
  }

  /** The copy in an array. */
  *#decode(encoded: EncodedResult, taker: CopyTaker): Steps<[copy: unknown]> {
    yield* this.#turns.rest(taker.signal);
    this.#kept = encoded.kept;
    taker.onCopied(encoded.bytes.length);
    try {
      const decoding = this.#codec.decode(encoded.bytes);
      return (decoding instanceof Promise ? yield decoding : decoding) as [unknown];
    } catch (error) {
      throw (encoded.failure = failureOf(error));
    }
  }

  #remember(id: number, encoded: EncodedResult): void {
    if (this.#encodedBytes + encoded.bytes.length > this.#codec.limits.maxMessageBytes) this.#forget();
    this.#encoded.set(id, encoded);
    this.#encodedBytes += encoded.bytes.length;
  }

  #forget(): void {
    this.#encoded.clear();
    this.#encodedBytes = 0;
    this.#kept = [];
  }

  encode(value: unknown): ExtendedValue | undefined {
    const node = nodeOf(value);
    if (value instanceof Answer || node?.caller.result !== undefined)
      throw new SerializationError("the result of a call that isn't there yet: await it first");
    if (node !== undefined || isKept(value)) return { typeId: KEPT_ID, data: this.#kept.push(value) - 1 };
    return this.#standard.encode(value);
  }

  decode(typeId: number, data: unknown, budget: DecodingBudget): unknown {
    return typeId === KEPT_ID ? this.#kept[data as number] : this.#standard.decode(typeId, data, budget);
  }

  isBeside(): boolean {
    return false;
  }

  refusal(value: unknown): string | undefined {
    return this.#standard.refusal(value);
  }
}

function isKept(value: unknown): boolean {
  if (typeof value === "function") return true;
  if (typeof value !== "object" || value === null) return false;
  return value instanceof AbortSignal || isStreamValue(value) || isService(value);
}

/** What the copies for one request take, for all of its places: counted before they are made. */
class CopyCharge {
  readonly #taker: CopyTaker;
  readonly #limits: Limits;
  #bytes = 0;
  #size = 0;

  constructor(taker: CopyTaker, limits: Limits) {
    this.#taker = taker;
    this.#limits = limits;
  }

  /** So many bytes more, in a message and in memory. @throws ColloquyError where that is too much. */
  add(bytes: number, size: number): void {
    this.#bytes += bytes;
    this.#size += size;
    const { maxMessageBytes, maxDecodedCost } = this.#limits;
    if (this.#bytes > maxMessageBytes || this.#size > maxDecodedCost) throw tooLarge();
    this.#taker.hold(this.#size);
  }
}

function failureOf(error: unknown): SerializationError {
  const reason = `a result among the arguments can't be copied: ${messageOf(error)}`;
  return new SerializationError(reason, { cause: error });
}

function tooLarge(): ColloquyError {
  return refusal("RESULT_NOT_KEPT", "the results are too large to be copied here: await them, and use what has come");
}
