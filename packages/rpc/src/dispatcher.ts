import { ColloquyError, isMap } from "@colloquy/core";
import type { Endpoint, Limits } from "@colloquy/core";
import { readMeta, tooManyHops } from "./call-meta.ts";
import type { CallMeta } from "./call-meta.ts";
import { CallScope } from "./call-scope.ts";
import type { CallContext } from "./context.ts";
import type { Exports } from "./exports.ts";
import { exposedFunction, isExposed } from "./members.ts";
import type { AnyFunction } from "./expose.ts";
import type { Exposed } from "./members.ts";
import { bindKeywords, placeContext } from "./arguments.ts";
import { callChecked } from "./checked-call.ts";
import { runIncoming } from "./incoming-interceptors.ts";
import type { IncomingCall, Interceptor } from "./interceptors.ts";
import { isStream } from "./outgoing-stream.ts";
import type { OutgoingStreams } from "./outgoing-streams.ts";
import { NO_METADATA } from "./metadata.ts";
import { PassedOn, executed } from "./passed-on.ts";
import { joinPath, parseReferencePath } from "./path.ts";
import { RemoteNode, nodeOf } from "./proxy.ts";
import type { Router } from "./router.ts";
import type { SilentFailures } from "./silent-failures.ts";

/** The connection that calls come on. */
export interface DispatchHost {
  contextOf(path: string, scope: CallScope): CallContext;
}

/** A request's content once it is checked: the array that has come. */
export type RequestContent = readonly [path: string, args: unknown[], kwargs: Record<string, unknown>, meta?: unknown];

/** Carries out the requests of one connection: path to function, function to answer. */
export class Dispatcher {
  readonly #endpoint: Endpoint;
  readonly #router: Router;
  readonly #exports: Exports;
  readonly #host: DispatchHost;
  /** What a method without a result answers: plain peers know no undefined. */
  emptyResult: null | undefined = null;
  interceptors: readonly Interceptor<IncomingCall>[] | undefined;
  /** Those of the calls that asked for one; those of notifications have numbers below 0. */
  #scopes: Map<number, CallScope> | undefined;
  readonly #maxRunningCount: number;
  /** Told of what methods throw; refusals are the caller's own business. */
  readonly #silent: SilentFailures;
  readonly #streams: OutgoingStreams;
  #quietCount = 0;
  #lastQuietId = 0;

