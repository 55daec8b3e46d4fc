import { ColloquyError, connectingCodec, connectTransport, resolveLimits } from "@colloquy/core";
import type { CodecClass, ConnectOptions as TransportConnectOptions } from "@colloquy/core";
import { checkDialect } from "./authentication.ts";
import type { Credentials } from "./authentication.ts";
import { checkFallback } from "./binding.ts";
import { Connection } from "./connection.ts";
import type { PeerOptions } from "./connection-setup.ts";
import { interceptorLists } from "./interceptors.ts";

export interface ConnectOptions extends TransportConnectOptions, PeerOptions {
  /** Default: `JsonCodec`. Both sides use the same. */
  readonly codec?: CodecClass | undefined;
  /** A service for the other side to call: the root of its `remote`. */
  readonly service?: object | undefined;
  /** Name of `service`, where this side serves the same one on other connections: a `randomUUID()`. */
  readonly rootName?: string | undefined;
  /** What the server's `authenticate` gets: plain values, 32,768 bytes at most, or a function that gets them, or a promise of them. */
  readonly credentials?: Credentials;
}

/**
 * Connects to a server. `T` is the server's root service, or an interface of it.
 *
 * Rejects with `INVALID_ARGUMENT`, `UNAVAILABLE`, `CANCELLED`, `PROTOCOL_ERROR` where the two sides don't fit, and `UNAUTHENTICATED`
 * where the server refuses the credentials.
 */
export async function connect<T extends object = object>(
  address: string,
  options: ConnectOptions = {},
): Promise<Connection<T>> {
  const limits = resolveLimits(options.limits);
  const codec = connectingCodec(options.codec, options.extraSerializers);
  checkFallback(codec);
  const { dialect = "auto", rootName, signal, onMethodFailure, credentials } = options;
  checkDialect("credentials", credentials, dialect);
  const interceptors = interceptorLists(options.interceptors);
  const transport = await connectTransport(address, options);
  const setup = { transport, codec, limits, dialect, rootName, onMethodFailure, interceptors, credentials };
  const connection = new Connection<T>(setup);
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
