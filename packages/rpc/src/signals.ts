import { PeerNumbers, SerializationError, describeType, estimateBytes } from "@colloquy/core";
import type { ColloquyError, DecodingBudget } from "@colloquy/core";
import { addAbortListener, removeAbortListener } from "./abort-listeners.ts";
import { collectGarbage } from "./collect.ts";
import { forgetCollected, held, whenCollected } from "./collected.ts";
import type { Collected } from "./collected.ts";
import { FIRED_SIGNAL_COST, SIGNAL_COST } from "./reference-cost.ts";

/** Tells the other side of this side's signals. */
export interface SignalTeller {
  /** Signal `id` has fired. */
  sendAborted(id: number, reason: unknown): void;
  /** Signal `id` can't fire any more: nothing on this side can reach it. */
  sendForgotten(id: number): void;
}

/** How many signals of each side may fire. */
export interface SignalCounts {
  readonly own: number;
  readonly theirs: number;
}

/** A signal of this side, and what listens to it for the other one. */
interface OwnSignal {
  readonly weak: Pick<WeakRef<AbortSignal>, "deref">;
  readonly onAbort: (reason: unknown) => void;
}

/** Signals that have fired lately: a large message that brings one may be overtaken, by few. */
const MAX_FIRED_COUNT = 64;
/** Of a longer reason that isn't kept the engine's own stands for it. */
const MOST_REASON_BYTES = 4096;
/** Signals from which on a collection is worth its time: those that nothing can fire are forgotten then. */
const COLLECTED_COUNT = 1000;

/**
 * AbortSignals that have crossed on one connection. Those of this side are held weakly: one that nothing can fire any more is
 * forgotten on both sides. Those of the other side live until they fire, are forgotten, or the connection ends, which fires
 * them: something may listen to them that nobody else holds.
 */
export class Signals {
  readonly #teller: SignalTeller;
  readonly #maxCount: number;
  readonly #keepsAll: boolean;
  #nextId = 1;
  /** All are made when the first signal crosses. */
  #ids: WeakMap<AbortSignal, number> | undefined;
  readonly #own = new Map<number, OwnSignal>();
  #theirs: PeerNumbers<AbortController> | undefined;
  /** Their numbers, by what stands for them here. */
  #theirIds: WeakMap<AbortSignal, number> | undefined;
  /** Those that have fired lately, the oldest first. */
  readonly #fired = new Map<number, unknown>();
  /** In this turn, for those that aren't kept here, by what they crossed as: the same one is one signal. */
  #passing: PeerNumbers<AbortSignal> | undefined;
  #collectAt = COLLECTED_COUNT;
  #closed = false;

  /** `keepsAll`: those of this side are held until they fire, so that collections don't show. */
  constructor(teller: SignalTeller, maxCount: number, keepsAll = false) {
    this.#keepsAll = keepsAll;
    this.#teller = teller;
    this.#maxCount = maxCount;
  }

