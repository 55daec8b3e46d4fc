import { ColloquyError, SerializationError, quoted, readException, rejection, timerMs } from "@colloquy/core";
import type { ErrorRules, PendingCall } from "@colloquy/core";
import { addAbortListener, removeAbortListener } from "./abort-listeners.ts";
import { signalsOf } from "./call-limits.ts";
import { addChainCall } from "./call-chains.ts";
import { tooManyHops } from "./call-meta.ts";
import type { InheritedContext } from "./context.ts";
import { ignore } from "./guard.ts";
import type { CallWatcher } from "./hooks.ts";
import { IncomingStream } from "./incoming-stream.ts";
import { metaOf } from "./metadata.ts";
import type { Metadata } from "./metadata.ts";
import type { CallOptions, Caller, RemoteNode } from "./proxy.ts";

/** A connection that is busy for longer, without a pause, lets calls with a shorter time wait for no longer. */
const LONGEST_GRACE_MS = 1000;

/** A call that waits for its answer. Errors are made where the caller awaits, so that they carry its stack. */
export class Call implements PendingCall {
  id = -1;
  /** Keeps a received reference alive while it waits: collection never ends a call in flight. */
  node: RemoteNode | undefined;
  /** The connection that it leaves on: that of the node may be another one by now. */
  readonly connection: Caller;
  /** Streams of the other side among its arguments: one that is collected here ends there, where the callee may read it. */
  homeStreams: readonly object[] | undefined;
  /** What the caller got, where nobody has to await it. */
  promise: Promise<unknown> | undefined;
  readonly #resolve: (value: unknown) => void;
  readonly #watcher: CallWatcher | undefined;

  constructor(
    node: RemoteNode,
    connection: Caller,
    resolve: (value: unknown) => void,
    watcher: CallWatcher | undefined,
  ) {
    this.node = node;
    this.connection = connection;
    this.#resolve = resolve;
    this.#watcher = watcher;
  }

  onResult(value: unknown): void {
    this.#letGo();
    this.#watcher?.onResult();
    this.#resolve(value);
  }

  onException(content: unknown, rules: ErrorRules | undefined): void {
    const { node } = this;
    this.#letGo();
    const error = (): Error => readException(content, rules);
    if (this.#watcher !== undefined) this.#tellFailure(this.#watcher, error);
    this.#resolve(rejection(error, node));
  }

  onFailure(error: ColloquyError): void {
    const { node } = this;
    const named = error instanceof SerializationError ? atArgument(error, node?.path ?? "") : error;
    this.#letGo();
    if (this.#watcher !== undefined) this.#tellFailure(this.#watcher, () => named);
    this.#resolve(rejection(() => named.restated(), node));
  }

  #letGo(): void {
    this.node = undefined;
    this.homeStreams = undefined;
  }

  #tellFailure(watcher: CallWatcher, error: () => Error): void {
    // The promise isn't there yet where a call fails while it is made.
    if (watcher.mayBeLost) queueMicrotask(() => void this.promise?.catch(ignore));
    watcher.onFailure(error);
  }
}

/** The content of a request is `[path, args, kwargs]`; its caller thinks in arguments. */
function atArgument(error: SerializationError, path: string): SerializationError {
  const [part, which, ...place] = error.place;
  if (which === undefined || typeof which === "object" || (part !== 1 && part !== 2)) return error;
  const argument = typeof which === "number" ? `argument ${which + 1}` : `argument ${quoted(which)}`;
  const { limit } = error;
  const cause = error.cause === undefined ? {} : { cause: error.cause };
  return new SerializationError(`${argument} of ${quoted(path)}: ${error.reason}`, { ...cause, limit, place });
}

/** How a call ends before its answer. */
export interface CallEnd {
  /** What the callee is told. */
  readonly code: "CANCELLED" | "DEADLINE_EXCEEDED";
  /** Makes the error of the call. */
  error(executed: "no" | "unknown"): ColloquyError;
}

