import { SerializationError } from "./errors.ts";

/** What decoded values cost, in bytes of memory, towards `Limits.maxDecodedCost`. */
export const CONTAINER_COST = 64;
export const ENTRY_COST = 32;
export const SCALAR_COST = 8;
export const TEXT_COST = 24;

/** What one message may still cost. */
export class CostBudget {
  #left: number;

  constructor(cost: number) {
    this.#left = cost;
  }

  /** @throws SerializationError where it is used up. */
  spend(cost: number): void {
    this.#left -= cost;
    if (this.#left < 0) throw tooCostly();
  }
}

export function tooCostly(): SerializationError {
  return new SerializationError("message takes more memory than the limit allows (maxDecodedCost)");
}
