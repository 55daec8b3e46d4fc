import type { SentMeta } from "./call.ts";
import { ignore } from "./guard.ts";

/** A method of this side that the peer has named. */
export interface NamedMethod {
  /** As the peer would call it. */
  readonly path: string;
  /** What it is below: the root, where this is undefined. */
  readonly start: object | undefined;
  /** Its path from there. */
  readonly rest: string;
}

/** What a call on one may have beside its arguments. */
export interface NamedCallExtras {
  readonly kwargs?: Record<string, unknown> | undefined;
  /** As a request would have it. */
  readonly meta?: SentMeta | undefined;
  /** Aborts where the call is given up. */
  readonly signal?: AbortSignal;
}

/** Carries out calls of this side on what the peer has named. */
export interface NamedMethods {
  callNamed(method: NamedMethod, args: unknown[], extras?: NamedCallExtras): Promise<unknown>;
  /** A notification to one has failed. */
  onLostNamed(path: string, error: unknown): void;
}

/**
 * A method that the peer has named, as a value. Its calls are carried out as the peer's own: whoever names a method gains nothing by having
 * somebody else call it. Nobody has to await them, as with a function of the other side.
 */
export function localFunction(methods: NamedMethods, method: NamedMethod): (...args: unknown[]) => Promise<unknown> {
  return (...args) => {
    const result = methods.callNamed(method, args);
    result.catch(ignore);
    return result;
  };
}
