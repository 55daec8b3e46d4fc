import { ColloquyError, describeType } from "@colloquy/core";
import type { CallScope } from "./call-scope.ts";
import type { CallContext } from "./context.ts";
import { isThenable } from "./guard.ts";
import { localFunction } from "./local-function.ts";
import { isExposed, isService } from "./members.ts";
import { PassedOn, dependencyFailed } from "./passed-on.ts";
import { joinPath, resultPath } from "./path.ts";
import { childAt, nodeOf } from "./proxy.ts";
import { replaceResults } from "./recent-results.ts";
import type { RecentResults, ResultReference } from "./recent-results.ts";
import type { RequestContent } from "./request-content.ts";
import type { Resolved } from "./router.ts";

/** Finds a member below an object; `path` is where it stands for the caller. */
type Resolve = (start: object, rest: string, path: string) => Resolved;

/** Requests that hang on the results of earlier ones. */
export class ResultCalls {
  readonly #results: RecentResults;
  readonly #resolve: Resolve;
  readonly #contextOf: (path: string) => CallContext;

  constructor(results: RecentResults, resolve: Resolve, contextOf: (path: string) => CallContext) {
    this.#contextOf = contextOf;
    this.#results = results;
    this.#resolve = resolve;
  }

  /**
   * Resolves when the results among the arguments stand in their places. Rejects with `RESULT_NOT_KEPT`, and `DEPENDENCY_FAILED` where
   * a request has failed.
   */
  async filled([, args, kwargs]: RequestContent): Promise<void> {
    const resultOf = ({ id, rest }: ResultReference): Promise<unknown> => {
      const result = this.#settled(this.#results.get(id));
      return rest === "" ? result : result.then((value) => this.#memberOf(value, rest, id));
    };
    await replaceResults([args, kwargs], resultOf);
  }

  /** What `callOn` makes of the result of request `id`: in this turn where it is there, else unless the call is over by then. @throws ColloquyError */
  call(id: number, scopeOf: () => CallScope, callOn: (target: object) => unknown): unknown {
    const callOnTarget = (result: unknown): unknown => {
      if (!isTarget(result)) throw noService(id, result);
      return callOn(result);
    };
    const result = this.#results.get(id);
    return isThenable(result) ? this.#callLater(id, scopeOf(), callOnTarget) : callOnTarget(result);
  }

  async #callLater(id: number, scope: CallScope, callOn: (result: unknown) => unknown): Promise<unknown> {
    let called: unknown;
    try {
      const result = await this.#settled(this.#results.get(id));
      scope.throwIfOver();
      called = callOn(result);
    } catch (error) {
      // It didn't start, or has said that it did.
      throw new PassedOn("passed on", { cause: error });
    }
    return called;
  }

  async #settled(result: unknown): Promise<unknown> {
    try {
      return await result;
    } catch (error) {
      throw failureOf(error instanceof PassedOn ? error.cause : error);
    }
  }

  /** A member of a result, as a value. @throws ColloquyError */
  #memberOf(result: unknown, rest: string, id: number): unknown {
    if (typeof result !== "object" || result === null) throw noService(id, result);
    const node = nodeOf(result);
    if (node !== undefined) return childAt(node, rest);
    const { owner, member } = this.#resolve(result, rest, joinPath(resultPath(id), rest));
    if (!isExposed(member)) return member;
    return localFunction(member, owner, rest, () => this.#contextOf(rest));
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