/** What has come so far on a connection. */
export interface Arrived {
  readonly receivedBytes: number;
  /** For so long there has been more to handle than there was time for. */
  readonly behindMs: number;
}

/** What a call with limits needs of its connection. */
export interface LimitedCallHost {
  /** Gives a call up, at the other side too, where it has left. False: it never will. `end` is what it fails with. */
  giveUp(call: Call, end?: CallEnd): boolean;
  readonly arrived: Arrived;
}

/** What a request tells of a call beside path and arguments. */
export interface SentMeta {
  readonly deadline?: number;
  readonly hops?: number;
  readonly idempotent?: true;
  readonly data?: Metadata;
  readonly trace?: string;
  readonly chain?: readonly string[];
}

/** True for a call that can end before its answer, or that tells the other side of itself: it takes a `LimitedCall`. */
export function isLimited({ timeout, signal, context, metadata, trace, idempotent }: CallOptions): boolean {
  return (
    idempotent === true ||
    timeout !== undefined ||
    signal !== undefined ||
    context !== undefined ||
    metadata !== undefined ||
    trace !== undefined
  );
}

/**
 * A call with a time limit or a signal, of its own or of the call that it is made for, or with something to tell beside its
 * arguments.
 */
export class LimitedCall extends Call {
  readonly #host: LimitedCallHost;
  readonly #signals: readonly AbortSignal[];
  readonly #onAbort = (reason: unknown): void => this.#cancel(reason);
  readonly #timeout: number;
  readonly #hops: number;
  readonly #tags: Pick<SentMeta, "data" | "trace" | "idempotent" | "chain"> | undefined;
  /** Where a chain waits for it. */
  readonly #leaveChain: (() => void) | undefined;
  #timer: NodeJS.Timeout | undefined;
  #start = 0;
  #settled = false;

