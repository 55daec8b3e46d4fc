/**
 * One value and the moment it is due. A heap makes its entries and hands them out as tickets for `remove`; only
 * `position` ever changes, and only the heap changes it.
 */
export class TimerEntry<T> {
  /** When the value is due, in the unit of whoever inserted it. */
  readonly due: number;
  /** The how-manieth insertion into its heap this was; breaks ties between equal `due`s. */
  readonly order: number;
  readonly value: T;
  /** Index in the heap's array, or -1 once the entry is out of it. The heap's own. */
  position: number = -1;

  constructor(due: number, order: number, value: T) {
    this.due = due;
    this.order = order;
    this.value = value;
  }
}

/**
 * A binary heap of values ordered by `(due, insertion)`: what is due first comes out first, and what is due at the same
 * moment comes out in the order in which it went in. `insert`, `pop` and `remove` take O(log n), `peek` O(1). A removed
 * entry is out at once, so that a heap holds nothing but what still waits.
 */
export class TimerHeap<T> {
  readonly #entries: TimerEntry<T>[] = [];
  #inserted = 0;

  /** How many entries wait. */
  get size(): number {
    return this.#entries.length;
  }

  /** The entry that `pop` would return, left in its place; `undefined` if the heap is empty. */
  peek(): TimerEntry<T> | undefined {
    return this.#entries[0];
  }

  /**
   * Takes in `value` and returns the entry by which it can be removed. `due` must not be NaN: it has no place in an
   * order.
   */
  insert(due: number, value: T): TimerEntry<T> {
    const entry = new TimerEntry(due, this.#inserted++, value);
    this.#rise(entry, this.#entries.length);
    return entry;
  }

  /** Takes out and returns the entry that is due first; `undefined` if the heap is empty. */
  pop(): TimerEntry<T> | undefined {
    const head = this.#entries[0];
    if (head !== undefined) this.remove(head);
    return head;
  }

  /**
   * Takes out what is due at `now`, one value after the other, but nothing that went in later than the entry of `lastOrder`. What
   * goes in or out in between counts.
   */
  *takeDue(now: number, lastOrder: number = Infinity): Generator<T, void, undefined> {
    for (let head = this.peek(); head !== undefined && head.due <= now && head.order <= lastOrder; head = this.peek()) {
      this.remove(head);
      yield head.value;
    }
  }

  /**
   * Takes out `entry`; false if it isn't in this heap, because it was popped or removed before or belongs to another.
   */
  remove(entry: TimerEntry<T>): boolean {
    const at = entry.position;
    if (this.#entries[at] !== entry) return false;
    entry.position = -1;
    const last = this.#entries.pop() as TimerEntry<T>;
    if (last === entry) return true;
    // The last entry fills the gap. It may come from another branch, so that it can have to go either way.
    const parent = this.#entries[(at - 1) >> 1];
    if (parent !== undefined && isBefore(last, parent)) this.#rise(last, at);
    else this.#sink(last, at);
    return true;
  }

  /** Puts `entry` at the free index `at` or above it, moving later parents down. */
  #rise(entry: TimerEntry<T>, at: number): void {
    let position = at;
    while (position > 0) {
      const above = (position - 1) >> 1;
      const parent = this.#entries[above] as TimerEntry<T>;
      if (!isBefore(entry, parent)) break;
      this.#place(parent, position);
      position = above;
    }
    this.#place(entry, position);
  }

  /** Puts `entry` at the free index `at` or below it, moving earlier children up. */
  #sink(entry: TimerEntry<T>, at: number): void {
    let position = at;
    for (;;) {
      const left = this.#entries[2 * position + 1];
      const right = this.#entries[2 * position + 2];
      const child = left !== undefined && right !== undefined && isBefore(right, left) ? right : left;
      if (child === undefined || !isBefore(child, entry)) break;
      const below = child.position;
      this.#place(child, position);
      position = below;
    }
    this.#place(entry, position);
  }

  #place(entry: TimerEntry<T>, position: number): void {
    this.#entries[position] = entry;
    entry.position = position;
  }
}

function isBefore(a: TimerEntry<unknown>, b: TimerEntry<unknown>): boolean {
  return a.due < b.due || (a.due === b.due && a.order < b.order);
}
