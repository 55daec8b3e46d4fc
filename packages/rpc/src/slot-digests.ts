import { createHash } from "node:crypto";

/** 132 bits: nobody finds another slot with the same one. */
const DIGEST_LENGTH = 22;

/**
 * What a slot of a mailbox is called where others are asked of it. Who has a slot comes into its mailbox, and a digest doesn't lead
 * back to it.
 */
export function digestOf(slot: string): string {
  return createHash("sha256").update(slot).digest("base64url").slice(0, DIGEST_LENGTH);
}

/** Slots by their digests. None is made before somebody asks: most are never asked of. */
class SlotDigests {
  /** Whose digests aren't made yet. */
  readonly #fresh = new Set<string>();
  readonly #digests = new Map<string, string>();
  readonly #slots = new Map<string, string>();

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

  /** The slot that has a digest, where it is one of these. */
  find(digest: string): string | undefined {
    for (const slot of this.#fresh) {
      const own = digestOf(slot);
      this.#digests.set(slot, own);
      this.#slots.set(own, slot);
    }
    this.#fresh.clear();
    return this.#slots.get(digest);
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

  /** The slot that has a digest, where something is entered under it. */
  find(digest: string): string | undefined {
    return this.#digests.find(digest);
  }
}
