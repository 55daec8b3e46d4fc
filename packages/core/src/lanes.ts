import { Queue } from "./queue.ts";
import type { Random } from "./random.ts";

/** A queue of things to do for several receivers: each gets its own in order; whose turn it is follows from random numbers. */
export class Lanes {
  readonly #random: Random;
  readonly #queues = new Map<object, Queue<() => void>>();
  /** Those that have something, in no order that counts. */
  readonly #waiting: object[] = [];
  #length = 0;

  constructor(random: Random) {
    this.#random = random;
  }

  get length(): number {
    return this.#length;
  }

  push(act: () => void, receiver: object): void {
    let queue = this.#queues.get(receiver);
    if (queue === undefined) {
      this.#queues.set(receiver, (queue = new Queue()));
      this.#waiting.push(receiver);
    }
    queue.push(act);
    this.#length++;
  }

  /** The next one of a receiver that is drawn. */
  shift(): (() => void) | undefined {
    if (this.#length === 0) return undefined;
    const at = Math.floor(this.#random() * this.#waiting.length);
    const receiver = this.#waiting[at]!;
    const queue = this.#queues.get(receiver)!;
    const act = queue.shift();
    this.#length--;
    if (queue.length > 0) return act;
    this.#queues.delete(receiver);
    const last = this.#waiting.pop()!;
    if (last !== receiver) this.#waiting[at] = last;
    return act;
  }
}
