import { ColloquyError, SerializationError, quoted, readException, rejection, timerMs } from "@colloquy/core";
import type { PendingCall } from "@colloquy/core";
import type { CallOptions, RemoteNode } from "./proxy.ts";

/**
 * Learns of the failure of a call on a received function. Nobody has to await such a call: a notification to a subscriber who has
 * left is no unhandled rejection.
 */
export type LostListener = () => void;

/** A call that waits for its answer. Errors are made where the caller awaits, so that they carry its stack. */
export class Call implements PendingCall {
  id = -1;
  /** Keeps a received reference alive: collection never ends a call in flight. */
  readonly node: RemoteNode;
  /** What the caller got, where nobody has to await it. */
  promise: Promise<unknown> | undefined;
  readonly #resolve: (value: unknown) => void;
  readonly #onLost: LostListener | undefined;

  constructor(node: RemoteNode, resolve: (value: unknown) => void, onLost: LostListener | undefined) {
    this.node = node;
    this.#resolve = resolve;
    this.#onLost = onLost;
  }

  onResult(value: unknown): void {
    this.#resolve(value);
  }

  onException(content: unknown): void {
    this.#loseQuietly();
    this.#resolve(rejection(() => readException(content)));
  }

  onFailure(error: ColloquyError): void {
    this.#loseQuietly();
    const named = error instanceof SerializationError ? atArgument(error, this.node.path) : error;
    this.#resolve(rejection(() => named.restated()));
  }

  #loseQuietly(): void {
    if (this.#onLost === undefined) return;
    // The promise isn't there yet where a call fails while it is made.
    queueMicrotask(() => void this.promise?.catch(ignore));
    this.#onLost();
  }
}

/** The content of a request is `[path, args, kwargs]`; its caller thinks in arguments. */
function atArgument(error: SerializationError, path: string): SerializationError {
  const [part, which, ...place] = error.place;
  if (which === undefined || typeof which === "object" || (part !== 1 && part !== 2)) return error;
  const argument = typeof which === "number" ? `argument ${which + 1}` : `argument ${quoted(which)}`;
  const cause = error.cause === undefined ? {} : { cause: error.cause };
  return new SerializationError(`${argument} of ${quoted(path)}: ${error.reason}`, { ...cause, place });
}

/** Gives a call up, at the other side too, where it has left. False: it never will. */
export type GiveUp = (call: Call) => boolean;

/** A call with a time limit or a signal. */
export class LimitedCall extends Call {
  readonly #giveUp: GiveUp;
  readonly #signal: AbortSignal | undefined;
  readonly #onAbort = (): void => this.#cancel();
  readonly #timeout: number;
  #timer: NodeJS.Timeout | undefined;
  #start = 0;
  #settled = false;

  constructor(
    node: RemoteNode,
    resolve: (value: unknown) => void,
    onLost: LostListener | undefined,
    options: CallOptions,
    giveUp: GiveUp,
  ) {
    super(node, resolve, onLost);
    this.#giveUp = giveUp;
    this.#signal = options.signal;
    this.#timeout = options.timeout ?? Infinity;
    options.signal?.addEventListener("abort", this.#onAbort, { once: true });
    // The time counts from when the request leaves, at the end of this turn: work until then is no delay of the peer's.
    if (this.#timeout !== Infinity) process.nextTick(() => this.#startTimer());
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
    const left = this.#timeout - (performance.now() - this.#start);
    if (left >= 1) this.#arm(left);
    else this.#expire();
  }

  override onResult(value: unknown): void {
    if (this.#settle()) super.onResult(value);
  }

  override onException(content: unknown): void {
    if (this.#settle()) super.onException(content);
  }

  override onFailure(error: ColloquyError): void {
    if (this.#settle()) super.onFailure(error);
  }

  #expire(): void {
    // A busy event loop runs late timers before it reads what has arrived in time: it gets one turn to do so.
    setImmediate(() => {
      if (this.#settled) return;
      const message = `no answer from ${this.node.toString()} within ${this.#timeout} ms`;
      this.#leave((executed) => new ColloquyError("DEADLINE_EXCEEDED", message, { executed }));
    });
  }

  #cancel(): void {
    if (this.#settled) return;
    const message = `the call to ${this.node.toString()} was cancelled`;
    const cause: unknown = this.#signal?.reason;
    this.#leave((executed) => new ColloquyError("CANCELLED", message, { cause, executed }));
  }

  /** Stops waiting for the answer. */
  #leave(makeError: (executed: "no" | "unknown") => ColloquyError): void {
    this.#settle();
    super.onFailure(makeError(this.#giveUp(this) ? "unknown" : "no"));
  }

  #settle(): boolean {
    if (this.#settled) return false;
    this.#settled = true;
    clearTimeout(this.#timer);
    this.#signal?.removeEventListener("abort", this.#onAbort);
    return true;
  }
}

function ignore(): void {}
