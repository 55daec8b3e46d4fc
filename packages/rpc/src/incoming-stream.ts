import { ColloquyError, ProtocolError, decodedSize } from "@colloquy/core";
import { addAbortListener, removeAbortListener } from "./abort-listeners.ts";
import { NODE, RemoteNode } from "./proxy.ts";
import { UnreadItems } from "./unread-bytes.ts";
import type { UnreadBytes } from "./unread-bytes.ts";

/** Items asked for at a time: as many as are on their way or wait to be read. Grows where the reader has to wait. */
const FIRST_WINDOW_COUNT = 32;
const LARGEST_WINDOW_COUNT = 4096;
/** About how many bytes they have. */
const FIRST_WINDOW_BYTES = 262_144;
const LARGEST_WINDOW_BYTES = 4_194_304;

const PULL_PATH = "$/pull";
const NO_SIGNALS: readonly AbortSignal[] = Object.freeze([]);

/** What a connection knows of its streams. */
export interface StreamTracker {
  /** Pulls that wait for an answer. */
  pullCount: number;
  /** What all of them hold. */
  readonly unread: UnreadBytes;
  /** A stream that listens to signals: it is told when the connection has ended. */
  enter(stream: { onClosed(): void }): void;
  /** It doesn't any more. */
  leave(stream: { onClosed(): void }): void;
  /** Told of items that nobody reads. */
  onUnread(items: unknown): void;
}

/** Somebody who waits for an item. */
interface Reader {
  resolve(result: IteratorResult<unknown, undefined>): void;
  reject(error: unknown): void;
}

/**
 * A stream of the other side: an async iterable, to be read once. It asks for items before they are read, within a window; who reads
 * slowly holds its producer back, and nobody else. Leaving a loop early ends the producer.
 */
export class IncomingStream implements AsyncIterableIterator<unknown, undefined>, AsyncDisposable {
  readonly #id: number;
  readonly #node: RemoteNode;
  readonly #tracker: StreamTracker;
  readonly #pullNode: RemoteNode;
  readonly #items: UnreadItems;
  #readers: Reader[] = [];
  #windowCount = FIRST_WINDOW_COUNT;
  #windowBytes = FIRST_WINDOW_BYTES;
  #askedCount = 0;
  /** What the answer before took: the next one may take as much. */
  #usualBytes = 0;
  #expectedBytes = 0;
  #ended = false;
  #failure: { readonly error: unknown } | undefined;
  #signals: readonly AbortSignal[] = NO_SIGNALS;
  #isCut = false;
  readonly #onAbort = (reason: unknown): void => this.#cancel(reason);

