import type { Codec } from "./codec.ts";
import { failureOf, resultLost } from "./message-failures.ts";
import type { EndpointHandler, Substitute } from "./endpoint-handler.ts";
import { ColloquyError, SerializationError } from "./errors.ts";
import { reduceException, writeException } from "./write-exception.ts";
import type { ExceptionStyle } from "./write-exception.ts";
import type { FrameWriter } from "./frame-writer.ts";
import { EXCEPTION, NOTIFICATION, RESULT, isAnswer } from "./message.ts";
import type { OutgoingSegments } from "./outgoing-segments.ts";
import type { PendingCall, PendingCalls } from "./pending.ts";
import { HelloWanted } from "./segments.ts";
import type { SentSegment } from "./segments.ts";
import type { WaitingMessage } from "./waiting-messages.ts";

/** So many fields that can't be encoded are left out of an exception one by one; one more takes all of them with it. */
const MOST_REDUCED = 8;
/** Where neither a result nor the exception in its place can be encoded. */
const LAST_RESORT = "SerializationError: the exception could not be encoded";

export interface MessageWriterListener {
  /** What sends the segments of messages that have any. */
  readonly segments: OutgoingSegments;
  /** The next message can be written. */
  onNext(): void;
  /** Whether the caller has given a call up that has not left. */
  isAbandoned(call: PendingCall): boolean;
  /** The peer has to be asked first. True: it is, and the message waits for the answer. */
  postpone(message: WaitingMessage): boolean;
  /** Not even an exception can be encoded. */
  onBroken(error: ColloquyError): void;
}

/** Encodes the messages of one connection into frames, one after another, at once or in a promise of the codec. */
export class MessageWriter {
  codec: Codec | undefined;
  exceptionStyle: ExceptionStyle = "text";
  readonly #frames: FrameWriter;
  readonly #pending: PendingCalls;
  readonly #handler: EndpointHandler;
  readonly #listener: MessageWriterListener;
  #busy = false;
  /** The call whose request a codec encodes in a promise. */
  #encodedLater: PendingCall | undefined;
  #closed = false;
  /** The request whose exception was reduced last, and how often it was. */
  #reducedId = -1;
  #reducedCount = 0;

  constructor(frames: FrameWriter, pending: PendingCalls, handler: EndpointHandler, listener: MessageWriterListener) {
    this.#handler = handler;
    this.#frames = frames;
    this.#pending = pending;
    this.#listener = listener;
  }

  /** A message is being encoded: the next one has to wait. */
  get busy(): boolean {
    return this.#busy;
  }

  /** Returns what went wrong, where it is known at once. */
  write(type: number, id: number, content: unknown, call: PendingCall | undefined): ColloquyError | undefined {
    const frames = this.#frames;
    // Serializers are user code: what they send meanwhile waits until this frame is complete.
    this.#busy = true;
    const mark = frames.begin();
    this.codec!.segments.begin();
    try {
      const codec = this.codec!;
      codec.maxSentBytes = frames.maxPayloadBytes;
      const encoded = codec.encodeMessage(frames.writer, type, id, content);
      if (encoded === undefined) this.#commit(mark, type, id, call);
      else {
        frames.drop(mark);
        this.#writeLater(encoded, { type, id, content, call });
        return undefined;
      }
    } catch (error) {
      return this.#failed(frames.abort(mark, error), { type, id, content, call });
    }
    this.#succeeded();
    return undefined;
  }

