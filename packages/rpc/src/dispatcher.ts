import { ColloquyError } from "@colloquy/core";
import type { Endpoint } from "@colloquy/core";
import type { Exports } from "./exports.ts";
import { isThenable, promiseOf } from "./guard.ts";
import { requestHooks } from "./hooks.ts";
import { runIncoming } from "./incoming-interceptors.ts";
import type { IncomingCall, Interceptor } from "./interceptors.ts";
import type { NamedCallExtras, NamedMethod } from "./local-function.ts";
import { isStreamValue } from "./members.ts";
import { MethodCalls } from "./method-calls.ts";
import type { CallTarget, DispatchHost, MethodTables } from "./method-calls.ts";
import { NamedCalls } from "./named-calls.ts";
import type { OutgoingStreams } from "./outgoing-streams.ts";
import { PassedOn, withExecuted } from "./passed-on.ts";
import { parseResultPath } from "./path.ts";
import { mayBeCalled } from "./recent-results.ts";
import type { RecentResults } from "./recent-results.ts";
import type { RequestContent } from "./request-content.ts";
import type { Router } from "./router.ts";
import { RunningScopes } from "./running-scopes.ts";
import type { SilentFailures } from "./silent-failures.ts";
import { streamsIn } from "./streams-in.ts";
import { ToldRequests } from "./told-requests.ts";

/** Tables that few connections need: the first two are made when they are asked for. */
export interface OnDemandTables extends MethodTables {
  readonly streams: OutgoingStreams;
  readonly recentResults: RecentResults | undefined;
}

/** Carries out the requests of one connection and answers them. */
export class Dispatcher {
  readonly #endpoint: Endpoint;
  readonly #methods: MethodCalls;
  readonly #host: DispatchHost;
  /** What a method without a result answers: plain peers know no undefined. */
  emptyResult: null | undefined = null;
  interceptors: readonly Interceptor<IncomingCall>[] | undefined;
  readonly #scopes: RunningScopes = new RunningScopes();
  readonly #maxRunningCount: number;
  /** Told of what methods throw; refusals are the caller's own business. */
  readonly #silent: SilentFailures;
  readonly #tables: OnDemandTables;
  #quietCount = 0;
  readonly #named: NamedCalls;
  /** Made where hooks are wanted. */
  #told: ToldRequests | undefined;
  #lastQuietId = 0;

  constructor(
    endpoint: Endpoint,
    router: Router,
    exports: Exports,
    tables: OnDemandTables,
    host: DispatchHost,
    silent: SilentFailures,
  ) {
    this.#silent = silent;
    this.#tables = tables;
    this.#endpoint = endpoint;
    this.#host = host;
    this.#named = new NamedCalls(endpoint);
    this.#maxRunningCount = endpoint.limits.maxRunningCount;
    this.#methods = new MethodCalls(router, exports, this.#scopes, tables, host, silent, endpoint);
  }

  /** Carries out a request and answers it; a plain value is answered before this returns. */
  run(id: number, request: RequestContent): void {
    if (requestHooks.areWanted) this.#toldRequests.arrive(id, request[0]);
    const refusal = this.#endpoint.running.total?.refusal;
    if (refusal !== undefined) return this.#fail(id, refusal);
    let result: unknown;
    try {
      result = this.#start(id, request);
    } catch (error) {
      this.#methods.countRefusal(error);
      return this.#fail(id, error);
    }
    try {
      if (isThenable(result)) return this.#replyLater(id, request[0], result);
    } catch (error) {
      // A `then` of what the method has returned.
      return this.#failMethod(id, request[0], error);
    }
    this.#reply(id, request[0], result);
  }

  get #toldRequests(): ToldRequests {
    return (this.#told ??= new ToldRequests(this.#host));
  }

