import { ColloquyError, quoted, refusal } from "@colloquy/core";
import type { InheritedContext } from "./context.ts";
import type { Metadata } from "./metadata.ts";
import { isReservedPath, joinPath } from "./path.ts";

/** @internal Where the node of a proxy stands. */
export const NODE: unique symbol = Symbol("colloquy.node") as never;
const INSPECT: unique symbol = Symbol.for("nodejs.util.inspect.custom") as never;
const RESERVED = 'name "$" not found: right below a root it stands for the connection itself';
/** Children beyond are made anew each time: names may come from data. */
const MAX_CACHED_CHILD_COUNT = 1000;

/** Options of one call. */
export interface CallOptions {
  /** Milliseconds until the call fails with `DEADLINE_EXCEEDED`. */
  readonly timeout?: number;
  /** Gives the call up: it rejects at once with `CANCELLED`, and the callee's `context.signal` aborts. */
  readonly signal?: AbortSignal;
  /**
   * The context of the call that this one is made for: it is given up with that one, and has no more time than what is left of it.
   */
  readonly context?: InheritedContext;
  /**
   * What the callee finds as `context.metadata`: plain values, at most 64 keys and 16,384 bytes. Only for a peer that said hello; calls
   * that are made for this one don't inherit it.
   */
  readonly metadata?: Metadata;
  /** W3C `traceparent`, the callee's `context.trace`. Default: that of `context`. A plain peer doesn't get it. */
  readonly trace?: string;
  /** Keyword arguments: by the names of the callee's parameters, as Python has them. */
  readonly kwargs?: Readonly<Record<string, unknown>>;
  /**
   * How often the call is sent again where it has failed and surely didn't run: the connection is lost, nobody answers, the other
   * side is closing or has too much to do. `timeout` is for all attempts together. Default: 0.
   */
  readonly retries?: number;
  /**
   * Retries are also for calls that may have run. The other side refuses calls with it on methods that aren't exposed with
   * `idempotent: true`. Default: false.
   */
  readonly idempotent?: boolean;
  /**
   * What a call does while there is no connection, where `connect` was told to reconnect: `"wait"` for one, up to its `timeout`, or
   * `"fail"` with `UNAVAILABLE`. Default: that of `connect`.
   */
  readonly whileAway?: WhileAway;
}

/** What calls do while there is no connection. */
export type WhileAway = "wait" | "fail";

/** A reference that was received, for as long as something can use it. */
export interface Reference {
  readonly released: boolean;
  release(): void;
}

/** The result of a call that may not be there yet. */
export interface PendingResult {
  /** The connection that it comes on. */
  readonly connection: Caller | undefined;
  /** Number of the request; -1 while it hasn't left. */
  readonly id: number;
  /** It, when it is there. */
  readonly settled: Promise<unknown>;
  /** Once it is there. */
  readonly outcome: { readonly value: unknown } | { readonly error: unknown } | undefined;
}

/** What stands behind proxies: it sends their calls. */
export interface Caller {
  /** Stands behind proxies for a result that may not be there yet. */
  readonly result?: PendingResult | undefined;
  /** Whether its peer knows the results of its requests before they have come. */
  readonly takesResults?: boolean | undefined;
  call(node: RemoteNode, args: unknown[], options: CallOptions | undefined): Promise<unknown>;
  notify(node: RemoteNode, args: unknown[]): void;
  /** A notification that it would have sent has failed before it could be: counted and published with its own. */
  onLostNotification?(path: string, error: unknown): void;
  /** For messages: `tcp://127.0.0.1:5555`. */
  readonly remoteAddress: string;
  /** The connection that calls take now, where it isn't this caller itself. */
  readonly connection?: Caller | undefined;
  /** Name of the root that calls lead to, where it is the same on all connections of that peer. */
  readonly root?: string | undefined;
}

/** Where a proxy points to: a path at a peer. */
export class RemoteNode {
  readonly caller: Caller;
  readonly path: string;
  /** Keeps what was received alive for as long as this node is. */
  readonly reference: Reference | undefined;
  readonly isFunction: boolean;
  /** Options of the calls, where the proxy comes from `withOptions`. */
  readonly options: CallOptions | undefined;
  childCount = 0;

  constructor(
    caller: Caller,
    path: string,
    reference: Reference | undefined,
    isFunction: boolean,
    options?: CallOptions,
  ) {
    this.caller = caller;
    this.path = path;
    this.reference = reference;
    this.isFunction = isFunction;
    this.options = options;
  }

  /** True for a function that was received as a value: calls on it need not be awaited. */
  get isReferencedFunction(): boolean {
    return this.isFunction && this.reference !== undefined;
  }

  toString(): string {
    return `${this.caller.remoteAddress}/${this.path}`;
  }
}

/**
 * A proxy for a service. Members that were used are its own properties, plain functions; the first use of a name reaches the
 * shared prototype, which makes the function. So a call goes through no trap.
 */
export function serviceProxy(node: RemoteNode): object {
  const proxy = Object.create(REMOTE_PROTOTYPE) as object;
  Object.defineProperty(proxy, NODE, { value: node });
  return proxy;
}

/** @throws ColloquyError `INVALID_ARGUMENT` */
export function checkWhileAway(value: unknown): void {
  if (value === "wait" || value === "fail") return;
  throw new ColloquyError("INVALID_ARGUMENT", `whileAway is ${quoted(String(value))}; it takes "wait" or "fail"`);
}

