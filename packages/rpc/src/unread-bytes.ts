import { forgetCollected, whenCollected } from "./collected.ts";

/** What the items of one stream hold. */
interface Account {
  bytes: number;
}

/**
 * What items of streams hold in memory that one connection has brought and that nobody has read, by the costs of `docs/limits.md`. Half of
 * the limit is for what streams ask for ahead of their readers.
 */
export class UnreadBytes {
  readonly most: number;
  /** What is asked for and hasn't come. */
  asked = 0;
  readonly #keepsAll: boolean;
  #held = 0;
  #isOver = false;

  /** `keepsAll`: collections don't show. */
  constructor(most: number, keepsAll: boolean) {
    this.most = Math.min(most, Number.MAX_SAFE_INTEGER);
    this.#keepsAll = keepsAll;
  }

  get held(): number {
    return this.#held;
  }

  /** How much more may be asked for ahead. */
  get room(): number {
    return this.most / 2 - this.#held - this.asked;
  }

  accountOf(stream: object): Account {
    const account = { bytes: 0 };
    const onCollected = (): void => this.change(account, -account.bytes);
    if (!this.#keepsAll) whenCollected(stream, { onCollected }, this);
    return account;
  }

  /** False where there would be more than the limit, and nothing has changed; one that is alone is taken whatever it is. */
  takes(account: Account, bytes: number): boolean {
    if (this.#held > account.bytes && this.#held + bytes > this.most) return false;
    this.change(account, bytes);
    return true;
  }

  change(account: Account, bytes: number): void {
    account.bytes += bytes;
    if (!this.#isOver) this.#held += bytes;
  }

  /** The connection has ended: who reads on holds nothing of it. */
  clear(): void {
    this.#isOver = true;
    forgetCollected(this);
    this.#held = 0;
  }
}

/** Items of one stream that have come and aren't read: those of one answer, and of the one behind it. */
export class UnreadItems {
  readonly #unread: UnreadBytes;
  readonly #account: Account;
  #items: readonly unknown[] = [];
  #readCount = 0;
  #bytes = 0;
  #nextItems: readonly unknown[] = [];
  #nextBytes = 0;

  constructor(unread: UnreadBytes, stream: object) {
    this.#unread = unread;
    this.#account = unread.accountOf(stream);
  }

  get count(): number {
    return this.#items.length - this.#readCount + this.#nextItems.length;
  }

  /** An answer waits behind the one that is read. */
  get hasNext(): boolean {
    return this.#nextItems.length > 0;
  }

  /** False where that is too much. */
  add(items: readonly unknown[], bytes: number): boolean {
    if (!this.#unread.takes(this.#account, bytes)) return false;
    if (this.#items.length === 0) {
      this.#items = items;
      this.#bytes = bytes;
    } else {
      this.#nextItems = items;
      this.#nextBytes = bytes;
    }
    return true;
  }

  take(): unknown {
    const item = this.#items[this.#readCount++];
    if (this.#readCount >= this.#items.length) this.#goOn();
    return item;
  }

  /** Nobody reads them. Returns them. */
  drop(): readonly unknown[] {
    const items = [...this.#items.slice(this.#readCount), ...this.#nextItems];
    this.#nextItems = [];
    this.#goOn();
    this.#goOn();
    return items;
  }

  #goOn(): void {
    this.#unread.change(this.#account, -this.#bytes);
    this.#items = this.#nextItems;
    this.#bytes = this.#nextBytes;
    this.#readCount = 0;
    this.#nextItems = [];
    this.#nextBytes = 0;
  }
}
