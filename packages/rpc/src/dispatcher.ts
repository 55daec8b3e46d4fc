import { ColloquyError } from "@colloquy/core";
import type { Endpoint } from "@colloquy/core";
import { readMeta, tooManyHops } from "./call-meta.ts";
import type { CallMeta } from "./call-meta.ts";
import { CallScope } from "./call-scope.ts";
import type { CallContext } from "./context.ts";
import type { Exports } from "./exports.ts";
import { exposedFunction, isExposed, isStreamValue } from "./members.ts";
import type { AnyFunction } from "./expose.ts";
import type { Exposed } from "./members.ts";
import { bindKeywords, placeContext } from "./arguments.ts";
import { checkIdempotence, isStatedIdempotent } from "./idempotence.ts";
import type { OutgoingStreams } from "./outgoing-streams.ts";
import { joinPath, parseReferencePath, parseResultPath } from "./path.ts";
import { RemoteNode, nodeOf } from "./proxy.ts";
import type { RequestContent } from "./request-content.ts";
import { mayBeCalled } from "./recent-results.ts";
import type { RecentResults } from "./recent-results.ts";
import { ResultCalls, isThenable } from "./result-calls.ts";
import { callChecked } from "./checked-call.ts";
import { runIncoming } from "./incoming-interceptors.ts";
import type { IncomingCall, Interceptor } from "./interceptors.ts";
import { NO_METADATA } from "./metadata.ts";
import { PassedOn, executed } from "./passed-on.ts";
import type { Router } from "./router.ts";
import { RunningScopes } from "./running-scopes.ts";
import type { SilentFailures } from "./silent-failures.ts";

/** The connection that calls come on. */
export interface DispatchHost {
  contextOf(path: string, scope: CallScope): CallContext;
}

/** What few connections have any of: the first two are made when they are asked for. */
export interface Rarities {
  readonly streams: OutgoingStreams;
  readonly results: RecentResults;
  readonly recentResults: RecentResults | undefined;
}

/** Carries out the requests of one connection: path to function, function to answer. */
export class Dispatcher {
  readonly #endpoint: Endpoint;
  readonly #router: Router;
  readonly #exports: Exports;
  readonly #host: DispatchHost;
  /** What a method without a result answers: plain peers know no undefined. */
  emptyResult: null | undefined = null;
  interceptors: readonly Interceptor<IncomingCall>[] | undefined;
  readonly #scopes: RunningScopes = new RunningScopes();
  readonly #maxRunningCount: number;
  /** Told of what methods throw; refusals are the caller's own business. */
  readonly #silent: SilentFailures;
  readonly #rarities: Rarities;
  #quietCount = 0;
  #lastQuietId = 0;

  constructor(
    endpoint: Endpoint,
    router: Router,
    exports: Exports,
    rarities: Rarities,
    host: DispatchHost,
    silent: SilentFailures,
  ) {
    this.#silent = silent;
    this.#rarities = rarities;
    this.#endpoint = endpoint;
    this.#router = router;
    this.#exports = exports;
    this.#host = host;
    this.#maxRunningCount = endpoint.limits.maxRunningCount;
  }

  /** Carries out a request and answers it; a plain value is answered before this returns. */
  run(id: number, request: RequestContent): void {
    let result: unknown;
    try {
      result = this.#start(id, request);
      if (isThenable(result)) return this.#replyLater(id, request[0], result);
    } catch (error) {
      return this.#fail(id, error);
    }
    this.#reply(id, request[0], result);
  }

