import type { Codec, CodecChooser, Dialect, EndpointStats, Limits, SerializerFactory, Transport } from "@colloquy/core";
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

/** What a connection is made of. */
export interface ConnectionSetup {
  readonly transport: Transport;
  readonly codec: Codec | CodecChooser;
  readonly limits: Limits;
  readonly dialect: Dialect;
  /** Name of the root that this side serves on all its connections. */
  readonly rootName?: string | undefined;
  readonly onMethodFailure?: MethodFailureListener | undefined;
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
  /** Told of what a method of this side has thrown, with its path. The caller gets name and message only. */
  readonly onMethodFailure?: MethodFailureListener | undefined;
  /** Functions around calls: `{ incoming: (call, next) => next() }`. One function, or several, the outermost first. */
  readonly interceptors?: Interceptors | undefined;
}
