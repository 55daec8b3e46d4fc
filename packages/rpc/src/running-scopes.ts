import { ColloquyError } from "@colloquy/core";
import { readMeta } from "./call-meta.ts";
import { CallScope } from "./call-scope.ts";

/** The scopes of the calls of one connection that have asked for one; those of notifications have numbers below 0. */
export class RunningScopes {
  #scopes: Map<number, CallScope> | undefined;
  /** Why no call runs any more. */
  #closedBy: ColloquyError | undefined;

  get closed(): boolean {
    return this.#closedBy !== undefined;
  }

  /** That of call `id`, made where there is none. Of a closed connection it has aborted. */
  of(id: number, meta: unknown): CallScope {
    const known = this.#scopes?.get(id);
    if (known !== undefined) return known;
    const scope = new CallScope(readMeta(meta));
    if (this.#closedBy !== undefined) {
      scope.end();
      scope.abort.abort(this.#closedBy);
    } else (this.#scopes ??= new Map()).set(id, scope);
    return scope;
  }

  find(id: number): CallScope | undefined {
    return this.#scopes?.get(id);
  }

  /** Call `id` holds from now on what `hold` takes, in place of what it has held, until it has settled. */
  holdWith(id: number, hold: () => () => void): void {
    const scope = this.#scopes?.get(id);
    if (scope === undefined) return;
    scope.release?.();
    scope.release = undefined;
    scope.release = hold();
  }

  /** A call has settled. */
  end(id: number): void {
    const scope = this.#scopes?.get(id);
    if (scope === undefined) return;
    scope.release?.();
    scope.end();
    this.#scopes!.delete(id);
  }

  /** The connection has ended. */
  close(): void {
    this.#closedBy = new ColloquyError("CONNECTION_LOST", "the caller's connection has ended");
    for (const scope of this.#scopes?.values() ?? []) {
      scope.end();
      scope.abort.abort(this.#closedBy);
    }
    this.#scopes = undefined;
  }
}
