import { ColloquyError, connectingCodec, connectTransport, resolveErrors, resolveLimits } from "@colloquy/core";
import type { CodecClass, ConnectOptions as TransportConnectOptions } from "@colloquy/core";
import { checkFallback } from "./binding.ts";
import { Connection } from "./connection.ts";
import type { PeerOptions } from "./connection-setup.ts";

export interface ConnectOptions extends TransportConnectOptions, PeerOptions {
  /** Default: `JsonCodec`. Both sides use the same. */
  readonly codec?: CodecClass | undefined;
  /** A service for the other side to call: the root of its `remote`. */
  readonly service?: object | undefined;
  /** Name of `service`, where this side serves the same one on other connections: a `randomUUID()`. */
  readonly rootName?: string | undefined;
}

/**
 * Connects to a server. `T` is the server's root service, or an interface of it.
 *
 * Rejects with `INVALID_ARGUMENT`, `UNAVAILABLE`, `CANCELLED`, and `PROTOCOL_ERROR` where the two sides don't fit.
 */
export async function connect<T extends object = object>(
  address: string,
  options: ConnectOptions = {},
): Promise<Connection<T>> {
  const limits = resolveLimits(options.limits);
  const errors = resolveErrors(options.errors);
  const codec = connectingCodec(options.codec, options.extraSerializers);
  checkFallback(codec);
  const transport = await connectTransport(address, options);
  const { dialect = "auto", rootName, signal, onMethodFailure, traceReferences } = options;
  const connection = new Connection<T>({
    transport,
    codec,
    limits,
    dialect,
    rootName,
    onMethodFailure,
    traceReferences,
    errors,
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
