import { ColloquyError, describeType } from "@colloquy/core";
import type { CallScope } from "./call-scope.ts";
import { isThenable } from "./guard.ts";
import { isService } from "./members.ts";
import { PassedOn, dependencyFailed } from "./passed-on.ts";
import { nodeOf } from "./proxy.ts";
import type { RecentResults } from "./recent-results.ts";
import type { RequestContent } from "./request-content.ts";
import type { CopySource, CopyTaker } from "./result-copies.ts";
import { ResultPlaces, misplaced } from "./result-places.ts";
import { settledWithin } from "./result-waits.ts";

/** What requests that hang on others need of their connection. */
export interface ResultHost {
  readonly results: RecentResults;
  /** What is below the result of request `id`, as a value. @throws ColloquyError */
  memberOf(result: object, rest: string, id: number): unknown;
  /** Copies of values, as if they had crossed. */
  copy(sources: readonly CopySource[], taker: CopyTaker): Promise<unknown[]>;
  /** A call has been refused that waited. */
  onRefused(error: unknown): void;
}

/** Requests that hang on the results of earlier ones. */
export class ResultCalls {
  readonly #host: ResultHost;

  constructor(host: ResultHost) {
    this.#host = host;
  }

  /**
   * Resolves when copies of the results among the arguments stand in their places. Rejects with `RESULT_NOT_KEPT`, with `DEPENDENCY_FAILED`
   * where a request has failed, with `SERIALIZATION_ERROR` for what can't be copied or can't stand there, with why the taker can't hold them,
   * and with why the call is over.
   */
  async fill(request: RequestContent, taker: CopyTaker): Promise<void> {
    const { results } = this.#host;
    const places = new ResultPlaces(request.slice(1, 3));
    const { references } = places;
    if (new Set(references).size < results.wantedBy(request)) throw misplaced();
    const kept = await this.#settled(
      references.map(({ id }) => results.get(id)),
      taker,
    );
    const sources = references.map((reference, index): CopySource => {
      const { id, rest } = reference;
      return rest === ""
        ? { key: id, value: kept[index] }
        : { key: reference, value: this.#memberOf(kept[index], rest, id) };
    });
    places.fill(await this.#host.copy(sources, taker));
  }

  /** What `callOn` makes of the result of request `id`: in this turn where it is there, else unless the call is over by then. @throws ColloquyError */
  call(id: number, scopeOf: () => CallScope, callOn: (target: object) => unknown): unknown {
    const callOnTarget = (result: unknown): unknown => {
      if (!isTarget(result)) throw noService(id, result);
      return callOn(result);
    };
    const result = this.#host.results.get(id);
    return isThenable(result) ? this.#callLater(result, scopeOf(), callOnTarget) : callOnTarget(result);
  }

  async #callLater(
    promise: PromiseLike<unknown>,
    scope: CallScope,
    callOn: (result: unknown) => unknown,
  ): Promise<unknown> {
    const [result] = await this.#settled([promise], scope).catch((error: unknown) => {
      throw new PassedOn("passed on", { cause: error });
    });
    let called: unknown;
    try {
      scope.throwIfOver();
      called = callOn(result);
    } catch (error) {
      this.#host.onRefused(error);
      // It didn't start, or has said that it did.
      throw new PassedOn("passed on", { cause: error });
    }
    return called;
  }

  async #settled(results: readonly unknown[], { signal }: Pick<CallScope, "signal">): Promise<unknown[]> {
    try {
      return await settledWithin(results, signal);
    } catch (error) {
      if (signal.aborted) signal.throwIfAborted();
      throw failureOf(PassedOn.is(error) ? error.cause : error);
    }
  }

  /** A member of a result, as a value. @throws ColloquyError */
  #memberOf(result: unknown, rest: string, id: number): unknown {
    const isObject = typeof result === "object" && result !== null;
    if (!isObject && nodeOf(result) === undefined) throw noService(id, result);
    return this.#host.memberOf(result as object, rest, id);
  }
}

function isTarget(result: unknown): result is object {
  if (typeof result === "function") return true;
  return typeof result === "object" && result !== null && (isService(result) || nodeOf(result) !== undefined);
}

/** What a call fails with that hangs on a result: where that is not kept, with just this. */
function failureOf(cause: unknown): ColloquyError {
  if (cause instanceof ColloquyError && cause.code === "RESULT_NOT_KEPT") return cause;
  return dependencyFailed(cause);
}

function noService(id: number, result: unknown): ColloquyError {
  const reason = `the result of request ${id}, which this is called on, is ${describeType(result)}, no service and no function`;
  return new ColloquyError("INVALID_ARGUMENT", reason);
}
