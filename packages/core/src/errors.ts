import { ownName } from "./own-name.ts";

const CODES = [
  "NOT_FOUND",
  "NOT_EXPOSED",
  "INVALID_ARGUMENT",
  "UNAUTHENTICATED",
  "PERMISSION_DENIED",
  "CANCELLED",
  "DEADLINE_EXCEEDED",
  "CONNECTION_LOST",
  "UNAVAILABLE",
  "RESOURCE_EXHAUSTED",
  "PROTOCOL_ERROR",
  "SERIALIZATION_ERROR",
  "REFERENCE_RELEASED",
  "DEPENDENCY_FAILED",
  "RESULT_NOT_KEPT",
  "DEADLOCK",
  "UNSUPPORTED",
  "REMOTE_ERROR",
  "INTERNAL",
] as const;

/**
 * Stable codes of every failure that Colloquy reports. `docs/errors.md` says for each when it occurs and what to do.
 */
export type ErrorCode = (typeof CODES)[number];

/** All codes, to check a code that came from the wire. */
export const ERROR_CODES: ReadonlySet<string> = new Set(CODES);

/** Whether the remote method ran: `"no"` means that a retry is safe. */
export type Executed = "yes" | "no" | "unknown";

/** To check one that came from the wire, or from an error that was changed. */
export const EXECUTED: ReadonlySet<unknown> = new Set<Executed>(["yes", "no", "unknown"]);

/** What a `ColloquyError` has beside its code and message. */
export interface ColloquyErrorOptions {
  /** What has led to it. Default: nothing. */
  readonly cause?: unknown;
  /** Default `"no"`. */
  readonly executed?: Executed;
  /** Default: none. */
  readonly limit?: string | undefined;
}

/** The one base class of all failures; `code` is stable, `message` is for people. */
export class ColloquyError extends Error {
  override name = "ColloquyError";
  readonly code: ErrorCode;
  /** Whether the call that failed was carried out. */
  readonly executed: Executed;
  /** Name of the limit of this side that has led to it, as in `Limits`; not there else, and where the other side has refused. */
  declare readonly limit?: string;

  constructor(code: ErrorCode, message: string, options: ColloquyErrorOptions = {}) {
    super(message, "cause" in options ? { cause: options.cause } : undefined);
    this.code = code;
    this.executed = options.executed ?? "no";
    const { limit } = options;
    // The message names it for people; on the wire and in what is printed it would be there twice.
    if (limit !== undefined) Object.defineProperty(this, "limit", { value: limit, configurable: true });
  }

  /** The same error without a stack: whoever asks for it gives it one. */
  restated(): ColloquyError {
    // One prototype and the same fields; only `stack` is new.
    const copy = withoutStack(() => new ColloquyError(this.code, this.message, { executed: this.executed }));
    Object.setPrototypeOf(copy, Object.getPrototypeOf(this) as object);
    for (const key of Object.getOwnPropertyNames(this)) {
      if (key !== "stack") Object.defineProperty(copy, key, Object.getOwnPropertyDescriptor(this, key)!);
    }
    return copy;
  }
}

/** What `make` makes, without a stack: to take one costs ten times what a small call costs. */
export function withoutStack<E extends Error>(make: () => E): E {
  const { stackTraceLimit } = Error;
  // Where intrinsics are frozen there is one.
  Reflect.set(Error, "stackTraceLimit", 0);
  try {
    return make();
  } finally {
    Reflect.set(Error, "stackTraceLimit", stackTraceLimit);
  }
}

/**
 * A step into a Map: to the value of a key that a message can show, else to the key or the value of the entry with this number, from 0
 * on.
 */
export type EntryStep =
  | { readonly get: string | number | boolean | null | undefined }
  | { readonly key: number }
  | { readonly value: number };

/** A key of a plain object, an index of an array or a Set, or a step into a Map, on the way to a value. */
export type PlaceStep = string | number | EntryStep;

/**
 * A value that can't be encoded or decoded. `place` says where in the value it stands, from the outside in; the message ends
 * with it, as in `at [1].when`.
 */
