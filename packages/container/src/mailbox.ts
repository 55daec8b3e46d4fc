import { ColloquyError, describeType } from "@colloquy/core";
import type { OptionKind } from "@colloquy/core";
import { currentChain, expose, notStarted, runInChain, service } from "@colloquy/rpc";
import type { CallContext, Gate, GatedCall } from "@colloquy/rpc";
import { Deadlocks } from "./deadlocks.ts";
import type { DeadlockSetup } from "./deadlocks.ts";
import { stoppedBeforeCall } from "./endings.ts";
import type { WaitingEntry } from "./wait-view.ts";

/**
 * How many calls of an agent run at a time: all that come (`"interleave"`), one (`"serial"`), or so many. Others wait in the order in
 * which they have come. Calls made by a handler, and by those that it calls, come back in without waiting.
 */
export type MailboxMode = "interleave" | "serial" | number;

/** As an option. */
export const MAILBOX: OptionKind = Object.freeze({
  takes: '"interleave", "serial" or a number from 1 on',
  accepts: (value: unknown) =>
    value === "interleave" || value === "serial" || (Number.isSafeInteger(value) && (value as number) >= 1),
});

/** An agent: its class may have a `static mailbox`. */
interface MailboxOwner {
  readonly constructor: { readonly name: string; readonly mailbox?: unknown };
  toString(): string;
}

const NO_SLOTS: readonly string[] = [];

/** The mailboxes of one container. */
export class Mailboxes {
  readonly #deadlocks: Deadlocks;
  readonly #newSlot: () => string;
  /** What other containers ask, where they look for a deadlock. */
  readonly service: object;

  constructor(setup: DeadlockSetup) {
    this.#deadlocks = new Deadlocks(setup);
    this.#newSlot = setup.newName;
    const waits = (
      slots: unknown,
      wanted: unknown,
      depth: unknown,
      search: unknown,
      { connection }: CallContext,
    ): unknown => this.#deadlocks.answer([slots, wanted, depth, search], connection);
    this.service = service({ waits: expose(waits, { context: true }) });
  }

  /** Calls that wait for their turn. */
  get waitingCount(): number {
    return this.#deadlocks.waitingCount;
  }

  /**
   * The mailbox of an agent; undefined where calls interleave. `mode` is that of the class (`static mailbox`) where it isn't given.
   *
   * @throws ColloquyError `INVALID_ARGUMENT`
   */
  of(agent: MailboxOwner, mode: unknown): Mailbox | undefined {
    const { name, mailbox } = agent.constructor;
    const wanted = mode ?? mailbox ?? "interleave";
    if (!MAILBOX.accepts(wanted)) {
      const given = typeof wanted === "string" || typeof wanted === "number" ? String(wanted) : describeType(wanted);
      throw new ColloquyError("INVALID_ARGUMENT", `${name}.mailbox is ${given}; it takes ${MAILBOX.takes}`);
    }
    if (wanted === "interleave") return undefined;
    const count = wanted === "serial" ? 1 : (wanted as number);
    return new Mailbox(count, this.#deadlocks, this.#newSlot, () => String(agent));
  }
}

/** Lets so many calls of one agent run at a time. */
export class Mailbox implements Gate {
  readonly #maxCount: number;
  readonly #deadlocks: Deadlocks;
  readonly #newSlot: () => string;
  readonly #agentName: () => string;
  /** Slots of the calls that run. */
  readonly #slots = new Set<string>();
  /** By slots: calls that have started within the one that has it, and go on. */
  readonly #withinCounts = new Map<string, number>();
  /** In the order in which they have come. */
  readonly #waiting = new Set<WaitingCall>();
  #isFilling = false;
  #isClosed = false;

  constructor(maxCount: number, deadlocks: Deadlocks, newSlot: () => string, agentName: () => string) {
    this.#maxCount = maxCount;
    this.#deadlocks = deadlocks;
    this.#newSlot = newSlot;
    this.#agentName = agentName;
  }

