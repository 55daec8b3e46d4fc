import { channel } from "node:diagnostics_channel";

/** Published where somebody listens: `{ connection, path }` and `{ connection, path, error }`. */
const failedFunctionCall = channel("colloquy:failed-function-call");
const failedNotification = channel("colloquy:failed-notification");

/** Counts and publishes the failures of one connection that no promise has to report. */
export class SilentFailures {
  functionCalls = 0;
  notifications = 0;
  readonly #connection: object;

  constructor(connection: object) {
    this.#connection = connection;
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
}
