import { ColloquyError, OPTION, checkOptions, describeType, isMap, ownName } from "@colloquy/core";
import { checkCallLimits } from "./call-limits.ts";
import type { CallContext, CallerConnection } from "./context.ts";
import { ignore } from "./guard.ts";
import { metadataOf, traceOf } from "./metadata.ts";
import type { Metadata } from "./metadata.ts";

/** What interceptors see of a call, whichever way it goes. */
interface AnyCall {
  /** The path that is called: `math/add`, `$/ref/1` for a function that was passed. One method may have several. */
  readonly path: string;
  readonly args: readonly unknown[];
  /** Keyword arguments; few calls have any. */
  readonly kwargs: Readonly<Record<string, unknown>>;
  readonly metadata: Metadata;
  readonly trace: string | undefined;
  /** Nobody waits for an answer. */
  readonly notification: boolean;
}

/** A call of the other side, before its method runs. It is a context, too: `withOptions(other.method, { context: call })`. */
export interface IncomingCall extends AnyCall, CallContext {
  readonly direction: "incoming";
  readonly trace: string | undefined;
}

/** A call of this side, before it is sent. */
export interface OutgoingCall extends AnyCall {
  readonly direction: "outgoing";
  /** The connection that it is made on. */
  readonly connection: CallerConnection;
  /** Milliseconds until the call fails with `DEADLINE_EXCEEDED`, where it has such a limit of its own. */
  readonly timeout: number | undefined;
  readonly signal: AbortSignal | undefined;
}

export type InterceptedCall = IncomingCall | OutgoingCall;

/** What an interceptor hands on in place of what the call has; what is left out stays. */
export interface IncomingChanges {
  readonly args?: readonly unknown[];
  readonly kwargs?: Readonly<Record<string, unknown>>;
  readonly metadata?: Metadata;
  readonly trace?: string | undefined;
}

export interface OutgoingChanges extends IncomingChanges {
  readonly timeout?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Hands the call on, to the next interceptor or to its method; resolves with the result, and rejects with the failure. Each call of it
 * makes the call anew; once its interceptor has answered it rejects.
 */
export type NextCall<C extends InterceptedCall = InterceptedCall> = (
  changes?: [C] extends [OutgoingCall] ? OutgoingChanges : IncomingChanges,
) => Promise<unknown>;

/**
 * Stands around calls: `(call, next) => next()` is one that does nothing. What it returns, or its promise resolves with, is the result;
 * what it throws, or its promise rejects with, is the failure. `undefined` is a result only where `next` has given that.
 */
export type Interceptor<C extends InterceptedCall = InterceptedCall> = (call: C, next: NextCall<C>) => unknown;

type OneOrMore<I> = I | readonly I[];

/** Interceptors of both directions. The first one is the outermost. */
export interface Interceptors {
  /** Around the methods that the other side calls here. */
  readonly incoming?: OneOrMore<Interceptor<IncomingCall>> | undefined;
  /** Around the calls that this side makes. */
  readonly outgoing?: OneOrMore<Interceptor<OutgoingCall>> | undefined;
}

/** The same as lists; undefined where there are none, so that a call has one thing to look at. */
export interface InterceptorLists {
  readonly incoming: readonly Interceptor<IncomingCall>[] | undefined;
  readonly outgoing: readonly Interceptor<OutgoingCall>[] | undefined;
}

/** @throws ColloquyError `INVALID_ARGUMENT` for what is no function, and for other names than `incoming` and `outgoing`. */
export function interceptorLists(given: Interceptors | undefined): InterceptorLists {
  if (given === undefined) return NONE;
  checkOptions("interceptors", given, KINDS);
  return { incoming: listOf("incoming", given.incoming), outgoing: listOf("outgoing", given.outgoing) };
}

const KINDS = { incoming: OPTION.any, outgoing: OPTION.any };
const NONE: InterceptorLists = Object.freeze({ incoming: undefined, outgoing: undefined });

function listOf<I>(name: string, given: OneOrMore<I> | undefined): readonly I[] | undefined {
  if (given === undefined) return undefined;
  const list: readonly unknown[] = Array.isArray(given) ? [...given] : [given];
  const wrong = list.find((one) => typeof one !== "function");
  if (wrong !== undefined || list.includes(undefined))
    throw invalid(`interceptors.${name} has ${describeType(wrong)} in it; an interceptor is a function`);
  return list.length === 0 ? undefined : (list as readonly I[]);
}

/**
 * Runs a call through interceptors; `last` makes it. As far as they call `next` in the turn in which they are called, `last` is called
 * in this turn.
 */
export function runChain<C extends InterceptedCall>(
  interceptors: readonly Interceptor<C>[],
  call: C,
  last: (call: C) => Promise<unknown>,
  at = 0,
): Promise<unknown> {
  const interceptor = interceptors[at];
  return interceptor === undefined
    ? last(call)
    : runOne(interceptor, call, (changed) => runChain(interceptors, changed, last, at + 1));
}

async function runOne<C extends InterceptedCall>(
  interceptor: Interceptor<C>,
  call: C,
  handOn: (call: C) => Promise<unknown>,
): Promise<unknown> {
  let gaveNothing = call.notification;
  let answered = false;
  const go = async (changes: OutgoingChanges | undefined): Promise<unknown> => {
    if (answered) throw broken(interceptor, call, "called next after it had answered");
    const value = await handOn(changed(call, changes));
    if (value === undefined) gaveNothing = true;
    return value;
  };
  const next = (changes?: OutgoingChanges): Promise<unknown> => {
    const promise = go(changes);
    // One that doesn't look at it must not end the process.
    promise.catch(ignore);
    return promise;
  };
  try {
    const value = await interceptor(call, next);
    if (value === undefined && !gaveNothing)
      throw broken(interceptor, call, "returned nothing: it returns next(), or what it answers itself");
    return value;
  } finally {
    answered = true;
  }
}

function changed<C extends InterceptedCall>(call: C, changes: OutgoingChanges | undefined): C {
  if (changes === undefined || (changes as unknown) === call) return call;
  if (!isMap(changes)) throw invalid(`next takes what changes, { args }, not ${describeType(changes)}`);
  const { args = call.args, kwargs = call.kwargs } = changes;
  if (!Array.isArray(args)) throw invalid(`next got args of type ${describeType(args)}; they are an array`);
  if (!isMap(kwargs)) throw invalid(`next got kwargs of type ${describeType(kwargs)}; they are an object`);
  const metadata = metadataOf("metadata" in changes ? changes.metadata : call.metadata);
  const trace = traceOf("trace" in changes ? changes.trace : call.trace);
  const common = { ...call, args, kwargs, metadata, trace };
  if (call.direction === "incoming") return common;
  checkCallLimits("next", changes);
  return {
    ...common,
    timeout: "timeout" in changes ? changes.timeout : call.timeout,
    signal: "signal" in changes ? changes.signal : call.signal,
  };
}

/** A fault of an interceptor. */
function broken(interceptor: object, call: InterceptedCall, what: string): ColloquyError {
  const name = ownName(interceptor);
  const which = name === "" ? "an interceptor" : `the interceptor ${name}`;
  return new ColloquyError("INTERNAL", `${which} of ${call.direction} calls ${what}`);
}

function invalid(message: string): ColloquyError {
  return new ColloquyError("INVALID_ARGUMENT", message);
}
