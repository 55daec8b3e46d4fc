import { randomUUID } from "node:crypto";
import {
  CLOSE_OPTIONS,
  ColloquyError,
  JsonCodec,
  LISTEN_OPTIONS,
  OPTION,
  RunningTotal,
  checkCodecOption,
  checkOptions,
  codecFor,
  factoriesOf,
  isClass,
  listenTransport,
  resolveErrors,
  resolveLimits,
  warn,
  guard,
  ownName,
} from "@colloquy/core";
import type { CodecOption, ListenOptions, OptionKind, Transport } from "@colloquy/core";
import { checkDialect } from "./authentication.ts";
import type { Authenticate } from "./authentication.ts";
import { checkFallback } from "./binding.ts";
import { Connection } from "./connection.ts";
import { PEER_OPTIONS } from "./connection-setup.ts";
import type { PeerOptions } from "./connection-setup.ts";
import { totalsOf } from "./connection-stats.ts";
import type { ConnectionTotals } from "./connection-stats.ts";
import { interceptorLists } from "./interceptors.ts";
import { checkServable } from "./members.ts";
import { tellTurnedAway } from "./hooks.ts";

export interface ServeOptions extends ListenOptions, PeerOptions {
  /** Default: `JsonCodec`. `"auto"`: what each client speaks. */
  readonly codec?: CodecOption | undefined;
  /** Name of the root, where the same one is served elsewhere, too. Default: a new one, none for a factory. */
  readonly rootName?: string | undefined;
  /** Told of each client. */
  readonly onConnection?: ((connection: Connection) => void) | undefined;
  /** Takes what the factory of a service or `onConnection` throws; that connection is closed. Default: a warning of the process. */
  readonly onError?: ((error: unknown, connection: Connection) => void) | undefined;
  /**
   * Says who a client is, by the credentials that it shows. Until it has no call is carried out. What it returns is
   * `context.connection.identity`; what it throws refuses the client with `UNAUTHENTICATED`. Peers that say no hello are refused.
   */
  readonly authenticate?: Authenticate | undefined;
}

const OPTIONS: Readonly<Record<keyof ServeOptions, OptionKind>> = {
  ...LISTEN_OPTIONS,
  ...PEER_OPTIONS,
  codec: OPTION.any,
  rootName: OPTION.text,
  onConnection: OPTION.function,
  onError: OPTION.function,
  authenticate: OPTION.any,
};

/** Makes the root service of one connection. */
export type ServiceFactory = (connection: Connection) => object | Promise<object>;

/** A server of services. */
export interface Server extends AsyncDisposable {
  /** Where clients connect to, with the port that the system chose. */
  readonly address: string;
  /** The connections that are open. */
  readonly connections: ReadonlySet<Connection>;
  /** Counters of the connections that are open, in sums. */
  stats(): ConnectionTotals;
  /**
   * Accepts no more clients, closes the connections (see `Connection.close`) and resolves when all are closed. `graceMs` bounds the
   * time for calls under way.
   */
  close(options?: { readonly graceMs?: number }): Promise<void>;
}

/**
 * Serves one service to all clients, or what the factory makes for each.
 *
 * Rejects with `INVALID_ARGUMENT` where the service has nothing exposed, for serializers that are wrong or a malformed address, and `UNAVAILABLE` where the
 * address can't be had.
 */
export async function serve(
  address: string,
  root: object | ServiceFactory,
  options: ServeOptions = {},
): Promise<Server> {
  checkRoot(root);
  checkOptions("serve", options, OPTIONS);
  const limits = resolveLimits(options.limits);
  const errors = resolveErrors(options.errors);
  const serializers = factoriesOf(options.extraSerializers);
  const { codec: codecOption = JsonCodec } = options;
  checkFallback(checkCodecOption(codecOption, serializers));
  const connections = new Set<Connection>();
  const runningTotal = new RunningTotal(limits.maxTotalRunningCount);
  const interceptors = interceptorLists(options.interceptors);
  const { dialect = "auto", authenticate, rootName = typeof root === "function" ? undefined : randomUUID() } = options;
  checkDialect("authenticate", authenticate, dialect);
  const onTransport = (transport: Transport): void => {
    let connection: Connection;
    const failed = (error: unknown): void => warn(`no connection for ${transport.remoteAddress}`, error);
    try {
      const codec = codecFor(codecOption, serializers, failed);
      connection = new Connection({
        transport,
        codec,
        limits,
        runningTotal,
        dialect,
        rootName,
        onMethodFailure: options.onMethodFailure,
        traceReferences: options.traceReferences,
        errors,
        interceptors,
        authenticate,
      });
    } catch (error) {
      // Serializer factories are user code: one that throws costs this connection, not the process.
      transport.destroy();
      failed(error);
      return;
    }
    connections.add(connection);
    connection.onClose(() => connections.delete(connection));
    void accept(connection, root, options);
  };
  const listener = await listenTransport(address, onTransport, {
    ...options,
    handshakeTimeoutMs: limits.helloTimeoutMs / 2,
    maxConnectionCount: limits.maxConnectionCount,
    onTurnedAway: (error) => tellTurnedAway(listener.address, error),
  });
  const close = async (closeOptions: { readonly graceMs?: number } = {}): Promise<void> => {
    checkOptions("close", closeOptions, CLOSE_OPTIONS);
    await listener.close();
    await Promise.all([...connections].map((connection) => connection.close(closeOptions)));
  };
  const stats = (): ConnectionTotals => totalsOf(connections);
  return { address: listener.address, connections, stats, close, [Symbol.asyncDispose]: () => close() };
}

function checkRoot(root: unknown): void {
  if (typeof root === "function") {
    if (!isClass(root)) return;
    throw new ColloquyError(
      "INVALID_ARGUMENT",
      `serve takes an instance: new ${ownName(root)}(), or (connection) => new ${ownName(root)}()`,
    );
  }
  checkServable(root);
}

async function accept(connection: Connection, root: object | ServiceFactory, options: ServeOptions): Promise<void> {
  try {
    const made = typeof root === "function" ? (root as ServiceFactory)(connection) : root;
    // Without a promise the connection reads in this turn already.
    const service = made instanceof Promise ? ((await made) as object) : made;
    await connection.start(service, false);
    if (connection.usable) options.onConnection?.(connection);
  } catch (error) {
    connection.destroy();
    const { onError } = options;
    if (onError === undefined) warn(`serving ${connection.remoteAddress} failed`, error);
    else guard("onError of a server", () => onError(error, connection));
  }
}
