import type { AnyService } from "./expose.ts";
import type { CallContext } from "./context.ts";

declare const remoteBrand: unique symbol;

// oxlint-disable-next-line typescript/no-explicit-any -- any function
type Fn = (...args: any[]) => any;

/** Values that are the same on both sides. */
type Opaque =
  | string
  | number
  | boolean
  | bigint
  | symbol
  | null
  | undefined
  | Date
  | URL
  | ArrayBufferView
  | ArrayBufferLike
  | AbortSignal
  | Error;

type IsAny<T> = 0 extends 1 & T ? true : false;

/**
 * The proxy of a service: its methods return promises, its services are proxies, everything else isn't there. `then`, `toJSON`
 * and symbols are local.
 */
export type Remote<T> = {
  readonly [
    K in keyof T as K extends LocalMembers<T>
      ? never
      : K extends string
        ? T[K] extends Fn | AnyService
          ? K
          : never
        : never
  ]: RemoteMember<T[K]>;
} & Disposable & { readonly [remoteBrand]?: T };

/** Names that a class keeps for its own process, in `declare readonly localMembers?: "stop"`. */
type LocalMembers<T> = string extends keyof T
  ? never
  : "localMembers" extends keyof T
    ? T extends { readonly localMembers?: infer Names }
      ? Names
      : never
    : never;

export type RemoteMember<M> =
  IsAny<M> extends true ? M : M extends Fn ? RemoteFunction<M> : M extends AnyService ? Remote<M> : never;

/** A remote function, called as a local one; the result is awaited. */
export type RemoteFunction<F extends Fn> = F extends (...args: infer A) => infer R
  ? (...args: SentArguments<A>) => RemoteResult<R>
  : never;

type RemoteResult<R> = R extends AsyncIterable<infer I> ? AsyncIterable<Received<I>> : Promise<Received<Awaited<R>>>;

/** The arguments that a caller gives: a `CallContext` at the end is the server's own business. */
type SentArguments<A extends readonly unknown[]> = SentItems<
  Required<A> extends readonly [...unknown[], infer Last]
    ? IsAny<Last> extends true
      ? A
      : Last extends CallContext
        ? WithoutLast<A>
        : A
    : A
>;

type SentItems<A extends readonly unknown[]> = { [K in keyof A]: Sent<A[K]> };

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

/** What arrives where the other side has a `V`. */
export type Received<V> = V extends Opaque
  ? V
  : V extends { readonly [remoteBrand]?: unknown }
    ? V extends AnyService
      ? Remote<V>
      : typeof remoteBrand extends keyof V
        ? V
        : ReceivedObject<V>
    : ReceivedObject<V>;

type ReceivedObject<V> = V extends Fn
  ? RemoteFunction<V> & Disposable
  : V extends AnyService
    ? Remote<V>
    : V extends AsyncIterable<infer I>
      ? AsyncIterable<Received<I>>
      : V extends Plain
        ? { [K in keyof V]: Received<V[K]> }
        : ReceivedCollection<V>;

/** Maps and Sets, whose entries are looked at; a class that extends them is left as it is. */
type ReceivedCollection<V> =
  Collection<V> extends "map"
    ? V extends ReadonlyMap<infer K, infer I>
      ? V extends Map<K, I>
        ? Map<Received<K>, Received<I>>
        : ReadonlyMap<Received<K>, Received<I>>
      : never
    : Collection<V> extends "set"
      ? V extends ReadonlySet<infer I>
        ? V extends Set<I>
          ? Set<Received<I>>
          : ReadonlySet<Received<I>>
        : never
      : V;

type SentCollection<V> =
  Collection<V> extends "map"
    ? V extends ReadonlyMap<infer K, infer I>
      ? V extends Map<K, I>
        ? Map<Sent<K>, Sent<I>>
        : ReadonlyMap<Sent<K>, Sent<I>>
      : never
    : Collection<V> extends "set"
      ? V extends ReadonlySet<infer I>
        ? V extends Set<I>
          ? Set<Sent<I>>
          : ReadonlySet<Sent<I>>
        : never
      : V;

/** Which of them a type is. A class that extends one has more members than it. */
type Collection<V> =
  V extends ReadonlyMap<infer K, infer I>
    ? Map<K, I> extends V
      ? "map"
      : "other"
    : V extends ReadonlySet<infer I>
      ? Set<I> extends V
        ? "set"
        : "other"
      : "other";

/** What may be passed where the other side declares a `V`. */
export type Sent<V> = V extends Opaque
  ? V
  : typeof remoteBrand extends keyof V
    ? V | RemoteTarget<V>
    : V extends Fn
      ? SentFunction<V>
      : V extends AnyService
        ? V | Remote<V>
        : V extends AsyncIterable<infer I>
          ? SentStream<V, I>
          : V extends Plain
            ? { [K in keyof V]: Sent<V[K]> }
            : SentCollection<V>;

/** Any async iterable where one is declared: it is read item by item. */
type SentStream<V, I> = AsyncIterable<Sent<I>> extends V ? AsyncIterable<Sent<I>> : V;

/** The service that a proxy stands for: it is passed where a proxy is declared. */
type RemoteTarget<V> = V extends { readonly [remoteBrand]?: infer S } ? NonNullable<S> : never;

/** A local function for a parameter that the other side calls: it may answer at once, or later. */
type SentFunction<F extends Fn> = F extends (...args: infer A) => infer R
  ? (...args: { [K in keyof A]: Received<A[K]> }) => Sent<Awaited<R>> | Promise<Sent<Awaited<R>>>
  : never;

/**
 * Arrays and records, whose members are looked at. Instances of classes are left as they are: their serializers make them again,
 * with their methods. The type checker tells them from `type` records and not from interfaces, so those are left, too.
 */
type Plain = readonly unknown[] | Readonly<Record<string, unknown>>;
