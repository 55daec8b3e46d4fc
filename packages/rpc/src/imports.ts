import { DEFAULT_LIMITS, PeerNumbers, SerializationError } from "@colloquy/core";
import type { Limits } from "@colloquy/core";
import { collectGarbage } from "./collect.ts";
import { forgetCollected, held, whenCollected } from "./collected.ts";
import { IncomingStream } from "./incoming-stream.ts";
import type { StreamTracker } from "./incoming-stream.ts";
import { RemoteNode, functionProxy, nodeOf, serviceProxy } from "./proxy.ts";
import type { Caller, Reference } from "./proxy.ts";
import { referencePath } from "./path.ts";
import { streamsIn } from "./streams-in.ts";
import { UnreadBytes } from "./unread-bytes.ts";

/** A function or service that the other side has handed out. Whatever can call it holds this. */
class ImportedReference implements Reference {
  readonly id: number;
  proxy: object | undefined;
  released = false;
  readonly #imports: Imports;

  constructor(id: number, imports: Imports) {
    this.id = id;
    this.#imports = imports;
  }

  isOf(imports: Imports): boolean {
    return this.#imports === imports;
  }

  release(): void {
    if (this.released) return;
    this.released = true;
    this.#imports.drop(this.id);
  }
}

/** Nothing can call it any more. */
class LostReference {
  readonly #imports: Imports;
  readonly #id: number;

  constructor(imports: Imports, id: number) {
    this.#imports = imports;
    this.#id = id;
  }

  onCollected(): void {
    this.#imports.onCollected(this.#id);
  }
}

interface ImportEntry {
  /** How often it has arrived since the last release. */
  count: number;
  weak: Pick<WeakRef<ImportedReference>, "deref">;
  readonly isStream: boolean;
}

/** What a reference stands for. */
export type ReferenceKind = "service" | "function" | "stream";

/** Held references from which on a collection is worth its time. */
const MIN_COLLECTED_COUNT = 1000;
/** Of what the other side may hand out: soon its calls fail, so that a collection has a larger share of the time. */
const URGENT_SHARE = 0.75;
/** Time without a new reference after which there is time for a collection. */
const IDLE_MS = 1000;
/** Releases in one message: it has to fit whatever the other side's limit is. */
const RELEASED_AT_ONCE = 50;
/** Time in which the engine reports what it has collected. */
const FINALIZED_MS = 50;

/** The connection that references come on. */
export interface ImportingConnection extends Caller {
  /** Sends `[[number, count], ...]` to the other side. */
  sendReleased(released: [id: number, count: number][]): void;
}

const NONE: PeerNumbers<ImportEntry> = new PeerNumbers();
const NOTHING: [number, number][] = [];

/**
 * References that have arrived on one connection. They are held weakly: one that nothing can call any more is released when the
 * engine has collected it. Releases of one turn leave together.
 *
 * The engine doesn't know that the other side pays for what is held here. Where many references have come that nobody has
 * released, it is asked to collect: when half of what the other side may hand out is held, and when no more come for a while.
 */
export class Imports implements StreamTracker {
  /** References that have arrived, each time that one has. */
  arrivals = 0;
  /** Pulls of streams that wait for items. */
  pullCount = 0;
  /** Streams that listen to signals; made for the first one. */
  #listening: Set<{ onClosed(): void }> | undefined;
  readonly #connection: ImportingConnection;
  /** Most references at a time: what this side may hand out, twice. */
  readonly #limit: number;
  /** Made when the first reference comes. */
  #entries: PeerNumbers<ImportEntry> = NONE;
  #released: [number, number][] = NOTHING;
  readonly keepsAll: boolean;
  readonly unread: UnreadBytes;
  #streamCount = 0;
  #closed = false;
  #idleTimer: NodeJS.Timeout | undefined;
  #arrivedAtIdle = 0;
  #collecting = false;
  /** Waits until the engine may be asked to collect. */
  #collectTimer: NodeJS.Timeout | undefined;
  /** Size from which on the next reference asks for a collection. */
  #collectAt = DEFAULT_LIMITS.maxReferenceCount / 2;
  #maxCount: number = DEFAULT_LIMITS.maxReferenceCount;
  /** What the other side has told of it. */
  #toldCount: number = DEFAULT_LIMITS.maxReferenceCount;
  /** The collection that waits has the larger share of the time. */
  #isUrgent = false;

  /** `keepsAll`: nothing is released but on purpose, so that collections don't show. */
  constructor(
    connection: ImportingConnection,
    { maxReferenceCount, maxHeldBytes }: Pick<Limits, "maxReferenceCount" | "maxHeldBytes">,
    keepsAll = false,
  ) {
    this.keepsAll = keepsAll;
    this.unread = new UnreadBytes(maxHeldBytes, keepsAll);
    this.#limit = maxReferenceCount * 2;
    this.#connection = connection;
  }

  get size(): number {
    return this.#entries.size;
  }

  /** How many of them are streams. */
  get streamCount(): number {
    return this.#streamCount;
  }

  /** How many references the other side may hand out. */
  set maxCount(count: number) {
    this.#toldCount = count;
    this.#maxCount = Math.max(count, MIN_COLLECTED_COUNT);
    this.#collectAt = this.#maxCount / 2;
  }

