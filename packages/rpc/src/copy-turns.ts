import { nextTurn } from "@colloquy/core";
import { addAbortListener, removeAbortListener } from "./abort-listeners.ts";

/** So long copies are made for one connection in a turn of the event loop, or one where that takes longer. */
const TURN_MS = 1;

/** What is done in steps: it goes on when the promise that it has given is settled. */
export type Steps<T> = Generator<Promise<unknown>, T, unknown>;

/**
 * Requests of one connection get their copies one after the other, in their order, for a short time in each turn of the event loop: then
 * others have theirs.
 */
export class CopyTurns {
  readonly #isTimed: boolean;
  /** In order; who stops to wait leaves. */
  readonly #waiting: Set<() => void> = new Set();
  #isTaken = false;
  /** Since when copies are made in this turn of the event loop; 0: none was. */
  #turnStart = 0;

  /** `isTimed`: it may depend on time what is done in one turn. */
  constructor(isTimed: boolean) {
    this.#isTimed = isTimed;
  }

  /** Nobody makes copies, or waits to. */
  get isIdle(): boolean {
    return !this.#isTaken;
  }

  /** Takes the steps when those before have ended. Rejects with the reason of the signal where that aborts first. */
  async take<T>(signal: AbortSignal, steps: Steps<T>): Promise<T> {
    if (this.#isTaken) await this.#wait(signal);
    this.#isTaken = true;
    try {
      let step = steps.next();
      // Steps without a promise are taken at once: most of those that follow needn't wait then.
      while (step.done !== true) step = await nextStep(steps, step.value);
      return step.value;
    } finally {
      this.#passOn();
    }
  }

  /** Waits until there is time for a copy. @throws the reason of the signal where that has aborted by then. */
  *rest(signal: AbortSignal): Steps<void> {
    while (!this.#hasTime()) yield nextTurn();
    signal.throwIfAborted();
  }

  #hasTime(): boolean {
    if (!this.#isTimed) return true;
    const now = performance.now();
    if (this.#turnStart > 0) return now - this.#turnStart < TURN_MS;
    this.#turnStart = now;
    setImmediate(() => (this.#turnStart = 0));
    return true;
  }

  #wait(signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      signal.throwIfAborted();
      const onAbort = (reason: unknown): void => {
        this.#waiting.delete(enter);
        reject(reason);
      };
      const enter = (): void => {
        removeAbortListener(signal, onAbort);
        resolve();
      };
      addAbortListener(signal, onAbort);
      this.#waiting.add(enter);
    });
  }

  #passOn(): void {
    const [next] = this.#waiting;
    if (next === undefined) {
      this.#isTaken = false;
      return;
    }
    this.#waiting.delete(next);
    next();
  }
}

async function nextStep<T>(steps: Steps<T>, promise: Promise<unknown>): Promise<IteratorResult<Promise<unknown>, T>> {
  let value: unknown;
  try {
    value = await promise;
  } catch (error) {
    return steps.throw(error);
  }
  return steps.next(value);
}
