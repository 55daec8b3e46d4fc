import { channel } from "node:diagnostics_channel";
import { randomUUID } from "node:crypto";
import { ColloquyError, DEFAULT_ERROR_RULES, generalError, guard, isHidden, readable } from "@colloquy/core";
import type { ErrorRules, ReproducibleRun } from "@colloquy/core";

/** Published where somebody listens: `{ connection, path }`, and `{ connection, path, error }` for the other two. */
const failedFunctionCall = channel("colloquy:failed-function-call");
const failedNotification = channel("colloquy:failed-notification");
const failedMethod = channel("colloquy:failed-method");

/**
 * Told of what a method has thrown: its caller gets what the `errors` option lets out, its own process sees all of it here.
 * `id`: the caller got nothing but this id (`errors: { allow: "none" }`).
 */
export type MethodFailureListener = (error: unknown, path: string, id: string | undefined) => void;

/** Counts and publishes the failures of one connection that no promise of this side has to report. */
export class SilentFailures {
  functionCalls = 0;
  notifications = 0;
  readonly #connection: object;
  readonly #onMethodFailure: MethodFailureListener | undefined;
  readonly #newId: () => string;
  /** What leaves with errors. */
  readonly errorRules: ErrorRules;

  constructor(
    connection: object,
    onMethodFailure: MethodFailureListener | undefined,
    errorRules: ErrorRules = DEFAULT_ERROR_RULES,
    run?: ReproducibleRun,
  ) {
    this.#newId = run === undefined ? randomUUID : () => run.newId();
    this.errorRules = errorRules;
    this.#connection = connection;
    this.#onMethodFailure = onMethodFailure;
  }

  /** A method of this side has thrown. Returns what its caller is to get: the error itself, or one that has an id in its place. */
  onMethod(path: string, error: unknown, published: unknown = error): unknown {
    const told = readable(error);
    const id = isHidden(told, this.errorRules) ? this.#newId() : undefined;
    const listener = this.#onMethodFailure;
    if (listener !== undefined) guard("onMethodFailure", () => listener(error, path, id));
    if (failedMethod.hasSubscribers) failedMethod.publish({ connection: this.#connection, path, error: published, id });
    return id === undefined ? told : generalError(id);
  }

  /** `authenticate` has thrown. What it has thrown may show credentials: it is told to the listener alone, and isn't published. */
  onAuthenticate(error: unknown): void {
    const reason = "authenticate has thrown; onMethodFailure is told what";
    this.onMethod("$/auth", error, new ColloquyError("UNAUTHENTICATED", reason));
  }

  /** A call on a received function has failed: a subscriber has left, or has thrown. */
  onFunctionCall(path: string): void {
    this.functionCalls++;
    if (failedFunctionCall.hasSubscribers) failedFunctionCall.publish({ connection: this.#connection, path });
  }

  /** A notification could not be sent, or not be carried out. */
  onNotification(path: string, error: unknown): void {
    this.notifications++;
    if (failedNotification.hasSubscribers) failedNotification.publish({ connection: this.#connection, path, error });
  }

  /** A notification on `$` was refused. No error is made where nobody listens: they are small, and a peer can send many. */
  onRefused(path: string): void {
    this.notifications++;
    if (!failedNotification.hasSubscribers) return;
    const error = new ColloquyError("INVALID_ARGUMENT", "no such notification in $, or its arguments are refused");
    failedNotification.publish({ connection: this.#connection, path, error });
  }
}
