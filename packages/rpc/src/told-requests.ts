import type { CallerConnection } from "./context.ts";
import { requestHooks } from "./hooks.ts";
import type { CallMessage } from "./hooks.ts";
import { parseResultPath } from "./path.ts";

/** The requests of one connection that the hooks were told of, and that run. */
export class ToldRequests {
  readonly #connection: CallerConnection;
  readonly #messages = new Map<number, CallMessage>();

  constructor(connection: CallerConnection) {
    this.#connection = connection;
  }

  /** One on the result of another request starts when that is there. */
  arrive(id: number, path: string): void {
    if (parseResultPath(path) === undefined) this.start(id, path, id < 0);
  }

  start(id: number, path: string, isNotification: boolean): void {
    this.#messages.set(id, requestHooks.start(this.#connection, path, isNotification));
  }

  end(id: number, failure?: { readonly error: unknown }): void {
    const message = this.#messages.get(id);
    if (message === undefined) return;
    this.#messages.delete(id);
    if (failure === undefined) requestHooks.end(message);
    else requestHooks.fail(message, failure.error);
  }
}
