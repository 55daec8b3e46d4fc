import { decodedSize } from "./decoded-size.ts";
import type { ColloquyError } from "./errors.ts";
import type { Limits } from "./limits.ts";
import { refusal } from "./refusal.ts";

/** What decoded messages take, most often, of their bytes on the wire; `maxDecodedCost` and `maxMessageBytes` are as far apart. */
const USUAL_FACTOR = 8;

/** How large the message is that was decoded last. */
export interface MessageSize {
  /** Of its payload. */
  readonly payloadBytes: number;
  /** Of the large values beside it. */
  readonly segmentBytes: number;
  /** What one byte of such a payload can take at most when it is decoded. */
  readonly mostCostOfByte: number;
}

/**
 * What the requests and notifications of one connection hold in memory whose handlers are at work. Nothing is measured while the most
 * that all of them can take is known, and within half the limit; beyond, each is measured before it starts.
 */
export class HeldBytes {
  readonly #message: MessageSize;
  readonly #most: number;
  readonly #mostGuessed: number;
  readonly #mostOfOne: number;
  #held = 0;
  /** The part of it that wasn't measured. */
  #guessed = 0;
  /** The part of it that isn't of messages. */
  #added = 0;
  #charge = 0;
  #isGuess = false;
  #isOver = false;
  #full: ColloquyError | undefined;

  constructor(limits: Limits, message: MessageSize) {
    this.#message = message;
    this.#most = limits.maxHeldBytes;
    this.#mostGuessed = limits.maxHeldBytes / 2;
    this.#mostOfOne = Math.min(limits.maxDecodedCost, Number.MAX_SAFE_INTEGER);
  }

  get held(): number {
    return this.#held;
  }

  /** Why the message that was decoded last must not start. `keep` follows where it may, and its handler goes on. */
  admit(content: unknown): ColloquyError | undefined {
    const { payloadBytes, segmentBytes, mostCostOfByte } = this.#message;
    const most = Math.min(payloadBytes * mostCostOfByte, this.#mostOfOne);
    const held = this.#held;
    // Where it isn't known, a guess would take the place of what others hold.
    this.#isGuess =
      mostCostOfByte !== Infinity &&
      this.#guessed + most <= this.#mostGuessed &&
      held + most + segmentBytes <= this.#most;
    if (this.#isGuess) this.#charge = most + segmentBytes;
    else if (held === 0) this.#charge = payloadBytes * USUAL_FACTOR + segmentBytes;
    else this.#charge = Math.max(decodedSize(content, this.#mostOfOne), payloadBytes + segmentBytes);
    // One is taken whatever it holds.
    if (held === 0 || held + this.#charge <= this.#most) return undefined;
    const reason = `calls of this connection that run hold ${this.#most} bytes already (maxHeldBytes)`;
    return (this.#full ??= refusal("RESOURCE_EXHAUSTED", reason, { limit: "maxHeldBytes" }));
  }

  /**
   * A handler holds so many bytes beside its message, until `remove` takes them off. Once is taken whatever it is.
   *
   * @throws ColloquyError `RESOURCE_EXHAUSTED`
   */
  add(bytes: number): void {
    if (this.#isOver) return;
    if (this.#added > 0 && this.#held + bytes > this.#most) {
      const reason = `calls of this connection that run hold ${this.#most} bytes already, with copies of results (maxHeldBytes)`;
      throw refusal("RESOURCE_EXHAUSTED", reason, { limit: "maxHeldBytes" });
    }
    this.#added += bytes;
    this.#held += bytes;
  }

  remove(bytes: number): void {
    if (this.#isOver) return;
    this.#added -= bytes;
    this.#held -= bytes;
  }

  /** The handler of the message that was admitted last goes on. Returns what `release` takes when it has ended. */
  keep(): number {
    if (this.#isOver) return 0;
    const charge = this.#charge;
    this.#held += charge;
    if (!this.#isGuess) return charge;
    this.#guessed += charge;
    return -charge;
  }

  /** `kept` is what `keep` has returned. */
  release(kept: number): void {
    if (this.#isOver) return;
    this.#held -= Math.abs(kept);
    if (kept < 0) this.#guessed += kept;
  }

  /** The connection has ended: handlers that go on hold nothing of it. */
  clear(): void {
    this.#isOver = true;
    this.#held = 0;
    this.#guessed = 0;
  }
}