  /** Those that may fire. */
  get counts(): SignalCounts {
    return { own: this.#own.size, theirs: this.#theirs?.size ?? 0 };
  }

  /** The data that stands for a signal, `docs/protocol.md` section 3. */
  write(signal: AbortSignal): unknown {
    // Its own side keeps none that has fired.
    if (signal.aborted) return [signal.reason];
    const theirs = this.#theirIds?.get(signal);
    if (theirs !== undefined) return -theirs;
    return this.#ids?.get(signal) ?? this.#enter(signal);
  }

  /** The signal of such data; one that is made for it is spent from the budget. @throws SerializationError */
  read(data: unknown, budget: DecodingBudget): AbortSignal {
    if (Array.isArray(data) && data.length === 1) {
      budget.spend(FIRED_SIGNAL_COST);
      return firedSignal(data[0]);
    }
    if (typeof data !== "number" || !Number.isSafeInteger(data) || data === 0)
      throw new SerializationError(`a signal is a number or [reason], not ${describeType(data)}`);
    if (-data >= this.#nextId) throw new SerializationError(`signal ${-data} comes home, but was never sent`);
    const known = data < 0 ? this.#own.get(-data)?.weak.deref() : this.#theirs?.get(data)?.signal;
    return known ?? this.#passing?.get(data) ?? this.#receive(data, budget);
  }

  /** One of the other side has fired. */
  onAborted(id: number, reason: unknown): void {
    // A large message that brings it, or brings it again, may still be on its way.
    this.#remember(id, reason);
    const controller = this.#theirs?.get(id);
    this.#theirs?.delete(id);
    controller?.abort(reason);
  }

  /** One of the other side can't fire any more. */
  onForgotten(id: number): void {
    this.#theirs?.delete(id);
    this.#fired.delete(id);
  }

  #remember(id: number, reason: unknown): void {
    this.#fired.delete(id);
    this.#fired.set(id, estimateBytes(reason, MOST_REASON_BYTES) > MOST_REASON_BYTES ? undefined : reason);
    if (this.#fired.size > MAX_FIRED_COUNT) this.#fired.delete(this.#fired.keys().next().value!);
  }

  /** The connection has ended: what the other side could have fired, fires. */
  close(reason: ColloquyError): void {
    this.#closed = true;
    forgetCollected(this);
    this.#fired.clear();
    const theirs = this.#theirs;
    this.#theirs = undefined;
    for (const { weak, onAbort } of this.#own.values()) {
      const signal = weak.deref();
      if (signal !== undefined) removeAbortListener(signal, onAbort);
    }
    this.#own.clear();
    for (const controller of theirs?.values() ?? []) controller.abort(reason);
  }

  #enter(signal: AbortSignal): number {
    const id = this.#nextId++;
    this.#ids ??= new WeakMap();
    this.#ids.set(signal, id);
    const onAbort = (reason: unknown): void => this.#fire(id, reason);
    this.#own.set(id, { weak: this.#keepsAll ? held(signal) : new WeakRef(signal), onAbort });
    addAbortListener(signal, onAbort);
    if (this.#keepsAll) return id;
    whenCollected(signal, this.#lost(id), this);
    if (this.#own.size >= this.#collectAt) this.#collect();
    return id;
  }

  /** Made here, where no closure holds the signal. */
  #lost(id: number): Collected {
    return { onCollected: () => this.#forget(id) };
  }

  #receive(id: number, budget: DecodingBudget): AbortSignal {
    budget.spend(this.#fired.has(id) ? FIRED_SIGNAL_COST : SIGNAL_COST);
    // One that was collected meanwhile never fires.
    if (id < 0) return this.#pass(id, new AbortController().signal);
    this.#theirs ??= new PeerNumbers();
    this.#theirIds ??= new WeakMap();
    if (this.#fired.has(id)) {
      const signal = firedSignal(this.#fired.get(id));
      this.#theirIds.set(signal, id);
      return this.#pass(id, signal);
    }
    if (this.#theirs.size >= this.#maxCount)
      throw new SerializationError(`the peer has handed out more than ${this.#maxCount} signals (maxReferenceCount)`, {
        limit: "maxReferenceCount",
      });
    const controller = new AbortController();
    this.#theirIds.set(controller.signal, id);
    this.#theirs.set(id, controller);
    return controller.signal;
  }

  #pass(data: number, signal: AbortSignal): AbortSignal {
    if (this.#passing === undefined) {
      this.#passing = new PeerNumbers();
      queueMicrotask(() => (this.#passing = undefined));
    }
    this.#passing.set(data, signal);
    return signal;
  }

  #fire(id: number, reason: unknown): void {
    if (!this.#own.delete(id) || this.#closed) return;
    this.#teller.sendAborted(id, reason);
  }

  #forget(id: number): void {
    if (!this.#own.delete(id) || this.#closed) return;
    this.#teller.sendForgotten(id);
  }

  /** In a turn of its own. */
  #collect(): void {
    this.#collectAt = Infinity;
    const wantedAt = performance.now();
    setImmediate(() => {
      collectGarbage(wantedAt);
      this.#collectAt = Math.max(COLLECTED_COUNT, 2 * this.#own.size);
    });
  }
}

/** The engine's own reason has a stack, which takes longest and tells nothing here. */
function firedSignal(reason: unknown): AbortSignal {
  if (reason !== undefined) return AbortSignal.abort(reason);
  const { stackTraceLimit } = Error;
  // Where intrinsics are frozen there is one.
  Reflect.set(Error, "stackTraceLimit", 0);
  const signal = AbortSignal.abort();
  Reflect.set(Error, "stackTraceLimit", stackTraceLimit);
  return signal;
}
