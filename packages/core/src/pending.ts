import type { ErrorRules } from "./error-rules.ts";
import { ColloquyError, ProtocolError } from "./errors.ts";
import { following } from "./message.ts";

const FIRST_SLOT_COUNT = 4;

/** A call that waits for its answer. Exactly one of the three functions is called, once. */
export interface PendingCall {
  /** Number of its request; -1 while it has not left. */
  id: number;
  /** Is made where the limit is reached, too: it tells whether there will be an answer to the others. */
  readonly vital?: boolean;
  onResult(value: unknown): void;
  /** The other side failed the call: `content` is that of an exception message, to be read by these rules. */
  onException(content: unknown, rules: ErrorRules | undefined): void;
  /** This side failed the call. */
  onFailure(error: ColloquyError): void;
}

/** What answers are read with. */
interface AnswerReader {
  readonly errorRules?: ErrorRules | undefined;
  onLateResult?(content: unknown): void;
}

/** Stands for a call that this side gave up: its answer is still to come, and is dropped. */
const GIVEN_UP: PendingCall = Object.freeze({
  id: -1,
  onResult: ignore,
  onException: ignore,
  onFailure: ignore,
});

function ignore(): void {}

/** Few connections have any. */
const NONE: Map<number, PendingCall> = new Map();
/** Many connections never make a call: never written, since a call that comes makes larger ones. */
const NO_SLOTS: (PendingCall | undefined)[] = [];
const NO_IDS: number[] = [];

/**
 * The calls of one channel that wait, by message id. Slots in an array: ids count up, so a slot is the low bits of an id. A
 * call that is still there when its slot comes round again moves to a map.
 */
export class PendingCalls {
  /** Answers to calls that were given up. */
  lateCount = 0;
  #slots = NO_SLOTS;
  /** Ids of the calls in the slots. */
  #ids = NO_IDS;
  #old: Map<number, PendingCall> = NONE;
  readonly #maxCount: number;
  /** Where counting goes on. */
  nextId = 0;
  #count = 0;
  #givenUpCount = 0;

  constructor(maxCount: number) {
    this.#maxCount = maxCount;
  }

  /** Calls that wait, without those that were given up. */
  get liveCount(): number {
    return this.#count - this.#givenUpCount;
  }

  /** True where `add` would be refused. */
  get full(): boolean {
    return this.#count >= this.#maxCount;
  }

  /** What a call fails with while `full`. */
  refusal(): ColloquyError {
    const reason = `${this.#maxCount} calls wait for an answer already (maxPendingCount)`;
    return new ColloquyError("RESOURCE_EXHAUSTED", reason, { limit: "maxPendingCount" });
  }

  /** The id that the next call gets. */
  peekId(): number {
    if (this.#old.size > 0) while (this.#old.has(this.nextId)) this.nextId = following(this.nextId);
    return this.nextId;
  }

  /**
   * Enters a call under `peekId()`.
   *
   * @throws ColloquyError `RESOURCE_EXHAUSTED` over the limit, but for a vital one.
   */
  add(call: PendingCall): void {
    if (this.full && call.vital !== true) throw this.refusal();
    const id = this.peekId();
    if (this.#count >= this.#slots.length) this.#grow();
    const slot = id & (this.#slots.length - 1);
    const occupant = this.#slots[slot];
    if (occupant !== undefined) this.#setAside(this.#ids[slot]!, occupant);
    this.#slots[slot] = call;
    this.#ids[slot] = id;
    this.#count++;
    this.nextId = following(id);
    call.id = id;
  }

  /**
   * Removes the call of an answer.
   *
   * @throws ProtocolError for an id that waits for none.
   */
  take(id: number): PendingCall {
    const call = this.remove(id);
    if (call === undefined) throw new ProtocolError(`answer to request ${id}, which waits for none`);
    return call;
  }

  /** Removes a call of this side's own accord; undefined where it isn't there any more. */
  remove(id: number): PendingCall | undefined {
    const slot = id & (this.#slots.length - 1);
    const call = this.#slots[slot];
    if (call !== undefined && this.#ids[slot] === id) {
      this.#slots[slot] = undefined;
      return this.#taken(call);
    }
    const old = this.#old.get(id);
    if (old === undefined) return undefined;
    this.#old.delete(id);
    return this.#taken(old);
  }

  /**
   * Hands an answer to the call that waits for it; `error`: it can't be decoded. `reader` has the rules for exceptions, and is told of results
   * that nobody gets.
   *
   * @throws ProtocolError for an id that waits for none.
   */
  answer(
    id: number,
    isResult: boolean,
    content: unknown,
    error: ColloquyError | undefined,
    reader?: AnswerReader,
  ): void {
    const call = this.take(id);
    if (call === GIVEN_UP) {
      this.lateCount++;
      if (isResult) reader?.onLateResult?.(content);
    } else if (error !== undefined) {
      const reason = `the answer can't be decoded: ${error.message}`;
      call.onFailure(new ColloquyError(error.code, reason, { cause: error, executed: isResult ? "yes" : "unknown" }));
    } else if (isResult) call.onResult(content);
    else call.onException(content, reader?.errorRules);
  }

  /** Lets a call go whose answer is still to come. */
  giveUp(id: number): void {
    const slot = id & (this.#slots.length - 1);
    const call = this.#ids[slot] === id ? (this.#slots[slot] ?? this.#old.get(id)) : this.#old.get(id);
    if (call === undefined || call === GIVEN_UP) return;
    if (this.#old.has(id)) this.#old.set(id, GIVEN_UP);
    else this.#slots[slot] = GIVEN_UP;
    this.#givenUpCount++;
  }

  /** Removes and returns all that wait, in the order of their ids' slots. */
  drain(): PendingCall[] {
    const calls = [...this.#old.values(), ...this.#slots.filter((call) => call !== undefined)];
    this.#old = NONE;
    this.#slots = NO_SLOTS;
    this.#ids = NO_IDS;
    this.#count = 0;
    this.#givenUpCount = 0;
    return calls;
  }

  #taken(call: PendingCall): PendingCall {
    this.#count--;
    if (call === GIVEN_UP) this.#givenUpCount--;
    return call;
  }

  #setAside(id: number, call: PendingCall): void {
    if (this.#old === NONE) this.#old = new Map();
    this.#old.set(id, call);
  }

  #grow(): void {
    const before = this.#slots;
    const idsBefore = this.#ids;
    const length = Math.max(before.length * 2, FIRST_SLOT_COUNT);
    this.#slots = Array.from<PendingCall | undefined>({ length }).fill(undefined);
    this.#ids = Array.from<number>({ length }).fill(0);
    for (const [slot, call] of before.entries()) {
      if (call === undefined) continue;
      const id = idsBefore[slot]!;
      const place = id & (this.#slots.length - 1);
      // Ids of different rounds may meet again; the map holds those.
      if (this.#slots[place] === undefined) {
        this.#slots[place] = call;
        this.#ids[place] = id;
      } else this.#setAside(id, call);
    }
  }
}
