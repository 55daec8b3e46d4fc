import type { AnyService } from "./expose.ts";
import type { IsAny, WithoutContext } from "./context-parameter.ts";

declare const remoteBrand: unique symbol;
declare const callBrand: unique symbol;

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

/**
 * A remote function, called as a local one; the result is awaited. A generic one whose parameters and result are the same on both sides
 * keeps its signature. Others have `unknown` in place of their type parameters, and of overloads the last one is seen.
 */
export type RemoteFunction<F extends Fn> = F extends (...args: infer A) => infer R
  ? KeepsSignature<F, A, R> extends true
    ? F
    : (...args: SentArguments<A>) => RemoteResult<Awaited<R>>
  : never;

/** True for a function that is more than what is inferred of its parameters and result, which are the same on both sides. */
type KeepsSignature<F extends Fn, A extends readonly unknown[], R> = ((...args: A) => R) extends F
  ? false
  : HasOverloads<F> extends true
    ? false
    : R extends Promise<infer V>
      ? AreSame<[SentItems<WithoutContext<A>>, Received<V>], [A, V]>
      : false;

/** Compares the last two: of one alone both are the same. */
type HasOverloads<F extends Fn> = F extends {
  (...args: infer A): infer R;
  (...args: infer B): infer S;
}
  ? AreSame<[A, R], [B, S]> extends true
    ? false
    : true
  : false;

type AreSame<A, B> = [A, B] extends [B, A] ? true : false;

/**
 * The promise of a remote call. It may be an argument of another call to the same peer before it is there: `meter.sum(meter.first())`.
 * Other promises are awaited first.
 */
export interface RemoteCall<T> extends Promise<T> {
  readonly [callBrand]: true;
}

/**
 * A stream of the other side: an async iterable, to be read once. `return()` leaves it, as leaving a loop over it and `await using`
 * do: its producer ends, and what waits to be read is dropped.
 */
export interface RemoteStream<I> extends AsyncDisposable {
  /** The next item. Rejects with what the producer throws, once, after the items before it. */
  next(): Promise<IteratorResult<I, undefined>>;
  return(): Promise<IteratorReturnResult<undefined>>;
  [Symbol.asyncIterator](): RemoteStream<I>;
}

/** A call whose result is a stream: it can be read, and left, without being awaited. */
export interface RemoteStreamCall<I> extends RemoteCall<RemoteStream<I>>, RemoteStream<I> {}

/** `R` is awaited. */
type RemoteResult<R> = [R] extends [AsyncIterable<infer I>]
  ? [R] extends [AnyService]
    ? RemoteCall<Received<R>>
    : RemoteStreamCall<Received<I>>
  : RemoteCall<Received<R>>;

/** The arguments that a caller gives. */
type SentArguments<A extends readonly unknown[]> = Arguments<WithoutContext<A>>;

type Arguments<A extends readonly unknown[]> = { [K in keyof A]: Sent<A[K]> | RemoteCall<Sent<A[K]>> };

type SentItems<A extends readonly unknown[]> = { [K in keyof A]: Sent<A[K]> };

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
      ? RemoteStream<Received<I>>
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

/**
 * What may be passed where the other side declares a `V`. Where that is a stream, any async iterable may: it arrives as a `RemoteStream`,
 * whatever it was, and whatever is declared.
 */
export type Sent<V> = V extends Opaque
  ? V
  : typeof remoteBrand extends keyof V
    ? V | RemoteTarget<V>
    : V extends Fn
      ? SentFunction<V>
      : V extends AnyService
        ? V | Remote<V>
        : V extends AsyncIterable<infer I>
          ? AsyncIterable<Sent<I>>
          : V extends Plain
            ? { [K in keyof V]: Sent<V[K]> }
            : SentCollection<V>;

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