  constructor(
    node: RemoteNode,
    connection: Caller,
    resolve: (value: unknown) => void,
    watcher: CallWatcher | undefined,
    { timeout = Infinity, signal, context, metadata, trace, idempotent = false }: CallOptions,
    host: LimitedCallHost,
    chain?: readonly string[],
  ) {
    super(node, connection, resolve, watcher);
    this.#host = host;
    this.#timeout = Math.min(timeout, leftOf(context));
    this.#hops = context === undefined ? 0 : context.hops + 1;
    const tags = metaOf({ metadata, trace: trace ?? context?.trace });
    const all = idempotent ? { ...tags, idempotent } : tags;
    this.#tags = chain === undefined ? all : { ...all, chain };
    this.#leaveChain = chain && addChainCall(chain, connection);
    this.#signals = signalsOf({ signal, context });
    for (const given of this.#signals) addAbortListener(given, this.#onAbort);
    // The time counts from when the request leaves, at the end of this turn: work until then is no delay of the peer's.
    if (this.#timeout !== Infinity) process.nextTick(() => this.#startTimer());
  }

  /** For a peer that said hello. The time that is left is that of when it is encoded. */
  get meta(): SentMeta | undefined {
    const rest = this.#hops > 0 ? { hops: this.#hops, ...this.#tags } : this.#tags;
    if (this.#timeout === Infinity) return rest;
    const left = (): number => Math.max(0, Math.ceil(this.leftMs));
    return {
      get deadline() {
        return left();
      },
      ...rest,
    };
  }

  /** What a plain peer can't be told, and the callee may need. */
  get metadata(): Metadata | undefined {
    return this.#tags?.data;
  }

  get idempotent(): boolean {
    return this.#tags?.idempotent === true;
  }

  get settled(): boolean {
    return this.#settled;
  }

  /** Milliseconds that are left of its time. */
  get leftMs(): number {
    // What leaves in the turn in which it was called is in time.
    return this.#start === 0 ? Math.max(this.#timeout, 1) : this.#timeout - (performance.now() - this.#start);
  }

  #startTimer(): void {
    this.#start = performance.now();
    if (!this.#settled) this.#arm(this.#timeout);
  }

  #arm(milliseconds: number): void {
    this.#timer = setTimeout(() => this.#whenDue(), timerMs(milliseconds));
  }

  /** Timers count from the start of a turn, which may lie long before; a busy event loop makes them early. */
  #whenDue(): void {
    const left = this.leftMs;
    if (left >= 1) this.#arm(left);
    else this.#beginToExpire(-left);
  }

  /** As long again as it was late it looks for its answer, or as long as its connection has been busy with what came before that. */
  #beginToExpire(lateMs: number): void {
    const { receivedBytes, behindMs } = this.#host.arrived;
    const graceMs = Math.max(lateMs, Math.min(behindMs, Math.max(this.#timeout, LONGEST_GRACE_MS)));
    this.#expire(performance.now() + graceMs, receivedBytes);
  }

  override onResult(value: unknown): void {
    if (!this.settle()) return;
    // A call that returns a stream is given up as long as that is read.
    if (value instanceof IncomingStream && this.#signals.length > 0) value.endWith(this.#signals);
    super.onResult(value);
  }

  override onException(content: unknown, rules: ErrorRules | undefined): void {
    if (this.settle()) super.onException(content, rules);
  }

  override onFailure(error: ColloquyError): void {
    if (this.settle()) super.onFailure(error);
  }

  /**
   * A busy event loop runs late timers before it reads what has arrived in time: it gets a turn to do so, and more until that time, as
   * long as each brings something or more is to be handled.
   */
  #expire(until: number, before: number): void {
    setImmediate(() => {
      if (this.#settled) return;
      const { receivedBytes, behindMs } = this.#host.arrived;
      const goesOn = receivedBytes !== before || behindMs > 0;
      if (goesOn && performance.now() < until) return this.#expire(until, receivedBytes);
      const message = `no answer from ${String(this.node)} within ${Math.round(this.#timeout)} ms`;
      this.#leave("DEADLINE_EXCEEDED", (executed) => new ColloquyError("DEADLINE_EXCEEDED", message, { executed }));
    });
  }

  #cancel(cause: unknown): void {
    if (this.#settled) return;
    const message = `the call to ${String(this.node)} was cancelled`;
    // Where the time of the call is over that it is made for, the callee learns of that.
    const isLate = cause instanceof ColloquyError && cause.code === "DEADLINE_EXCEEDED";
    this.#leave(
      isLate ? "DEADLINE_EXCEEDED" : "CANCELLED",
      (executed) => new ColloquyError("CANCELLED", message, { cause, executed }),
    );
  }

  /** Stops waiting for the answer. */
  #leave(code: CallEnd["code"], error: CallEnd["error"]): void {
    this.settle();
    super.onFailure(error(this.#host.giveUp(this, { code, error }) ? "unknown" : "no"));
  }

  /** Ends its limits. False where it has settled before. */
  settle(): boolean {
    if (this.#settled) return false;
    this.#settled = true;
    this.#leaveChain?.();
    clearTimeout(this.#timer);
    for (const signal of this.#signals) removeAbortListener(signal, this.#onAbort);
    return true;
  }
}

/** Why a call with these options isn't even sent. */
export function refusalOf(options: CallOptions, maxHopCount: number): ColloquyError | undefined {
  const { context } = options;
  const aborted = signalsOf(options).find((given) => given.aborted);
  if (aborted !== undefined)
    return new ColloquyError("CANCELLED", "the call was cancelled before it was made", { cause: aborted.reason });
  if (leftOf(context) <= 0)
    return new ColloquyError("DEADLINE_EXCEEDED", "the time of the call that this one is made for is over");
  return context !== undefined && context.hops >= maxHopCount ? tooManyHops(maxHopCount) : undefined;
}

/** Milliseconds until a call has to end that is made for another one. */
export function leftOf(context: InheritedContext | undefined): number {
  return context?.deadline === undefined ? Infinity : context.deadline - performance.now();
}
