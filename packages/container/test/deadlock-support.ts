import { digestOf } from "@colloquy/rpc";
import type { Caller } from "@colloquy/rpc";
import { Deadlocks } from "../src/deadlocks.ts";
import type { DeadlockSetup } from "../src/deadlocks.ts";
import type { WaitingEntry } from "../src/wait-view.ts";

/** Names of slots that wait for one another, and where. */
export interface Waits {
  /** The container of each mailbox. */
  readonly mailboxes: readonly number[];
  readonly slots: readonly Held[];
  readonly calls: readonly Made[];
}

/** A call that waits: what makes it, the mailbox that it is for, and a container that passes it on. */
export interface Made {
  /** A slot by its number; undefined for a caller that holds none. */
  readonly by: number | undefined;
  readonly mailbox: number;
  readonly via: number | undefined;
}

/** A call that has a slot. */
export type Held = Made;

/** A container without a network: deadlocks are looked for among slots that a test makes. */
export class Place {
  readonly deadlocks: Deadlocks;
  readonly peers = new Map<string, Set<Caller>>();
  readonly index: number;

  constructor(index: number, setup: Partial<DeadlockSetup>) {
    this.index = index;
    this.deadlocks = new Deadlocks({
      root: `root ${index}`,
      newName: () => `search ${index} ${Math.random()}`,
      random: () => Math.random() / 10,
      limits: { maxHopCount: 32, maxRunningCount: 1024, maxPendingCount: 1024 },
      calls: {
        connectionsOf: (slot) => this.peers.get(slot) ?? [],
        slotOf: (digest) => [...this.peers.keys()].find((slot) => digestOf(slot) === digest),
      },
      ...setup,
    });
  }
}

/** Connections among places that count what is asked on them. Answers take a few turns. */
export class World {
  readonly places: readonly Place[];
  readonly entries: (WaitingEntry & { isWaiting: boolean; readonly place: Place })[] = [];
  /** Questions by the searches that they belong to. */
  readonly questionCounts = new Map<unknown, number>();
  readonly #slots: readonly (Held & { readonly name: string; readonly chain: readonly string[] })[];
  readonly #holders: readonly Set<string>[];
  readonly #callers = new Map<string, Caller>();
  readonly #delay: () => number;

  constructor(waits: Waits, placeCount: number, delay: () => number, setup: Partial<DeadlockSetup> = {}) {
    this.#delay = delay;
    this.places = Array.from({ length: placeCount }, (_, index) => new Place(index, setup));
    this.#holders = waits.mailboxes.map(() => new Set<string>());
    const slots: (Held & { readonly name: string; readonly chain: readonly string[] })[] = [];
    this.#slots = slots;
    for (const [index, held] of waits.slots.entries()) {
      // Names are in no order that matters.
      const name = `${(index * 7) % 10} slot ${index}`;
      slots.push({ ...held, name, chain: [...this.#chainOf(held.by), name] });
      this.#holders[held.mailbox]!.add(name);
      this.#call(held, waits);
    }
    for (const made of waits.calls) {
      const chain = this.#chainOf(made.by);
      const holders = this.#holders[made.mailbox]!;
      if (chain.length === 0 || holders.size === 0 || chain.some((slot) => holders.has(slot))) continue;
      this.#call(made, waits);
      const place = this.places[waits.mailboxes[made.mailbox]!]!;
      const entry = { chain, holders, isWaiting: true, place };
      this.entries.push(entry);
      place.deadlocks.add(entry);
    }
  }

  /** Connections with slots that wait for calls on them. */
  get pairCount(): number {
    return this.places.flatMap(({ peers }) => [...peers.values()]).reduce((sum, { size }) => sum + size, 0);
  }

  #chainOf(by: number | undefined): readonly string[] {
    return by === undefined ? [] : this.#slots[by]!.chain;
  }

  /** What makes a call has it under way, and so has who passes it on. */
  #call({ by, mailbox, via }: Made, { mailboxes }: Waits): void {
    if (by === undefined) return;
    const way = [mailboxes[this.#slots[by]!.mailbox]!, ...(via === undefined ? [] : [via]), mailboxes[mailbox]!];
    for (const [index, to] of way.slice(1).entries()) {
      if (to === way[index]) continue;
      const { peers } = this.places[way[index]!]!;
      for (const slot of this.#chainOf(by)) {
        if (!peers.has(slot)) peers.set(slot, new Set());
        peers.get(slot)!.add(this.#connection(way[index]!, to));
      }
    }
  }

  #connection(from: number, to: number): Caller {
    const key = `${from} ${to}`;
    let caller = this.#callers.get(key);
    if (caller === undefined) {
      const root = `root ${to}`;
      const call = async (_: unknown, args: readonly unknown[]): Promise<unknown> => {
        this.questionCounts.set(args[3], (this.questionCounts.get(args[3]) ?? 0) + 1);
        for (let turns = this.#delay(); turns > 0; turns--) await new Promise((resolve) => setImmediate(resolve));
        return this.places[to]!.deadlocks.answer(args, caller!);
      };
      caller = { root, remoteAddress: root, notify: () => {}, call };
      this.#callers.set(key, caller);
    }
    return caller;
  }

  /** Whether an entry waits for itself, over up to `depth` questions that hang on one another: by trying what can be until nothing changes. */
  isDeadlocked({ chain, holders, place }: World["entries"][number], depth: number): boolean {
    let before = this.places.map(() => new Set<string>());
    for (let round = 0; round <= depth; round++) {
      const answers = before;
      before = this.places.map((one) => this.#stuckAt(one, new Set(chain), answers));
    }
    return [...holders].every((slot) => before[place.index]!.has(slot));
  }

  #stuckAt(place: Place, wanted: ReadonlySet<string>, answers: readonly ReadonlySet<string>[]): Set<string> {
    const stuck = new Set(wanted);
    for (const [slot, peers] of place.peers) {
      for (const { root } of peers) if (answers[Number(root!.slice(5))]!.has(slot)) stuck.add(slot);
    }
    for (let size = -1; size !== stuck.size;) {
      size = stuck.size;
      for (const entry of this.entries) {
        const isStuck = entry.place === place && [...entry.holders].every((slot) => stuck.has(slot));
        if (isStuck) for (const slot of entry.chain) stuck.add(slot);
      }
    }
    return stuck;
  }
}
