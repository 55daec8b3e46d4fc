import { ColloquyError } from "@colloquy/core";
import { isStreamValue } from "./members.ts";
import { OutgoingStream } from "./outgoing-stream.ts";
import type { PulledItems } from "./outgoing-stream.ts";

/** Where a stream comes from: the call whose result it is. */
interface Origin {
  readonly path: string;
  /** What aborts the signal of that call. */
  readonly abort: AbortController | undefined;
}

/** Told of what a stream throws that nobody waits for, and of what it fails with. Returns what its reader is to get. */
export type StreamFailureListener = (path: string, error: unknown) => unknown;

/** Of one answer, whatever was asked for: a producer may give items without end. */
const MOST_COUNT = 4096;
const MOST_BYTES = 4_194_304;
const NONE: Map<number, OutgoingStream> = new Map();

/** The streams of one connection that the other side reads, by the numbers of their references. */
export class OutgoingStreams {
  #streams: Map<number, OutgoingStream> = NONE;
  readonly #maxCount: number;
  /** These are made when they are needed: few connections have streams. */
  #origins: WeakMap<object, Origin> | undefined;
  /** Those that were read from. */
  #opened: WeakSet<object> | undefined;
  readonly #onFailure: StreamFailureListener;

  constructor(maxCount: number, onFailure: StreamFailureListener) {
    this.#maxCount = maxCount;
    this.#onFailure = onFailure;
  }

  get size(): number {
    return this.#streams.size;
  }

  /** A method has returned a stream: its signal aborts when that is left early. */
  adopt(stream: object, origin: Origin): void {
    (this.#origins ??= new WeakMap()).set(stream, origin);
  }

  /**
   * Items of the stream that was handed out as `target` under this number.
   *
   * Rejects with `INVALID_ARGUMENT` for what is no stream, `RESOURCE_EXHAUSTED` over the limit, and with what the stream throws.
   */
  async pull(id: number, target: object, maxCount: number, maxBytes: number): Promise<PulledItems> {
    const stream = this.#streams.get(id) ?? this.#open(id, target);
    if (stream.isPulled) throw new ColloquyError("INVALID_ARGUMENT", "another pull of this stream waits for items");
    try {
      const pulled = await stream.pull(Math.min(maxCount, MOST_COUNT), Math.min(maxBytes, MOST_BYTES));
      if (pulled[1]) this.#streams.delete(id);
      return pulled;
    } catch (error) {
      this.#streams.delete(id);
      throw this.#onFailure(this.#pathOf(target), error);
    }
  }

  /** The other side has let go of `target`: where it is a stream that hasn't ended, it is left early. */
  leave(id: number, target: object, reason: ColloquyError): void {
    const stream = this.#streams.get(id);
    const isUnread = stream === undefined && this.#opened?.has(target) !== true && isStreamValue(target);
    if (stream === undefined && !isUnread) return;
    this.#streams.delete(id);
    this.#origins?.get(target)?.abort?.abort(reason);
    end(stream, target).catch((error: unknown) => this.#onFailure(this.#pathOf(target), error));
  }

  /** A stream that nobody will get is left. */
  discard(target: AsyncIterable<unknown>): void {
    if (this.#opened?.has(target) !== true)
      end(undefined, target).catch((error: unknown) => this.#onFailure(this.#pathOf(target), error));
  }

  /** This side closes, and waits for nothing: readers that wait for an item get `error`. */
  interrupt(error: ColloquyError): void {
    for (const stream of this.#streams.values()) stream.fail(error);
  }

  #pathOf(target: object): string {
    return this.#origins?.get(target)?.path ?? "";
  }

  #open(id: number, target: object): OutgoingStream {
    if (!isStreamValue(target)) throw new ColloquyError("INVALID_ARGUMENT", `reference ${id} is no stream`);
    if (this.#streams.size >= this.#maxCount) {
      const reason = `${this.#maxCount} streams are open on this connection (maxStreamCount)`;
      throw new ColloquyError("RESOURCE_EXHAUSTED", reason);
    }
    const stream = new OutgoingStream(target);
    (this.#opened ??= new WeakSet()).add(target);
    if (this.#streams === NONE) this.#streams = new Map();
    this.#streams.set(id, stream);
    return stream;
  }
}

/** One that nobody has read from may hold a file, too: streams of Node close it where they are destroyed. */
async function end(stream: OutgoingStream | undefined, target: object): Promise<void> {
  if (stream !== undefined) return stream.end();
  const { destroy } = target as { destroy?: unknown };
  if (typeof destroy === "function") Reflect.apply(destroy, target, []);
  else await new OutgoingStream(target as AsyncIterable<unknown>).end();
}