/** A proxy for a function; `call` is what it does, where that isn't a plain call. */
export function functionProxy(
  node: RemoteNode,
  call?: (...args: unknown[]) => Promise<unknown>,
): (...args: unknown[]) => Promise<unknown> {
  const proxy = call ?? ((...args: unknown[]): Promise<unknown> => node.caller.call(node, args, node.options));
  Object.defineProperty(proxy, NODE, { value: node });
  Object.setPrototypeOf(proxy, REMOTE_PROTOTYPE);
  return proxy;
}

/** A function that is at the same time a service: what a name of a proxy stands for isn't known before it is used. */
function memberProxy(node: RemoteNode): object {
  const proxy = functionProxy(node);
  // Names of a remote service may be these, too.
  delete (proxy as { name?: string }).name;
  delete (proxy as { length?: number }).length;
  return proxy;
}

/** The node behind a proxy, or undefined for everything else. */
export function nodeOf(value: unknown): RemoteNode | undefined {
  const isObject = (typeof value === "object" && value !== null) || typeof value === "function";
  if (!isObject || !Object.hasOwn(value, NODE)) return undefined;
  return (value as { [NODE]: RemoteNode })[NODE];
}

/** True where a node is something of the peer of `connection`, whose root has the name `root`. */
export function leadsTo(
  { caller, path, reference }: RemoteNode,
  connection: Caller,
  root: string | undefined,
): boolean {
  if (caller === connection) return true;
  // What begins with `$` is a connection's own; paths below a root are the same on all.
  if (reference !== undefined || isReservedPath(path)) return false;
  return caller.connection === connection || (root !== undefined && caller.root === root);
}

/** True for two proxies of the same remote object. */
export function sameRemote(a: unknown, b: unknown): boolean {
  const [first, second] = [nodeOf(a), nodeOf(b)];
  if (first === undefined || second === undefined || first.path !== second.path) return false;
  if (first.caller === second.caller) return true;
  // As in `leadsTo`.
  const isReference = first.reference !== undefined || second.reference !== undefined;
  return (
    !isReference &&
    !isReservedPath(first.path) &&
    first.caller.root !== undefined &&
    first.caller.root === second.caller.root
  );
}

/**
 * Says that a received function or service is not needed any more. Calls on it fail with `REFERENCE_RELEASED` from now on, and
 * the other side lets go of it. Nothing happens for proxies that hang under a connection's root, and for other values.
 */
export function release(proxy: unknown): void {
  nodeOf(proxy)?.reference?.release();
}

/**
 * What hangs below another node. `path` may have come from a peer: this is the one place where such a path becomes one of another connection.
 *
 * @throws ColloquyError `NOT_FOUND` where that would begin with `$`.
 */
export function nodeBelow(node: RemoteNode, path: string): RemoteNode {
  const { caller, reference } = node;
  const joined = joinPath(node.path, path);
  // Below a reference it is looked up in what was handed out.
  if (reference === undefined && isReservedPath(joined)) throw refusal("NOT_FOUND", RESERVED);
  return new RemoteNode(caller, joined, reference, false);
}

/** A proxy for it. */
export function childAt(node: RemoteNode, path: string): object {
  return memberProxy(nodeBelow(node, path));
}

/** Names may come from data here, too. */
function localChildAt(node: RemoteNode, name: string): object {
  try {
    return childAt(node, name);
  } catch (error) {
    const own = (error as ColloquyError).restated();
    // With the stack of whoever has asked.
    Error.captureStackTrace(own, localChildAt);
    throw own;
  }
}

function childOf(node: RemoteNode, owner: object, name: string): object {
  const child = localChildAt(node, name);
  if (node.childCount < MAX_CACHED_CHILD_COUNT && Object.hasOwn(owner, NODE)) {
    node.childCount++;
    Object.defineProperty(owner, name, { value: child, configurable: true });
  }
  return child;
}

/** Names that are local, so that promises, JSON and tools can handle a proxy. */
function localMember(node: RemoteNode, name: string | symbol): unknown {
  switch (name) {
    case Symbol.dispose:
      return () => node.reference?.release();
    case INSPECT:
      return () => `Remote(${node.toString()})`;
    case Symbol.toStringTag:
      return "Remote";
    case Symbol.toPrimitive:
      return () => `Remote(${node.toString()})`;
    default:
      return undefined;
  }
}

/** The prototype of all proxies. It has no state: which proxy is meant is the receiver. */
const REMOTE_PROTOTYPE: object = new Proxy(Object.freeze(Object.create(null) as object), {
  get(_target, name, receiver: object) {
    const node = nodeOf(receiver);
    if (node === undefined) return undefined;
    if (typeof name === "symbol") return localMember(node, name);
    if (name === "then" || name === "toJSON") return undefined;
    return childOf(node, receiver, name);
  },
  set(_target, name, _value, receiver: object) {
    const where = nodeOf(receiver)?.toString() ?? "a proxy";
    throw new ColloquyError(
      "INVALID_ARGUMENT",
      `can't set ${quoted(String(name))} of ${where}: what is remote is called only; a method there has to set it`,
    );
  },
  has: () => false,
});