  pass(call: GatedCall): unknown {
    if (this.#isClosed) throw stoppedBeforeCall(this.#agentName());
    const chain = currentChain() ?? NO_SLOTS;
    const held = chain.findLast((slot) => this.#slots.has(slot));
    if (held !== undefined) return this.#startWithin(held, chain, call);
    if (this.#slots.size < this.#maxCount && this.#waiting.size === 0) return this.#start(chain, call);
    return this.#wait(chain, call);
  }

  /** The agent has ended: calls that wait fail, those that run go on. */
  close(): void {
    this.#isClosed = true;
    for (const waiting of this.#waiting) waiting.fail(stoppedBeforeCall(this.#agentName()));
  }

  #start(chain: readonly string[], call: GatedCall): unknown {
    const slot = this.#newSlot();
    this.#slots.add(slot);
    return this.#run([...chain, slot], slot, call);
  }

  /** A call of the chain that has the slot, which stays taken until both have ended: the outer one may be over first. */
  #startWithin(slot: string, chain: readonly string[], call: GatedCall): unknown {
    this.#withinCounts.set(slot, (this.#withinCounts.get(slot) ?? 0) + 1);
    return this.#run(chain, slot, call);
  }

  #run(chain: readonly string[], slot: string, call: GatedCall): unknown {
    return runInChain(
      chain,
      () => call.run(),
      () => this.#leave(slot),
    );
  }

  #leave(slot: string): void {
    const count = this.#withinCounts.get(slot);
    if (count === undefined) {
      this.#slots.delete(slot);
      return this.#fill();
    }
    if (count > 1) this.#withinCounts.set(slot, count - 1);
    else this.#withinCounts.delete(slot);
  }

  #wait(chain: readonly string[], call: GatedCall): Promise<unknown> {
    const leave = (left: WaitingCall): void => {
      this.#waiting.delete(left);
      this.#deadlocks.remove(left);
    };
    const { signal } = call;
    signal.throwIfAborted();
    const waiting = new WaitingCall(chain, this.#slots, call, leave);
    this.#deadlocks.add(waiting);
    const verdict = this.#deadlocks.isDeadlocked(waiting);
    if (verdict === true) {
      this.#deadlocks.remove(waiting);
      throw this.#deadlock();
    }
    this.#waiting.add(waiting);
    waiting.endWith(signal);
    if (verdict !== false) void this.#failIf(verdict, waiting);
    return waiting.result;
  }

  async #failIf(verdict: Promise<boolean>, waiting: WaitingCall): Promise<void> {
    if (await verdict) waiting.fail(this.#deadlock());
  }

  /** Starts those that wait, as far as there is room. One that ends at once comes back here. */
  #fill(): void {
    if (this.#isFilling) return;
    this.#isFilling = true;
    for (const waiting of this.#waiting) {
      if (this.#slots.size >= this.#maxCount) break;
      waiting.start((call) => this.#start(waiting.chain, call));
    }
    this.#isFilling = false;
  }

  #deadlock(): ColloquyError {
    const reason = "is busy with a call that waits for this one; let one of the two notify, or call from a task";
    return new ColloquyError("DEADLOCK", `${this.#agentName()} ${reason}`);
  }
}

class WaitingCall implements WaitingEntry {
  readonly chain: readonly string[];
  readonly holders: ReadonlySet<string>;
  readonly result: Promise<unknown>;
  isWaiting = true;
  readonly #call: GatedCall;
  readonly #leave: (call: WaitingCall) => void;
  #signal: AbortSignal | undefined;
  #resolve!: (value: unknown) => void;
  #reject!: (error: unknown) => void;

  constructor(
    chain: readonly string[],
    holders: ReadonlySet<string>,
    call: GatedCall,
    leave: (call: WaitingCall) => void,
  ) {
    this.chain = chain;
    this.holders = holders;
    this.#call = call;
    this.#leave = leave;
    this.result = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
  }

  endWith(signal: AbortSignal): void {
    this.#signal = signal;
    signal.addEventListener("abort", this.#onAbort, { once: true });
  }

  start(run: (call: GatedCall) => unknown): void {
    if (!this.#end()) return;
    try {
      this.#resolve(run(this.#call));
    } catch (error) {
      this.#reject(error);
    }
  }

  fail(error: ColloquyError): void {
    if (this.#end()) this.#reject(notStarted(error));
  }

  readonly #onAbort = (): void => {
    const reason: unknown = this.#signal?.reason;
    const { code, message } =
      reason instanceof ColloquyError ? reason : new ColloquyError("CANCELLED", "the call was given up");
    this.fail(new ColloquyError(code, message));
  };

  #end(): boolean {
    if (!this.isWaiting) return false;
    this.isWaiting = false;
    this.#signal?.removeEventListener("abort", this.#onAbort);
    this.#leave(this);
    return true;
  }
}
