import type { ErrorRules } from "./error-rules.ts";
import type { ColloquyError } from "./errors.ts";

/** What is sent in place of a result. */
export type Substitute = { readonly result: unknown } | { readonly error: ColloquyError };

/** Takes what arrives at an endpoint. */
export interface EndpointHandler {
  /** What leaves with exceptions, and the classes of those that come. Default: none is known, and others have name and message. */
  readonly errorRules?: ErrorRules | undefined;
  /** A message has been decoded, in order: its content may still be refused. Returns why. */
  onDecoded?(isAnswer: boolean, content: unknown): ColloquyError | undefined;
  /** A request. It is answered with `reply` or `fail`, once, now or later. */
  onRequest(id: number, content: unknown, error: ColloquyError | undefined): void;
  /** `error`: its content could not be decoded. */
  onNotification(content: unknown, error: ColloquyError | undefined): void;
  /** A notification of this side had to wait, and could not be encoded then. */
  onLostNotification(error: ColloquyError): void;
  /**
   * How the encoding of each message of this side has ended: references that it made are void where it failed; of an answer another one
   * follows then. What is sent with `notifyNow` meanwhile follows directly.
   */
  onEncoded?(succeeded: boolean, isAnswer?: boolean): void;
  /** A result can't be encoded. Returns what goes out in its place, if it isn't an exception that says so. */
  onLostResult?(content: unknown, error: ColloquyError): Substitute | undefined;
  /** A request was answered with an exception. */
  onFailed?(error: unknown): void;
  /** A result has come for a call that was given up: nobody gets it. */
  onLateResult?(content: unknown): void;
  /** The connection has ended before a result was encoded. */
  onUnsentResult?(content: unknown): void;
  /** Looks at a request first, whatever the limits. True: it was the protocol's own, and is answered. */
  onControl?(id: number, content: unknown): boolean;
  /** What takes those references back, should the message that was just encoded be withdrawn before it is complete. */
  heldReferences?(isAnswer: boolean): (() => void) | undefined;
  /** A value can be sent once the peer has said hello. True: it is asked, and the output held until it has answered. */
  onHelloWanted?(): boolean;
  /** The connection has ended and every call has settled. Called once; `error` says why, where it wasn't closed in order. */
  onClosed(error: ColloquyError | undefined): void;
}

/** Counters of one connection: what has been sent and received since it began, and how much of the rest there is now. */
export interface EndpointStats {
  /** Messages that were encoded, the protocol's own too. One with large values counts once the peer has room for them, unless it is withdrawn. */
  readonly sentMessages: number;
  /**
   * Bytes that were written, with headers and pieces of large values. They count when they are queued, also where the connection ends
   * before they have left. What TLS adds doesn't count.
   */
  readonly sentBytes: number;
  /** Messages that have come in full, those too that can't be decoded. */
  readonly receivedMessages: number;
  /** Bytes that have come, with headers, pieces of large values and incomplete messages. What TLS adds doesn't count. */
  readonly receivedBytes: number;
  /** Calls of this side without an answer. */
  readonly pending: number;
  /** Requests of the other side without an answer. */
  readonly running: number;
  /** Decoded bytes, as `maxHeldBytes` counts them, that running requests and notifications of the other side hold. */
  readonly heldBytes: number;
  /** Messages that wait for room in the output, or for hello. */
  readonly waiting: number;
  /** Bytes of `sentBytes` that the system has not taken yet. */
  readonly queuedBytes: number;
  /** Answers that have come to calls that this side had given up. */
  readonly lateAnswers: number;
}
