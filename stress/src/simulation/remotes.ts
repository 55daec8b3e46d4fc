import { notify, pipeline, release, withOptions } from "@colloquy/rpc";
import type { CallContext, CallOptions } from "@colloquy/rpc";
import { PLANNED, type CallRecord, type CallTraits, type Ledger } from "./ledger.ts";
import { POOLED, type Production } from "./production.ts";
import type { SignalWatch } from "./signal-watch.ts";

type Fn = (...args: unknown[]) => Promise<unknown>;

/** A root of the other side. */
export type RemoteRoot = Readonly<Record<string, Fn>>;

/** A function of somebody else that this side has got. */
export interface Held {
  readonly call: Fn;
  /** Undefined where that isn't known. */
  readonly owner: string | undefined;
  readonly index: number;
  readonly connection: object | undefined;
  isReleased: boolean;
}

export interface CallSetup extends CallTraits {
  /** The connection that it leaves on, where it can be no other one. */
  readonly connection?: object | undefined;
  readonly options?: CallOptions;
  /** What the result has to be; default: the key of the call. */
  readonly expects?: (key: number) => number | undefined;
}

/** Makes the calls of the workload and enters what becomes of them. */
export class Remotes {
  readonly held: Held[] = [];
  readonly #ledger: Ledger;
  readonly #signals: SignalWatch;
  readonly #pause: () => Promise<void> | undefined;
  /** What is over when a stream is, of those that calls with signals have brought. */
  readonly #endings = new WeakMap<object, () => void>();

  /** `pause`: what readers of streams do between two items. */
  constructor(ledger: Ledger, signals: SignalWatch, pause: () => Promise<void> | undefined) {
    this.#ledger = ledger;
    this.#signals = signals;
    this.#pause = pause;
  }

  /** Calls a method. Rejects as the call does, after that is entered. */
  call(method: string, target: Fn, args: readonly unknown[], setup: CallSetup = {}): Promise<unknown> {
    const { connection, options, expects = same, ...traits } = setup;
    const record = this.#ledger.begin(method, connection, { ...traits, ...traitsOf(options) });
    if (options === undefined) return this.#entered(record, target(record.key, ...args), expects);
    const over = this.#signals.use(options);
    const promise = withOptions(target, options)(record.key, ...args);
    return this.#entered(record, promise, expects, over);
  }

  /** A signal that crosses, among the arguments of a call. */
  lend(signal: AbortSignal): AbortSignal {
    this.#signals.lend(signal);
    return signal;
  }

  notify(method: string, target: Fn, args: readonly unknown[], isUnordered: boolean): void {
    const record = this.#ledger.begin(method, undefined, { isNotification: true, isUnordered });
    notify(target)(record.key, ...args);
  }

  hold(call: Fn | (() => void), owner: string, index: number, connection: object): Held {
    return this.#add({ call: call as Fn, owner, index, connection });
  }

  /** Holds what a call has brought: of whichever process that was. */
  keep(call: () => void, index: number, connection: object | undefined): void {
    this.#add({ call: call as unknown as Fn, owner: undefined, index, connection });
  }

