import type { CallContext } from "./context.ts";

export type IsAny<T> = 0 extends 1 & T ? true : false;

/** A `CallContext` at the end is the server's own business. */
export type WithoutContext<A extends readonly unknown[]> =
  Required<A> extends readonly [...unknown[], infer Last]
    ? IsAny<Last> extends true
      ? A
      : Last extends CallContext
        ? WithoutLast<A>
        : A
    : A;

/** A parameter list without its last; optional ones stay optional. */
type WithoutLast<A extends readonly unknown[]> = number extends A["length"]
  ? A
  : A extends readonly [...infer Head, unknown]
    ? Head
    : A extends readonly [infer First, ...infer Rest]
      ? [First, ...WithoutLast<Rest>]
      : A extends readonly [(infer First)?, ...infer Rest]
        ? Rest extends readonly []
          ? []
          : [First?, ...WithoutLast<Rest>]
        : A;
