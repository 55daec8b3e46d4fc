import { ColloquyError, SerializationError, StandardTypes, describeType, refusalOf, messageOf } from "@colloquy/core";
import type {
  BuiltinTypes,
  Codec,
  CodecChooser,
  Conversion,
  DecodingBudget,
  ExtendedValue,
  Limits,
} from "@colloquy/core";
import type { Exports } from "./exports.ts";
import { Answer } from "./answer.ts";
import { ignore } from "./guard.ts";
import type { NamedMethods } from "./local-function.ts";
import { LookupFailure, isService, isStreamValue } from "./members.ts";
import { namedValue } from "./named-members.ts";
import type { Imports } from "./imports.ts";
import { isReservedPath, parseReferencePath, referenceNumber, referencePath } from "./path.ts";
import { RemoteNode, childAt, nodeOf, serviceProxy } from "./proxy.ts";
import type { Caller, PendingResult } from "./proxy.ts";
import type { RecentResults } from "./recent-results.ts";
import {
  FUNCTION_COST,
  HOME_COST,
  RESULT_COST,
  RESULT_MEMBER_COST,
  SERVICE_COST,
  STREAM_COST,
} from "./reference-cost.ts";
import { ResultReference } from "./result-places.ts";
import { Signals } from "./signals.ts";
import type { SignalCounts, SignalTeller } from "./signals.ts";
import type { Router } from "./router.ts";

/** Type ids of the protocol, towards peers that said hello (`docs/protocol.md` section 3). */
const FUNCTION_ID = -2;
const HOME_ID = -3;
const ERROR_ID = -8;
const STREAM_ID = -14;
const SIGNAL_ID = -15;
const RESULT_ID = -16;
const NO_SIGNALS: SignalCounts = Object.freeze({ own: 0, theirs: 0 });

/** @throws ColloquyError `INVALID_ARGUMENT` for a codec that takes all objects itself: that is what references do. */
export function checkFallback(codec: Codec): void {
  if (!codec.table.hasFallback) return;
  const reason = "a serializer for Object: what no serializer takes crosses by reference here; give the class instead";
  throw new ColloquyError("INVALID_ARGUMENT", reason);
}

/** Where the results are that calls may be on, and what carries out calls on methods that the peer has named. */
export interface ResultsHolder extends NamedMethods {
  readonly results: RecentResults;
  /** Undefined as long as there are none. */
  readonly recentResults: RecentResults | undefined;
  /** A call of this side is being encoded. */
  readonly isCalling: boolean;
  /** Set where a result of another call is among what is encoded. */
  sentResults: boolean;
  /** Something of the peer's goes home with what is encoded. */
  onHome(value: unknown): void;
}

/** What a binding needs to know of its connection. */
export interface BoundConnection extends Caller, SignalTeller {
  /** What proxies that a path alone leads to call through. */
  readonly rootCaller: Caller;
  /** Whether a node is the peer's own: it goes home over this connection. */
  isHome(node: RemoteNode): boolean;
  /** User code has thrown on the way to what a path names. Returns what the other side is to get. */
  onLookupFailure(path: string, error: unknown): unknown;
}

/**
 * Decides what crosses by reference: services and functions leave as paths and arrive as proxies; a proxy that goes home
 * arrives as the original; one of a third peer is forwarded. This is the codec's `Object` fallback, and its built-in types, those
 * of JavaScript among them.
 */
export class ReferenceBinding implements BuiltinTypes, Conversion {
  readonly cost: number = SERVICE_COST;
  readonly #connection: BoundConnection;
  readonly #router: Router;
  readonly #exports: Exports;
  readonly #imports: Imports;
  readonly #maxSignalCount: number;
  readonly #resultsHolder: ResultsHolder;
  #signals: Signals | undefined;
  #standard!: StandardTypes;

  constructor(
    connection: BoundConnection,
    router: Router,
    exports: Exports,
    imports: Imports,
    limits: Pick<Limits, "maxReferenceCount">,
    resultsHolder: ResultsHolder,
  ) {
    this.#connection = connection;
    this.#maxSignalCount = limits.maxReferenceCount;
    this.#resultsHolder = resultsHolder;
    this.#router = router;
    this.#exports = exports;
    this.#imports = imports;
  }

  /** `codec`, or each one that it chooses, with the fallback. */
  bound(codec: Codec | CodecChooser): Codec | CodecChooser {
    if (typeof codec === "function") return (firstByte) => this.bound(codec(firstByte)) as Codec;
    this.attach(codec);
    return codec;
  }

