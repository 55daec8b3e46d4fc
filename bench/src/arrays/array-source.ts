import { expose, Service } from "@colloquy/rpc";

/** Offers one array, and small calls. */
export class ArraySource extends Service {
  readonly #array: Float64Array;

  constructor(array: Float64Array) {
    super();
    this.#array = array;
  }

  @expose fetch(): Float64Array {
    return this.#array;
  }

  @expose add(a: number, b: number): number {
    return a + b;
  }
}