  /** Every request gets an answer: an exception in place of a result, plain words in place of an exception. */
  answerUnencodable(type: number, id: number, content: unknown, error: ColloquyError): void {
    if (this.#closed) return this.#dropUnsent(type, content);
    if (type === RESULT) this.#writeInPlace(id, this.#handler.onLostResult?.(content, error), error);
    else if (this.#reduce(id, content, error)) this.write(EXCEPTION, id, content, undefined);
    else if (content !== LAST_RESORT) this.write(EXCEPTION, id, LAST_RESORT, undefined);
    else {
      const reason = `no answer can be sent: ${error.message}`;
      this.#listener.onBroken(new ColloquyError(error.code, reason, { cause: error }));
    }
  }

  #writeInPlace(id: number, substitute: Substitute | undefined, error: ColloquyError): void {
    if (substitute !== undefined && "result" in substitute) {
      this.write(RESULT, id, substitute.result, undefined);
      return;
    }
    const lost = substitute?.error ?? resultLost(error);
    this.write(EXCEPTION, id, writeException(lost, this.exceptionStyle, this.#handler.errorRules), undefined);
  }

  #dropUnsent(type: number, content: unknown): void {
    if (type === RESULT) this.#handler.onUnsentResult?.(content);
  }

  /** A field that can't be encoded is left out of an exception; where there are many, all of them are. */
  #reduce(id: number, content: unknown, error: ColloquyError): boolean {
    if (this.#reducedId !== id) this.#reducedCount = 0;
    this.#reducedId = id;
    const isOne = error instanceof SerializationError && ++this.#reducedCount <= MOST_REDUCED;
    return reduceException(content, isOne ? error.place : undefined);
  }

  /** Nothing is written any more; returns the call whose request was being encoded. */
  close(): PendingCall | undefined {
    this.#closed = true;
    const call = this.#encodedLater;
    return call === undefined || this.#listener.isAbandoned(call) ? undefined : call;
  }

  /** Its frame begins when the bytes are there: what was encoded before leaves in the meantime. */
  #writeLater(encoded: Promise<Uint8Array>, message: WaitingMessage): void {
    const { type, id, call } = message;
    this.#encodedLater = call;
    encoded
      .then((bytes) => {
        if (this.#closed) return;
        this.#encodedLater = undefined;
        const mark = this.#frames.begin();
        try {
          this.#frames.writer.append(bytes);
          this.#commit(mark, type, id, call);
        } catch (error) {
          throw this.#frames.abort(mark, error);
        }
        this.#succeeded();
      })
      .catch((error: unknown) => {
        this.#encodedLater = undefined;
        // The close has settled the call.
        if (this.#closed) return this.#dropUnsent(type, message.content);
        const failure = this.#failed(error, message);
        if (failure !== undefined && type === NOTIFICATION) this.#handler.onLostNotification(failure);
      });
  }

  #commit(mark: number, type: number, id: number, call: PendingCall | undefined): void {
    // A serializer may end the connection, or give the call up.
    if (this.#closed) throw new ColloquyError("CONNECTION_LOST", "the connection ended while the message was encoded");
    if (call !== undefined && this.#listener.isAbandoned(call))
      throw new ColloquyError("CANCELLED", "the call was given up");
    const sent = this.codec!.segments.take();
    if (sent.length > 0) return this.#ship(mark, type, id, call, sent);
    this.#frames.commit(mark);
    if (call !== undefined) this.#pending.add(call);
  }

  /** A message with segments leaves with them, by itself. */
  #ship(mark: number, type: number, id: number, call: PendingCall | undefined, segments: readonly SentSegment[]): void {
    const outgoing = this.#listener.segments;
    const takeBack = this.#handler.heldReferences?.(isAnswer(type));
    const shipment = outgoing.prepare({ type, id, payload: this.#frames.lift(mark), segments, takeBack });
    // First: what is sent may fail at once.
    if (call !== undefined) this.#pending.add(call);
    outgoing.send(shipment, this.codec!.packer);
  }

  #succeeded(): void {
    this.#busy = false;
    this.#handler.onEncoded?.(true);
    this.#listener.onNext();
  }

  /** Returns the failure, or undefined where the message waits until the peer has been asked. */
  #failed(thrown: unknown, message: WaitingMessage): ColloquyError | undefined {
    const { type, id, content, call } = message;
    this.#busy = false;
    this.codec!.segments.take();
    this.#handler.onEncoded?.(false, isAnswer(type));
    if (thrown instanceof HelloWanted && !this.#closed && this.#listener.postpone(message)) return undefined;
    const error = failureOf(thrown);
    if (call !== undefined) {
      if (!this.#listener.isAbandoned(call)) call.onFailure(error);
    } else if (isAnswer(type)) this.answerUnencodable(type, id, content, error);
    this.#listener.onNext();
    return error;
  }
}
