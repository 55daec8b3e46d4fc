import { ColloquyError, rejection } from "@colloquy/core";
import { Answer } from "./answer.ts";
import { signalsOf } from "./call-limits.ts";
import { LimitedCall, refusalOf } from "./call.ts";
import type { Arrived, Call, CallEnd, LimitedCallHost } from "./call.ts";
import { IncomingStream } from "./incoming-stream.ts";
import type { CallOptions, Caller, RemoteNode } from "./proxy.ts";

/** Sends one request, within the limits of the call that it is made for. */
export type SendOne = (node: RemoteNode, args: unknown[], options: CallOptions | undefined) => Promise<unknown>;

/** What sends requests. */
export interface SendingHost extends LimitedCallHost {
  readonly send: SendOne;
}

/**
 * A call that isn't one request from its start to its end: interceptors stand around it, or it waits before it is sent. Its time and its
 * signals hold from when it is made for all that it does. What `make` sends by `send` has no more time than what is left, is given up
 * with the call, and isn't sent any more once that has ended.
 */
export function callWithin(
  host: SendingHost,
  caller: Caller,
  node: RemoteNode,
  options: CallOptions,
  make: (send: SendOne) => Promise<unknown>,
): Answer<unknown> {
  const refusal = refusalOf(options, Infinity);
  if (refusal !== undefined) return new Answer((resolve) => resolve(rejection(() => refusal)));
  return new Answer((resolve) => {
    const chain = new LimitedChain(host, caller, node, options, resolve);
    make((...request) => chain.send(...request)).then(
      (value) => chain.settle(value),
      (error: unknown) => chain.fail(error),
    );
  });
}

/** True for options that end a call before its answer. */
export function hasLimits({ timeout, signal, context }: CallOptions): boolean {
  return timeout !== undefined || signal !== undefined || context !== undefined;
}

class LimitedChain implements LimitedCallHost {
  readonly #host: SendingHost;
  readonly #resolve: (value: unknown) => void;
  readonly #signals: readonly AbortSignal[];
  /** Not a request itself: its time, its signals and its outcome. */
  readonly #whole: LimitedCall;
  readonly #underWay = new Set<Call>();
  #mayHaveRun = false;
  /** What it has ended with before its answer. */
  #end: CallEnd | undefined;

  constructor(
    host: SendingHost,
    caller: Caller,
    node: RemoteNode,
    { timeout, signal, context }: CallOptions,
    resolve: (value: unknown) => void,
  ) {
    this.#host = host;
    this.#resolve = resolve;
    const limits = {
      ...(timeout !== undefined && { timeout }),
      ...(signal && { signal }),
      ...(context && { context }),
    };
    this.#signals = signalsOf(limits);
    this.#whole = new LimitedCall(node, caller, resolve, undefined, limits, this);
  }

  get arrived(): Arrived {
    return this.#host.arrived;
  }

  send(node: RemoteNode, args: unknown[], options: CallOptions | undefined): Promise<unknown> {
    const end = this.#end;
    if (end !== undefined) return rejection(() => end.error("no"));
    const left = this.#whole.leftMs;
    // The timer is only late.
    if (left <= 0)
      return rejection(() => new ColloquyError("DEADLINE_EXCEEDED", `no time is left for ${String(node)}`));
    const { timeout } = options ?? {};
    const sent = this.#host.send(
      node,
      args,
      timeout === undefined ? options : { ...options, timeout: Math.min(timeout, left) },
    );
    this.#follow(sent, signalsOf(options));
    return sent;
  }

  settle(value: unknown): void {
    if (this.#whole.settle()) this.#resolve(value);
  }

  fail(error: unknown): void {
    if (this.#whole.settle()) this.#resolve(failureOf(error));
  }

  /** It ends before its answer: so does all that was sent for it. */
  giveUp(_whole: Call, end: CallEnd): boolean {
    this.#end = end;
    for (const call of this.#underWay) {
      const hasLeft = this.#host.giveUp(call, end);
      if (hasLeft) this.#mayHaveRun = true;
      call.onFailure(end.error(hasLeft ? "unknown" : "no"));
    }
    this.#underWay.clear();
    return this.#mayHaveRun;
  }

  #follow(sent: Promise<unknown>, signals: readonly AbortSignal[]): void {
    const call = sent instanceof Answer ? sent.call : undefined;
    if (call !== undefined) this.#underWay.add(call);
    const leave = (mayHaveRun: boolean): void => {
      if (call !== undefined) this.#underWay.delete(call);
      if (mayHaveRun) this.#mayHaveRun = true;
    };
    sent.then(
      (value) => {
        leave(true);
        // A stream is read under the limits that were handed on and those of the caller.
        if (value instanceof IncomingStream) value.endWith([...new Set([...signals, ...this.#signals])]);
      },
      (error: unknown) => leave(!(error instanceof ColloquyError) || error.executed !== "no"),
    );
  }
}

/** A failure of the library has the stack of whoever awaits the call; what else an interceptor throws keeps its own. */
export async function failureOf(error: unknown): Promise<never> {
  if (error instanceof ColloquyError) return rejection(() => error.restated());
  throw error;
}