export class SerializationError extends ColloquyError {
  override name = "SerializationError";
  readonly reason: string;
  /** From the inside out: codecs add to it on the way up. */
  readonly #steps: PlaceStep[];

  constructor(reason: string, options: ColloquyErrorOptions & { readonly place?: readonly PlaceStep[] } = {}) {
    const place = options.place ?? [];
    super("SERIALIZATION_ERROR", textAt(reason, place), options);
    this.reason = reason;
    this.#steps = place.toReversed();
    // Read when it is asked for: a text for every level on the way up would take its time.
    const get = (): string => textAt(this.reason, this.place);
    Object.defineProperty(this, "message", { get, configurable: true, enumerable: false });
  }

  get place(): readonly PlaceStep[] {
    return this.#steps.toReversed();
  }

  /** This error, one level further out. */
  within(step: PlaceStep): this {
    this.#steps.push(step);
    return this;
  }

  /** This error where the outermost step of its place, if it has one, is another. */
  withOutermost(change: (step: PlaceStep) => PlaceStep): this {
    const last = this.#steps.length - 1;
    if (last >= 0) this.#steps[last] = change(this.#steps[last]!);
    return this;
  }

  /** This error with a stack that starts with the whole message, for where it leaves the codec. */
  located(): this {
    if (this.#steps.length > 0) Error.captureStackTrace(this, this.located);
    return this;
  }

  override restated(): ColloquyError {
    return this.at(this.place);
  }

  /** The same error with another place. */
  at(place: readonly PlaceStep[]): SerializationError {
    const { executed, limit } = this;
    const options = "cause" in this ? { cause: this.cause } : {};
    return new SerializationError(this.reason, { ...options, executed, limit, place });
  }
}

function textAt(reason: string, place: readonly PlaceStep[]): string {
  return place.length === 0 ? reason : `${reason}, at ${formatPlace(place)}`;
}

/** The peer broke the protocol: its connection is closed with this error. */
export class ProtocolError extends ColloquyError {
  override name = "ProtocolError";

  constructor(message: string, options: ColloquyErrorOptions = {}) {
    super("PROTOCOL_ERROR", message, { executed: "unknown", ...options });
  }
}

/** What a `RemoteError` has beside its name and message; `executed` is `"yes"` where nothing else is said. */
export interface RemoteErrorOptions extends ColloquyErrorOptions {
  /** Default: `"REMOTE_ERROR"`. */
  readonly code?: ErrorCode;
  /** The other side's text: a traceback, or what stands in for it. */
  readonly remoteStack?: string | undefined;
  /** Fields of the remote error that were made to travel. */
  readonly fields?: unknown;
  /** What was thrown, where that was no error. */
  readonly thrown?: unknown;
  /** What an `AggregateError` has gathered. */
  readonly errors?: readonly Error[] | undefined;
}

/** What a remote method threw. Its stack is the caller's own; the remote one, where it was sent, is `remoteStack`. */
export class RemoteError extends ColloquyError {
  override name = "RemoteError";
  /** Class name of the error on the other side. */
  readonly remoteName: string;
  /** The traceback or stack that the other side sent, if it sent one. */
  readonly remoteStack: string | undefined;
  /** Own fields of the remote error, as far as it sent them; an application's own `code` is among them. */
  readonly fields: unknown;
  /** What was thrown, where that was no error and could cross. Not there else: `"thrown" in error` tells. */
  declare readonly thrown?: unknown;
  /** What a remote `AggregateError` has gathered; not there else. */
  declare readonly errors?: readonly Error[];