  /** It may have been released between its arrival and this moment, by another one who has got the same proxy. */
  #add(got: Omit<Held, "isReleased">): Held {
    const held = { ...got, isReleased: this.held.some(({ call, isReleased }) => isReleased && call === got.call) };
    this.held.push(held);
    return held;
  }

  /** Calls a function that was handed out, and says which one is meant. */
  callHeld(held: Held, options: CallOptions): Promise<unknown> {
    const setup = { options, isReleased: () => held.isReleased, ...connectionOf(held) };
    return this.call(POOLED, held.call, [held.owner, held.index], setup);
  }

  /** All that hold the same proxy lose it. */
  release(held: Held): void {
    for (const other of this.held) if (other.call === held.call) other.isReleased = true;
    release(held.call);
  }

  /** Calls back whoever has called. */
  async ask(context: CallContext, depth: number, isInherited: boolean): Promise<void> {
    const { asks } = context.connection.remote as unknown as RemoteRoot;
    // Where its side reconnects it may wait, as long as the connection isn't ready.
    const setup = { isUnordered: true, ...(isInherited ? { options: { context } } : {}) };
    await this.call("asks", asks!, [depth], setup).catch(() => {});
  }

  /** Calls the function that another call will result in, before it is there. */
  pipelineFunction(gives: Fn, index: number, isUnordered: boolean): void {
    this.#pipelined("gives", gives, index, isUnordered, (result) => result as Fn);
  }

  /** Calls a method of the service that another call will result in, before it is there. */
  pipelineService(givesService: Fn, index: number, isUnordered: boolean): void {
    this.#pipelined("givesService", givesService, index, isUnordered, (result) => (result as { inner: Fn }).inner);
  }

  /** Passes what another call will result in, before it is there. */
  passResult(later: Fn, takes: Fn, firstMs: number, secondMs: number, isUnordered: boolean): void {
    const first = this.#ledger.begin("later", undefined, { isUnordered });
    const promise = later(first.key, firstMs);
    const second = this.#ledger.begin("takes", undefined, { isUnordered: true });
    const taken = takes(second.key, promise, first.key, secondMs);
    for (const entered of [this.#entered(first, promise, same), this.#entered(second, taken, same)])
      entered.catch(() => {});
  }

  /** Reads at most `most` items of a stream, and holds them against what its producer makes. */
  async read(stream: AsyncIterable<unknown>, { count, failsAt }: Production, most: number): Promise<void> {
    const done = this.#ledger.busy();
    const end = failsAt < 0 ? count : failsAt;
    let next = 0;
    try {
      if (most === 0) return;
      for await (const item of stream) {
        if (item !== next) this.#ledger.break(`a stream brought ${String(item)} in the place of ${next}`);
        if (++next === most) return;
        const pause = this.#pause();
        if (pause !== undefined) await pause;
      }
      if (next !== end || failsAt >= 0) this.#ledger.break(`a stream has ended after ${next} items in place of ${end}`);
    } catch (error) {
      const { message, code } = error as { message: string; code?: unknown };
      const isPlanned = message.startsWith(PLANNED);
      if (isPlanned && next !== failsAt)
        this.#ledger.break(`a stream has failed after ${next} items in place of ${failsAt}`);
      if (code === "PROTOCOL_ERROR" || code === "INTERNAL") this.#ledger.break(`a stream has failed with ${message}`);
    } finally {
      done();
      if (most > 0) this.#endings.get(stream)?.();
    }
  }

  #pipelined(method: string, target: Fn, index: number, isUnordered: boolean, memberOf: (result: unknown) => Fn): void {
    const first = this.#ledger.begin(method, undefined, { isUnordered });
    const promise = target(first.key, index);
    const member = memberOf(pipeline(promise));
    // It may be a function that others hold, and release, too.
    const second = this.#ledger.begin(POOLED, undefined, { isUnordered: true, isReleased: () => true });
    const called = member(second.key, undefined, index);
    for (const entered of [this.#entered(first, promise, anything), this.#entered(second, called, same)])
      entered.catch(() => {});
  }

  async #entered(
    record: CallRecord,
    promise: Promise<unknown>,
    expects: (key: number) => number | undefined,
    over?: () => void,
  ): Promise<unknown> {
    let value: unknown;
    try {
      value = await promise;
    } catch (error) {
      over?.();
      this.#ledger.failure(record, error);
      throw error;
    }
    // The signals of a call end the stream, too, that it has brought.
    if (over !== undefined && isStream(value)) this.#endings.set(value, over);
    else over?.();
    this.#ledger.result(record, value, expects(record.key));
    return value;
  }
}

function isStream(value: unknown): value is object {
  return typeof value === "object" && value !== null && Symbol.asyncIterator in value;
}

function same(key: number): number {
  return key;
}

function anything(): undefined {
  return undefined;
}

function connectionOf({ connection }: Held): { readonly connection?: object } {
  return connection === undefined ? {} : { connection };
}

function traitsOf(options: CallOptions | undefined): CallTraits {
  if (options === undefined) return {};
  const { timeout, signal, context, retries, idempotent } = options;
  return {
    ...(timeout === undefined ? {} : { timeoutMs: timeout }),
    ...(signal === undefined && context === undefined ? {} : { isCancelled: true }),
    ...(retries === undefined ? {} : { isUnordered: true }),
    ...(idempotent === true ? { mayRepeat: true } : {}),
  };
}
