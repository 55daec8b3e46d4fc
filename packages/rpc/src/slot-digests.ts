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
  readonly #items = new Map<string, Set<T>>();
  readonly #digests = new SlotDigests();

  /** What is entered under a slot. */
  of(slot: string): Iterable<T> {
    return this.#items.get(slot) ?? [];
  }

  add(slots: Iterable<string>, item: T): void {
    for (const slot of slots) {
      const items = this.#items.get(slot);
      if (items === undefined) {
        this.#items.set(slot, new Set([item]));
        this.#digests.add(slot);
      } else items.add(item);
    }
  }

  remove(slots: Iterable<string>, item: T): void {
    for (const slot of slots) {
      const items = this.#items.get(slot);
      if (items?.delete(item) !== true || items.size > 0) continue;
      this.#items.delete(slot);
      this.#digests.remove(slot);
    }
  }

  /** The slot that has a digest, where something is entered under it. */
  find(digest: string): string | undefined {
    return this.#digests.find(digest);
  }
}