  constructor(id: number, node: RemoteNode, tracker: StreamTracker) {
    this.#id = id;
    this.#tracker = tracker;
    this.#items = new UnreadItems(tracker.unread, this);
    this.#node = node;
    this.#pullNode = new RemoteNode(node.caller, PULL_PATH, node.reference, false);
    Object.defineProperty(this, NODE, { value: node });
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  /** The next item. Rejects with what the producer throws, once, after the items before it. */
  next(): Promise<IteratorResult<unknown, undefined>> {
    if (this.#isCut) this.#cancelIfAborted();
    if (this.#items.count > 0) {
      const result = Promise.resolve({ value: this.#items.take(), done: false as const });
      this.#pull();
      return result;
    }
    if (this.#ended) return this.#endOf();
    return new Promise((resolve, reject) => {
      this.#readers.push({ resolve, reject });
      this.#pull();
    });
  }

  /** Leaves the stream: its producer ends, and what waits to be read is dropped. */
  async return(): Promise<IteratorReturnResult<undefined>> {
    this.#leave(undefined);
    return { value: undefined, done: true };
  }

  /** From now on the stream is left when one of the signals aborts: its reader gets `CANCELLED`, at once. */
  endWith(signals: readonly AbortSignal[]): void {
    this.#signals = signals;
    for (const signal of signals) addAbortListener(signal, this.#onAbort);
    this.#tracker.enter(this);
    this.#cancelIfAborted();
  }

  /** Its connection has ended: a signal that lives longer holds nothing of it. What has come can be read yet. */
  onClosed(): void {
    this.#isCut = true;
    for (const signal of this.#signals) removeAbortListener(signal, this.#onAbort);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.return();
  }

  toString(): string {
    return `Stream(${this.#node.toString()})`;
  }

  #cancelIfAborted(): void {
    const aborted = this.#signals.find((signal) => signal.aborted);
    if (aborted !== undefined) this.#cancel(aborted.reason);
  }

  #cancel(cause: unknown): void {
    const message = `the stream of ${this.#node.caller.remoteAddress} was cancelled`;
    if (!this.#ended) this.#leave(new ColloquyError("CANCELLED", message, { cause, executed: "yes" }));
  }

  #leave(error: unknown): void {
    this.#finish(undefined);
    const items = this.#items.drop();
    if (items.length > 0) this.#tracker.onUnread(items);
    this.#failure = error === undefined ? undefined : { error };
    this.#serveReaders();
  }

  async #endOf(): Promise<IteratorReturnResult<undefined>> {
    const failure = this.#failure;
    this.#failure = undefined;
    if (failure !== undefined) throw failure.error;
    return { value: undefined, done: true };
  }

  /** Asks for more where less than half of the window is on its way or waits. One pull at a time keeps the order. */
  #pull(): void {
    if (this.#ended || this.#askedCount > 0) return;
    const waiting = this.#items.count;
    if (waiting > this.#windowCount / 2 || this.#items.hasNext) return;
    const { unread } = this.#tracker;
    const { room } = unread;
    if (room <= 0 && this.#readers.length === 0) return;
    this.#askedCount = this.#windowCount - waiting;
    // An item comes in any case.
    const askedBytes = Math.max(1, Math.min(this.#windowBytes, Math.floor(room)));
    this.#expectedBytes = Math.max(askedBytes, this.#usualBytes);
    unread.asked += this.#expectedBytes;
    const args = [this.#id, this.#askedCount, askedBytes];
    this.#tracker.pullCount++;
    this.#node.caller.call(this.#pullNode, args, undefined).then(this.#onPulled, this.#onFailure);
  }

  readonly #onPulled = (answer: unknown): void => {
    const askedCount = this.#askedCount;
    this.#answered();
    if (this.#ended) return this.#tracker.onUnread(answer);
    if (!isPulled(answer, askedCount)) {
      this.#tracker.onUnread(answer);
      return this.#fail(new ProtocolError(`${this.#node.toString()} answers a pull with something else than items`));
    }
    const [items, ended] = answer;
    // The reader has been faster than the way there and back.
    if (this.#readers.length > 0 && items.length >= askedCount) this.#widen();
    this.#usualBytes = decodedSize(items, this.#tracker.unread.most);
    const isReadNow = items.length <= this.#readers.length;
    if (items.length > 0 && !this.#items.add(items, isReadNow ? 0 : this.#usualBytes)) {
      this.#tracker.onUnread(items);
      return this.#fail(this.#tooMuch());
    }
    if (ended) this.#finish(undefined);
    this.#serveReaders();
    if (!ended) this.#pull();
  };

  readonly #onFailure = (error: unknown): void => {
    this.#answered();
    if (!this.#ended) this.#fail(carriedOut(error));
  };

  #answered(): void {
    this.#tracker.unread.asked -= this.#expectedBytes;
    this.#askedCount = 0;
    this.#tracker.pullCount--;
  }

  #tooMuch(): ColloquyError {
    const { most } = this.#tracker.unread;
    const reason = `items of ${this.#node.toString()} are more than the ${most} bytes that streams may hold before they are read`;
    const advice = "read them sooner, or fewer streams at a time";
    const options = { limit: "maxHeldBytes", executed: "yes" } as const;
    return new ColloquyError("RESOURCE_EXHAUSTED", `${reason} (maxHeldBytes); ${advice}`, options);
  }

  #fail(error: unknown): void {
    this.#finish(error);
    this.#serveReaders();
  }

  #widen(): void {
    this.#windowCount = Math.min(2 * this.#windowCount, LARGEST_WINDOW_COUNT);
    this.#windowBytes = Math.min(2 * this.#windowBytes, LARGEST_WINDOW_BYTES);
  }

  #serveReaders(): void {
    const readers = this.#readers;
    if (readers.length === 0) return;
    this.#readers = [];
    for (const reader of readers) {
      if (this.#items.count > 0) reader.resolve({ value: this.#items.take(), done: false });
      else if (this.#ended) this.#endOf().then(reader.resolve, reader.reject);
      else this.#readers.push(reader);
    }
  }

  /** Nothing more comes. */
  #finish(error: unknown): void {
    if (this.#ended) return;
    this.#ended = true;
    if (error !== undefined) this.#failure = { error };
    if (this.#signals.length > 0) this.#tracker.leave(this);
    for (const signal of this.#signals) removeAbortListener(signal, this.#onAbort);
    this.#node.reference?.release();
  }
}

/** A pull may not have left or may have been refused; the call that the reader has made is carried out: it has brought the stream. */
function carriedOut(error: unknown): unknown {
  if (!(error instanceof ColloquyError) || error.executed === "yes") return error;
  return Object.defineProperty(error, "executed", { value: "yes", enumerable: true });
}

function isPulled(answer: unknown, askedCount: number): answer is readonly [readonly unknown[], boolean] {
  if (!Array.isArray(answer) || answer.length !== 2) return false;
  const [items, ended] = answer as [unknown, unknown];
  if (!Array.isArray(items) || typeof ended !== "boolean") return false;
  return items.length <= askedCount && (items.length > 0 || ended);
}

/** The stream that a call has returned, as far as it is one. @throws ColloquyError `INVALID_ARGUMENT` */
export function streamOf(result: unknown): AsyncIterator<unknown, undefined> {
  if (typeof result === "object" && result !== null && Symbol.asyncIterator in result)
    return (result as AsyncIterable<unknown, undefined>)[Symbol.asyncIterator]();
  throw new ColloquyError("INVALID_ARGUMENT", "the result of this call is no stream: await it");
}