  constructor(remoteName: string, message: string, options: RemoteErrorOptions = {}) {
    super(options.code ?? "REMOTE_ERROR", message, { executed: "yes", ...options });
    this.remoteName = remoteName;
    this.remoteStack = options.remoteStack;
    this.fields = options.fields;
    if ("thrown" in options) this.thrown = options.thrown;
    const { errors: value } = options;
    // As an `AggregateError` has them.
    if (value !== undefined) Object.defineProperty(this, "errors", { value, configurable: true, writable: true });
  }
}

const SHOWN_STEP_COUNT = 12;
const SHOWN_KEY_LENGTH = 64;

/** `["a", 0, "b c", { get: "k" }]` becomes `a[0]["b c"].get("k")`; of a long way its two ends are shown. */
export function formatPlace(place: readonly PlaceStep[]): string {
  if (place.length <= SHOWN_STEP_COUNT) return formatSteps(place);
  const half = SHOWN_STEP_COUNT / 2;
  return `${formatSteps(place.slice(0, half))}...${formatSteps(place.slice(-half))} (${place.length} levels)`;
}

function formatSteps(place: readonly PlaceStep[]): string {
  let text = "";
  for (const step of place) {
    if (typeof step === "number") text += `[${step}]`;
    else if (typeof step === "object") text += `${text === "" ? "" : "."}${formatEntry(step)}`;
    else if (step.length <= SHOWN_KEY_LENGTH && /^[A-Za-z_$][\w$]*$/.test(step))
      text += text === "" ? step : `.${step}`;
    else text += `[${quoted(step, SHOWN_KEY_LENGTH)}]`;
  }
  return text;
}

function formatEntry(step: EntryStep): string {
  if ("key" in step) return `keys()[${step.key}]`;
  if ("value" in step) return `values()[${step.value}]`;
  return `get(${typeof step.get === "string" ? quoted(step.get, SHOWN_KEY_LENGTH) : String(step.get)})`;
}

/** The step to the value in a Map that has this key; it is the entry with this number. */
export function valueStep(key: unknown, number: number): EntryStep {
  switch (typeof key) {
    case "string":
    case "number":
    case "boolean":
    case "undefined":
      return { get: key };
    default:
      return key === null ? { get: key } : { value: number };
  }
}

/**
 * Text of a peer for a message or a log line: in quotes, at most `maxLength` characters, control and bidirectional
 * characters escaped.
 */
export function quoted(text: string, maxLength = 256): string {
  const cut = text.length > maxLength ? `${text.slice(0, maxLength)}...` : text;
  return escaped(JSON.stringify(cut));
}

/** Control and bidirectional characters escaped, but for the ends of lines and tabs. */
export function escaped(text: string): string {
  return text.replace(
    // oxlint-disable-next-line no-control-regex -- these are what it is about
    /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

/** A short name of a value's type for messages: `Date`, `function`, `null`. */
export function describeType(value: unknown): string {
  if (value === null) return "null";
  if (typeof value !== "object") return typeof value;
  let constructor: unknown;
  try {
    const prototype: unknown = Object.getPrototypeOf(value);
    if (prototype === null) return "object without a prototype";
    constructor = Object.getOwnPropertyDescriptor(prototype, "constructor")?.value;
  } catch {
    return "proxy that can't be looked at";
  }
  return (typeof constructor === "function" && ownName(constructor)) || "object of an unnamed class";
}

/** True for a class written as one. */
export function isClass(value: unknown): value is object {
  return typeof value === "function" && /^class\b/.test(Function.prototype.toString.call(value));
}

/**
 * An error of this library with the stack of those who await `of`, an async function in which it was caught: the frames of where it came
 * from say nothing to them. Where nobody awaits it, and for anything else, it is left as it is.
 */
export function forCallersOf(of: (...args: never[]) => Promise<unknown>, error: unknown): unknown {
  if (!(error instanceof ColloquyError)) return error;
  const copy = error.restated();
  Error.captureStackTrace(copy, of);
  return isAwaited(copy) ? copy : error;
}

const FRAME_OF_CODE = /\n {4}at (?!(?:process\.)?processTicksAndRejections )/;

/** True where the stack has functions that await, and not only the engine's own. */
export function isAwaited({ stack }: { readonly stack?: unknown }): boolean {
  // Programs may make of it what they like.
  return typeof stack !== "string" || FRAME_OF_CODE.test(stack);
}

/** Turns whatever was thrown into an Error whose message can be read. */
export function toError(thrown: unknown): Error {
  try {
    if (thrown instanceof Error && typeof thrown.message === "string") return thrown;
  } catch {
    // A getter that throws.
  }
  return new ColloquyError("INTERNAL", `thrown: ${describeType(thrown)}`, { cause: thrown });
}
