import { ColloquyError } from "./errors.ts";
import type { Limits } from "./limits.ts";
import { RESULT, isAnswer } from "./message.ts";
import type { PendingCall } from "./pending.ts";
import { Queue } from "./queue.ts";

const REFUSALS_PER_SLOT = 8;
/** Notifications of the protocol's own that wait beside those of the limit. */
const MOST_OWN_COUNT = 16_384;

/** A message that is not encoded yet. */
export interface WaitingMessage {
  readonly type: number;
  readonly id: number;
  readonly content: unknown;
  /** For requests. */
  readonly call: PendingCall | undefined;
}

/** What the end of a connection has kept from leaving. */
export interface UnsentMessages {
  readonly calls: readonly PendingCall[];
  readonly results: readonly unknown[];
}

/**
 * Messages of one connection that wait for room in its output, in order. What adds to them returns them: `NO_MESSAGES`, which all
 * connections share, stays empty.
 */
export class WaitingMessages {
  readonly #queue = new Queue<WaitingMessage>();
  /** One that was taken and could not be sent yet: it is still the first. */
  #first: WaitingMessage | undefined;
  /** Calls that were given up before they left. */
  #abandoned: WeakSet<PendingCall> | undefined;
  #answerCount = 0;
  #takenCount = 0;

  get length(): number {
    return this.#queue.length + (this.#first === undefined ? 0 : 1);
  }

  /** Results and exceptions among them: each holds the slot of its request. */
  get answerCount(): number {
    return this.#answerCount;
  }

  /** How many have been taken in all, and not put back. */
  get takenCount(): number {
    return this.#takenCount;
  }

  /**
   * What ends the connection where more waits than there may. What is refused is answered, too, and what the protocol has to tell waits in
   * any case: a peer that never reads is cut off at some point.
   */
  excess({ maxRunningCount, maxPendingCount }: Limits): ColloquyError | undefined {
    const limit = maxRunningCount * REFUSALS_PER_SLOT;
    if (this.#answerCount > limit) {
      const reason = `the peer sends requests and doesn't read the answers: ${limit} wait (${REFUSALS_PER_SLOT} times maxRunningCount)`;
      return new ColloquyError("CONNECTION_LOST", reason, { limit: "maxRunningCount" });
    }
    if (this.length - this.#answerCount <= maxPendingCount + MOST_OWN_COUNT) return undefined;
    const reason = `the peer doesn't read what it has to be told: ${MOST_OWN_COUNT} messages wait beyond maxPendingCount`;
    return new ColloquyError("CONNECTION_LOST", reason, { limit: "maxPendingCount" });
  }

  push(message: WaitingMessage): WaitingMessages {
    if (this === NO_MESSAGES) return new WaitingMessages().push(message);
    this.#queue.push(message);
    if (isAnswer(message.type)) this.#answerCount++;
    return this;
  }

  /** Puts a message before all others. */
  putBack(message: WaitingMessage): WaitingMessages {
    if (this === NO_MESSAGES) return new WaitingMessages().putBack(message);
    this.#first = message;
    this.#takenCount--;
    if (isAnswer(message.type)) this.#answerCount++;
    return this;
  }

  shift(): WaitingMessage | undefined {
    const message = this.#first ?? this.#queue.shift();
    this.#first = undefined;
    if (message === undefined) return undefined;
    this.#takenCount++;
    if (isAnswer(message.type)) this.#answerCount--;
    return message;
  }

  /** Takes back a request that has not left. */
  abandon(call: PendingCall): WaitingMessages {
    if (this === NO_MESSAGES) return new WaitingMessages().abandon(call);
    (this.#abandoned ??= new WeakSet()).add(call);
    return this;
  }

  isAbandoned(call: PendingCall): boolean {
    return this.#abandoned?.has(call) === true;
  }

  /** Drops everything; returns the calls among them that wait, and the results. */
  clear(): UnsentMessages {
    const calls: PendingCall[] = [];
    const results: unknown[] = [];
    for (let message = this.shift(); message !== undefined; message = this.shift()) {
      const { type, content, call } = message;
      if (type === RESULT) results.push(content);
      else if (call !== undefined && !this.isAbandoned(call)) calls.push(call);
    }
    return { calls, results };
  }
}

/** Messages of most connections never wait. */
export const NO_MESSAGES: WaitingMessages = new WaitingMessages();
