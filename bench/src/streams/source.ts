import { Service, expose } from "@colloquy/rpc";

/** Milliseconds of a clock that all processes share. */
export function monotonicMs(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}

/** Numbers as a stream and one by one, and what became of the producer. */
export class Source extends Service {
  #next = 0;
  #endedAt = 0;
  #given = 0;

  @expose async *count(to: number): AsyncGenerator<number, void, undefined> {
    this.#endedAt = 0;
    try {
      for (let number = 0; number < to; number++) {
        this.#given = number + 1;
        yield number;
      }
    } finally {
      this.#endedAt = monotonicMs();
    }
  }

  /** The next number: one call an item. */
  @expose next(): number {
    return this.#next++;
  }

  /** When the last producer has ended, in milliseconds of the system's clock, and how many items it had given. */
  @expose ended(): { readonly at: number; readonly given: number } {
    return { at: this.#endedAt, given: this.#given };
  }
}
