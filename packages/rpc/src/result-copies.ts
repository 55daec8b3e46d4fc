import { SerializationError, StandardTypes, decodedSize, refusal, toError } from "@colloquy/core";
import type { BuiltinTypes, Codec, ColloquyError, DecodingBudget, ExtendedValue, Limits } from "@colloquy/core";
import { Answer } from "./answer.ts";
import { isService, isStreamValue } from "./members.ts";
import { nodeOf } from "./proxy.ts";

/** Of what a copy refers to. Such copies never leave. */
const KEPT_ID = -3;

/** Copies, and what they take in memory. */
export interface CopiedResults {
  readonly copies: readonly unknown[];
  readonly size: number;
}

/**
 * Copies results that become arguments on this side as if they had crossed to the caller and back: through the codec of the connection. What
 * crosses by reference stays what it is: services, functions, streams, signals.
 */
export class ResultCopies implements BuiltinTypes {
  readonly sendable = true;
  readonly #codec: Codec;
  readonly #standard: StandardTypes;
  /** By their numbers in the copies that are being made. */
  #kept: unknown[] = [];
  #makingCount = 0;

  constructor(codec: Codec) {
    this.#codec = codec.twin();
    this.#standard = new StandardTypes(this.#codec, "standard");
    this.#standard.expected = true;
    this.#codec.setBuiltins(this);
  }

  /**
   * A copy of each, also where one comes twice. Rejects with `SERIALIZATION_ERROR` for what can't be encoded, and with `RESULT_NOT_KEPT` for more
   * than a message may have: the caller sends them itself then.
   */
  async copy(values: readonly unknown[], limits: Limits): Promise<CopiedResults> {
    this.#makingCount++;
    try {
      return await this.#copyAll(values, limits);
    } catch (error) {
      throw failureOf(error);
    } finally {
      this.#makingCount--;
      if (this.#makingCount === 0) this.#kept = [];
    }
  }

  async #copyAll(values: readonly unknown[], limits: Limits): Promise<CopiedResults> {
    this.#codec.limits = limits;
    const written = new Map<unknown, Uint8Array>();
    const copies: unknown[] = [];
    let bytes = 0;
    let size = 0;
    for (const value of values) {
      let encoded = written.get(value);
      if (encoded === undefined) {
        // In an array: a result with a `then` is no promise.
        const encoding = this.#codec.encode([value]);
        encoded = encoding instanceof Promise ? await encoding : encoding;
        written.set(value, encoded);
      }
      bytes += encoded.length;
      if (bytes > limits.maxMessageBytes) throw tooLarge();
      const decoding = this.#codec.decode(encoded);
      const [copy] = (decoding instanceof Promise ? await decoding : decoding) as [unknown];
      size += Math.max(decodedSize(copy, limits.maxDecodedCost), encoded.length);
      if (size > limits.maxDecodedCost) throw tooLarge();
      copies.push(copy);
    }
    return { copies, size };
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

function failureOf(error: unknown): unknown {
  if (error instanceof Error && "code" in error && error.code === "RESULT_NOT_KEPT") return error;
  const { message } = toError(error);
  return new SerializationError(`a result among the arguments can't be copied: ${message}`, { cause: error });
}

function tooLarge(): ColloquyError {
  return refusal("RESULT_NOT_KEPT", "the results are too large to be copied here: await them, and use what has come");
}
