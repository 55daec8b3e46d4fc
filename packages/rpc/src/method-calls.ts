import { ColloquyError, refusal } from "@colloquy/core";
import type { Endpoint } from "@colloquy/core";
import { bindKeywords, hasKeys, placeContext } from "./arguments.ts";
import { runInChain } from "./call-chains.ts";
import { chainOf, readMeta, tooManyHops } from "./call-meta.ts";
import type { CallMeta } from "./call-meta.ts";
import type { CallScope } from "./call-scope.ts";
import { callChecked } from "./checked-call.ts";
import type { CallContext, CallerConnection } from "./context.ts";
import type { Exports } from "./exports.ts";
import type { AnyFunction } from "./expose.ts";
import { forward } from "./forward.ts";
import { GatedMember } from "./gate.ts";
import { checkIdempotence } from "./idempotence.ts";
import type { NamedMethod, NamedMethods } from "./local-function.ts";
import { LookupFailure, exposedFunction, isExposed } from "./members.ts";
import type { Exposed } from "./members.ts";
import { namedValue } from "./named-members.ts";
import { PassedOn, withExecuted } from "./passed-on.ts";
import { isReservedPath, parseReferencePath, pathBelow, referencePath, resultPath } from "./path.ts";
import type { NumberedPath } from "./path.ts";
import { childAt, nodeBelow, nodeOf } from "./proxy.ts";
import type { RemoteNode } from "./proxy.ts";
import type { RecentResults } from "./recent-results.ts";
import { withPath } from "./request-content.ts";
import type { RequestContent } from "./request-content.ts";
import { ResultCopies } from "./result-copies.ts";
import { ResultCalls } from "./result-calls.ts";
import type { Gates, Resolved, Router } from "./router.ts";
import type { RunningScopes } from "./running-scopes.ts";
import type { SilentFailures } from "./silent-failures.ts";

/** A call that waits for others fails with them, or because its time is over: honest peers may have many. */
const OTHERS_FAULTS: ReadonlySet<string> = new Set([
  "DEPENDENCY_FAILED",
  "DEADLINE_EXCEEDED",
  "CANCELLED",
  "CONNECTION_LOST",
  "RESOURCE_EXHAUSTED",
]);

/** The connection that calls come on. */
export interface DispatchHost extends CallerConnection {
  contextOf(path: string, scope: CallScope): CallContext;
  /** Whether a node is the peer's own. */
  isHome(node: RemoteNode): boolean;
}

/** What a call is on that was made on the result of another one. */
export interface CallTarget {
  readonly start: object;
  readonly rest: string;
}

/** The results that requests hang on, and what carries out calls on methods that the peer has named. */
export interface MethodTables extends NamedMethods {
  readonly results: RecentResults;
}

/** Finds what the requests of one connection are for, and calls it with its arguments in their places. */
export class MethodCalls {
  readonly #router: Router;
  readonly #exports: Exports;
  readonly #scopes: RunningScopes;
  readonly #tables: MethodTables;
  readonly #host: DispatchHost;
  /** Told of what methods throw; refusals are the caller's own business. */
  readonly #silent: SilentFailures;
  readonly #endpoint: Endpoint;
  /** Made when the first one is. */
  #copies: ResultCopies | undefined;

  constructor(
    router: Router,
    exports: Exports,
    scopes: RunningScopes,
    tables: MethodTables,
    host: DispatchHost,
    silent: SilentFailures,
    endpoint: Endpoint,
  ) {
    this.#router = router;
    this.#exports = exports;
    this.#scopes = scopes;
    this.#tables = tables;
    this.#host = host;
    this.#silent = silent;
    this.#endpoint = endpoint;
  }

