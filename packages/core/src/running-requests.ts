const NONE: Set<number> = new Set();

/** The requests of the other side that have no answer yet, by id. */
export class RunningRequests {
  /** Few connections ever have one that takes more than its turn. */
  #ids: Set<number> = NONE;
  /** The request whose handler runs right now; most are answered before it returns and never reach a table. */
  #current = -1;

  /** Those whose handlers have returned. */
  get size(): number {
    return this.#ids.size;
  }

  get isEmpty(): boolean {
    return this.#ids.size === 0 && this.#current < 0;
  }

  has(id: number): boolean {
    return this.#ids.has(id);
  }

  /** The handler of a request is called. */
  begin(id: number): void {
    this.#current = id;
  }

  /** It has returned; a request without an answer is kept. */
  end(id: number, isKept: boolean): void {
    if (this.#current === id && isKept) {
      if (this.#ids === NONE) this.#ids = new Set();
      this.#ids.add(id);
    }
    this.#current = -1;
  }

  /** A request is answered. False: it has been already, or there is none. */
  settle(id: number): boolean {
    if (this.#current !== id) return this.#ids.delete(id);
    this.#current = -1;
    return true;
  }

  clear(): void {
    this.#ids = NONE;
  }
}
