import { Service, expose } from "@colloquy/rpc";

/** What servers hand out by reference. */
export class Thing extends Service {
  readonly #number: number;
  constructor(number: number) {
    super();
    this.#number = number;
  }
  @expose number(): number {
    return this.#number;
  }
}
