import { OPTION, oneOf } from "@colloquy/core";
import type {
  Codec,
  CodecChooser,
  Dialect,
  Endpoint,
  ErrorPolicy,
  ErrorRules,
  Limits,
  OptionKind,
  RunningTotal,
  SerializerFactory,
  Transport,
} from "@colloquy/core";
import type { Caller } from "./proxy.ts";
import type { Authenticate, Credentials } from "./authentication.ts";
import type { InterceptorLists, Interceptors } from "./interceptors.ts";
import type { MethodFailureListener } from "./silent-failures.ts";

/** What the two sides of a connection compare to know that nothing is under way on it. */
export interface ConnectionTraffic {
  /** Name of the other side's root. */
  readonly peer: string;
  /** What the side that opened the connection calls it; its root and this are a name that both sides know. */
  readonly link: string;
  /** This side has opened it. */
  readonly opened: boolean;
  readonly sentMessages: number;
  readonly receivedMessages: number;
  /** False: a message of this side has not left in full, or one of the other side is being decoded. */
  readonly isAtRest: boolean;
}

/** Undefined where the connection has no name that both sides know: before hello is done, after the end, and where none was given. */
export function trafficOf(
  endpoint: Endpoint,
  peer: string | undefined,
  link: string | undefined,
  opened: boolean,
): ConnectionTraffic | undefined {
  if (peer === undefined || link === undefined || endpoint.ended) return undefined;
  const { sentMessages, receivedMessages } = endpoint.stats();
  return { peer, link, opened, sentMessages, receivedMessages, isAtRest: endpoint.isAtRest };
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
  /** What runs on all connections of the server. */
  readonly runningTotal?: RunningTotal | undefined;
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
  /** What this side, which opens the connection, calls it. */
  readonly link?: string | undefined;
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
