import {
  CONNECT_OPTIONS,
  ColloquyError,
  OPTION,
  checkOptions,
  connectingCodec,
  connectTransport,
  factoriesOf,
  forCallersOf,
  resolveErrors,
  resolveLimits,
} from "@colloquy/core";
import type { CodecClass, ConnectOptions as TransportConnectOptions, OptionKind } from "@colloquy/core";
import { checkDialect } from "./authentication.ts";
import type { Credentials } from "./authentication.ts";
import { checkFallback } from "./binding.ts";
import { Connection } from "./connection.ts";
import { PEER_OPTIONS } from "./connection-setup.ts";
import type { ConnectionOwner, PeerOptions } from "./connection-setup.ts";
import { interceptorLists } from "./interceptors.ts";
import { reconnectPolicy } from "./reconnect-options.ts";
import type { ReconnectOptions } from "./reconnect-options.ts";
import { ReconnectingConnection } from "./reconnecting.ts";

export interface ConnectOptions extends TransportConnectOptions, PeerOptions {
  /** Default: `JsonCodec`. Both sides use the same. */
  readonly codec?: CodecClass | undefined;
  /** A service for the other side to call: the root of its `remote`. */
  readonly service?: object | undefined;
  /** Name of `service`, where this side serves the same one on other connections: a `randomUUID()`. */
  readonly rootName?: string | undefined;
  /** What both sides call this connection beside `rootName`, where their messages are compared (`Connection.traffic`). Default: nothing. */
  readonly link?: string | undefined;
  readonly reconnect?: false | undefined;
  /** What the server's `authenticate` gets: plain values, 32,768 bytes at most, or a function that gets them, or a promise of them. */
  readonly credentials?: Credentials;
}

export interface ReconnectingConnectOptions extends Omit<ConnectOptions, "reconnect"> {
  /** Opens the connection again where it is lost. `timeout` and `signal` are for the first one. */
  readonly reconnect: true | ReconnectOptions;
}

const OPTIONS: Readonly<Record<keyof ConnectOptions, OptionKind>> = {
  ...CONNECT_OPTIONS,
  ...PEER_OPTIONS,
  codec: OPTION.any,
  service: OPTION.any,
  rootName: OPTION.text,
  reconnect: OPTION.any,
  credentials: OPTION.any,
  link: OPTION.text,
};

/** Opens one connection, whose calls go through `owner`, where there is one. */
async function open<T extends object>(
  address: string,
  options: Omit<ConnectOptions, "reconnect">,
  owner: ConnectionOwner | undefined,
): Promise<Connection<T>> {
  const limits = resolveLimits(options.limits);
  const errors = resolveErrors(options.errors);
  const codec = connectingCodec(options.codec, options.extraSerializers);
  checkFallback(codec);
  const { dialect = "auto", rootName, signal, onMethodFailure, traceReferences, credentials, link } = options;
  checkDialect("credentials", credentials, dialect);
  const interceptors = interceptorLists(options.interceptors);
  const transport = await connectTransport(address, options);
  const connection = new Connection<T>({
    transport,
    codec,
    limits,
    dialect,
    rootName,
    onMethodFailure,
    traceReferences,
    errors,
    owner,
    interceptors,
    credentials,
    link,
  });
  const abort = (): void => connection.destroy();
  signal?.addEventListener("abort", abort, { once: true });
  try {
    signal?.throwIfAborted();
    await connection.start(options.service, true);
    // What has aborted in the last moment has ended the connection.
    signal?.throwIfAborted();
  } catch (error) {
    connection.destroy();
    if (signal?.aborted !== true) throw error;
    throw new ColloquyError("CANCELLED", `connecting to ${address} was cancelled`, { cause: signal.reason });
  } finally {
    signal?.removeEventListener("abort", abort);
  }
  return connection;
}

/**
 * Connects to a server. `T` is the server's root service, or an interface of it.
 *
 * Rejects with `INVALID_ARGUMENT`, `UNAVAILABLE`, `CANCELLED`, `PROTOCOL_ERROR` where the two sides don't fit, and `UNAUTHENTICATED`
 * where the server refuses the credentials.
 */
export function connect<T extends object = object>(
  address: string,
  options: ReconnectingConnectOptions,
): Promise<ReconnectingConnection<T>>;
export function connect<T extends object = object>(address: string, options?: ConnectOptions): Promise<Connection<T>>;
export async function connect<T extends object = object>(
  address: string,
  options: ConnectOptions | ReconnectingConnectOptions = {},
): Promise<Connection<T> | ReconnectingConnection<T>> {
  checkOptions("connect", options, OPTIONS);
  try {
    return await opened<T>(address, options);
  } catch (error) {
    throw forCallersOf(connect, error);
  }
}

async function opened<T extends object>(
  address: string,
  options: ConnectOptions | ReconnectingConnectOptions,
): Promise<Connection<T> | ReconnectingConnection<T>> {
  const { reconnect = false, ...others } = options;
  if (reconnect === false) return open<T>(address, others, undefined);
  // What can be walked once only serves each attempt.
  const extraSerializers = factoriesOf(others.extraSerializers);
  const again = { ...others, extraSerializers, timeout: 0 };
  const connection = new ReconnectingConnection<T>(
    address,
    reconnectPolicy(reconnect),
    resolveLimits(others.limits),
    (owner, signal) => open(address, { ...again, signal }, owner),
  );
  await connection.start(open<T>(address, { ...others, extraSerializers }, connection));
  return connection;
}
