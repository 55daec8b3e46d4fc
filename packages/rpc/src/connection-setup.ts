import { OPTION, oneOf } from "@colloquy/core";
import type {
  Codec,
  CodecChooser,
  Dialect,
  EndpointStats,
  ErrorPolicy,
  ErrorRules,
  Limits,
  OptionKind,
  SerializerFactory,
  Transport,
} from "@colloquy/core";
import type { Caller } from "./proxy.ts";
import type { Authenticate, Credentials } from "./authentication.ts";
import type { InterceptorLists, Interceptors } from "./interceptors.ts";
import type { MethodFailureListener } from "./silent-failures.ts";

/** Counters of one connection. */
export interface ConnectionStats extends EndpointStats {
  /** Functions and services of this side that the other side holds. */
  readonly exportedReferences: number;
  /** Functions and services of the other side that this side holds. */
  readonly importedReferences: number;
  /** Failed calls on received functions: a subscriber has left, or has thrown. */
  readonly failedFunctionCalls: number;
  /** Notifications that could not be sent, or not be carried out. */
  readonly failedNotifications: number;
}

/** What outlives one connection: calls go through it to the one that there is. */
export interface ConnectionOwner extends Caller {
  /** The peer of `connection` is closing: calls under way finish, new ones need another connection. */
  onGoAway(connection: object): void;
}

/** What a connection is made of. */
export interface ConnectionSetup {
  readonly transport: Transport;
  readonly codec: Codec | CodecChooser;
  readonly limits: Limits;
  readonly dialect: Dialect;
  /** Name of the root that this side serves on all its connections. */
  readonly rootName?: string | undefined;
  readonly onMethodFailure?: MethodFailureListener | undefined;
  readonly traceReferences?: boolean | undefined;
  readonly errors?: ErrorRules | undefined;
  /** Gets the calls of proxies that a path alone leads to. Default: the connection itself. */
  readonly owner?: ConnectionOwner | undefined;
  readonly interceptors?: InterceptorLists | undefined;
  readonly authenticate?: Authenticate | undefined;
  readonly credentials?: Credentials;
}

/** Options of both sides. */
export interface PeerOptions {
  /** Types beyond the codec's own; the same on both sides, in the same order. */
  readonly extraSerializers?: Iterable<SerializerFactory> | undefined;
  readonly limits?: Partial<Limits> | undefined;
  /** Default: `"auto"`, hello with a fall back to the base protocol. */
  readonly dialect?: Dialect | undefined;
  /** Told of what a method of this side has thrown, with its path. The caller gets what `errors` lets out. */
  readonly onMethodFailure?: MethodFailureListener | undefined;
  /** For development: `connection.heldReferences()` tells where each one was sent. Default: false. */
  readonly traceReferences?: boolean | undefined;
  /** What leaves with the errors of this side, and the classes of those that come. Default: `{ allow: "message" }`. */
  readonly errors?: ErrorPolicy | undefined;
  /** Functions around calls: `{ incoming: (call, next) => next() }`. One function, or several, the outermost first. */
  readonly interceptors?: Interceptors | undefined;
}

const DIALECTS: readonly Dialect[] = ["auto", "aiomas", "mosaik"];

/** Of those that are anything the code that reads them checks them. */
export const PEER_OPTIONS: Readonly<Record<keyof PeerOptions, OptionKind>> = Object.freeze({
  extraSerializers: OPTION.any,
  limits: OPTION.any,
  dialect: oneOf(...DIALECTS),
  onMethodFailure: OPTION.function,
  traceReferences: OPTION.flag,
  errors: OPTION.any,
  interceptors: OPTION.any,
});
