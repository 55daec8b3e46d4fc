import { ColloquyError } from "@colloquy/core";

/** What takes inputs: one decoder, or a peer with a hostile one at the other end. */
export interface Target {
  /** Inputs are no longer than this. */
  readonly maxBytes: number;
  /** What new inputs are made from. */
  readonly seeds: readonly Buffer[];
  /** What stands in many inputs of this kind. */
  readonly words: readonly Buffer[];
  /** Inputs that are tried at a time; 1 where nothing waits. */
  readonly atOnce: number;
  /** Throws, or rejects with, what must not be. The bytes are valid during the call only. */
  run(input: Buffer): void | Promise<void>;
  /** What has to hold between inputs, looked at now and then: nothing is left of them, others are served. */
  settled?(): Promise<void>;
  close?(): Promise<void>;
}

/** Something that a target did and must not do, other than by what it throws itself. */
export class Finding extends Error {
  override name = "Finding";
}

/** What `action` returns; undefined where it throws what it says that it throws. Anything else goes on. */
export function orRefused<T>(action: () => T): T | undefined {
  try {
    return action();
  } catch (error) {
    if (error instanceof ColloquyError && error.code !== "INTERNAL") return undefined;
    throw error;
  }
}

export function check(holds: boolean, what: string): void {
  if (!holds) throw new Finding(what);
}
