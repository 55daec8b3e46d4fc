/** Most queues are empty all their life. */
const NOTHING: never[] = [];

/** First in, first out, without shifting arrays. */
export class Queue<T> {
  #head: T[] = NOTHING;
  #tail: T[] = NOTHING;
  #next = 0;

  get length(): number {
    return this.#head.length - this.#next + this.#tail.length;
  }

  push(item: T): void {
    if (this.#tail === NOTHING) this.#tail = [item];
    else this.#tail.push(item);
  }

  /** The one that `shift` would return. */
  peek(): T | undefined {
    return this.#next < this.#head.length ? this.#head[this.#next] : this.#tail[0];
  }

  shift(): T | undefined {
    if (this.#next === this.#head.length) {
      if (this.#tail.length === 0) return undefined;
      this.#head = this.#tail;
      this.#tail = NOTHING;
      this.#next = 0;
    }
    const item = this.#head[this.#next] as T;
    this.#head[this.#next++] = undefined as T;
    return item;
  }
}
