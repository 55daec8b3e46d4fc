import { ColloquyError } from "@colloquy/core";
import { Backoff, pause } from "./backoff.ts";
import { signalsOf } from "./call-limits.ts";
import { leftOf } from "./call.ts";
import { Answer } from "./answer.ts";
import type { CallOptions, RemoteNode } from "./proxy.ts";

/** What may be otherwise a moment later. */
const TRANSIENT: ReadonlySet<string> = new Set(["UNAVAILABLE", "CONNECTION_LOST", "RESOURCE_EXHAUSTED"]);

/**
 * Makes a call, and makes it again where that is asked for and safe: it has surely not run, or it is idempotent. Between two attempts
 * it waits, longer and longer. The time and the signal of the call are for all attempts together.
 */
export function callWithRetries(node: RemoteNode, args: unknown[], options: CallOptions): Promise<unknown> {
  const answer = new Answer<unknown>((resolve) => resolve(new RetriedCall(node, args, options).run()));
  // Nobody has to await a call on a received function.
  if (node.isReferencedFunction) answer.catch(() => undefined);
  return answer;
}

class RetriedCall {
  readonly #node: RemoteNode;
  readonly #args: unknown[];
  readonly #options: CallOptions;
  readonly #until: number;
  readonly #signals: readonly AbortSignal[];
  readonly #backoff = new Backoff();
  #left: number;
  /** An attempt may have run: then it may have run whatever becomes of the next. */
  #mayHaveRun = false;

  constructor(node: RemoteNode, args: unknown[], options: CallOptions) {
    this.#node = node;
    this.#args = args;
    this.#options = options;
    this.#left = options.retries ?? 0;
    this.#until = performance.now() + Math.min(options.timeout ?? Infinity, leftOf(options.context));
    this.#signals = signalsOf(options);
  }

  async run(): Promise<unknown> {
    for (let attempt = this.#options; ; attempt = this.#remaining()) {
      try {
        return await this.#node.caller.call(this.#node, this.#args, attempt);
      } catch (error) {
        if (!this.#isRetried(error)) throw this.#told(error);
        if (!(await this.#pause())) throw this.#told(error);
      }
    }
  }

  #isRetried(error: unknown): boolean {
    if (this.#left === 0 || !(error instanceof ColloquyError) || !TRANSIENT.has(error.code)) return false;
    if (error.executed === "unknown") this.#mayHaveRun = true;
    if (error.executed === "yes" || (error.executed === "unknown" && this.#options.idempotent !== true)) return false;
    this.#left--;
    return true;
  }

  /** Resolves with false where the time is up, or the call is given up, before the next attempt: then it fails as it has. */
  async #pause(): Promise<boolean> {
    const milliseconds = this.#backoff.next();
    if (this.#signals.some(({ aborted }) => aborted) || performance.now() + milliseconds >= this.#until) return false;
    await pause(milliseconds, this.#signals);
    return true;
  }

  #remaining(): CallOptions {
    const { timeout } = this.#options;
    if (timeout === undefined) return this.#options;
    return { ...this.#options, timeout: Math.max(this.#until - performance.now(), 0) };
  }

  /** The failure of the last attempt says what is known of all. */
  #told(error: unknown): unknown {
    if (!this.#mayHaveRun || !(error instanceof ColloquyError) || error.executed !== "no") return error;
    return Object.defineProperty(error, "executed", { value: "unknown", enumerable: true });
  }
}
