import { ColloquyError } from "./errors.ts";
import { ownName } from "./own-name.ts";

/** What a `PublicError` has beside its message. */
export interface PublicErrorOptions {
  /** A code of the application's own, such as `"OUT_OF_STOCK"`. Default: none. */
  readonly code?: string | undefined;
  /** More fields of the error. No name that every error has, such as `message` and `stack`. */
  readonly fields?: Readonly<Record<string, unknown>> | undefined;
  /** What has led to it. Default: nothing. */
  readonly cause?: unknown;
}

/**
 * An error that is made for the caller of a remote method: its class name, message, own enumerable fields and causes leave the
 * process, whatever the `errors` option says of others. Classes of an application extend it:
 *
 * ```ts
 * class OutOfStock extends PublicError {
 *   readonly sku: string;
 *   constructor(sku: string) {
 *     super(`no ${sku} left`);
 *     this.sku = sku;
 *   }
 * }
 * ```
 *
 * Fields cross as values do; those that can't cross, and functions, are left out.
 */
export class PublicError extends Error {
  /** The application's own code, where it has one. */
  declare readonly code?: string;

  /** @throws ColloquyError `INVALID_ARGUMENT` for a field with a name that every error has. */
  constructor(message?: string, { code, fields, cause }: PublicErrorOptions = {}) {
    super(message, cause === undefined ? undefined : { cause });
    const value = ownName(new.target) || "PublicError";
    Object.defineProperty(this, "name", { value, enumerable: false, configurable: true, writable: true });
    if (code !== undefined) this.code = code;
    for (const [key, field] of Object.entries(fields ?? {})) {
      if (isErrorMember(key))
        throw new ColloquyError(
          "INVALID_ARGUMENT",
          `a field of an error can't be named "${key}": every error has that`,
        );
      Object.defineProperty(this, key, { value: field, enumerable: true, configurable: true, writable: true });
    }
  }
}

/** What every error has, or may have, beside fields of its own. */
export function isErrorMember(key: string): boolean {
  return key in Error.prototype || key === "stack" || key === "cause";
}

/** The stack of an error of the other side, as the cause of the one that its caller gets. */
export class RemoteStack extends Error {
  constructor(name: string, message: string, stack: string) {
    super(message);
    Object.defineProperty(this, "name", { value: name, enumerable: false, configurable: true, writable: true });
    this.stack = stack;
  }
}
