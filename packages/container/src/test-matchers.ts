import { ERROR_CODES, quoted } from "@colloquy/core";

/** What a matcher of `expect.extend` returns. */
export interface MatcherOutcome {
  readonly pass: boolean;
  readonly message: () => string;
}

/** The matchers as `expect(...)` has them, for the type checker: `interface Matchers<T> extends ColloquyMatchers {}`. */
export interface ColloquyMatchers {
  /** A promise, or a function that returns one, rejects with an error of this code, and with this in its message. */
  toRejectWithCode(code: string, message?: string | RegExp): Promise<void>;
  /** An error has this code, and this in its message. */
  toHaveCode(code: string, message?: string | RegExp): void;
}

/** How each matcher decides. */
export interface MatcherFunctions {
  toRejectWithCode(received: unknown, code: string, message?: string | RegExp): Promise<MatcherOutcome>;
  toHaveCode(received: unknown, code: string, message?: string | RegExp): MatcherOutcome;
}

/** Matchers for `expect.extend` of vitest, jest and what has the same. A code that doesn't exist fails on its own. */
export const matchers: Readonly<MatcherFunctions> = Object.freeze({
  async toRejectWithCode(received, code, message) {
    let value: unknown;
    try {
      value = await (typeof received === "function" ? (received as () => unknown)() : received);
    } catch (error) {
      return compare(error, code, message);
    }
    return {
      pass: false,
      message: () => `expected a rejection with ${code}, but it was fulfilled with ${String(value)}`,
    };
  },

  toHaveCode(received, code, message) {
    return compare(received, code, message);
  },
} satisfies MatcherFunctions);

function compare(error: unknown, code: string, message: string | RegExp | undefined): MatcherOutcome {
  if (!ERROR_CODES.has(code)) throw new TypeError(`there is no error code ${quoted(code)}`);
  const found = error as { code?: unknown; message?: unknown } | null | undefined;
  const text = typeof found?.message === "string" ? found.message : String(error);
  const says = typeof message === "string" ? text.includes(message) : (message?.test(text) ?? true);
  const pass = found?.code === code && says;
  const wanted = message === undefined ? code : `${code} and ${String(message)}`;
  const got = `${typeof found?.code === "string" ? found.code : "no code"}: ${text}`;
  return { pass, message: () => `expected ${pass ? "not " : ""}${wanted}, got ${got}` };
}
