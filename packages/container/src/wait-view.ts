import type { Caller } from "@colloquy/rpc";

/** A call that waits for a slot of a mailbox. */
export interface WaitingEntry {
  /** Slots that wait for it. */
  readonly chain: readonly string[];
  /** Slots that it waits for: one of them has to end. */
  readonly holders: ReadonlySet<string>;
  readonly isWaiting: boolean;
}

/** Whether something waits for a slot that is looked for; undefined where nobody has said so yet. */
export type Verdict = boolean | undefined;

/** Who waits for whom, as far as it is known here. */
export interface WaitSource {
  isWanted(slot: string): boolean;
  /** Calls that wait in this container and that a slot waits for. */
  entriesOf(slot: string): Iterable<WaitingEntry>;
  /** Connections to other containers with calls that a slot waits for. */
  peersOf(slot: string): Iterable<Caller>;
  /** Whether these calls are what makes it stuck. */
  answerOf(peer: Caller, slot: string): Verdict;
}

/**
 * What is stuck at one moment. A slot is, where it is wanted, where another container says so of calls to it, or where one of its calls
 * waits for a mailbox all of whose slots are stuck. It is the least set of slots for which that holds: those that wait for each
 * other in a ring aren't stuck by that alone.
 */
export class WaitView {
  /** Slots that others may know more of, by the connections to them. */
  readonly open: Map<Caller, string[]> = new Map();
  /** Entries by the slots that they wait for. */
  readonly #behind = new Map<string, Set<WaitingEntry>>();
  readonly #stuck: ReadonlySet<string>;
  /** Where all that is open were stuck. */
  readonly #maybeStuck: ReadonlySet<string>;

  constructor(starts: Iterable<string>, source: WaitSource) {
    const reached = new Set(starts);
    const sure: string[] = [];
    for (const slot of reached) {
      if (source.isWanted(slot) || this.#isStuckElsewhere(slot, source)) sure.push(slot);
      else for (const holder of this.#reachFrom(slot, source)) reached.add(holder);
    }
    this.#stuck = this.#stuckBehind(sure);
    this.#maybeStuck = this.open.size === 0 ? this.#stuck : this.#stuckBehind([...sure, ...this.open.values()].flat());
  }

  verdictOf(slot: string): Verdict {
    if (this.#stuck.has(slot)) return true;
    return this.#maybeStuck.has(slot) ? undefined : false;
  }

  /** Whether all of some slots are stuck. */
  verdictOfAll(slots: Iterable<string>): Verdict {
    const verdicts = Array.from(slots, (slot) => this.verdictOf(slot));
    if (verdicts.includes(false)) return false;
    return verdicts.includes(undefined) ? undefined : true;
  }

  #isStuckElsewhere(slot: string, { peersOf, answerOf }: WaitSource): boolean {
    const silent: Caller[] = [];
    for (const peer of peersOf(slot)) {
      const answer = answerOf(peer, slot);
      if (answer === true) return true;
      if (answer === undefined) silent.push(peer);
    }
    for (const peer of silent) {
      const slots = this.open.get(peer);
      if (slots === undefined) this.open.set(peer, [slot]);
      else slots.push(slot);
    }
    return false;
  }

  /** The slots that hold what the calls of this one wait for. */
  *#reachFrom(slot: string, { entriesOf }: WaitSource): Iterable<string> {
    for (const entry of entriesOf(slot)) {
      for (const holder of entry.holders) {
        const entries = this.#behind.get(holder);
        if (entries === undefined) this.#behind.set(holder, new Set([entry]));
        else entries.add(entry);
        yield holder;
      }
    }
  }

  #stuckBehind(slots: Iterable<string>): Set<string> {
    const stuck = new Set(slots);
    const stuckHolderCounts = new Map<WaitingEntry, number>();
    for (const slot of stuck) {
      for (const entry of this.#behind.get(slot) ?? []) {
        const count = (stuckHolderCounts.get(entry) ?? 0) + 1;
        stuckHolderCounts.set(entry, count);
        if (count === entry.holders.size) for (const waiting of entry.chain) stuck.add(waiting);
      }
    }
    return stuck;
  }
}