  /** Functions in `run` would cost a call with a plain value, too. */
  #replyLater(id: number, path: string, result: PromiseLike<unknown>): void {
    const promise = promiseOf(result);
    this.#tables.results.keep(id, promise);
    promise.then(
      (value) => this.#reply(id, path, value),
      (error: unknown) => this.#failMethod(id, path, error),
    );
  }

  /** Results of others are among its arguments: it starts when they are there. */
  async #callFilled(id: number, request: RequestContent): Promise<unknown> {
    await this.#methods.fill(id, request).catch(passOn);
    let result: unknown;
    try {
      result = this.#carryOut(id, request);
    } catch (error) {
      this.#methods.countRefusal(error);
      passOn(error);
    }
    return result;
  }

  #start(id: number, request: RequestContent): unknown {
    const recent = this.#tables.recentResults;
    const isWanting = recent !== undefined && recent.wantedBy(request) > 0;
    return isWanting ? this.#callFilled(id, request) : this.#carryOut(id, request);
  }

  #carryOut(id: number, request: RequestContent): unknown {
    const result = parseResultPath(request[0]);
    if (result === undefined) return this.#carryOutAt(id, request);
    return this.#methods.onResult(id, request, result, (placed, target) => {
      if (requestHooks.areWanted) this.#toldRequests.start(id, placed[0], id < 0);
      return this.#carryOutAt(id, placed, target);
    });
  }

  #carryOutAt(id: number, request: RequestContent, target?: CallTarget): unknown {
    if (this.interceptors === undefined) return this.#methods.call(id, request, target);
    return this.#intercept(id, request, id < 0, (changed) => {
      try {
        return this.#methods.call(id, changed, target);
      } catch (error) {
        this.#methods.countRefusal(error);
        throw error;
      }
    });
  }

  /** A call of this side on a method that the peer has named: what it may do, and how many may run, is as if the peer had called. */
  callNamed(method: NamedMethod, args: unknown[], extras: NamedCallExtras = {}): Promise<unknown> {
    return this.#named.run(() => this.#runNamed(--this.#lastQuietId, method, args, extras));
  }

  async #runNamed(
    id: number,
    method: NamedMethod,
    args: unknown[],
    { kwargs = {}, meta, signal }: NamedCallExtras,
  ): Promise<unknown> {
    const { path } = method;
    let failure: { readonly error: unknown } | undefined;
    try {
      if (requestHooks.areWanted) this.#toldRequests.start(id, path, false);
      if (signal !== undefined) this.#scopes.of(id, meta).cancelWith(signal);
      const request: RequestContent = meta === undefined ? [path, args, kwargs] : [path, args, kwargs, meta];
      return await this.#carryOutNamed(id, method, request);
    } catch (error) {
      failure = { error: this.#scopes.find(id)?.lateness(error) ?? error };
      throw failure.error;
    } finally {
      this.#scopes.end(id);
      this.#told?.end(id, failure);
    }
  }

  async #carryOutNamed(id: number, method: NamedMethod, request: RequestContent): Promise<unknown> {
    const callMethod = (changed: RequestContent): unknown => this.#methods.callNamed(id, method, changed);
    const result = this.#named.start(() =>
      this.interceptors === undefined ? callMethod(request) : this.#intercept(id, request, false, callMethod),
    );
    try {
      return await result;
    } catch (error) {
      throw withExecuted(PassedOn.is(error) ? error : this.#silent.onMethod(method.path, error), "yes");
    }
  }

  /** Carries out a request that wants no answer; what it throws goes to `onError`. As many run at a time as calls may. */
  runQuietly(request: RequestContent, onError: (error: unknown) => void): void {
    if (this.#quietCount >= this.#maxRunningCount) {
      const reason = `${this.#maxRunningCount} notifications of this connection run already (maxRunningCount)`;
      return onError(new ColloquyError("RESOURCE_EXHAUSTED", reason, { limit: "maxRunningCount" }));
    }
    const { running } = this.#endpoint;
    const refusal = running.total?.refusal ?? running.admit(request);
    if (refusal !== undefined) return onError(refusal);
    const id = --this.#lastQuietId;
    this.#quietCount++;
    if (requestHooks.areWanted) this.#toldRequests.arrive(id, request[0]);
    let release: (() => void) | undefined;
    let settled = false;
    const settle = (value: unknown, failure?: { readonly error: unknown }): void => {
      if (settled) return;
      settled = true;
      this.#quietCount--;
      release?.();
      this.#scopes.end(id);
      this.#told?.end(id, failure);
      this.#discardIn(value);
      if (failure !== undefined) onError(failure.error);
    };
    try {
      const result = this.#start(id, request);
      if (!isThenable(result)) return settle(result);
      release = running.keepNotification();
      result.then(
        (value) => settle(value),
        (error: unknown) => {
          if (!PassedOn.is(error)) this.#silent.onMethod(request[0], error);
          settle(undefined, { error: withExecuted(error, "yes") });
        },
      );
    } catch (error) {
      this.#methods.countRefusal(error);
      settle(undefined, { error });
    }
  }

  /** Notifications that run. */
  get quietCount(): number {
    return this.#quietCount;
  }

  get namedCount(): number {
    return this.#named.count;
  }

  /** The caller gave request `id` up, because its time is over where that is known. */
  cancel(id: number, isLate: boolean): void {
    this.#scopes.find(id)?.cancel(isLate);
  }

  /** The connection has ended. */
  close(): void {
    this.#scopes.close();
  }

  /** The method starts when the last interceptor has called `next`. */
  #intercept(
    id: number,
    [path, args, kwargs, meta]: RequestContent,
    isNotification: boolean,
    callMethod: (request: RequestContent) => unknown,
  ): Promise<unknown> {
    const scope = this.#scopes.of(id, meta);
    const context = this.#host.contextOf(path, scope);
    const call: IncomingCall = {
      direction: "incoming",
      ...context,
      args,
      kwargs,
      notification: isNotification,
    };
    const carryOut = (changed: IncomingCall): unknown => {
      scope.metadata = changed.metadata;
      scope.trace = changed.trace;
      return callMethod([path, [...changed.args], changed.kwargs, meta]);
    };
    return runIncoming(this.interceptors!, call, carryOut, (error) => this.#silent.onMethod(path, error));
  }

  #reply(id: number, path: string, value: unknown): void {
    try {
      this.#note(id, path, value);
    } catch (error) {
      // A getter of what the method has returned.
      return this.#failMethod(id, path, error);
    }
    this.#scopes.end(id);
    this.#told?.end(id);
    this.#endpoint.reply(id, value === undefined ? this.emptyResult : value);
  }

  /** What nobody gets. */
  #discardIn(value: unknown): void {
    for (const stream of streamsIn(value)) this.#tables.streams.discard(stream);
  }

  /** What a result means beyond being the answer. */
  #note(id: number, path: string, value: unknown): void {
    if (typeof value === "object" && value !== null && isStreamValue(value)) {
      this.#tables.streams.adopt(value, { path, abort: this.#scopes.find(id)?.abort });
    }
    if (this.#scopes.closed) return this.#discardIn(value);
    this.#keepResult(id, value);
  }

  /** Calls on it may come before the caller has it. Most results are plain values, which nobody calls. */
  #keepResult(id: number, value: unknown): void {
    const recent = this.#tables.recentResults;
    if (recent !== undefined) recent.settle(id, value);
    else if (mayBeCalled(value)) this.#tables.results.keep(id, value);
  }

  #failMethod(id: number, path: string, error: unknown): void {
    const told = withExecuted(PassedOn.is(error) ? error : this.#silent.onMethod(path, error), "yes");
    this.#fail(id, this.#scopes.find(id)?.lateness(told) ?? told);
  }

  #fail(id: number, error: unknown): void {
    this.#scopes.end(id);
    this.#tables.recentResults?.leave(id);
    this.#told?.end(id, { error });
    this.#endpoint.fail(id, error);
  }
}

/** Of a call that didn't start, or has said that it did. */
function passOn(cause: unknown): never {
  throw new PassedOn("passed on", { cause });
}
