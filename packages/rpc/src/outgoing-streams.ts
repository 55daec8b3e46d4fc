import { ColloquyError, SerializationError, refusal } from "@colloquy/core";
import type { Substitute } from "@colloquy/core";
import type { CallerConnection } from "./context.ts";
import { ignore } from "./guard.ts";
import { tellStream, tellStreamEnd } from "./hooks.ts";
import type { StreamMessage } from "./hooks.ts";
import { isStreamValue } from "./members.ts";
import { OutgoingStream } from "./outgoing-stream.ts";
import type { PulledItems } from "./outgoing-stream.ts";
import { PassedOn, withExecuted } from "./passed-on.ts";
import { streamsIn } from "./streams-in.ts";

/** Where a stream comes from: the call whose result it is. */
interface Origin {
  readonly path: string;
  /** What aborts the signal of that call. */
  readonly abort: AbortController | undefined;
}

/** What the streams of a connection need of it. */
export interface StreamHost {
  /** Told of what a stream throws that nobody waits for, and of what it fails with. Returns what its reader is to get. */
  onStreamFailure(path: string, error: unknown): unknown;
  /** Whether the other side holds a stream, or it is its own. */
  isElsewhere(target: object): boolean;
}

/** Where the items of an answer come from. */
interface Source {
  readonly id: number;
  readonly target: object;
  readonly stream: OutgoingStream;
}

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
  /** Those that were read from, or left. */
  #opened: WeakSet<object> | undefined;
  /** Those that were read to their ends, with their numbers: another sending under another number is read anew. */
  #ended: WeakMap<object, number> | undefined;
  /** By the answers to pulls: one may turn out not to be encodable. */
  #sources: WeakMap<object, Source> | undefined;
  readonly #host: StreamHost;
  readonly #connection: CallerConnection;
  /** What the hooks were told of. */
  #told: Map<OutgoingStream, StreamMessage> | undefined;

  constructor(maxCount: number, host: StreamHost, connection: CallerConnection) {
    this.#connection = connection;
    this.#maxCount = maxCount;
    this.#host = host;
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
   * None where it was read to its end. Rejects with `INVALID_ARGUMENT` for what is no stream, `RESOURCE_EXHAUSTED` over the limit, and with what the stream throws.
   */
  async pull(id: number, target: object, maxCount: number, maxBytes: number): Promise<PulledItems> {
    const opened = this.#streams.get(id);
    if (opened === undefined && this.#ended?.get(target) === id) return [[], true];
    const stream = opened ?? this.#open(id, target);
    if (stream.isPulled) throw refusal("INVALID_ARGUMENT", "another pull of this stream waits for items");
    try {
      const pulled = await stream.pull(Math.min(maxCount, MOST_COUNT), Math.min(maxBytes, MOST_BYTES));
      if (pulled[1]) this.#finish(id, target, stream, undefined);
      (this.#sources ??= new WeakMap()).set(pulled, { id, target, stream });
      return pulled;
    } catch (error) {
      if (stream.ended) this.#finish(id, target, stream, error);
      throw PassedOn.is(error) ? error.cause : this.#failed(target, error);
    }
  }

  /**
   * An answer that can't be encoded. Where it has items: the answer in its place, with those before the one that can't be. What comes
   * behind them is the failure, and the producer is ended; where no item can be told, they are fewer, and the others come with the next pull.
   */
  onLostAnswer(answer: unknown, error: ColloquyError): Substitute | undefined {
    const source = typeof answer === "object" && answer !== null ? this.#sources?.get(answer) : undefined;
    if (source === undefined || !this.#host.isElsewhere(source.target)) return undefined;
    const { id, stream } = source;
    const [items] = answer as PulledItems;
    const [part, index] = error instanceof SerializationError ? error.place : [];
    const isKnown = part === 0 && typeof index === "number";
    if (!isKnown && items.length > 1) {
      const count = items.length >> 1;
      stream.putBack(items.slice(count));
      return this.#answerWith(items.slice(0, count), source);
    }
    const count = isKnown ? index : 0;
    const failure = itemLost(stream.answeredCount - items.length + count + 1, error);
    this.#breakOff(source, items.slice(count), failure);
    if (count > 0) return this.#answerWith(items.slice(0, count), source);
    this.#finish(id, source.target, stream, failure);
    return { error: failure };
  }

  #breakOff({ target, stream }: Source, lost: readonly unknown[], failure: ColloquyError): void {
    this.#origins?.get(target)?.abort?.abort(failure);
    stream
      .breakOff(lost.length, new PassedOn("of this side", { cause: failure }))
      .catch((error: unknown) => this.#host.onStreamFailure(this.#pathOf(target), error));
    this.discardIn(lost);
  }

  /** The other side has let go of `target`: where it is a stream that hasn't ended, it is left early. */
  leave(id: number, target: object, reason: ColloquyError): void {
    const stream = this.#streams.get(id);
    const isUnread = stream === undefined && this.#opened?.has(target) !== true && isStreamValue(target);
    if (stream === undefined && !isUnread) return;
    if (stream !== undefined) this.#remove(id, stream, reason);
    this.#end(stream, target, reason);
  }

  /** What nobody will get: the streams in it are left. */
  discardIn(value: unknown): void {
    for (const stream of streamsIn(value)) this.discard(stream);
  }

  /** A stream that nobody will get is left, unless the other side has it all the same. */
  discard(target: object): void {
    try {
      if (!isStreamValue(target) || this.#opened?.has(target) === true || this.#host.isElsewhere(target)) return;
    } catch {
      // Its getters throw: it can't be read either.
      return;
    }
    this.#end(undefined, target, new ColloquyError("CANCELLED", "nobody gets the stream"));
  }

  /** This side closes, and waits for nothing: readers that wait for an item get `error`. */
  interrupt(error: ColloquyError): void {
    for (const stream of this.#streams.values()) stream.fail(new PassedOn("of this side", { cause: error }));
  }

  /** It has no more items. */
  #finish(id: number, target: object, stream: OutgoingStream, error: unknown): void {
    (this.#ended ??= new WeakMap()).set(target, id);
    this.#remove(id, stream, error);
  }

  /** It is read no more. */
  #remove(id: number, stream: OutgoingStream, error: unknown): void {
    this.#streams.delete(id);
    const told = this.#told?.get(stream);
    if (told === undefined) return;
    this.#told!.delete(stream);
    tellStreamEnd(told, stream.answeredCount, PassedOn.is(error) ? error.cause : error);
  }

  #answerWith(items: readonly unknown[], source: Source): Substitute {
    const result: PulledItems = [items, false];
    this.#streams = this.#streams === NONE ? new Map() : this.#streams;
    this.#streams.set(source.id, source.stream);
    this.#sources!.set(result, source);
    return { result };
  }

  #end(stream: OutgoingStream | undefined, target: object, reason: ColloquyError): void {
    (this.#opened ??= new WeakSet()).add(target);
    this.#origins?.get(target)?.abort?.abort(reason);
    end(stream, target).catch((error: unknown) => this.#host.onStreamFailure(this.#pathOf(target), error));
  }

  /** What the reader gets where the producer throws. */
  #failed(target: object, error: unknown): unknown {
    return withExecuted(this.#host.onStreamFailure(this.#pathOf(target), error), "yes");
  }

  #pathOf(target: object): string {
    return this.#origins?.get(target)?.path ?? "";
  }

  #open(id: number, target: object): OutgoingStream {
    if (!isStreamValue(target)) throw refusal("INVALID_ARGUMENT", `reference ${id} is no stream`);
    if (this.#streams.size >= this.#maxCount) {
      const reason = `${this.#maxCount} streams are open on this connection (maxStreamCount)`;
      throw refusal("RESOURCE_EXHAUSTED", reason, { limit: "maxStreamCount" });
    }
    (this.#opened ??= new WeakSet()).add(target);
    let stream: OutgoingStream;
    try {
      stream = new OutgoingStream(target, (items) => this.discardIn(items));
    } catch (error) {
      throw this.#failed(target, error);
    }
    if (this.#streams === NONE) this.#streams = new Map();
    this.#streams.set(id, stream);
    const told = tellStream(this.#connection, this.#pathOf(target));
    if (told !== undefined) (this.#told ??= new Map()).set(stream, told);
    return stream;
  }
}

/** What the reader gets in place of an item; the first one has the number 1. */
function itemLost(number: number, error: ColloquyError): ColloquyError {
  const { message } = error instanceof SerializationError ? error.at(error.place.slice(2)) : error;
  return new ColloquyError(error.code, `item ${number} of the stream can't be sent: ${message}`, {
    cause: error.cause,
    executed: "yes",
  });
}

/** One that nobody has read from may hold a file, too: streams of Node close it where they are destroyed. */
async function end(stream: OutgoingStream | undefined, target: object): Promise<void> {
  if (stream !== undefined) return stream.end();
  const { destroy } = target as { destroy?: unknown };
  if (typeof destroy === "function") Reflect.apply(destroy, target, []);
  else await new OutgoingStream(target as AsyncIterable<unknown>, ignore).end();
}
