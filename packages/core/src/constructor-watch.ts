import { SerializationError } from "./errors.ts";
import { checkDecodedEntry } from "./lower-lift.ts";

/**
 * Refuses in structured clones what `checkDecodedEntry` refuses, also where it comes about later: what stands under "constructor" may be
 * an object that encloses it, and isn't complete yet.
 */
export class ConstructorWatch {
  #watched: Set<object> | undefined;

  /** Before `value` becomes an entry of `owner`. @throws SerializationError */
  checkEntry(owner: object, key: string, value: unknown): void {
    checkDecodedEntry(key, value);
    if (key === "constructor" && typeof value === "object" && value !== null)
      (this.#watched ??= new Set<object>()).add(value);
    else if (key === "prototype" && this.#watched?.has(owner) === true) throw refused();
  }

  /** An object that isn't made of entries, once it has all its fields. @throws SerializationError */
  whole<T extends object>(value: T): T {
    if (this.#watched?.has(value) === true && Object.hasOwn(value, "prototype")) throw refused();
    return value;
  }

  /** Lets go of everything. */
  clear(): void {
    this.#watched = undefined;
  }
}

function refused(): SerializationError {
  return new SerializationError('a map can\'t have a "constructor" with a "prototype"');
}