  /** The proxy for a reference that has arrived once more. */
  receive(id: number, kind: ReferenceKind): object {
    const entry = this.#entries.get(id);
    const known = entry?.weak.deref();
    if (entry !== undefined) {
      entry.count++;
      this.arrivals++;
    }
    if (known?.proxy !== undefined) return known.proxy;
    if (entry === undefined && this.#entries.size >= this.#limit) {
      throw new SerializationError(
        `the peer has handed out more than ${this.#limit} references (twice maxReferenceCount)`,
        { limit: "maxReferenceCount" },
      );
    }
    const reference = new ImportedReference(id, this);
    const proxy = this.#proxyOf(id, kind, reference);
    reference.proxy = proxy;
    const weak = this.keepsAll ? held(reference) : new WeakRef(reference);
    if (entry === undefined) {
      this.#enter(id, { count: 1, weak, isStream: kind === "stream" });
      this.arrivals++;
    } else entry.weak = weak;
    if (!this.keepsAll) {
      whenCollected(reference, new LostReference(this, id), this);
      this.#watchSize();
    }
    return proxy;
  }

  #proxyOf(id: number, kind: ReferenceKind, reference: Reference): object {
    const node = new RemoteNode(this.#connection, referencePath(id), reference, kind === "function");
    if (kind === "stream") return new IncomingStream(id, node, this);
    return kind === "function" ? functionProxy(node) : serviceProxy(node);
  }

  #enter(id: number, entry: ImportEntry): void {
    if (this.#entries === NONE) this.#entries = new PeerNumbers();
    this.#entries.set(id, entry);
    if (entry.isStream) this.#streamCount++;
  }

  /** A new arrival may have come between the collection and this call: then the entry has a living reference again. */
  onCollected(id: number): void {
    if (this.#entries.get(id)?.weak.deref() === undefined) this.drop(id);
  }

  /** Lets go of a reference with all its arrivals. */
  drop(id: number): void {
    const entry = this.#entries.get(id);
    if (entry === undefined || this.#closed) return;
    this.#entries.delete(id);
    if (entry.isStream) this.#streamCount--;
    if (this.#released === NOTHING) {
      this.#released = [];
      queueMicrotask(() => this.#flush());
    }
    this.#released.push([id, entry.count]);
  }

  /** Values that nobody reads: the streams that only they have brought are left now, not when they are collected. */
  onUnread(value: unknown): void {
    for (const stream of streamsIn(value)) {
      const reference = nodeOf(stream)?.reference;
      const isOwn = reference instanceof ImportedReference && reference.isOf(this);
      if (isOwn && this.#entries.get(reference.id)?.count === 1) reference.release();
    }
  }

  clear(): void {
    this.#closed = true;
    forgetCollected(this);
    clearTimeout(this.#idleTimer);
    clearTimeout(this.#collectTimer);
    this.#entries = NONE;
    this.#streamCount = 0;
    this.unread.clear();
    for (const stream of this.#listening ?? []) stream.onClosed();
    this.#listening = undefined;
  }

  enter(stream: { onClosed(): void }): void {
    (this.#listening ??= new Set()).add(stream);
  }

  leave(stream: { onClosed(): void }): void {
    this.#listening?.delete(stream);
  }

  #watchSize(): void {
    if (this.#entries.size > this.#toldCount) this.#distrustCount();
    if (this.#entries.size >= this.#collectAt && !this.#collecting) {
      this.#collecting = true;
      const wantedAt = performance.now();
      setImmediate(() => this.#collect(wantedAt, false));
    } else if (this.#collectTimer !== undefined && !this.#isUrgent && this.#isPressed) {
      clearTimeout(this.#collectTimer);
      this.#collectTimer = undefined;
      this.#isUrgent = true;
      const wantedAt = performance.now();
      setImmediate(() => this.#collect(wantedAt, true));
    }
    if (this.#entries.size < MIN_COLLECTED_COUNT) return;
    if (this.#idleTimer === undefined) this.#watchIdle(IDLE_MS);
  }

  get #isPressed(): boolean {
    return this.#entries.size >= URGENT_SHARE * this.#maxCount;
  }

  /** It has handed out more than it has told that it may: such a number makes nothing more urgent. */
  #distrustCount(): void {
    this.#toldCount = Infinity;
    this.#maxCount = Math.max(this.#maxCount, DEFAULT_LIMITS.maxReferenceCount);
    this.#collectAt = Math.max(this.#collectAt, this.#maxCount / 2);
  }

  /** In a turn of its own, and not again before the entries of what was collected are gone. */
  #collect(wantedAt: number, isUrgent: boolean): void {
    if (this.#closed) return;
    this.#collectTimer = undefined;
    const waitMs = collectGarbage(wantedAt, isUrgent);
    if (waitMs > 0) this.#collectTimer = setTimeout(() => this.#collect(wantedAt, isUrgent), waitMs).unref();
    else setTimeout(() => this.#whenCollected(), FINALIZED_MS).unref();
  }

  #whenCollected(): void {
    this.#collecting = false;
    this.#isUrgent = false;
    // Where most are in use, looking again soon is of no use.
    this.#collectAt = Math.max(this.#maxCount / 2, this.#entries.size + this.#maxCount / 10);
  }

  #watchIdle(afterMs: number, wantedAt?: number): void {
    this.#idleTimer = setTimeout(() => this.#whenIdle(wantedAt), afterMs).unref();
  }

  /** `wantedAt`: since when there has been time for a collection. */
  #whenIdle(wantedAt: number = performance.now()): void {
    this.#idleTimer = undefined;
    if (this.#closed) return;
    if (this.arrivals !== this.#arrivedAtIdle) {
      this.#arrivedAtIdle = this.arrivals;
      return this.#watchIdle(IDLE_MS);
    }
    const waitMs = collectGarbage(wantedAt);
    if (waitMs > 0) this.#watchIdle(waitMs, wantedAt);
  }

  #flush(): void {
    const released = this.#released;
    this.#released = NOTHING;
    for (let from = 0; from < released.length && !this.#closed; from += RELEASED_AT_ONCE) {
      this.#connection.sendReleased(released.slice(from, from + RELEASED_AT_ONCE));
    }
  }
}
