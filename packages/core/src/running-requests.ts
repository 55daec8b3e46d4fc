import type { ColloquyError } from "./errors.ts";
import { HeldBytes } from "./held-bytes.ts";
import type { MessageSize } from "./held-bytes.ts";
import type { Limits } from "./limits.ts";
import { refusal } from "./refusal.ts";
import type { RunningTotal } from "./running-total.ts";

const NONE: Map<number, number> = new Map();

/** The requests of the other side that have no answer yet, by id, with what they hold. */
export class RunningRequests {
  /** Few connections ever have one that takes more than its turn. */
  #ids: Map<number, number> = NONE;
  /** Those of a connection that has ended whose handlers go on, where they count. */
  #orphans: Map<number, number> = NONE;
  /** What runs on all connections of the server; whoever carries requests out asks it. */
  total: RunningTotal | undefined;
  readonly #held: HeldBytes;
  readonly #maxCount: number;
  #full: ColloquyError | undefined;
  /** The request whose handler runs right now; most are answered before it returns and never reach a table. */
  #current = -1;

  constructor(limits: Limits, message: MessageSize) {
    this.#held = new HeldBytes(limits, message);
    this.#maxCount = limits.maxRunningCount;
  }

  /** Why a request is refused, beside which `waitingCount` answers have no room in the output yet. */
  refusalOf(content: unknown, waitingCount: number): ColloquyError | undefined {
    if (this.size + waitingCount < this.#maxCount) return this.admit(content);
    const reason = `${this.#maxCount} calls of this connection run already (maxRunningCount)`;
    // One for all: a peer can ask for many.
    return (this.#full ??= refusal("RESOURCE_EXHAUSTED", reason, { limit: "maxRunningCount" }));
  }

  /** Why a notification is refused. */
  admit(content: unknown): ColloquyError | undefined {
    return this.#held.admit(content);
  }

  /** The notification that is handled right now goes on. Returns what is to be called when its handler has ended. */
  keepNotification(): () => void {
    const kept = this.#held.keep();
    const { total } = this;
    if (total !== undefined) total.count++;
    return () => {
      this.#held.release(kept);
      if (total !== undefined) total.count--;
    };
  }

  /**
   * A handler holds so many bytes beside its message. Returns what is to be called when it doesn't any more.
   *
   * @throws ColloquyError `RESOURCE_EXHAUSTED`
   */
  hold(bytes: number): () => void {
    this.#held.add(bytes);
    return () => this.#held.remove(bytes);
  }

  /** What they and running notifications hold. */
  get heldBytes(): number {
    return this.#held.held;
  }

  /** Those whose handlers have returned. */
  get size(): number {
    return this.#ids.size;
  }

  get isEmpty(): boolean {
    return this.#ids.size === 0 && this.#current < 0;
  }

  has(id: number): boolean {
    return this.#ids.has(id);
  }

  /** The handler of a request is called. */
  begin(id: number): void {
    this.#current = id;
  }

  /** It has returned; a request without an answer is kept. */
  end(id: number, isKept: boolean): void {
    if (this.#current === id && isKept) {
      if (this.#ids === NONE) this.#ids = new Map();
      this.#ids.set(id, this.#held.keep());
      if (this.total !== undefined) this.total.count++;
    }
    this.#current = -1;
  }

  /** A request is answered. False: it has been already, or there is none. */
  settle(id: number): boolean {
    if (this.#current === id) {
      this.#current = -1;
      return true;
    }
    const kept = this.#ids.get(id);
    if (kept === undefined) {
      if (this.#orphans.delete(id)) this.total!.count--;
      return false;
    }
    this.#held.release(kept);
    if (this.total !== undefined) this.total.count--;
    return this.#ids.delete(id);
  }

  clear(): void {
    if (this.total !== undefined) this.#orphans = this.#ids;
    this.#ids = NONE;
    this.#held.clear();
  }
}
