import { RemoteNode, SlotTable, chainCallsOf, chainSlotOf, digestOf, withoutChain } from "@colloquy/rpc";
import type { ChainCall } from "@colloquy/rpc";

/** A call that waits for a slot of a mailbox. */
export interface WaitingEntry {
  /** Slots that wait for it. */
  readonly chain: readonly string[];
  /** Slots that it waits for: one of them has to end. */
  readonly holders: ReadonlySet<string>;
  readonly isWaiting: boolean;
}

/** Where containers ask each other. */
export const WAITS_PATH = "mailboxes/waits";

/** Questions that one may lead to, from container to container. */
export const MAX_QUESTION_DEPTH = 8;
const QUESTION_TIMEOUT_MS = 5000;
/** In a cycle over two containers both may see it. One waits for so many answers more, in which time the other's call fails. */
const PATIENT_ROUND_COUNT = 2;

/** A search for slots in one moment. */
interface Search {
  /** Names of the slots that are looked for: themselves within a container, their digests where another one asks or is asked. */
  readonly wanted: ReadonlySet<string>;
  readonly nameOf: (slot: string) => string;
  readonly seen: Set<string>;
  /** What other containers have said of calls to them. */
  readonly answers: ReadonlyMap<ChainCall, boolean>;
  /** Calls to other containers that nothing is known of, and the slot each is made from. */
  readonly unknown: Map<ChainCall, string>;
}

/**
 * Who waits for whom among the handlers of one container. A slot is stuck on others where a call of its handler waits for a mailbox all
 * of whose slots are, or are among these. A handler is taken to wait for every call that it has made.
 */
export class WaitGraph {
  readonly #root: string;
  readonly #waiting = new SlotTable<WaitingEntry>();
  #size = 0;

  /** `root` is the name under which this container is known to others. */
  constructor(root: string) {
    this.#root = root;
  }

  /** Calls that wait. */
  get size(): number {
    return this.#size;
  }

  add(entry: WaitingEntry): void {
    this.#size++;
    this.#waiting.add(entry.chain, entry);
  }

  /** Each entry once. */
  remove(entry: WaitingEntry): void {
    this.#size--;
    this.#waiting.remove(entry.chain, entry);
  }

  /** Whether an entry waits for itself: true, false, or a promise where that is for other containers to say. */
  isDeadlocked(entry: WaitingEntry): boolean | Promise<boolean> {
    if (entry.chain.length === 0) return false;
    const search = newSearch(entry.chain, ITSELF, new Map());
    if (this.#areStuck(entry.holders, search)) return true;
    return search.unknown.size > 0 && this.#ask(entry);
  }

  /** Whether a slot is stuck on one of `wanted`, all by their digests: the answer to another container. */
  async isStuck(digest: string, wanted: readonly string[], depth: number): Promise<boolean> {
    const slot = this.#waiting.find(digest) ?? chainSlotOf(digest);
    // Nothing that it does waits here.
    return slot !== undefined && this.#settled([slot], wanted, depth);
  }

  async #ask(entry: WaitingEntry): Promise<boolean> {
    // The call whose own slot is named later fails first: in any cycle there is one.
    const own = entry.chain.at(-1)!;
    const isPatient = [...entry.holders].some((holder) => own < holder);
    const wanted = entry.chain.map(digestOf);
    for (let rounds = isPatient ? PATIENT_ROUND_COUNT : 0; entry.isWaiting; rounds--) {
      if (!(await this.#settled(entry.holders, wanted, MAX_QUESTION_DEPTH))) return false;
      if (rounds === 0) return entry.isWaiting;
    }
    return false;
  }

  /** `wanted` are digests. */
  async #settled(slots: Iterable<string>, wanted: readonly string[], depth: number): Promise<boolean> {
    const answers = new Map<ChainCall, boolean>();
    for (;;) {
      const search = newSearch(wanted, digestOf, answers);
      if (this.#areStuck(slots, search)) return true;
      if (search.unknown.size === 0 || depth <= 0) return false;
      const asked = [...search.unknown].map(async ([call, slot]) => {
        answers.set(call, await question(call, slot, wanted, depth - 1));
      });
      await Promise.all(asked);
    }
  }

  #areStuck(slots: Iterable<string>, search: Search): boolean {
    for (const slot of slots) if (!this.#isSlotStuck(slot, search)) return false;
    return true;
  }

  #isSlotStuck(slot: string, search: Search): boolean {
    const { wanted, nameOf, seen, answers, unknown } = search;
    if (wanted.has(nameOf(slot))) return true;
    if (seen.has(slot)) return false;
    seen.add(slot);
    for (const entry of this.#waiting.of(slot)) if (this.#areStuck(entry.holders, search)) return true;
    for (const call of chainCallsOf(slot)) {
      const answer = answers.get(call);
      if (answer === true) return true;
      const { root } = call.connection;
      if (answer === undefined && root !== undefined && root !== this.#root) unknown.set(call, slot);
    }
    return false;
  }
}

const ITSELF = (slot: string): string => slot;

function newSearch(
  wanted: readonly string[],
  nameOf: Search["nameOf"],
  answers: ReadonlyMap<ChainCall, boolean>,
): Search {
  return { wanted: new Set(wanted), nameOf, seen: new Set(), answers, unknown: new Map() };
}

/**
 * A peer that is no container, or that is lost, knows of nothing that waits. It may be anybody, so it gets no slots. Where it lies, calls
 * fail that wait for one that it could leave without an answer as well.
 */
async function question(call: ChainCall, slot: string, wanted: readonly string[], depth: number): Promise<boolean> {
  const { connection } = call;
  const node = new RemoteNode(connection, WAITS_PATH, undefined, false);
  try {
    const args = [digestOf(slot), [...wanted], depth];
    return (await withoutChain(() => connection.call(node, args, { timeout: QUESTION_TIMEOUT_MS }))) === true;
  } catch {
    return false;
  }
}
