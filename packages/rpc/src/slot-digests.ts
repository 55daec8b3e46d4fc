import { createHash } from "node:crypto";

/** 132 bits: nobody finds another slot with the same one. */
const DIGEST_LENGTH = 22;
/** Digests that are made in one turn of the event loop. */
const MAX_MADE_COUNT = 256;

/**
 * What a slot of a mailbox is called where others are asked of it. Who has a slot comes into its mailbox, and a digest doesn't lead
 * back to it.
 */
export function digestOf(slot: string): string {
  return createHash("sha256").update(slot).digest("base64url").slice(0, DIGEST_LENGTH);
}

/** Slots by their digests. None is made before somebody asks: most are never asked of. Many are made in several turns. */
class SlotDigests {
  /** Whose digests aren't made yet. */
  readonly #fresh = new Set<string>();
  readonly #digests = new Map<string, string>();
  readonly #slots = new Map<string, string>();
  /** Those that may be made in this turn yet. */
  #leftCount = MAX_MADE_COUNT;
  /** The next turn is asked for. */
  #hasTurn = false;

  add(slot: string): void {
    this.#fresh.add(slot);
  }

  remove(slot: string): void {
    if (this.#fresh.delete(slot)) return;
    const digest = this.#digests.get(slot);
    if (digest === undefined) return;
    this.#digests.delete(slot);
    this.#slots.delete(digest);
  }

  /** The slot that has a digest, where it is one of these; null where that can't be said before a later turn. */
  find(digest: string): string | undefined | null {
    if (this.#fresh.size > 0) this.#make();
    return this.#slots.get(digest) ?? (this.#fresh.size > 0 ? null : undefined);
  }

  /** The oldest first, so that each comes to its turn however many more are added. Goes on by itself until all are made. */
  #make(): void {
    for (const slot of this.#fresh) {
      if (this.#leftCount === 0) break;
      this.#leftCount--;
      const own = digestOf(slot);
      this.#fresh.delete(slot);
      this.#digests.set(slot, own);
      this.#slots.set(own, slot);
    }
    if (this.#hasTurn) return;
    this.#hasTurn = true;
    setImmediate(() => {
      this.#hasTurn = false;
      this.#leftCount = MAX_MADE_COUNT;
      if (this.#fresh.size > 0) this.#make();
    });
  }
}

/** What waits for slots, by them; a slot is found by its digest, too. */
export class SlotTable<T> {
  /** How often each item is entered under a slot. */
  readonly #counts = new Map<string, Map<T, number>>();
  readonly #digests = new SlotDigests();

  /** What is entered under a slot, each once. */
  of(slot: string): Iterable<T> {
    return this.#counts.get(slot)?.keys() ?? [];
  }

  add(slots: Iterable<string>, item: T): void {
    for (const slot of slots) {
      let counts = this.#counts.get(slot);
      if (counts === undefined) {
        this.#counts.set(slot, (counts = new Map<T, number>()));
        this.#digests.add(slot);
      }
      counts.set(item, (counts.get(item) ?? 0) + 1);
    }
  }

  /** It stays as often as it was added before. */
  remove(slots: Iterable<string>, item: T): void {
    for (const slot of slots) {
      const counts = this.#counts.get(slot);
      const count = counts?.get(item);
      if (counts === undefined || count === undefined) continue;
      if (count > 1) counts.set(item, count - 1);
      else counts.delete(item);
      if (counts.size > 0) continue;
      this.#counts.delete(slot);
      this.#digests.remove(slot);
    }
  }

  /** The slot that has a digest, where something is entered under it; null where that can't be said before a later turn. */
  find(digest: string): string | undefined | null {
    return this.#digests.find(digest);
  }
}
