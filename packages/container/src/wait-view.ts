import type { Caller } from "@colloquy/rpc";

/** A call that waits for a slot of a mailbox. */
export interface WaitingEntry {
  /** Slots that wait for it. */
  readonly chain: readonly string[];
  /** Slots that it waits for: one of them has to end. */
  readonly holders: Holders;
  readonly isWaiting: boolean;
}

/** Whether something waits for a slot that is looked for; undefined where nobody has said so yet. */
export type Verdict = boolean | undefined;

/** A mailbox, as the slots of the calls that run in it. It stays the same object while they come and go. */
export type Holders = ReadonlySet<string>;

/** Who waits for whom, as far as it is known here. */
export interface WaitSource {
  isWanted(slot: string): boolean;
  /** The mailboxes of this container for which calls wait that a slot waits for, each once. */
  mailboxesOf(slot: string): Iterable<Holders>;
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
  /** The slots that wait for each mailbox, among those that were looked at. */
  readonly #waiting = new Map<Holders, string[]>();
  /** Mailboxes by the slots of what runs in them. */
  readonly #behind = new Map<string, Holders[]>();
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

  /** The slots that hold what the calls of this one wait for. Those of each mailbox come once, however many wait for it. */
  *#reachFrom(slot: string, { mailboxesOf }: WaitSource): Iterable<string> {
    for (const mailbox of mailboxesOf(slot)) {
      const waiting = this.#waiting.get(mailbox);
      if (waiting !== undefined) {
        waiting.push(slot);
        continue;
      }
      this.#waiting.set(mailbox, [slot]);
      for (const holder of mailbox) {
        const mailboxes = this.#behind.get(holder);
        if (mailboxes === undefined) this.#behind.set(holder, [mailbox]);
        else mailboxes.push(mailbox);
        yield holder;
      }
    }
  }

  #stuckBehind(slots: Iterable<string>): Set<string> {
    const stuck = new Set(slots);
    const stuckHolderCounts = new Map<Holders, number>();
    for (const slot of stuck) {
      for (const mailbox of this.#behind.get(slot) ?? []) {
        const count = (stuckHolderCounts.get(mailbox) ?? 0) + 1;
        stuckHolderCounts.set(mailbox, count);
        if (count === mailbox.size) for (const waiting of this.#waiting.get(mailbox)!) stuck.add(waiting);
      }
    }
    return stuck;
  }
}
