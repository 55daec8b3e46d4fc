import { ColloquyError, rejection, timerMs } from "@colloquy/core";
import type { Limits } from "@colloquy/core";
import { addAbortListener, removeAbortListener } from "./abort-listeners.ts";
import { Answer } from "./answer.ts";
import { keepChain } from "./call-chains.ts";
import { optionsAfter, signalsOf } from "./call-limits.ts";
import { leftOf, refusalOf } from "./call.ts";
import type { CallOptions, Caller, RemoteNode } from "./proxy.ts";
import { takePromises } from "./pending-arguments.ts";
import { targetRefusal } from "./refusals.ts";

/** What takes calls once it is there. */
export interface OpenCaller extends Caller {
  readonly usable: boolean;
}

/** Something that waits for a connection. One of the two functions is called, once. */
interface Waiting {
  send(caller: Caller): void;
  fail(error: ColloquyError): void;
}

/** Calls and notifications that were made while there was no connection, in their order. */
export class WaitingCalls {
  /** In the order of insertion. */
  readonly #waiting = new Set<Waiting>();
  readonly #limits: Limits;
  readonly #failure: () => unknown;

  /** `failure` is why there is no connection, as far as that is known. */
  constructor(limits: Limits, failure: () => unknown) {
    this.#limits = limits;
    this.#failure = failure;
  }

  get size(): number {
    return this.#waiting.size;
  }

  /** Settles as a call does. Without a connection in its time: `DEADLINE_EXCEEDED`, `CANCELLED`; with too many that wait `RESOURCE_EXHAUSTED`. */
  call(node: RemoteNode, args: unknown[], options: CallOptions | undefined): Promise<unknown> {
    const refusal = this.#refusalOf(node, options);
    if (refusal !== undefined) return failed(refusal, args, options);
    takePromises(args, options);
    return new Answer((resolve) => {
      const leave = (left: Waiting): void => void this.#waiting.delete(left);
      const call = new WaitingCall({ node, args, options, resolve, leave, failure: this.#failure });
      this.#waiting.add(call);
    });
  }

  /** `onFailure` is told where it can't be sent. */
  notify(node: RemoteNode, args: unknown[], onFailure: (error: unknown) => void): void {
    takePromises(args, node.options);
    const refusal = this.#refusalOf(node, undefined);
    if (refusal !== undefined) return onFailure(refusal);
    const send = (caller: Caller): void => {
      try {
        caller.notify(node, args);
      } catch (error) {
        onFailure(error);
      }
    };
    this.#waiting.add({ send, fail: onFailure });
  }

  /** Resolves when what waits now has been sent, or has failed. */
  async passed(): Promise<void> {
    if (this.#waiting.size === 0) return;
    await new Promise<void>((resolve) => {
      const done = (): void => resolve();
      this.#waiting.add({ send: done, fail: done });
    });
  }

  /** Sends all that waits, and what comes meanwhile. The rest stays where the connection is lost again. */
  sendAll(caller: OpenCaller): void {
    for (const waiting of this.#waiting) {
      if (!caller.usable) return;
      this.#waiting.delete(waiting);
      waiting.send(caller);
    }
  }

  failAll(error: ColloquyError): void {
    for (const waiting of this.#waiting) {
      this.#waiting.delete(waiting);
      waiting.fail(error);
    }
  }

  #refusalOf(node: RemoteNode, options: CallOptions | undefined): ColloquyError | undefined {
    const { maxPendingCount, maxHopCount } = this.#limits;
    if (this.#waiting.size >= maxPendingCount) {
      const reason = `${maxPendingCount} calls wait for a connection to ${node.caller.remoteAddress} already (maxPendingCount)`;
      return new ColloquyError("RESOURCE_EXHAUSTED", reason, { limit: "maxPendingCount" });
    }
    return targetRefusal(node, false) ?? (options && refusalOf(options, maxHopCount));
  }
}

/** What a call returns that fails at once. */
export function failed(
  error: ColloquyError,
  args: readonly unknown[],
  options: CallOptions | undefined,
): Promise<unknown> {
  takePromises(args, options);
  return new Answer((resolve) => resolve(rejection(() => error)));
}

interface WaitingCallSetup {
  readonly node: RemoteNode;
  readonly args: unknown[];
  readonly options: CallOptions | undefined;
  readonly resolve: (value: unknown) => void;
  readonly failure: () => unknown;
  /** It waits no more, of its own accord. */
  readonly leave: (call: Waiting) => void;
}

class WaitingCall implements Waiting {
  readonly #setup: WaitingCallSetup;
  readonly #start: number = performance.now();
  readonly #signals: readonly AbortSignal[];
  readonly #onAbort = (reason: unknown): void => this.#cancel(reason);
  readonly #timer: NodeJS.Timeout | undefined;
  readonly #inChain = keepChain();
  #settled = false;

  constructor(setup: WaitingCallSetup) {
    this.#setup = setup;
    const { context, timeout = Infinity } = setup.options ?? {};
    this.#signals = signalsOf(setup.options);
    for (const given of this.#signals) addAbortListener(given, this.#onAbort);
    const milliseconds = Math.min(timeout, leftOf(context));
    if (milliseconds !== Infinity) this.#timer = setTimeout(() => this.#expire(milliseconds), timerMs(milliseconds));
  }

  send(caller: Caller): void {
    this.#settle();
    const { node, args, options, resolve } = this.#setup;
    const left = optionsAfter(performance.now() - this.#start, options);
    resolve(this.#inChain(() => caller.call(node, args, left)));
  }

  fail(error: ColloquyError): void {
    this.#settle();
    this.#setup.resolve(rejection(() => error.restated()));
  }

  /** A busy event loop makes timers late: a connection that has come about meanwhile goes first. */
  #expire(milliseconds: number): void {
    setImmediate(() => {
      const reason = `no connection for ${this.#setup.node.toString()} within ${Math.round(milliseconds)} ms`;
      const cause = this.#setup.failure();
      this.#leave(new ColloquyError("DEADLINE_EXCEEDED", reason, cause === undefined ? {} : { cause }));
    });
  }

  #cancel(cause: unknown): void {
    this.#leave(new ColloquyError("CANCELLED", `the call to ${this.#setup.node.toString()} was cancelled`, { cause }));
  }

  #leave(error: ColloquyError): void {
    if (this.#settled) return;
    this.#setup.leave(this);
    this.fail(error);
  }

  #settle(): void {
    this.#settled = true;
    clearTimeout(this.#timer);
    for (const signal of this.#signals) removeAbortListener(signal, this.#onAbort);
  }
}
