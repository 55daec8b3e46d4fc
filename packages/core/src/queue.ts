/** First in, first out, without shifting arrays. */
export class Queue<T> {
  #head: T[] = [];
  #tail: T[] = [];
  #next = 0;

  get length(): number {
    return this.#head.length - this.#next + this.#tail.length;
  }

  push(item: T): void {
    this.#tail.push(item);
  }

  shift(): T | undefined {
    if (this.#next === this.#head.length) {
      if (this.#tail.length === 0) return undefined;
      this.#head = this.#tail;
      this.#tail = [];
      this.#next = 0;
    }
    const item = this.#head[this.#next] as T;
    this.#head[this.#next++] = undefined as T;
    return item;
  }
}