  /** Adds the fallback: the last type id of the codec. The peer is plain until it has said hello. */
  attach(codec: Codec): Codec {
    codec.table.add(Object, this);
    this.#standard = new StandardTypes(codec, "plain");
    codec.setBuiltins(this);
    return codec;
  }

  /** The peer has said hello: it knows the built-in types. */
  extend(): void {
    this.#standard.peer = "standard";
    this.#standard.expected = true;
  }

  /** Made when the first one crosses. */
  get signals(): Signals {
    return (this.#signals ??= new Signals(this.#connection, this.#maxSignalCount, this.#imports.keepsAll));
  }

  get signalCounts(): SignalCounts {
    return this.#signals?.counts ?? NO_SIGNALS;
  }

  /** The connection has ended. */
  close(error: ColloquyError | undefined): void {
    this.#signals?.close(error ?? new ColloquyError("CONNECTION_LOST", "the connection has ended"));
  }

  get sendable(): boolean {
    return this.#standard.sendable;
  }

  encode(value: unknown): ExtendedValue | undefined {
    if (!this.sendable) return undefined;
    const node = nodeOf(value);
    const result = node?.caller.result;
    if (result !== undefined) return { typeId: RESULT_ID, data: this.#resultData(node!, result) };
    if (value instanceof Answer) return this.#promisedResult(value);
    if (node !== undefined && this.#connection.isHome(node)) {
      this.#resultsHolder.onHome(value);
      return { typeId: HOME_ID, data: homePath(node) };
    }
    if (typeof value === "function") return { typeId: FUNCTION_ID, data: referencePath(this.#exports.add(value)) };
    if (value instanceof AbortSignal) return { typeId: SIGNAL_ID, data: this.signals.write(value) };
    if (typeof value === "object" && value !== null && isStreamValue(value))
      return { typeId: STREAM_ID, data: referencePath(this.#exports.add(value)) };
    // An error with exposed methods is a service.
    return value instanceof Error && isService(value) ? undefined : this.#standard.encode(value);
  }

  isBeside(bytes: Uint8Array): boolean {
    return this.#standard.isBeside(bytes);
  }

  get arrivals(): number {
    return this.#imports.arrivals;
  }

  isReference(typeId: number, data: unknown): boolean {
    if (typeId < 0 && !(this.#standard.expected && (typeId === FUNCTION_ID || typeId === STREAM_ID))) return false;
    return typeof data === "string" && parseReferencePath(data)?.rest === "";
  }

  refusal(value: unknown): string | undefined {
    if (!this.sendable && value instanceof AbortSignal)
      return "AbortSignal: the peer said no hello, so it takes no signals";
    if (!this.sendable && typeof value === "object" && value !== null && isStreamValue(value))
      return "a stream: the peer said no hello, so it takes none; collect the items in an array";
    return this.#standard.refusal(value);
  }

  decode(typeId: number, data: unknown, budget: DecodingBudget): unknown {
    // From a plain peer none is taken.
    if (!this.#standard.expected) return this.#standard.decode(typeId, data, budget);
    switch (typeId) {
      case FUNCTION_ID:
        budget.spend(FUNCTION_COST);
        return this.#imports.receive(referenceNumber(data, "a function"), "function");
      case STREAM_ID:
        budget.spend(STREAM_COST);
        return this.#imports.receive(referenceNumber(data, "a stream"), "stream");
      case SIGNAL_ID:
        this.checkData(data);
        return this.signals.read(data, budget);
      case RESULT_ID:
        return this.#readResult(data, budget);
      case HOME_ID:
        budget.spend(HOME_COST);
        return this.#home(data);
      case ERROR_ID:
        this.checkData(data);
        return this.#standard.decode(typeId, data, budget);
      default:
        return this.#standard.decode(typeId, data, budget);
    }
  }

  /** Errors, signals and what serializers make are made at once: no result can be put into them later. */
  checkData(data: unknown): void {
    this.#resultsHolder.recentResults?.checkData(data);
  }

  #home(data: unknown): unknown {
    if (typeof data !== "string") throw new SerializationError("a reference that comes home is no path");
    try {
      return this.#original(data);
    } catch (error) {
      // What was there may be gone meanwhile: that message fails, not the connection.
      const cause = error instanceof LookupFailure ? this.#connection.onLookupFailure(data, error.cause) : error;
      const reason = `a reference that comes home leads nowhere: ${messageOf(cause)}`;
      throw new SerializationError(reason, { cause });
    }
  }

  /** A result of the peer that isn't here yet, or the value that it has become. */
  #resultData({ path }: RemoteNode, { connection, id, outcome }: PendingResult): unknown {
    if (!this.#resultsHolder.isCalling)
      throw notThere("the result of a call is for arguments of other calls: await it first");
    if (outcome === undefined) {
      if (id >= 0 && connection === this.#connection) {
        this.#resultsHolder.sentResults = true;
        return [id, path];
      }
      throw notThere("the result of a call goes to its own peer only, before it is here: await it first");
    }
    if ("error" in outcome)
      throw new SerializationError("the result of a call that has failed", { cause: outcome.error });
    const node = path === "" ? undefined : nodeOf(outcome.value);
    return [node === undefined ? outcome.value : childAt(node, path)];
  }

  /** A call to this peer that is under way: its result, as with `pipeline`. Others are promises. */
  #promisedResult(promise: Answer<unknown>): ExtendedValue | undefined {
    const { call } = promise;
    if (!this.#resultsHolder.isCalling) return undefined;
    if (call?.node === undefined || call.connection !== this.#connection || call.id < 0)
      throw notThere("the promise of a call: await it first");
    // It is told by the call that hangs on it.
    promise.catch(ignore);
    this.#resultsHolder.sentResults = true;
    return { typeId: RESULT_ID, data: [call.id, ""] };
  }

  #readResult(data: unknown, budget: DecodingBudget): unknown {
    const parts: readonly unknown[] = Array.isArray(data) ? data : [];
    const [first, rest] = parts;
    budget.spend(rest === undefined || rest === "" ? RESULT_COST : RESULT_MEMBER_COST);
    if (parts.length === 1) {
      this.#resultsHolder.results.onFound(false);
      return first;
    }
    if (parts.length !== 2 || !Number.isSafeInteger(first) || typeof rest !== "string")
      throw new SerializationError("a result is [number of a request, path] or [value]");
    this.#resultsHolder.results.onFound(true);
    return new ResultReference(first as number, rest);
  }

  /** The path of a service. */
  serialize(value: object): string {
    const node = nodeOf(value);
    if (value instanceof Answer || node?.caller.result !== undefined)
      throw notThere("the result of a call that isn't there yet: await it first");
    if (node !== undefined) {
      if (this.#connection.isHome(node)) throw new SerializationError("a plain peer can't get its own service back");
      return referencePath(this.#exports.add(value));
    }
    if (typeof value === "function" && !this.sendable) {
      throw new SerializationError("function: a plain peer takes services only, this one said no hello");
    }
    if (!isService(value)) {
      const reason = `${describeType(value)} is no service and has no serializer`;
      throw new SerializationError(this.refusal(value) ?? refusalOf(value, reason));
    }
    // The search below the root is long for what isn't there.
    const path = this.#exports.has(value) ? undefined : this.#router.pathOf(value);
    return path ?? referencePath(this.#exports.add(value));
  }

  /** A proxy for the service at a path. */
  deserialize(path: unknown): object {
    if (typeof path !== "string") throw new SerializationError("a service is no path");
    const reference = parseReferencePath(path);
    if (reference !== undefined && reference.rest === "") return this.#imports.receive(reference.id, "service");
    if (isReservedPath(path)) throw new SerializationError("a service is a path below the root, or $/ref/<number>");
    return serviceProxy(new RemoteNode(this.#connection.rootCaller, path, undefined, false));
  }

  /** The object of this side that a path names. */
  #original(path: string): unknown {
    const reference = parseReferencePath(path);
    const start = reference === undefined ? undefined : this.#exports.get(reference.id);
    const rest = reference === undefined ? path : reference.rest;
    if (start !== undefined && rest === "") return start;
    return namedValue(this.#resultsHolder, this.#router, { path, start, rest });
  }
}

/** @throws SerializationError for a reference that this side has released already. */
function homePath(node: RemoteNode): string {
  if (node.reference?.released === true) throw new SerializationError(`reference to ${node.toString()} was released`);
  return node.path;
}

/** What a call fails with that is made once more when the result is here. */
function notThere(reason: string): SerializationError {
  return new SerializationError(reason, { cause: new ColloquyError("RESULT_NOT_KEPT", reason) });
}
