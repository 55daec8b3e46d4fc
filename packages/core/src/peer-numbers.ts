/** Of the process: nobody can choose numbers that meet in the engine's tables, where the hash of numbers has no seed. */
const MASK = Math.trunc(Math.random() * 0x1_0000_0000);
const FACTOR = Math.trunc(Math.random() * 0x1_0000_0000) | 1;

/** A map by whole numbers that the other side has chosen. */
export class PeerNumbers<V> {
  readonly #values = new Map<number | string, V>();

  get size(): number {
    return this.#values.size;
  }

  has(number: number): boolean {
    return this.#values.has(keyOf(number));
  }

  get(number: number): V | undefined {
    return this.#values.get(keyOf(number));
  }

  set(number: number, value: V): void {
    this.#values.set(keyOf(number), value);
  }

  delete(number: number): boolean {
    return this.#values.delete(keyOf(number));
  }

  values(): MapIterator<V> {
    return this.#values.values();
  }

  clear(): void {
    this.#values.clear();
  }
}

/** Different ones for different numbers; the hash of a text has a seed. */
function keyOf(number: number): number | string {
  return (number | 0) === number ? Math.imul(number ^ MASK, FACTOR) : `#${number}`;
}