  get #maxHopCount(): number {
    return this.#endpoint.limits.maxHopCount;
  }

  /** A call has failed: where it was refused before anything ran, that is what the peer may have so many of, by the bytes that were copied for it. */
  countRefusal(error: unknown, copiedBytes = 0): void {
    if (error instanceof ColloquyError && error.executed === "no") this.#endpoint.reading.countOverhead(copiedBytes);
  }

  /** What the method returns. @throws what it throws, or why it isn't called. */
  call(id: number, request: RequestContent, target?: CallTarget): unknown {
    if (this.#scopes.closed) throw ended();
    if (request.length > 3) {
      const meta = readMeta(request[3]);
      this.#checkMeta(meta);
      const chain = chainOf(meta.chain, this.#maxHopCount);
      if (chain !== undefined) return runInChain(chain, () => this.#callAt(id, request, target));
    }
    return this.#callAt(id, request, target);
  }

  /**
   * A request on the result of another one: what `carryOut` makes of it once that is there, with the path where the result stands, unless the call is
   * over by then. @throws ColloquyError
   */
  onResult(
    id: number,
    request: RequestContent,
    { id: resultId, rest }: NumberedPath,
    carryOut: (request: RequestContent, target: CallTarget) => unknown,
  ): unknown {
    if (this.#scopes.closed) throw ended();
    if (request.length > 3) this.#checkMeta(readMeta(request[3]));
    return this.#resultCalls().call(
      resultId,
      () => this.#scopes.of(id, request[3]),
      (start) => carryOut(withPath(request, this.#pathOf(start, rest, resultId)), { start, rest }),
    );
  }

  /** What is below the result of a request stands where it would, had the caller got the result and called it. */
  #pathOf(result: object, rest: string, id: number): string {
    const number = this.#exports.numberOf(result);
    if (number !== undefined) return pathBelow(referencePath(number), rest);
    const isOwn = typeof result !== "function" && nodeOf(result) === undefined;
    const start = isOwn ? this.#router.pathOf(result) : undefined;
    // Below a root it would be a path of the connection.
    const isUnplaced = start === undefined || (start === "" && isReservedPath(rest));
    return pathBelow(isUnplaced ? resultPath(id) : start, rest);
  }

  /** The same for a call of this side on what the peer has named. It is of the chain that runs here. */
  callNamed(id: number, { start, rest }: NamedMethod, request: RequestContent): unknown {
    if (this.#scopes.closed) throw ended();
    if (request.length > 3) this.#checkMeta(readMeta(request[3]));
    if (start !== undefined) return this.#callOn(id, start, rest, request);
    return this.#callFrom(undefined, rest, id, request, "all");
  }

  #callAt(id: number, request: RequestContent, target: CallTarget | undefined): unknown {
    if (target !== undefined) return this.#callOn(id, target.start, target.rest, request);
    const path = request[0];
    const reference = parseReferencePath(path);
    if (reference !== undefined) return this.#callOn(id, this.#exports.get(reference.id), reference.rest, request);
    return this.#callFrom(undefined, path, id, request, "all");
  }

  /** Resolves when copies of the results of other requests stand in their places among the arguments, unless the call is over by then. */
  async fill(id: number, request: RequestContent): Promise<void> {
    let copiedBytes = 0;
    try {
      if (request.length > 3) this.#checkMeta(readMeta(request[3]));
      const scope = this.#scopes.of(id, request[3]);
      await this.#resultCalls().fill(request, {
        signal: scope.signal,
        hold: (bytes) => this.#scopes.holdWith(id, () => this.#endpoint.running.hold(bytes)),
        onCopied: (bytes) => (copiedBytes += bytes),
      });
      scope.throwIfOver();
    } catch (error) {
      if (!(error instanceof ColloquyError && OTHERS_FAULTS.has(error.code))) this.countRefusal(error, copiedBytes);
      throw error;
    }
  }

  /** Made for each use: few connections have any. */
  #resultCalls(): ResultCalls {
    return new ResultCalls({
      results: this.#tables.results,
      memberOf: (result, rest, resultId) => this.#memberOf(result, rest, resultId),
      copy: (sources, taker) => this.#resultCopies().copy(sources, taker, this.#endpoint.limits),
      onRefused: (error) => this.countRefusal(error),
    });
  }

  #memberOf(result: object, rest: string, id: number): unknown {
    const node = nodeOf(result);
    // The peer's own.
    if (node !== undefined && this.#host.isHome(node)) return childAt(node, rest);
    const path = this.#pathOf(result, rest, id);
    return this.#lookUp(path, () => namedValue(this.#tables, this.#router, { path, start: result, rest }));
  }

  #resultCopies(): ResultCopies {
    const { codec, reading } = this.#endpoint;
    return (this.#copies ??= new ResultCopies(codec!, reading.isTimed));
  }

  /** A call on something that was handed out, or will be. */
  #callOn(id: number, target: object, rest: string, request: RequestContent): unknown {
    const node = nodeOf(target);
    if (node !== undefined) {
      const below = rest === "" ? node : nodeBelow(node, rest);
      return forward(below, request, this.#scopes.of(id, request[3]));
    }
    if (typeof target === "function") {
      if (rest !== "") throw refusal("NOT_FOUND", "a function has no members");
      return this.#invoke(id, exposedFunction(target as AnyFunction), undefined, request);
    }
    return this.#callFrom(target, rest, id, request, "all");
  }

  #callFrom(start: object | undefined, rest: string, id: number, request: RequestContent, gates: Gates): unknown {
    const { owner, member } = this.#resolve(start, rest, request[0], gates);
    if (isExposed(member)) return this.#invoke(id, member, owner, request);
    if (member instanceof GatedMember) return this.#pass(member, owner, id, request);
    throw notCallable(request[0]);
  }

  /** A call to what has a mailbox: it may have to wait. */
  #pass({ gate, rest }: GatedMember, service: object, id: number, request: RequestContent): unknown {
    const scopes = this.#scopes;
    let isLater = false;
    const result = gate.pass({
      get signal() {
        return scopes.of(id, request[3]).signal;
      },
      run: () => {
        try {
          return this.#callFrom(service, rest, id, request, "below");
        } catch (error) {
          if (!isLater) throw error;
          this.countRefusal(error);
          // It didn't start, or has said that it did.
          throw new PassedOn("passed on", { cause: error });
        }
      },
    });
    isLater = true;
    return result;
  }

  #resolve(start: object | undefined, rest: string, path: string, gates: Gates): Resolved {
    return this.#lookUp(path, () =>
      start === undefined ? this.#router.resolve(rest, gates) : this.#router.resolveBelow(start, rest, gates),
    );
  }

  /** What user code throws on the way counts as what the method throws. */
  #lookUp<T>(path: string, find: () => T): T {
    try {
      return find();
    } catch (error) {
      if (!(error instanceof LookupFailure)) throw error;
      throw withExecuted(this.#silent.onMethod(path, error.cause), "yes");
    }
  }

  /** @throws ColloquyError for a call that came too late, or that is one of too many within another. */
  #checkMeta({ deadline, hops }: CallMeta): void {
    if (deadline === 0) throw refusal("DEADLINE_EXCEEDED", "the time for the call was over when it came");
    if (hops !== undefined && hops > this.#maxHopCount) throw tooManyHops(this.#maxHopCount);
  }

  #invoke(id: number, exposed: Exposed, owner: object | undefined, request: RequestContent): unknown {
    const path = request[0];
    const args = request[1];
    const kwargs = request[2];
    if (request.length > 3) checkIdempotence(exposed, path, request[3]);
    if (hasKeys(kwargs)) bindKeywords(exposed, args, kwargs);
    if (exposed.isChecked) return this.#invokeChecked(id, exposed, owner, request);
    let given = args;
    if (exposed.contextPlace >= 0) {
      given = placeContext(exposed, args, this.#host.contextOf(path, this.#scopes.of(id, request[3])));
    }
    try {
      return Reflect.apply(exposed.call, owner, given);
    } catch (error) {
      throw withExecuted(this.#silent.onMethod(path, error), "yes");
    }
  }

  /** Arguments and result pass schemas. */
  #invokeChecked(
    id: number,
    exposed: Exposed,
    owner: object | undefined,
    [path, args, , meta]: RequestContent,
  ): Promise<unknown> {
    const context = exposed.contextPlace < 0 ? undefined : this.#host.contextOf(path, this.#scopes.of(id, meta));
    const apply = (given: unknown[]): unknown =>
      Reflect.apply(exposed.call, owner, context === undefined ? given : placeContext(exposed, given, context));
    return callChecked(exposed.options, path, args, apply, (error) => this.#silent.onMethod(path, error));
  }
}

function ended(): ColloquyError {
  return new ColloquyError("CONNECTION_LOST", "the connection of the call has ended");
}

function notCallable(path: string): ColloquyError {
  return path === ""
    ? refusal("NOT_EXPOSED", "the root is a service, not a method: call one that it has")
    : refusal("NOT_EXPOSED", `"${path}" is a service, not a method: call one that it has`);
}