  /** Functions in `run` would cost a call with a plain value, too. */
  #replyLater(id: number, path: string, result: PromiseLike<unknown>): void {
    this.#rarities.results.keep(id, result);
    result.then(
      (value) => this.#reply(id, path, value),
      (error: unknown) => this.#failMethod(id, path, error),
    );
  }

  /** Results of others are among its arguments: it starts when they are there. */
  async #callFilled(id: number, request: RequestContent): Promise<unknown> {
    let result: unknown;
    try {
      const scope = this.#scopes.of(id, request[3]);
      await this.#resultCalls().filled(request);
      scope.throwIfOver();
      result = this.#carryOut(id, request);
    } catch (error) {
      // It didn't start, or has said that it did.
      throw new PassedOn("passed on", { cause: error });
    }
    return result;
  }

  #start(id: number, request: RequestContent): unknown {
    const isWanting = this.#rarities.recentResults?.wanted === true;
    return isWanting ? this.#callFilled(id, request) : this.#carryOut(id, request);
  }

  #carryOut(id: number, request: RequestContent): unknown {
    return this.interceptors === undefined ? this.#call(id, request) : this.#intercept(id, request);
  }

  /** Carries out a request that wants no answer; what it throws goes to `onError`. As many run at a time as calls may. */
  runQuietly(request: RequestContent, onError: (error: unknown) => void): void {
    if (this.#quietCount >= this.#maxRunningCount) {
      const reason = `${this.#maxRunningCount} notifications of this connection run already (maxRunningCount)`;
      return onError(new ColloquyError("RESOURCE_EXHAUSTED", reason));
    }
    const id = --this.#lastQuietId;
    this.#quietCount++;
    let settled = false;
    const settle = (value?: unknown): void => {
      if (settled) return;
      settled = true;
      this.#quietCount--;
      this.#scopes.end(id);
      // Nobody gets it.
      if (typeof value === "object" && value !== null && isStreamValue(value)) this.#rarities.streams.discard(value);
    };
    try {
      const result = this.#start(id, request);
      if (!isThenable(result)) return settle(result);
      result.then(settle, (error: unknown) => {
        settle();
        if (!(error instanceof PassedOn)) this.#silent.onMethod(request[0], error);
        onError(executed(error));
      });
    } catch (error) {
      settle();
      onError(error);
    }
  }

  /** The caller gave request `id` up. */
  cancel(id: number): void {
    this.#scopes.find(id)?.cancel();
  }

  /** The connection has ended. */
  close(): void {
    this.#scopes.close();
  }

  /** The method starts when the last interceptor has called `next`. */
  #intercept(id: number, [path, args, kwargs, meta]: RequestContent): Promise<unknown> {
    const scope = this.#scopes.of(id, meta);
    const context = this.#host.contextOf(path, scope);
    const call: IncomingCall = { direction: "incoming", ...context, args, kwargs, notification: id < 0 };
    const carryOut = (changed: IncomingCall): unknown => {
      scope.metadata = changed.metadata;
      scope.trace = changed.trace;
      return this.#call(id, [path, [...changed.args], changed.kwargs, meta]);
    };
    return runIncoming(this.interceptors!, call, carryOut, (error) => this.#silent.onMethod(path, error));
  }

  #call(id: number, request: RequestContent): unknown {
    const path = request[0];
    if (this.#scopes.closed) throw new ColloquyError("CONNECTION_LOST", "the connection of the call has ended");
    if (request.length > 3) this.#checkMeta(readMeta(request[3]));
    const reference = parseReferencePath(path);
    if (reference !== undefined) return this.#callOn(id, this.#exports.get(reference.id), reference.rest, request);
    const result = parseResultPath(path);
    if (result !== undefined)
      return this.#resultCalls().call(
        result.id,
        () => this.#scopes.of(id, request[3]),
        (target) => this.#callOn(id, target, result.rest, request),
      );
    const { owner, member } = this.#router.resolve(path);
    if (!isExposed(member)) throw notCallable(path);
    return this.#invoke(id, member, owner, request);
  }

  /** Made for each use: few connections have any. */
  #resultCalls(): ResultCalls {
    const contextOf = (path: string): CallContext => this.#host.contextOf(path, new CallScope({}));
    return new ResultCalls(this.#rarities.results, this.#router, contextOf);
  }

  /** A call on something that was handed out, or will be. */
  #callOn(id: number, target: object, rest: string, request: RequestContent): unknown {
    const node = nodeOf(target);
    if (node !== undefined) return forward(node, rest, request, this.#scopes.of(id, request[3]));
    if (typeof target === "function") {
      if (rest !== "") throw new ColloquyError("NOT_FOUND", "a function has no members");
      return this.#invoke(id, exposedFunction(target as AnyFunction), undefined, request);
    }
    const { owner, member } = this.#router.resolveBelow(target, rest);
    if (!isExposed(member)) throw notCallable(request[0]);
    return this.#invoke(id, member, owner, request);
  }

  /** @throws ColloquyError for a call that came too late, or that is one of too many within another. */
  #checkMeta({ deadline, hops }: CallMeta): void {
    if (deadline === 0) throw new ColloquyError("DEADLINE_EXCEEDED", "the time for the call was over when it came");
    const { maxHopCount } = this.#endpoint.limits;
    if (hops !== undefined && hops > maxHopCount) throw tooManyHops(maxHopCount);
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
      throw executed(this.#silent.onMethod(path, error));
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

  #reply(id: number, path: string, value: unknown): void {
    try {
      this.#note(id, path, value);
    } catch (error) {
      // A getter of what the method has returned.
      return this.#failMethod(id, path, error);
    }
    this.#scopes.end(id);
    this.#endpoint.reply(id, value === undefined ? this.emptyResult : value);
  }

  /** What a result means beyond being the answer. */
  #note(id: number, path: string, value: unknown): void {
    if (typeof value === "object" && value !== null && isStreamValue(value)) {
      this.#rarities.streams.adopt(value, { path, abort: this.#scopes.find(id)?.abort });
      if (this.#scopes.closed) this.#rarities.streams.discard(value);
    }
    this.#keepResult(id, value);
  }

  /** Calls on it may come before the caller has it. Most results are plain values, which nobody calls. */
  #keepResult(id: number, value: unknown): void {
    const recent = this.#rarities.recentResults;
    if (recent !== undefined) recent.settle(id, value, recent.isWorthKeeping(value));
    else if (mayBeCalled(value)) this.#rarities.results.keep(id, value);
  }

  #failMethod(id: number, path: string, error: unknown): void {
    this.#fail(id, executed(error instanceof PassedOn ? error : this.#silent.onMethod(path, error)));
  }

  #fail(id: number, error: unknown): void {
    this.#scopes.end(id);
    this.#rarities.recentResults?.settle(id, undefined, false);
    this.#endpoint.fail(id, error);
  }
}

/** A call on something that another peer has lent us. */
async function forward(
  node: RemoteNode,
  rest: string,
  [, args, kwargs, meta]: RequestContent,
  context: CallScope,
): Promise<unknown> {
  const idempotent = isStatedIdempotent(meta);
  const target = rest === "" ? node : new RemoteNode(node.caller, joinPath(node.path, rest), node.reference, false);
  try {
    const { metadata } = context;
    return await node.caller.call(target, args, {
      context,
      ...(metadata !== NO_METADATA && { metadata }),
      ...(hasKeys(kwargs) && { kwargs }),
      ...(idempotent && { idempotent }),
    });
  } catch (error) {
    throw new PassedOn("passed on", { cause: error });
  }
}

function hasKeys(kwargs: Record<string, unknown>): boolean {
  for (const key in kwargs) if (Object.hasOwn(kwargs, key)) return true;
  return false;
}

function notCallable(path: string): ColloquyError {
  return path === ""
    ? new ColloquyError("NOT_EXPOSED", "the root is a service, not a method: call one that it has")
    : new ColloquyError("NOT_EXPOSED", `"${path}" is a service, not a method: call one that it has`);
}
