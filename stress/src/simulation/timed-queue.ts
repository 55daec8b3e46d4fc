interface Entry<T> {
  readonly value: T;
  readonly atMs: number;
  readonly number: number;
}

/** Values by their time, and at the same time by when they were pushed: a binary heap. */
export class TimedQueue<T> {
  readonly #heap: Entry<T>[] = [];
  #pushed = 0;

  get size(): number {
    return this.#heap.length;
  }

  /** Infinity where it is empty. */
  get nextMs(): number {
    return this.#heap[0]?.atMs ?? Infinity;
  }

  values(): T[] {
    return this.#heap.map(({ value }) => value);
  }

  /** How many are due. */
  dueCount(untilMs: number): number {
    if (this.nextMs > untilMs) return 0;
    return this.#heap.reduce((count, { atMs }) => (atMs <= untilMs ? count + 1 : count), 0);
  }

  push(value: T, atMs: number): void {
    const heap = this.#heap;
    const entry = { value, atMs, number: this.#pushed++ };
    let place = heap.length;
    while (place > 0) {
      const parent = (place - 1) >> 1;
      if (isBefore(heap[parent]!, entry)) break;
      heap[place] = heap[parent]!;
      place = parent;
    }
    heap[place] = entry;
  }

  shift(): T | undefined {
    const heap = this.#heap;
    const first = heap[0];
    const last = heap.pop();
    if (first !== undefined && last !== undefined && heap.length > 0) this.#sink(last);
    return first?.value;
  }

  /** Puts `entry` in the place of the first one, and then where it belongs. */
  #sink(entry: Entry<T>): void {
    const heap = this.#heap;
    let place = 0;
    for (let child = 1; child < heap.length; child = 2 * place + 1) {
      if (child + 1 < heap.length && isBefore(heap[child + 1]!, heap[child]!)) child++;
      if (isBefore(entry, heap[child]!)) break;
      heap[place] = heap[child]!;
      place = child;
    }
    heap[place] = entry;
  }
}

function isBefore(a: Entry<unknown>, b: Entry<unknown>): boolean {
  return a.atMs < b.atMs || (a.atMs === b.atMs && a.number < b.number);
}
