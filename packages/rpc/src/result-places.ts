import { SerializationError, checkDecodedEntry, isPlainMap } from "@colloquy/core";

/** The result of an earlier request, in the arguments of a later one. */
export class ResultReference {
  readonly id: number;
  readonly rest: string;

  constructor(id: number, rest: string) {
    this.id = id;
    this.rest = rest;
  }
}

/**
 * The places in the arguments of a request where results of others are to stand: in arrays, maps, Maps and Sets, which are changed in
 * place. Each object is looked at once: there may be cycles, and what is shared.
 */
export class ResultPlaces {
  readonly #references: ResultReference[] = [];
  readonly #puts: ((result: unknown) => void)[] = [];
  /** Fill Maps and Sets again, in their order. */
  readonly #rebuilds: (() => void)[] = [];
  readonly #seen: Set<object>;

  /** @throws SerializationError where one stands for all arguments. */
  constructor(roots: readonly unknown[]) {
    this.#seen = new Set(roots.filter(isObject));
    for (const root of this.#seen) if (root instanceof ResultReference) throw misplaced();
    // A set tells what is added while it is walked.
    for (const value of this.#seen) this.#lookInto(value);
  }

  /** One for each place. */
  get references(): readonly ResultReference[] {
    return this.#references;
  }

  /** Puts results into the places, in their order. @throws SerializationError for what no map may have. */
  fill(results: readonly unknown[]): void {
    for (const [index, put] of this.#puts.entries()) put(results[index]);
    for (const rebuild of this.#rebuilds) rebuild();
  }

  #lookInto(value: object): void {
    if (Array.isArray(value)) this.#lookIntoArray(value);
    else if (value instanceof Map) this.#lookIntoMap(value);
    else if (value instanceof Set) this.#lookIntoSet(value);
    else if (isPlainMap(value)) {
      const map = value as Record<string, unknown>;
      for (const key of Object.keys(map)) {
        this.#lookAt(map[key], (result) => {
          checkDecodedEntry(key, result);
          map[key] = result;
        });
      }
    }
  }

  #lookIntoArray(array: unknown[]): void {
    for (let index = 0; index < array.length; index++) {
      const item = array[index];
      if (isObject(item)) this.#lookAt(item, (result) => (array[index] = result));
    }
  }

  #lookIntoMap(map: Map<unknown, unknown>): void {
    const entries = [...map];
    const isFound = entries
      .map((entry) => {
        const isKey = this.#lookAt(entry[0], (result) => (entry[0] = result));
        return this.#lookAt(entry[1], (result) => (entry[1] = result)) || isKey;
      })
      .includes(true);
    if (!isFound) return;
    this.#rebuilds.push(() => {
      map.clear();
      for (const [key, item] of entries) map.set(key, item);
    });
  }

  #lookIntoSet(set: Set<unknown>): void {
    const items = [...set];
    const isFound = items.map((item, index) => this.#lookAt(item, (result) => (items[index] = result))).includes(true);
    if (!isFound) return;
    this.#rebuilds.push(() => {
      set.clear();
      for (const item of items) set.add(item);
    });
  }

  /** Whether a result is to stand here. */
  #lookAt(item: unknown, put: (result: unknown) => void): boolean {
    if (!isObject(item)) return false;
    if (!(item instanceof ResultReference)) {
      this.#seen.add(item);
      return false;
    }
    this.#references.push(item);
    this.#puts.push(put);
    return true;
  }
}

/**
 * True where a result stands in data of which something else is made before it is there. `budget` is how many values may be looked at;
 * true also where it is used up.
 */
export function mayHaveResult(data: unknown, budget: { left: number }): boolean {
  const seen = new Set([data].filter(isObject));
  for (const value of seen) {
    if (value instanceof ResultReference) return true;
    for (const part of partsOf(value)) {
      if (budget.left-- <= 0) return true;
      if (isObject(part)) seen.add(part);
    }
  }
  return false;
}

/** Why a result is refused that can't be put in its place. */
export function misplaced(): SerializationError {
  return new SerializationError("the result of a request where it can't be put in its place: await it first");
}

function isObject(value: unknown): value is object {
  return typeof value === "object" && value !== null;
}

/** Of an instance none: it was looked at before it was made. */
function partsOf(value: object): Iterable<unknown> {
  if (Array.isArray(value) || value instanceof Set) return value as Iterable<unknown>;
  if (value instanceof Map) return [...value.keys(), ...value.values()] as unknown[];
  return isPlainMap(value) ? Object.values(value) : [];
}