  constructor(
    endpoint: Endpoint,
    router: Router,
    exports: Exports,
    streams: OutgoingStreams,
    host: DispatchHost,
    silent: SilentFailures,
  ) {
    this.#silent = silent;
    this.#streams = streams;
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
      result = this.interceptors === undefined ? this.#call(id, request) : this.#intercept(id, request);
      if (isThenable(result)) return this.#replyLater(id, request[0], result);
    } catch (error) {
      return this.#fail(id, error);
    }
    this.#reply(id, request[0], result);
  }

  /** Functions in `run` would cost a call with a plain value, too. */
  #replyLater(id: number, path: string, result: PromiseLike<unknown>): void {
    result.then(
      (value) => this.#reply(id, path, value),
      (error: unknown) => this.#failMethod(id, path, error),
    );
  }

  /** Carries out a request that wants no answer; what it throws goes to `onError`. As many run at a time as calls may. */
  runQuietly(request: RequestContent, onError: (error: unknown) => void): void {
    if (this.#quietCount >= this.#maxRunningCount) {
      const reason = `${this.#maxRunningCount} notifications of this connection run already (maxRunningCount)`;
      return onError(new ColloquyError("RESOURCE_EXHAUSTED", reason));
    }
    const id = --this.#lastQuietId;
    this.#quietCount++;
    const settle = (): void => {
      this.#quietCount--;
      this.#endScope(id);
    };
    try {
      const result = this.interceptors === undefined ? this.#call(id, request) : this.#intercept(id, request);
      if (!isThenable(result)) return settle();
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
    this.#scopes?.get(id)?.abort.abort(new ColloquyError("CANCELLED", "the caller gave the call up"));
  }

  /** The connection has ended. */
  close(): void {
    const reason = new ColloquyError("CONNECTION_LOST", "the caller's connection has ended");
    for (const scope of this.#scopes?.values() ?? []) {
      scope.end();
      scope.abort.abort(reason);
    }
    this.#scopes = undefined;
  }

  /** The method starts when the last interceptor has called `next`. */
  #intercept(id: number, [path, args, kwargs, meta]: RequestContent): Promise<unknown> {
    const scope = this.#scopeOf(id, meta);
    const context = this.#host.contextOf(path, scope);
    const call: IncomingCall = { direction: "incoming", ...context, args, kwargs, notification: id < 0 };
    const carryOut = (changed: IncomingCall): unknown => {
      scope.metadata = changed.metadata;
      scope.trace = changed.trace;
      return this.#call(id, [path, [...changed.args], changed.kwargs, meta]);
    };
    return runIncoming(this.interceptors!, call, carryOut, (error) => this.#silent.onMethod(path, error));
  }

  #call(id: number, [path, args, kwargs, meta]: RequestContent): unknown {
    if (meta !== undefined) this.#checkMeta(readMeta(meta));
    const reference = parseReferencePath(path);
    if (reference === undefined) {
      const { owner, member } = this.#router.resolve(path);
      if (!isExposed(member)) throw notCallable(path);
      return this.#invoke(id, path, member, owner, args, kwargs, meta);
    }
    const target = this.#exports.get(reference.id);
    const node = nodeOf(target);
    if (node !== undefined) return forward(node, reference.rest, args, kwargs, this.#scopeOf(id, meta));
    if (typeof target === "function") {
      if (reference.rest !== "") throw new ColloquyError("NOT_FOUND", "a function has no members");
      return this.#invoke(id, path, exposedFunction(target as AnyFunction), undefined, args, kwargs, meta);
    }
    const { owner, member } = this.#router.resolveBelow(target, reference.rest);
    if (!isExposed(member)) throw notCallable(path);
    return this.#invoke(id, path, member, owner, args, kwargs, meta);
  }

  /** @throws ColloquyError for a call that came too late, or that is one of too many within another. */
  #checkMeta({ deadline, hops }: CallMeta): void {
    if (deadline === 0) throw new ColloquyError("DEADLINE_EXCEEDED", "the time for the call was over when it came");
    const { maxHopCount } = this.#endpoint.limits;
    if (hops !== undefined && hops > maxHopCount) throw tooManyHops(maxHopCount);
  }

  #invoke(
    id: number,
    path: string,
    exposed: Exposed,
    owner: object | undefined,
    args: unknown[],
    kwargs: Record<string, unknown>,
    meta: unknown,
  ): unknown {
    if (hasKeys(kwargs)) bindKeywords(exposed, args, kwargs);
    if (exposed.isChecked) return this.#invokeChecked(id, path, exposed, owner, args, meta);
    let given = args;
    if (exposed.contextPlace >= 0) {
      given = placeContext(exposed, args, this.#host.contextOf(path, this.#scopeOf(id, meta)));
    }
    try {
      return Reflect.apply(exposed.call, owner, given);
    } catch (error) {
      this.#silent.onMethod(path, error);
      throw executed(error);
    }
  }

  /** Arguments and result pass schemas. */
  #invokeChecked(
    id: number,
    path: string,
    exposed: Exposed,
    owner: object | undefined,
    args: unknown[],
    meta: unknown,
  ): Promise<unknown> {
    const context = exposed.contextPlace < 0 ? undefined : this.#host.contextOf(path, this.#scopeOf(id, meta));
    const apply = (given: unknown[]): unknown =>
      Reflect.apply(exposed.call, owner, context === undefined ? given : placeContext(exposed, given, context));
    return callChecked(exposed.options, path, args, apply, (error) => this.#silent.onMethod(path, error));
  }

  /** That of a call with interceptors is there before its method starts. */
  #scopeOf(id: number, meta: unknown): CallScope {
    const known = this.interceptors === undefined ? undefined : this.#scopes?.get(id);
    if (known !== undefined) return known;
    const scope = new CallScope(readMeta(meta));
    (this.#scopes ??= new Map()).set(id, scope);
    return scope;
  }

  #endScope(id: number): void {
    this.#scopes?.get(id)?.end();
    this.#scopes?.delete(id);
  }

  #reply(id: number, path: string, value: unknown): void {
    if (typeof value === "object" && value !== null && isStream(value))
      this.#streams.adopt(value, { path, abort: this.#scopes?.get(id)?.abort });
    this.#endScope(id);
    this.#endpoint.reply(id, value === undefined ? this.emptyResult : value);
  }

  #failMethod(id: number, path: string, error: unknown): void {
    if (!(error instanceof PassedOn)) this.#silent.onMethod(path, error);
    this.#fail(id, executed(error));
  }

  #fail(id: number, error: unknown): void {
    this.#endScope(id);
    this.#endpoint.fail(id, error);
  }
}

/**
 * Checks the content of a request.
 *
 * @throws ColloquyError `INVALID_ARGUMENT` that says what is wrong.
 */
export function readRequest(content: unknown, limits: Limits): RequestContent {
  if (!Array.isArray(content) || content.length < 3 || content.length > 4)
    throw invalid("a request is [path, args, kwargs]: this side serves methods, the peer seems to use a channel");
  const [path, args, kwargs] = content as [unknown, unknown, unknown];
  if (typeof path !== "string") throw invalid("the path of a request is no string");
  if (!Array.isArray(args)) throw invalid("the arguments of a request are no array");
  if (args.length > limits.maxArgumentCount) {
    throw invalid(`${args.length} arguments; the limit is ${limits.maxArgumentCount} (maxArgumentCount)`);
  }
  if (!isMap(kwargs)) throw invalid("the keyword arguments are no map");
  return content as unknown as RequestContent;
}

/** A call on something that another peer has lent us. */
async function forward(
  node: RemoteNode,
  rest: string,
  args: unknown[],
  kwargs: Record<string, unknown>,
  context: CallScope,
): Promise<unknown> {
  const target = rest === "" ? node : new RemoteNode(node.caller, joinPath(node.path, rest), node.reference, false);
  try {
    const { metadata } = context;
    const options = metadata === NO_METADATA ? { context } : { context, metadata };
    return await node.caller.call(target, args, hasKeys(kwargs) ? { kwargs, ...options } : options);
  } catch (error) {
    throw new PassedOn("passed on", { cause: error });
  }
}

function hasKeys(kwargs: Record<string, unknown>): boolean {
  for (const key in kwargs) if (Object.hasOwn(kwargs, key)) return true;
  return false;
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof value === "object" && value !== null && typeof (value as { then?: unknown }).then === "function";
}

function notCallable(path: string): ColloquyError {
  return path === ""
    ? new ColloquyError("NOT_EXPOSED", "the root is a service, not a method: the path is empty")
    : new ColloquyError("NOT_EXPOSED", `"${path}" is a service, not a method`);
}

function invalid(message: string): ColloquyError {
  return new ColloquyError("INVALID_ARGUMENT", message);
}
