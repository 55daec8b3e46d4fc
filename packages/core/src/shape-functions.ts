import { compileReader, compileWriter } from "./shape-code.ts";
import type { ShapeReader, ShapeWriter } from "./shape-code.ts";

/** A compiled function, and how many connections use it. */
export interface CompiledFunction<F> {
  readonly name: string;
  readonly run: F;
  userCount: number;
}

/** Functions that are compiled in so many milliseconds, at most: to compile one and run it for the first time takes some tens of microseconds. */
const PACE_COUNT = 8;
const PACE_MS = 10;

/**
 * Compiled functions of shapes that connections share, in bounded number. One that a connection uses stays until it is given
 * back: where all are in use there is none for others, so that no peer can take another's place.
 */
export class ShapeFunctions {
  readonly #maxCount: number;
  readonly #functions = new Map<string, CompiledFunction<unknown>>();
  /** Those that nobody uses, the oldest first. */
  readonly #unused = new Set<CompiledFunction<unknown>>();
  /** Of the time that the pace is for. */
  #start = 0;
  #startedCount = 0;

  constructor(maxCount: number) {
    this.#maxCount = maxCount;
  }

  /** How many there are. */
  get count(): number {
    return this.#functions.size;
  }

  /** How many of them are in use. */
  get usedCount(): number {
    return this.#functions.size - this.#unused.size;
  }

  /** For one user more, who gives it back. Undefined: all are in use, many have just been compiled, or the runtime compiles no code. */
  takeReader(keys: readonly string[]): CompiledFunction<ShapeReader> | undefined {
    return this.#take("read", keys, compileReader);
  }

  /** The same for writing. */
  takeWriter(keys: readonly string[]): CompiledFunction<ShapeWriter> | undefined {
    return this.#take("write", keys, compileWriter);
  }

  /** Takes one user off. */
  giveBack(compiled: CompiledFunction<unknown>): void {
    if (--compiled.userCount === 0) this.#unused.add(compiled);
  }

  #take<F>(
    kind: string,
    keys: readonly string[],
    compile: (keys: readonly string[]) => F | undefined,
  ): CompiledFunction<F> | undefined {
    const name = kind + JSON.stringify(keys);
    const known = this.#functions.get(name) as CompiledFunction<F> | undefined;
    const compiled = known ?? this.#add(name, () => compile(keys));
    if (compiled === undefined) return undefined;
    compiled.userCount++;
    this.#unused.delete(compiled);
    return compiled;
  }

  #add<F>(name: string, compile: () => F | undefined): CompiledFunction<F> | undefined {
    const isFull = this.#functions.size >= this.#maxCount;
    const [oldest] = isFull ? this.#unused : [];
    if ((isFull && oldest === undefined) || !this.#isTime()) return undefined;
    if (oldest !== undefined) {
      this.#unused.delete(oldest);
      this.#functions.delete(oldest.name);
    }
    const run = compile();
    if (run === undefined) return undefined;
    const compiled = { name, run, userCount: 0 };
    this.#functions.set(name, compiled);
    return compiled;
  }

  /** One message may have many new shapes, each with enough maps: those wait for a later one. */
  #isTime(): boolean {
    const now = performance.now();
    if (now - this.#start >= PACE_MS) {
      this.#start = now;
      this.#startedCount = 0;
    }
    return this.#startedCount++ < PACE_COUNT;
  }
}

const MAX_FUNCTION_COUNT = 1024;

/** Those of the process. */
export const shapeFunctions: ShapeFunctions = new ShapeFunctions(MAX_FUNCTION_COUNT);
